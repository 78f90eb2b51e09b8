/* Protected images and host-key documents of Secure Execution, for the verbs of cvmctl that make or read
 * them. All are files that are given; only revocation lists are fetched, unless --offline. */
#pragma once

#include "attest/hkd-se.h"
#include "attest/request-se.h"
#include "cli/request-platform.h"
#include "launch/image-build-se.h"

/* The documents, read and checked by those options, with a word on each remark. ret_root (may be NULL):
 * whose chain they have. */
int host_keys_read(const struct arguments *arguments, struct se_hosts *ret,
                   uint8_t ret_root[CVM_SHA256_SIZE], struct cvm_error *err);

/* --platform, where it is given, is this one. */
int image_platform_check(const struct arguments *arguments, struct cvm_error *err);

/* The file of an option ("-": standard input), exactly size raw bytes that are not all zero; 0: the option
 * was not given. */
int image_key_read(const struct arguments *arguments, const char *option, uint8_t *ret, size_t size,
                   struct cvm_error *err);

/* A regular file for reading, owned. */
int image_open(const char *path, int *ret_fd, struct cvm_error *err);

/* Both stages of the loader, from --loader-dir or from where distributions put them; owned. */
int image_loader_read(const struct arguments *arguments, struct cvm_bytes *ret_stage3a,
                      struct cvm_bytes *ret_stage3b, struct cvm_error *err);

/* What a header says, and the components where `image` has any; entry NULL: it was not opened. */
json_object *image_json(const struct se_image *image, const struct se_entry *entry);

/* The header of an image, or one alone, in the file of the option --header, which must be there. */
int image_header_read(const struct arguments *arguments, struct se_header *ret, struct cvm_error *err);

/* Keys that serve for one request, and for whom it is: checked host keys. */
struct request_keys {
        struct se_hosts hosts;
        uint8_t root[CVM_SHA256_SIZE];     /* of their documents' chain */
        EVP_PKEY *host_keys[SE_HOSTS_MAX]; /* borrowed from hosts */
        EVP_PKEY *customer;
        struct cvm_secret key; /* the protection key */
        uint8_t iv[SE_IV_SIZE];
        struct se_recipients to; /* all of it */
};
int request_keys_make(const struct arguments *arguments, struct request_keys *ret, struct cvm_error *err);
void request_keys_done(struct request_keys *keys);
