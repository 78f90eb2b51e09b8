/*
 * One digest over a record for each page that is added and, where the section is measured, one record and
 * 256 bytes for each sixteenth of it. Linux adds and extends page by page; older hosts added a whole section
 * first.
 */
#include "launch/measure-tdx.h"

#include <errno.h>
#include <string.h>

#include "base/clean-openssl.h"
#include "base/parallel.h"

#define RECORD 128
#define CHUNK 256u

static void put_record(EVP_MD_CTX *md, const char *what, uint64_t gpa) {
        uint8_t record[RECORD] = { 0 };

        memcpy(record, what, strlen(what));
        for (size_t i = 0; i < sizeof gpa; i++)
                record[16 + i] = (uint8_t)(gpa >> 8 * i);
        EVP_DigestUpdate(md, record, sizeof record);
}

static void extend_page(EVP_MD_CTX *md, uint64_t gpa, const uint8_t *page) {
        for (size_t at = 0; at < TDVF_PAGE; at += CHUNK) {
                put_record(md, "MR.EXTEND", gpa + at);
                EVP_DigestUpdate(md, page + at, CHUNK);
        }
}

static void add_section(EVP_MD_CTX *md, const uint8_t *firmware, const struct tdvf_section *s,
                        bool by_section) {
        for (uint64_t at = 0; at < s->size; at += TDVF_PAGE) {
                put_record(md, "MEM.PAGE.ADD", s->gpa + at);
                if (s->is_measured && !by_section)
                        extend_page(md, s->gpa + at, firmware + s->offset + at);
        }
        for (uint64_t at = 0; s->is_measured && by_section && at < s->size; at += TDVF_PAGE)
                extend_page(md, s->gpa + at, firmware + s->offset + at);
}

int tdx_mrtd(const uint8_t *firmware, const struct tdvf *tdvf, bool by_section,
             uint8_t ret[CVM_SHA384_SIZE]) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();

        if (!md || EVP_DigestInit_ex(md, EVP_sha384(), NULL) != 1)
                return -ENOMEM;
        for (size_t i = 0; i < tdvf->n_sections; i++)
                add_section(md, firmware, &tdvf->sections[i], by_section);
        return EVP_DigestFinal_ex(md, ret, NULL) == 1 ? 0 : -ENOMEM;
}

/* What is hashed of a firmware: its register, and the file. */
struct hashing {
        const struct measure_inputs *in;
        const struct tdvf *tdvf;
        struct measurement *ret;
        int r;
};

static void hash_one(void *ctx, size_t piece) {
        struct hashing *h = ctx;

        if (piece == 0)
                h->r = tdx_mrtd(h->in->firmware, h->tdvf, h->in->by_section, h->ret->digest);
        else
                cvm_sha256(h->in->firmware, h->in->firmware_size, h->ret->firmware_sha256);
}

int tdx_measure(const struct measure_inputs *in, struct measurement *ret, struct cvm_error *err) {
        struct measurement m = {
                .platform = CVM_PLATFORM_TDX,
                .size = CVM_SHA384_SIZE,
                .word = "mrtd",
                .covers_firmware = true,
                .vcpus = in->vcpus,
        };
        struct tdvf tdvf;
        struct hashing hashing = { in, &tdvf, &m, 0 };
        int r;

        if (in->vcpus < 1 || in->vcpus > 512)
                return cvm_fail(err, &CVM_CODE_VCPUS, EINVAL, "a guest has 1 to 512 vCPUs, not %u",
                                in->vcpus);
        r = tdvf_read(in->firmware, in->firmware_size, &tdvf, err);
        if (r < 0)
                return r;
        cvm_parallel(2, hash_one, &hashing);
        if (hashing.r < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "measuring");
        *ret = m;
        return 0;
}
