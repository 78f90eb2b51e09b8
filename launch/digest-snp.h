/*
 * The SEV-SNP launch digest, piece by piece (FWABI 8.17.2): a chain over pages, LD := SHA-384(PAGE_INFO),
 * where PAGE_INFO holds the digest so far, the SHA-384 of the page's contents (zeros for types whose
 * contents are not measured), type and address. The pieces come in the order of the launch: the firmware,
 * the sections of its metadata, then one VMSA per vCPU. A digest may be copied between them, to go on in
 * several ways.
 */
#pragma once

#include "base/bytes.h"
#include "base/clean-openssl.h"
#include "base/digest.h"
#include "launch/firmware-ovmf.h"

#define SNP_HASHES_SIZE 176
#define SNP_FEATURES_DEFAULT 0x1ull /* SNPActive: Linux 6.8 and later with QEMU */

/* One context for all the hashing: looking SHA-384 up costs as much as hashing a page. */
struct snp_digest {
        EVP_MD_CTX *md; /* borrowed */
        uint8_t ld[CVM_SHA384_SIZE];
};

/* A context for it, owned by the caller; NULL: no memory. */
EVP_MD_CTX *snp_digest_context(void);

/* The whole image, ending at 4 GiB. */
void snp_digest_firmware(struct snp_digest *d, const uint8_t *image, size_t size);

/* SHA-256 of what a table of kernel hashes names: absent files as empty ones, the command line with its NUL.
 */
struct snp_hashes {
        uint8_t kernel[CVM_SHA256_SIZE], initrd[CVM_SHA256_SIZE], cmdline[CVM_SHA256_SIZE];
};

/* The sections in the order that ovmf has them; hashes NULL: no kernel is measured. */
void snp_digest_sections(struct snp_digest *d, const struct ovmf *ovmf, const struct snp_hashes *hashes);

/* The save areas of one kind of vCPU. */
struct snp_vcpu {
        uint8_t first[CVM_SHA384_SIZE], further[CVM_SHA384_SIZE]; /* of the page's contents */
};

/* ap_reset: where the firmware lets further vCPUs start. */
void snp_digest_vcpu(struct snp_digest *d, uint32_t ap_reset, uint32_t signature, uint64_t features,
                     struct snp_vcpu *ret);
/* vCPU number i. */
void snp_digest_add_vcpu(struct snp_digest *d, const struct snp_vcpu *vcpu, uint32_t i);
