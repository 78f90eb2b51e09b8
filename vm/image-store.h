/*
 * The content-addressed store of boot files (design section 6): STATE/images/sha256/<hex>, mode 0400,
 * written beside and renamed, so that a name always has its whole content. Firmware, kernel and initrd are
 * pinned here at create; start uses these, so a package upgrade on the host changes no VM's measurement.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/digest.h"
#include "base/error.h"

struct definition_disk;
struct image_store;

int image_store_open(sd_event *event, const char *directory, struct image_store **ret,
                     struct cvm_error *err);
struct image_store *image_store_free(struct image_store *store);
CVM_DEFINE_CLEANUP(struct image_store, image_store_free);

/* sha256 is valid only when err is NULL. */
typedef void (*image_pinned_fn)(void *ctx, const uint8_t sha256[CVM_SHA256_SIZE], uint64_t size,
                                struct cvm_error *err);
/* Copy (reflink where the file system can) and digest the file behind fd in a worker; done() once, later. */
int image_store_pin(struct image_store *store, int fd, const char *what, image_pinned_fn done, void *ctx,
                    struct cvm_error *err);

/* A read-only descriptor of a pinned file, owned; CVM_CODE_IMAGE when it is not there or has another size.
 */
int image_store_get(struct image_store *store, const uint8_t sha256[CVM_SHA256_SIZE], int *ret_fd,
                    struct cvm_error *err);

/* Remove what no VM refers to: in_use says whether a digest is needed. */
int image_store_sweep(struct image_store *store,
                      bool (*in_use)(void *ctx, const uint8_t sha256[CVM_SHA256_SIZE]), void *ctx,
                      struct cvm_error *err);

/*
 * Open a path that a definition names: absolute, beneath one of dirs (NULL-terminated), through openat2
 * without symlinks and magic links, a regular file or a block device. CVM_CODE_PATH with words. ret_fd
 * owned.
 */
int image_open_path(const char *path, char *const *dirs, bool writable, int *ret_fd, struct cvm_error *err);
/* Make the disk that is not there, of its format and size, by the same rules: whole or not at all, and never
 * over something that is. CVM_CODE_PATH. */
int image_make_path(const char *path, char *const *dirs, const struct definition_disk *disk,
                    struct cvm_error *err);
