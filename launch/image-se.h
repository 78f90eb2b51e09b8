/*
 * A protected image as a file: guest memory from address 0. In front, unprotected, an entry, the image's
 * metadata and the first stage of a loader; then the header, the components and the block that tells the
 * host where these are (IPIB). Only the components and the header are protected: everything in front is
 * checked for sense, and believed by nobody.
 */
#pragma once

#include "base/bytes.h"
#include "launch/header-se.h"

#define SE_STAGE3A_AT 0x10000u
#define SE_STAGE3A_ARGUMENTS 24u
#define SE_STAGE3B_ARGUMENTS 64u
#define SE_METADATA_AT 0xc000u
#define SE_HEADER_MIN 0x14000u /* older tools look for a header from here */
#define SE_METADATA_SIZE 28
#define SE_COMPONENTS_MAX 16

/* What a component is stands in the first two bytes of its tweak. */
enum se_kind { SE_KERNEL = 40, SE_RAMDISK = 50, SE_CMDLINE = 60, SE_STAGE3B = 70 };
const char *se_kind_text(uint64_t prefix); /* "kernel", ..., "unknown" */

struct se_component {
        uint64_t prefix;        /* the upper half of its first tweak; grows from component to component */
        uint64_t address, size; /* whole pages */
        uint64_t length;        /* of what is in it; the builder's and se_image_open()'s */
};

struct se_image {
        struct se_place place;
        struct se_header header;
        struct se_component components[SE_COMPONENTS_MAX];
        size_t n_components;
};

static inline uint64_t se_whole_pages(uint64_t size) {
        return (size + SE_PAGE - 1) / SE_PAGE * SE_PAGE;
}

/* The one of this kind, or NULL. */
const struct se_component *se_image_component(const struct se_image *image, enum se_kind kind);

/*
 * Structure and sizes: entry, metadata, header and IPIB say the same, components are whole pages, apart, in
 * order and all there, tweaks grow, the header counts as many pages. `what` names the file in words.
 * CVM_CODE_IMAGE_FORMAT. An image without metadata, of an older tool, is refused so too: it does not say
 * where its components are.
 */
int se_image_read(int fd, const char *what, struct se_image *ret, struct cvm_error *err);

/* The header's digests are those of the pages. CVM_CODE_IMAGE_CHANGED names the one that is not. Reads the
 * whole file once, in pieces. */
int se_image_check(int fd, const char *what, const struct se_image *image, struct cvm_error *err);

/*
 * With the header key in keys->protection: the header's tag, the entry, and that the loader inside was given
 * the very components; their lengths are then known. CVM_CODE_IMAGE_CHANGED.
 */
int se_image_open(int fd, const char *what, struct se_image *image, struct se_keys *keys,
                  struct se_entry *ret, struct cvm_error *err);

/* Bytes of a component: a file from its start, or memory where fd is negative. */
struct se_source {
        int fd;
        const uint8_t *data;
        size_t size;
        const char *name; /* in words */
};

/* A component opened by se_image_open() is this source, no byte more or less. CVM_CODE_IMAGE_CHANGED. */
int se_image_compare(int fd, const char *what, const struct se_image *image, const struct se_keys *keys,
                     enum se_kind kind, const struct se_source *source, struct cvm_error *err);

/* The loader's second stage in an opened image is this one. What nothing protects, the front and the IPIB,
 * is byte for byte what a builder makes of that first stage for these parts. CVM_CODE_IMAGE_CHANGED. */
int se_image_compare_loader(int fd, const char *what, const struct se_image *image,
                            const struct se_keys *keys, const struct cvm_bytes *stage3a,
                            const struct cvm_bytes *stage3b, struct cvm_error *err);

/* The next piece of a source; how many bytes it has, fewer than size only at its end. CVM_CODE_FILE. */
ssize_t se_source_read(const struct se_source *source, uint64_t offset, uint8_t *ret, size_t size,
                       struct cvm_error *err);

/* The texts of an image that hold no secret, for the builder. */
int se_ipib_write(const struct se_image *image, struct cvm_bytes *ret);
void se_metadata_write(const struct se_place *place, uint8_t ret[SE_METADATA_SIZE]);
void se_stage3b_arguments(const struct se_image *image, uint8_t ret[SE_STAGE3B_ARGUMENTS]);
/* All before the components, with the header; that must be at se_header_address(). -ENOMEM; owned. */
int se_front_write(const struct se_image *image, const struct cvm_bytes *stage3a, struct cvm_bytes *ret);
uint64_t se_header_address(size_t stage3a_size);
/* A PSW in its short form, as an entry has it; -EINVAL: it has none. */
int se_short_psw(uint64_t mask, uint64_t address, uint64_t *ret);

#define SE_ENTRY_MASK 0x180000000ull /* 64-bit addresses, the ultravisor's mask too */
#define SE_ENTRY_AT 0x11000u         /* into the loader's first stage */
#define SE_KERNEL_AT 0x10000u        /* where a kernel's own code begins, in its file and in memory */
