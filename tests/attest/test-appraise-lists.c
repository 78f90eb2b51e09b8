/* Revocation lists in an appraisal: whoever brings one, it is heeded; none, an old one and one that nobody
 * signed are different answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "attest/cert-table-snp.h"
#include "tests/attest/make-crl-snp.h"
#include "tests/attest/scene-snp.h"

#define ANY "\"any\""

static bool has_reason(const struct scene *s, const struct cvm_code *code) {
        for (size_t i = 0; i < s->verdict.n_reasons; i++)
                if (s->verdict.reasons[i].code == code)
                        return true;
        return false;
}

static void test_collateral_that_nobody_brought(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        s.chain = make_chain(&keys, false);
        s.inputs.class_ = s.binding.class_ = CVM_CLASS_HARDWARE;
        s.inputs.min_tcb = ANY;
        seal(&s);
        set_policy(&s, "collateral_max_age", "86400");
        judge(&s);
        assert_true(has_reason(&s, &CVM_CODE_COLLATERAL_MISSING));
}

/* A list that was given is heeded, and one that is young enough answers the policy. */
static void test_revocation_lists(void **state) {
        const struct {
                int from;
                bool revokes, other;
                const struct cvm_code *code; /* NULL: nothing against it */
        } rows[] = {
                { -60, false, false, NULL },
                { -60, true, false, &CVM_CODE_REVOKED },
                { -60, false, true, &CVM_CODE_CRL },
                { -DAY - 60, false, false, &CVM_CODE_CRL_STALE },
        };
        const struct cvm_code *const any[] = { &CVM_CODE_REVOKED, &CVM_CODE_CRL, &CVM_CODE_CRL_STALE,
                                               &CVM_CODE_COLLATERAL_MISSING };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(scene_done) struct scene s = scene();
                const struct crl_spec spec = { .issuer = "ARK-Milan",
                                               .signer = rows[i].other ? keys.other : keys.ark,
                                               .from = rows[i].from,
                                               .until = DAY,
                                               .revokes = rows[i].revokes };
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes list = make_crl(&spec);

                s.chain = make_chain(&keys, false);
                s.inputs.class_ = s.binding.class_ = CVM_CLASS_HARDWARE;
                s.inputs.min_tcb = ANY;
                seal(&s);
                set_policy(&s, "collateral_max_age", "86400");
                assert_int_equal(evidence_add_revocation(&s.bundle, list.data, list.size, NULL), 0);
                judge(&s);
                for (size_t k = 0; k < ARRAY_SIZE(any); k++)
                        assert_int_equal(has_reason(&s, any[k]), any[k] == rows[i].code);
        }
}

/* With a list in the platform's own table. */
static void with_list_in_table(struct scene *s, int from, bool revokes) {
        const struct crl_spec spec = {
                .issuer = "ARK-Milan", .signer = keys.ark, .from = from, .until = DAY, .revokes = revokes
        };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes list = make_crl(&spec), table = { 0 };
        const struct snp_cert_entry entry = { SNP_CERT_CRL, list.data, list.size };

        seal(s);
        assert_int_equal(snp_cert_table_write(&entry, 1, &table), 0);
        assert_int_equal(evidence_add_table(&s->bundle, table.data, table.size, NULL), 0);
        judge(s);
}

static void test_list_in_the_evidence(void **state) {
        CVM_CLEANUP(scene_done) struct scene good = scene(), revoked = scene();

        with_list_in_table(&good, -60, false);
        assert_int_equal(good.verdict.result, VERDICT_ACCEPTED);
        assert_int_equal(good.verdict.published->made, TEST_NOW - 60000);
        with_list_in_table(&revoked, -60, true);
        assert_true(has_reason(&revoked, &CVM_CODE_REVOKED));
        assert_int_equal(revoked.verdict.published->made, TEST_NOW - 60000);
}

/* An old list is valid, and silent on what was revoked since. */
static void test_list_older_than_the_mark(void **state) {
        static const struct {
                int mark; /* seconds from TEST_NOW */
                bool older;
        } rows[] = { { -120, false }, { -60, false }, { -59, true }, { 0, true }, { 1, false } };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(scene_done) struct scene s = scene();

                s.appraisal.seen->made = TEST_NOW + (uint64_t)(int64_t)(rows[i].mark * 1000);
                with_list_in_table(&s, -60, false);
                assert_int_equal(has_reason(&s, &CVM_CODE_CRL_OLDER), rows[i].older);
                assert_int_equal(s.verdict.result, rows[i].older ? VERDICT_UNKNOWN : VERDICT_ACCEPTED);
        }
}

/* A root of nobody's cannot push the mark. */
static void test_mark_of_a_root_that_is_refused(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        s.chain = make_chain(&keys, false);
        s.inputs.class_ = s.binding.class_ = CVM_CLASS_HARDWARE;
        s.inputs.min_tcb = ANY;
        with_list_in_table(&s, -60, false);
        assert_true(has_reason(&s, &CVM_CODE_REPORT_ROOT));
        assert_int_equal(s.verdict.published->made, 0);
}

static int make(void **state) {
        keys = make_keys();
        return cvm_key_make(CVM_KEY_SIGN, &owner, NULL) < 0 ||
               cvm_key_make(CVM_KEY_SIGN, &stranger, NULL) < 0 ||
               cvm_key_spki(owner, owner_spki, NULL) < 0 || cvm_key_spki(stranger, stranger_spki, NULL) < 0;
}

static int unmake(void **state) {
        make_keys_done(&keys);
        EVP_PKEY_free(owner);
        EVP_PKEY_free(stranger);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_collateral_that_nobody_brought),
                cmocka_unit_test(test_revocation_lists),
                cmocka_unit_test(test_list_in_the_evidence),
                cmocka_unit_test(test_list_older_than_the_mark),
                cmocka_unit_test(test_mark_of_a_root_that_is_refused),
        };

        return cmocka_run_group_tests(tests, make, unmake);
}
