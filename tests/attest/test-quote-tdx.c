/* Quotes and TD reports: what is read of a good one, and each thing that makes one malformed, alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/attest/make-tdx.h"

#define BODY_AT 48 /* version 4 */
#define SIGNATURE_AT (BODY_AT + TDX_BODY_10_SIZE)
#define CERTIFICATION_AT (SIGNATURE_AT + 4 + 2 * P256_SIZE)
#define AUTH_AT (CERTIFICATION_AT + 6 + TDX_QE_REPORT_SIZE + P256_SIZE)
#define INNER_AT (AUTH_AT + 2 + 32)

static void expect_refused(const void *data, size_t size, const char *words) {
        struct cvm_error err = { 0 };
        struct tdx_quote quote;

        assert_int_equal(tdx_quote_read(data, size, &quote, &err), -EBADMSG);
        assert_ptr_equal(err.code, &CVM_CODE_REPORT_FORMAT);
        if (!strstr(err.text, words))
                fail_msg("'%s' does not say '%s'", err.text, words);
}

static void test_both_versions(void **state) {
        static const struct {
                int version;
                bool is_15;
                size_t signed_size;
        } rows[] = { { 4, false, 632 }, { 5, false, 638 }, { 5, true, 702 } };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
                struct make_world w = make_world();
                struct tdx_quote quote;
                uint8_t body[TDX_BODY_15_SIZE], again[TDX_BODY_15_SIZE];

                w.version = rows[i].version;
                w.body.is_15 = rows[i].is_15;
                w.body.mr_service_td[47] = 9;
                w.body.rtmr[3][0] = 8;
                w.body.report_data[63] = 7;
                bytes = make_quote(&w);
                assert_int_equal(tdx_quote_read(bytes.data, bytes.size, &quote, NULL), 0);
                assert_int_equal(quote.version, rows[i].version);
                assert_int_equal(quote.signed_size, rows[i].signed_size);
                assert_int_equal(quote.body.is_15, rows[i].is_15);
                assert_int_equal(tdx_body_write(&quote.body, again), tdx_body_write(&w.body, body));
                assert_memory_equal(again, body, tdx_body_write(&w.body, body));
                assert_int_equal(quote.body.mr_service_td[47], rows[i].is_15 ? 9 : 0);
                assert_int_equal(quote.qe.isv_prod_id, 2);
                assert_int_equal(quote.qe.isv_svn, 4);
                assert_memory_equal(quote.qe.mr_signer, w.qe.mr_signer, 32);
                assert_int_equal(quote.auth_size, 32);
                assert_ptr_equal(quote.chain + quote.chain_size, bytes.data + bytes.size);
        }
}

static void test_cut_anywhere(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct make_world w = make_world();

        for (w.version = 4; w.version <= 5; w.version++) {
                cvm_bytes_done(&bytes);
                bytes = make_quote(&w);
                for (size_t size = 0; size < bytes.size; size++) {
                        CVM_CLEANUP(cvm_freep) uint8_t *cut = malloc(size + !size);

                        memcpy(cut, bytes.data, size); /* alone, so that the sanitizer sees its end */
                        expect_refused(cut, size, "quote");
                }
        }
}

/* Guests hand out the whole buffer: what stands behind is never looked at. */
static void test_bytes_behind(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(cvm_freep) uint8_t *more = NULL;
        struct make_world w = make_world();
        struct tdx_quote quote;

        bytes = make_quote(&w);
        more = malloc(bytes.size + 100);
        memcpy(more, bytes.data, bytes.size);
        memset(more + bytes.size, 0xff, 100);
        assert_int_equal(tdx_quote_read(more, bytes.size + 100, &quote, NULL), 0);
}

