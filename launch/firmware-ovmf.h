/*
 * What a firmware image says of itself: the table of GUIDed entries that ends 32 bytes before the end of the
 * file (edk2 OvmfPkg/ResetVector, read backwards) and the SEV metadata that one of them points to. The image
 * is hostile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define OVMF_PAGE 4096u
#define OVMF_SECTIONS_MAX 64
#define OVMF_SIZE_MAX (64u << 20)

/* Section types of the SEV metadata. */
enum ovmf_section_type {
        OVMF_SECTION_MEMORY = 1,
        OVMF_SECTION_SECRETS = 2,
        OVMF_SECTION_CPUID = 3,
        OVMF_SECTION_SVSM_CAA = 4,
        OVMF_SECTION_KERNEL_HASHES = 0x10,
};

struct ovmf_section {
        uint32_t gpa, size;
        enum ovmf_section_type type;
};

struct ovmf {
        bool has_reset, has_metadata, has_hashes;
        uint32_t reset_eip;                              /* where application processors start */
        uint32_t hashes_gpa, hashes_size;                /* the area of the kernel hashes */
        struct ovmf_section sections[OVMF_SECTIONS_MAX]; /* in the order of the image, which is measured */
        size_t n_sections;
};

/* The data of the table's entry with this GUID, as it stands in the image: 1, 0 where there is none. */
int ovmf_find(const uint8_t *bytes, size_t size, const uint8_t guid[16], struct cvm_reader *ret,
              struct cvm_error *err);

/* Read the tables of a whole image (bytes); CVM_CODE_FIRMWARE names what is wrong. Missing entries are not
 * wrong. */
int ovmf_read(const uint8_t *bytes, size_t size, struct ovmf *ret, struct cvm_error *err);
