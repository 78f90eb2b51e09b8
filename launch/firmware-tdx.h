/*
 * The TDX metadata of a firmware image (Intel TDVF design guide, TDVF descriptor): which parts of the image,
 * and which empty memory, are added to a trust domain before it runs. The image is hostile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TDVF_PAGE 4096u
#define TDVF_SECTIONS_MAX 64

enum tdvf_section_type {
        TDVF_BOOT_FIRMWARE = 0, /* BFV: a part of the image */
        TDVF_CONFIGURATION = 1, /* CFV: its variables, likewise */
        TDVF_HAND_OFF = 2,      /* TD HOB: what the host says of the memory */
        TDVF_MEMORY = 3,        /* temporary */
};

struct tdvf_section {
        uint32_t offset;    /* of its bytes in the image; parts of the image only */
        uint64_t gpa, size; /* whole pages */
        enum tdvf_section_type type;
        bool is_measured; /* MR.EXTEND: its contents too */
};

struct tdvf {
        struct tdvf_section sections[TDVF_SECTIONS_MAX]; /* in the order of the image, which is measured */
        size_t n_sections;
};

static inline bool tdvf_has_bytes(const struct tdvf_section *section) {
        return section->type == TDVF_BOOT_FIRMWARE || section->type == TDVF_CONFIGURATION;
}

/* Read the metadata of a whole image; CVM_CODE_FIRMWARE names what is wrong, or that there is none. */
int tdvf_read(const uint8_t *bytes, size_t size, struct tdvf *ret, struct cvm_error *err);