static void test_one_number_changed(void **state) {
        static const struct {
                int version;
                size_t at;
                uint8_t value;
                const char *words;
        } rows[] = {
                { 4, 0, 3, "version 3" },
                { 4, 0, 6, "version 6" },
                { 4, 1, 1, "version 260" },
                { 4, 2, 3, "type 3" },
                { 4, 4, 0x80, "TEE type 0x80" },
                { 4, 4, 0, "SGX enclave" },
                { 4, 12, 0, "vendor" },
                { 5, 48, 1, "SGX enclave" },
                { 5, 48, 4, "type 4" },
                { 5, 48, 3, "which its type has not" },
                { 5, 50, 0x49, "which its type has not" },
                { 4, SIGNATURE_AT + 3, 1, "cut off" },
                { 4, SIGNATURE_AT, 0, "does not fill" },
                { 4, CERTIFICATION_AT, 5, "type 5, not 6" },
                { 4, CERTIFICATION_AT + 2, 0, "does not fill" },
                { 4, AUTH_AT, 33, "does not fill" },
                { 4, AUTH_AT + 1, 0xff, "cut off" },
                { 4, INNER_AT, 1, "type 1, not 5" },
                { 4, INNER_AT, 6, "type 6, not 5" },
                { 4, INNER_AT + 2, 0, "does not fill" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
                struct make_world w = make_world();

                w.version = rows[i].version;
                bytes = make_quote(&w);
                /* a length whose low byte is that already would change nothing */
                bytes.data[rows[i].at] = bytes.data[rows[i].at] == rows[i].value ? 0x77 : rows[i].value;
                expect_refused(bytes.data, bytes.size, rows[i].words);
        }
}

static void test_quotes_of_sgx(void **state) {
        struct make_world w = make_world();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = make_quote(&w);

        bytes.data[0] = 3;
        bytes.data[4] = 0;
        expect_refused(bytes.data, bytes.size, "SGX enclave");
}

static void test_points(void **state) {
        uint8_t point[P256_SIZE], signature[P256_SIZE];
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;

        raw_point(attestation_key, point);
        assert_int_equal(p256_key(point, &key), 0);
        assert_true(p256_is_key(key));
        sign_raw(attestation_key, "abc", 3, signature);
        assert_int_equal(p256_verify(key, signature, "abc", 3), 0);
        assert_int_equal(p256_verify(key, signature, "abd", 3), -EBADMSG);
        signature[40] ^= 1;
        assert_int_equal(p256_verify(key, signature, "abc", 3), -EBADMSG);
        memset(signature, 0, sizeof signature);
        assert_int_equal(p256_verify(key, signature, "abc", 3), -EBADMSG);
        point[63] ^= 1;
        assert_int_equal(p256_key(point, &key), -EINVAL);
}

static void test_td_report(void **state) {
        struct make_world w = make_world();
        uint8_t report[TDX_TDREPORT_SIZE];
        struct cvm_error err = { 0 };
        struct tdx_body body;

        w.body.mr_config_id[0] = 3;
        make_tdreport(&w, report);
        assert_int_equal(tdx_tdreport_read(report, sizeof report, &body, &err), 0);
        assert_memory_equal(body.mr_td, w.body.mr_td, 48);
        assert_memory_equal(body.mr_config_id, w.body.mr_config_id, 48);
        assert_memory_equal(body.tee_tcb_svn, w.body.tee_tcb_svn, 16);
        assert_int_equal(body.attributes, 1ull << 28);
        assert_true(body.is_15);
}

static void test_td_reports_that_are_none(void **state) {
        static const size_t changed[] = { 0, 1, 3, 32, 80, 256, 400, 494, 512, 1023 };
        struct make_world w = make_world();
        uint8_t report[TDX_TDREPORT_SIZE];
        struct tdx_body body;

        for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
                struct cvm_error err = { 0 };

                make_tdreport(&w, report);
                report[changed[i]] ^= 0x40;
                assert_int_equal(tdx_tdreport_read(report, sizeof report, &body, &err), -EBADMSG);
                assert_ptr_equal(err.code, &CVM_CODE_REPORT_FORMAT);
        }
        make_tdreport(&w, report);
        assert_int_equal(tdx_tdreport_read(report, sizeof report - 1, &body, NULL), -EBADMSG);
        report[500] ^= 1; /* reserved, covered by no digest */
        assert_int_equal(tdx_tdreport_read(report, sizeof report, &body, NULL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_versions), cmocka_unit_test(test_cut_anywhere),
                cmocka_unit_test(test_bytes_behind),  cmocka_unit_test(test_one_number_changed),
                cmocka_unit_test(test_quotes_of_sgx), cmocka_unit_test(test_points),
                cmocka_unit_test(test_td_report),     cmocka_unit_test(test_td_reports_that_are_none),
        };
        int failed;

        keys_make();
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        keys_done();
        return failed;
}
