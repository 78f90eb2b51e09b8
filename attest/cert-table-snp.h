/*
 * The certificate table that comes with an extended report (GHCB 4.1.8.1): an array of 24-byte entries
 * {GUID, u32 offset, u32 length} ended by one of zeros, then the blobs. The host makes it: every byte is
 * hostile.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#define SNP_CERT_TABLE_MAX (256u << 10)
#define SNP_CERT_TABLE_ENTRIES 16

enum snp_cert_kind {
        SNP_CERT_VCEK,
        SNP_CERT_VLEK,
        SNP_CERT_ASK, /* also the ASVK */
        SNP_CERT_ARK,
        SNP_CERT_CRL,
        SNP_CERT_UNKNOWN, /* a GUID that we do not know: to be skipped or shown */
};

struct snp_cert_entry {
        enum snp_cert_kind kind;
        const uint8_t *data; /* borrowed from the table */
        size_t size;
};

/*
 * The entries of a table, at most SNP_CERT_TABLE_ENTRIES; ret_n may be 0. CVM_CODE_REPORT_CHAIN: no end, a
 * range outside the buffer or inside the header, an empty blob, a known kind twice, or entries of which
 * none is known (GUIDs in another byte order).
 */
int snp_cert_table_read(const void *table, size_t size, struct snp_cert_entry ret[SNP_CERT_TABLE_ENTRIES],
                        size_t *ret_n, struct cvm_error *err);

/* A table of these entries (no UNKNOWN), a multiple of 4096 bytes long. For the simulated platform and
 * tests. */
int snp_cert_table_write(const struct snp_cert_entry *entries, size_t n, struct cvm_bytes *ret);
