/* The software root: its evidence holds by the code that checks real evidence, as simulated and as nothing
 * else. */
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/x509v3.h>

#include "attest/evidence.h"
#include "base/names.h"
#include "base/time.h"

static struct cvm_bytes pem; /* made once: it takes seconds */

static int make_root(void **state) {
        return sim_root_make(0, &pem, NULL);
}

static int drop_root(void **state) {
        cvm_bytes_done(&pem);
        return 0;
}

static struct sim_root *read_root(void) {
        struct sim_root *root = NULL;
        struct cvm_error err = { 0 };

        if (sim_root_read(pem.data, pem.size, &root, &err) < 0)
                fail_msg("%s", err.text);
        return root;
}

static const struct sim_guest guest = { .platform = CVM_PLATFORM_SEV_SNP,
                                        .measurement = { 1, 2, 3 },
                                        .host_data = { 4, 5, 6 },
                                        .report_id = { 7 } };
static const struct sim_question question = { .report_data = { 8, 9 } };

static void fetch(const struct sim_root *root, struct bundle *bundle) {
        CVM_CLEANUP(sim_answer_done) struct sim_answer said = { 0 };
        struct cvm_error err = { 0 };

        bundle->platform = CVM_PLATFORM_SEV_SNP;
        bundle->simulated = true;
        if (sim_report(root, &guest, &question, &said, &err) < 0 ||
            evidence_add_table(bundle, said.certificates.data, said.certificates.size, &err) < 0)
                fail_msg("%s", err.text);
        bundle->report = cvm_bytes_take(&said.report);
}

/* NULL: it holds. */
static const char *outcome(const struct bundle *bundle, struct evidence_origin *origin,
                           struct evidence_claims *claims) {
        const struct evidence_ops *ops = evidence_ops_find(bundle->platform);
        struct evidence *evidence = NULL;
        struct cvm_error err = { 0 };
        int r = ops->parse(bundle, &evidence, &err);

        if (r >= 0)
                r = ops->authenticate(evidence, cvm_time_now(), origin, &err);
        if (r >= 0)
                ops->claims(evidence, claims);
        ops->free(evidence);
        return r < 0 ? cvm_error_code(&err)->id : NULL;
}

static void test_a_report_holds_as_simulated(void **state) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = read_root();
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        struct evidence_origin origin = { 0 };
        struct evidence_claims claims = { 0 };
        uint8_t digest[32];

        fetch(root, &bundle);
        assert_null(outcome(&bundle, &origin, &claims));
        sim_root_digest(root, CVM_PLATFORM_SEV_SNP, digest);
        assert_int_equal(origin.class_, CVM_CLASS_SIMULATED);
        assert_false(origin.root_is_built_in);
        assert_memory_equal(origin.root, digest, sizeof digest);
        assert_memory_equal(claims.measurement, guest.measurement, sizeof guest.measurement);
        assert_memory_equal(claims.host_data, guest.host_data, 32);
        assert_memory_equal(claims.report_data, question.report_data, sizeof question.report_data);
        assert_false(claims.debug);
        assert_false(claims.migratable);
}

static void test_one_bit_and_it_does_not(void **state) {
        static const size_t at[] = { 0x50, 0x90, 0xc0,
                                     0x2a0 }; /* report_data, measurement, host_data, signature */
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = read_root();
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        struct evidence_origin origin;
        struct evidence_claims claims;

        fetch(root, &bundle);
        for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
                bundle.report.data[at[i]] ^= 1;
                assert_non_null(outcome(&bundle, &origin, &claims));
                bundle.report.data[at[i]] ^= 1;
        }
        assert_null(outcome(&bundle, &origin, &claims));
}

/* Software that does not know our mark must not take such a certificate. */
static void test_other_software_refuses_the_chain(void **state) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = read_root();
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };

        fetch(root, &bundle);
        assert_int_equal(bundle.n_certificates, 3);
        for (size_t i = 0; i < bundle.n_certificates; i++) {
                const uint8_t *der = bundle.certificates[i].data;
                X509 *x509 = d2i_X509(NULL, &der, (long)bundle.certificates[i].size);

                assert_non_null(x509);
                assert_true(X509_get_extension_flags(x509) & EXFLAG_CRITICAL);
                X509_free(x509);
        }
}

static void test_platforms_that_are_not_simulated(void **state) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = read_root();
        CVM_CLEANUP(sim_answer_done) struct sim_answer said = { 0 };
        struct sim_guest other = guest;
        struct cvm_error err = { 0 };

        other.platform = CVM_PLATFORM_NONE;
        assert_true(sim_report(root, &other, &question, &said, &err) < 0);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-SIM-PLATFORM");
}

/* Cut anywhere, a kept root is refused whole. */
static void test_a_cut_file_is_refused(void **state) {
        for (size_t part = 0; part < 16; part++) {
                CVM_CLEANUP(sim_root_freep) struct sim_root *root = NULL;
                struct cvm_error err = { 0 };

                assert_true(sim_root_read(pem.data, pem.size * part / 16, &root, &err) < 0);
                assert_null(root);
                assert_true(err.text[0]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_report_holds_as_simulated),
                cmocka_unit_test(test_one_bit_and_it_does_not),
                cmocka_unit_test(test_other_software_refuses_the_chain),
                cmocka_unit_test(test_platforms_that_are_not_simulated),
                cmocka_unit_test(test_a_cut_file_is_refused),
        };

        return cmocka_run_group_tests(tests, make_root, drop_root);
}
