/*
 * The SEV-SNP attestation report (FWABI 7.3 "ATTESTATION_REPORT", 1184 bytes, little-endian): read and
 * written by one table. Reading refuses other lengths, unknown versions and non-zero reserved bytes.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#define SNP_REPORT_SIZE 1184
#define SNP_REPORT_SIGNED_SIZE 672 /* 0x2a0: what the signature covers */

struct snp_report {
        uint32_t version, guest_svn;
        uint64_t policy;
        uint8_t family_id[16], image_id[16];
        uint32_t vmpl, signature_algo;
        uint64_t current_tcb; /* as 8 bytes little-endian; components by product */
        uint64_t platform_info;
        uint32_t key_info;
        uint8_t report_data[64], measurement[48], host_data[32];
        uint8_t id_key_digest[48], author_key_digest[48];
        uint8_t report_id[32], report_id_ma[32];
        uint64_t reported_tcb;
        uint8_t cpuid_family, cpuid_model, cpuid_stepping; /* version 3 and later */
        uint8_t chip_id[64];
        uint64_t committed_tcb;
        uint8_t current_build, current_minor, current_major;
        uint8_t committed_build, committed_minor, committed_major;
        uint64_t launch_tcb;
        uint64_t launch_mit_vector, current_mit_vector; /* version 5 */
        uint8_t r[48], s[48];                           /* little-endian */
};

int snp_report_read(const void *bytes, size_t size, struct snp_report *ret, struct cvm_error *err);
/* The 1184 bytes; used by the simulated platform and by tests. */
void snp_report_write(const struct snp_report *report, uint8_t ret[SNP_REPORT_SIZE]);
