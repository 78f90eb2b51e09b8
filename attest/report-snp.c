/*
 * One table for reading and writing. Fields stand in the order of the bytes, so that a reader walks them
 * once; what a version does not have yet is reserved there and must be zero: a byte that nobody has defined
 * could one day mean that the report should not be trusted.
 */
#include "attest/report-snp.h"

#include <errno.h>
#include <string.h>

enum kind { RESERVED, NUMBER, BYTES };

struct field {
        enum kind kind;
        uint16_t size;
        size_t member;
        uint8_t since; /* version; reserved before */
};

#define N(size, member, since) \
        { NUMBER, size, offsetof(struct snp_report, member), since }
#define B(size, member, since) \
        { BYTES, size, offsetof(struct snp_report, member), since }
#define Z(size) \
        { RESERVED, size, 0, 0 }

static const struct field fields[] = {
        N(4, version, 2),
        N(4, guest_svn, 2),
        N(8, policy, 2),
        B(16, family_id, 2),
        B(16, image_id, 2),
        N(4, vmpl, 2),
        N(4, signature_algo, 2),
        N(8, current_tcb, 2),
        N(8, platform_info, 2),
        N(4, key_info, 2),
        Z(4),
        B(64, report_data, 2),
        B(48, measurement, 2),
        B(32, host_data, 2),
        B(48, id_key_digest, 2),
        B(48, author_key_digest, 2),
        B(32, report_id, 2),
        B(32, report_id_ma, 2),
        N(8, reported_tcb, 2),
        N(1, cpuid_family, 3),
        N(1, cpuid_model, 3),
        N(1, cpuid_stepping, 3),
        Z(21),
        B(64, chip_id, 2),
        N(8, committed_tcb, 2),
        N(1, current_build, 2),
        N(1, current_minor, 2),
        N(1, current_major, 2),
        Z(1),
        N(1, committed_build, 2),
        N(1, committed_minor, 2),
        N(1, committed_major, 2),
        Z(1),
        N(8, launch_tcb, 2),
        N(8, launch_mit_vector, 5),
        N(8, current_mit_vector, 5),
        Z(152),
        /* R and S have 72 bytes each; P-384 fills 48. A number beyond that is refused, never cut. */
        B(48, r, 2),
        Z(24),
        B(48, s, 2),
        Z(24),
        Z(368),
};

static const uint32_t versions[] = { 2, 3, 5 };

static bool version_is_known(uint32_t version) {
        for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
                if (versions[i] == version)
                        return true;
        return false;
}

static void read_number(struct cvm_reader *in, size_t size, void *member) {
        if (size == 1)
                *(uint8_t *)member = cvm_read_u8(in);
        else if (size == 4)
                *(uint32_t *)member = cvm_read_u32le(in);
        else
                *(uint64_t *)member = cvm_read_u64le(in);
}

static void read_field(struct cvm_reader *in, const struct field *f, struct snp_report *report) {
        void *member = (uint8_t *)report + f->member;

        /* the version itself is the first field, and still 0 here when it is read */
        if (f->kind == RESERVED || (f->since > 2 && report->version < f->since))
                cvm_read_zeros(in, f->size);
        else if (f->kind == BYTES)
                cvm_read_copy(in, member, f->size);
        else
                read_number(in, f->size, member);
}

int snp_report_read(const void *bytes, size_t size, struct snp_report *ret, struct cvm_error *err) {
        struct cvm_reader in = cvm_reader_of(bytes, size);
        struct snp_report report = { 0 };

        if (size != SNP_REPORT_SIZE)
                return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG, "the report has %zu bytes, not %d",
                                size, SNP_REPORT_SIZE);
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                read_field(&in, &fields[i], &report);
                if (i == 0 && !version_is_known(report.version))
                        return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                        "the report has version %u; 2, 3 and 5 are known", report.version);
                if (in.failed)
                        return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                        "a reserved byte of the report is not zero, in the %u bytes "
                                        "before 0x%zx",
                                        fields[i].size, SNP_REPORT_SIZE - in.left);
        }
        *ret = report;
        return 0;
}

void snp_report_write(const struct snp_report *report, uint8_t ret[SNP_REPORT_SIZE]) {
        uint8_t *out = ret;

        memset(ret, 0, SNP_REPORT_SIZE);
        for (size_t i = 0; i < ARRAY_SIZE(fields); out += fields[i++].size) {
                const struct field *f = &fields[i];
                const uint8_t *member = (const uint8_t *)report + f->member;
                uint64_t number = 0;

                if (f->kind == RESERVED || report->version < f->since)
                        continue;
                if (f->kind == BYTES) {
                        memcpy(out, member, f->size);
                        continue;
                }
                number = f->size == 1   ? *member
                         : f->size == 4 ? *(const uint32_t *)(const void *)member
                                        : *(const uint64_t *)(const void *)member;
                for (size_t k = 0; k < f->size; k++)
                        out[k] = (uint8_t)(number >> (8 * k));
        }
}
