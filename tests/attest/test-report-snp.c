#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "attest/report-snp.h"

/* Every field another value, so that two that are mixed up are seen. */
static struct snp_report sample(uint32_t version) {
        struct snp_report report;
        uint8_t *p = (uint8_t *)&report;

        memset(&report, 0, sizeof report);
        for (size_t i = 0; i < sizeof report; i++)
                p[i] = (uint8_t)(i * 7 + 1);
        report.version = version;
        if (version < 3)
                report.cpuid_family = report.cpuid_model = report.cpuid_stepping = 0;
        if (version < 5)
                report.launch_mit_vector = report.current_mit_vector = 0;
        return report;
}

static void expect_refused(const uint8_t *bytes, size_t size) {
        struct cvm_error err = { 0 };
        struct snp_report report;

        assert_true(snp_report_read(bytes, size, &report, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_REPORT_FORMAT);
}

static void test_written_reads_the_same(void **state) {
        static const uint32_t versions[] = { 2, 3, 5 };

        for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
                struct snp_report in = sample(versions[i]), out;
                uint8_t bytes[SNP_REPORT_SIZE], again[SNP_REPORT_SIZE];

                snp_report_write(&in, bytes);
                assert_int_equal(snp_report_read(bytes, sizeof bytes, &out, NULL), 0);
                snp_report_write(&out, again);
                assert_memory_equal(bytes, again, sizeof bytes);
                assert_int_equal(out.current_mit_vector, in.current_mit_vector);
                assert_int_equal(out.cpuid_model, in.cpuid_model);
                assert_int_equal(out.launch_tcb, in.launch_tcb);
                assert_memory_equal(out.chip_id, in.chip_id, sizeof in.chip_id);
        }
}

/* The offsets of FWABI 7.3, written out once more. */
static void test_offsets(void **state) {
        struct snp_report report = sample(5);
        uint8_t bytes[SNP_REPORT_SIZE];

        snp_report_write(&report, bytes);
        assert_int_equal(bytes[0], 5);
        assert_int_equal(bytes[0x008], (uint8_t)report.policy);
        assert_int_equal(bytes[0x00f], (uint8_t)(report.policy >> 56));
        assert_memory_equal(bytes + 0x050, report.report_data, 64);
        assert_memory_equal(bytes + 0x090, report.measurement, 48);
        assert_memory_equal(bytes + 0x0c0, report.host_data, 32);
        assert_memory_equal(bytes + 0x160, report.report_id_ma, 32);
        assert_int_equal(bytes[0x180], (uint8_t)report.reported_tcb);
        assert_int_equal(bytes[0x188], report.cpuid_family);
        assert_memory_equal(bytes + 0x1a0, report.chip_id, 64);
        assert_int_equal(bytes[0x1ee], report.committed_major);
        assert_int_equal(bytes[0x1f8], (uint8_t)report.launch_mit_vector);
        assert_memory_equal(bytes + 0x2a0, report.r, 48);
        assert_memory_equal(bytes + 0x2e8, report.s, 48);
}

static void test_other_lengths(void **state) {
        struct snp_report report = sample(3);
        uint8_t bytes[SNP_REPORT_SIZE + 1] = { 0 };

        snp_report_write(&report, bytes);
        expect_refused(bytes, SNP_REPORT_SIZE - 1);
        expect_refused(bytes, SNP_REPORT_SIZE + 1);
        expect_refused(bytes, 0);
}

static void test_unknown_versions(void **state) {
        static const uint8_t versions[] = { 0, 1, 4, 6, 99 };
        struct snp_report report = sample(3);
        uint8_t bytes[SNP_REPORT_SIZE];

        snp_report_write(&report, bytes);
        for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
                bytes[0] = versions[i];
                expect_refused(bytes, sizeof bytes);
        }
}

/* Also the upper bytes of R and S, and what a later version would give a meaning. */
static void test_reserved_bytes(void **state) {
        static const struct {
                uint32_t version;
                size_t at;
        } rows[] = {
                { 2, 0x04c }, { 2, 0x188 }, { 2, 0x18a }, { 3, 0x18b }, { 3, 0x19f }, { 3, 0x1eb },
                { 3, 0x1ef }, { 3, 0x1f8 }, { 3, 0x200 }, { 5, 0x208 }, { 5, 0x29f }, { 5, 0x2d0 },
                { 5, 0x2e7 }, { 5, 0x318 }, { 5, 0x330 }, { 5, 0x49f },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct snp_report report = sample(rows[i].version);
                uint8_t bytes[SNP_REPORT_SIZE];

                snp_report_write(&report, bytes);
                assert_int_equal(bytes[rows[i].at], 0);
                bytes[rows[i].at] = 1;
                expect_refused(bytes, sizeof bytes);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_written_reads_the_same), cmocka_unit_test(test_offsets),
                cmocka_unit_test(test_other_lengths),          cmocka_unit_test(test_unknown_versions),
                cmocka_unit_test(test_reserved_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
