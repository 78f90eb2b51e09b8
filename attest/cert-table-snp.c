#include "attest/cert-table-snp.h"

#include <errno.h>
#include <string.h>

#define ENTRY_SIZE 24
#define PAGE 4096

/* In the order of RFC 4122, the one place where AMD's GUIDs stand so. */
static const uint8_t guids[][16] = {
        [SNP_CERT_VCEK] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b,
                            0xe8, 0xac, 0xcd },
        [SNP_CERT_VLEK] = { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45,
                            0xa0, 0xb8, 0xa1 },
        [SNP_CERT_ASK] = { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3,
                           0x27, 0xc7, 0x82 },
        [SNP_CERT_ARK] = { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01,
                           0x4c, 0xd0, 0xae },
        [SNP_CERT_CRL] = { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88,
                           0xdc, 0x67, 0xea },
};

struct table {
        const uint8_t *bytes;
        size_t size, header_size;
        struct snp_cert_entry *entries;
        size_t n;
};

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG, "the certificate table %s", what);
}

static enum snp_cert_kind kind_of(const uint8_t guid[16]) {
        for (size_t i = 0; i < ARRAY_SIZE(guids); i++)
                if (memcmp(guids[i], guid, 16) == 0)
                        return i;
        return SNP_CERT_UNKNOWN;
}

/* Where the blobs may begin: behind the entry of zeros. */
static int find_end(struct table *t, struct cvm_error *err) {
        struct cvm_reader in = cvm_reader_of(t->bytes, t->size);

        for (t->n = 0; t->n <= SNP_CERT_TABLE_ENTRIES; t->n++) {
                const uint8_t *entry = cvm_read_view(&in, ENTRY_SIZE);

                if (!entry)
                        return refuse(err, "ends inside its header");
                if (cvm_is_zero(entry, ENTRY_SIZE)) {
                        t->header_size = (t->n + 1) * ENTRY_SIZE;
                        return 0;
                }
        }
        return refuse(err, "has too many entries or no end");
}

static int read_entry(struct table *t, size_t i, struct cvm_error *err) {
        struct cvm_reader in = cvm_reader_of(t->bytes + i * ENTRY_SIZE, ENTRY_SIZE);
        enum snp_cert_kind kind = kind_of(cvm_read_view(&in, 16));
        uint64_t offset = cvm_read_u32le(&in), length = cvm_read_u32le(&in);

        if (offset < t->header_size || length == 0 || offset + length > t->size)
                return refuse(err, "has an entry whose bytes are not behind its header and inside it");
        for (size_t k = 0; kind != SNP_CERT_UNKNOWN && k < i; k++)
                if (t->entries[k].kind == kind)
                        return refuse(err, "has two entries of one kind");
        t->entries[i] = (struct snp_cert_entry){ kind, t->bytes + offset, (size_t)length };
        return 0;
}

int snp_cert_table_read(const void *table, size_t size, struct snp_cert_entry ret[SNP_CERT_TABLE_ENTRIES],
                        size_t *ret_n, struct cvm_error *err) {
        struct table t = { .bytes = table, .size = size, .entries = ret };
        bool known = false;
        int r;

        if (size > SNP_CERT_TABLE_MAX)
                return refuse(err, "is too large");
        r = find_end(&t, err);
        for (size_t i = 0; r >= 0 && i < t.n; i++) {
                r = read_entry(&t, i, err);
                known |= r >= 0 && ret[i].kind != SNP_CERT_UNKNOWN;
        }
        if (r < 0)
                return r;
        if (t.n > 0 && !known)
                return refuse(err, "has entries, but none of a known kind");
        *ret_n = t.n;
        return 0;
}

int snp_cert_table_write(const struct snp_cert_entry *entries, size_t n, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        size_t offset = (n + 1) * ENTRY_SIZE;

        for (size_t i = 0; i < n; offset += entries[i++].size) {
                cvm_write_copy(&w, guids[entries[i].kind], 16);
                cvm_write_u32le(&w, (uint32_t)offset);
                cvm_write_u32le(&w, (uint32_t)entries[i].size);
        }
        cvm_write_zeros(&w, ENTRY_SIZE);
        for (size_t i = 0; i < n; i++)
                cvm_write_copy(&w, entries[i].data, entries[i].size);
        cvm_write_zeros(&w, (PAGE - offset % PAGE) % PAGE);
        return cvm_writer_take(&w, ret);
}
