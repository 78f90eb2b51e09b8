/*
 * The launch digest as the firmware computes it (SEV-SNP firmware ABI, PAGE_INFO). An independent model: it
 * shares no code with what predicts, and measures what QEMU hands over.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 48
#define DIGEST_PAGE 4096

enum digest_page {
        DIGEST_NORMAL = 1,
        DIGEST_VMSA,
        DIGEST_ZERO,
        DIGEST_UNMEASURED,
        DIGEST_SECRETS,
        DIGEST_CPUID,
        DIGEST_PAGE_MAX_,
};

struct digest {
        uint8_t value[DIGEST_SIZE];
        uint64_t pages[DIGEST_PAGE_MAX_]; /* how many of each type */
};

/* contents may be NULL where the type's contents are not measured. */
void digest_extend(struct digest *d, enum digest_page type, uint64_t gpa, const void *contents);

void sha384(const void *data, size_t size, uint8_t ret[DIGEST_SIZE]);
