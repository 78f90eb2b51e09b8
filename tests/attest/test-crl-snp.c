/* What a revocation list says of a chain, and lists that say nothing: of our own making, and the vectors'.
 */
#include "attest/crl-snp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "attest/evidence.h"
#include "base/fd.h"
#include "base/time.h"
#include "tests/attest/make-crl-snp.h"
#include "tests/shared.h"

static struct make_keys keys;

static struct crl_spec good(void) {
        return (struct crl_spec){ .issuer = "ARK-Milan", .signer = keys.ark, .from = -DAY, .until = DAY };
}

static void make_chain_read(struct snp_chain *ret) {
        const struct make_chain chain = make_chain(&keys, false);
        struct cvm_bytes der[] = { make_certificate(&chain.ek), make_certificate(&chain.ask),
                                   make_certificate(&chain.ark) };

        assert_int_equal(snp_chain_read(der, ARRAY_SIZE(der), false, ret, NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(der); i++)
                cvm_bytes_done(&der[i]);
}

/* "" where nothing is revoked, or the code. */
static const char *outcome(const void *data, size_t size, const struct snp_chain *chain, uint64_t now_msec) {
        CVM_CLEANUP(crl_done) struct crl crl = { 0 };
        struct cvm_error err = { 0 };
        int r = snp_crl_read(data, size, &crl, &err);

        if (r >= 0)
                r = crl_verify(&crl, chain->root->x509, now_msec, &err);
        if (r >= 0)
                r = snp_crl_check(&crl, chain, &err);
        return r < 0 ? cvm_error_code(&err)->id : "";
}

static void expect(struct crl_spec spec, const char *code) {
        CVM_CLEANUP(snp_chain_done) struct snp_chain chain = { 0 };
        struct cvm_bytes der = make_crl(&spec);

        make_chain_read(&chain);
        assert_string_equal(outcome(der.data, der.size, &chain, TEST_NOW), code);
        cvm_bytes_done(&der);
}

static void test_nothing_revoked(void **state) {
        expect(good(), "");
}

static void test_revoked(void **state) {
        struct crl_spec s = good();

        s.revokes = true;
        expect(s, "CVM-REVOKED");
}

static void test_lists_of_others(void **state) {
        struct crl_spec s = good();

        s.signer = keys.other;
        expect(s, "CVM-CRL");
        s.revokes = true; /* nobody may revoke but the root */
        expect(s, "CVM-CRL");
        s = good();
        s.issuer = "ARK-Genoa";
        expect(s, "CVM-CRL");
}

static void test_dates(void **state) {
        struct crl_spec s = good();

        s.until = -1;
        expect(s, "CVM-CRL-STALE");
        s.until = 0;
        expect(s, "");
        s.from = 1;
        expect(s, "CVM-CRL-STALE");
        s.no_next = true;
        expect(s, "CVM-CRL");
}

static void test_profile(void **state) {
        struct crl_spec s = good();

        s.pkcs1 = true;
        expect(s, "CVM-CRL");
        s = good();
        s.critical = true;
        expect(s, "CVM-CRL");
}

static void test_bytes_that_are_none(void **state) {
        struct crl_spec s = good();
        struct cvm_bytes der = make_crl(&s);
        struct crl crl = { 0 };
        struct cvm_error err = { 0 };

        for (size_t size = 0; size < der.size; size += 7)
                assert_true(snp_crl_read(der.data, size, &crl, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_CRL);
        assert_true(snp_crl_read(der.data, CRL_MAX + 1, &crl, &err) < 0);
        cvm_bytes_done(&der);
}

/* --- the vectors --- */

static void load(const char *below, struct cvm_bytes *ret) {
        struct cvm_error err = { 0 };
        char path[256];

        snprintf(path, sizeof path, "vectors/snp/synthetic/%s", below);
        if (cvm_read_file(shared_path(path), 1 << 20, ret, &err) < 0)
                fail_msg("%s", err.text);
}

static void load_chain(bool vlek, struct snp_chain *ret) {
        struct bundle bundle = { 0 };
        struct cvm_bytes key = { 0 }, ca = { 0 };
        struct cvm_error err = { 0 };

        load(vlek ? "ek/milan-vlek.der" : "ek/milan-vcek.der", &key);
        load(vlek ? "ca/milan-asvk-ark.pem" : "ca/milan-ask-ark.pem", &ca);
        assert_int_equal(evidence_add_certificate(&bundle, key.data, key.size, &err), 0);
        assert_int_equal(evidence_add_certificate(&bundle, ca.data, ca.size, &err), 0);
        if (snp_chain_read(bundle.certificates, bundle.n_certificates, vlek, ret, &err) < 0)
                fail_msg("%s", err.text);
        bundle_done(&bundle);
        cvm_bytes_done(&key);
        cvm_bytes_done(&ca);
}

static void test_vectors(void **state) {
        static const struct {
                const char *file, *vcek, *vlek;
        } rows[] = {
                { "crl/milan-empty.crl", "", "" },
                { "crl/milan-revokes-ask.crl", "CVM-REVOKED", "" },
                { "crl/milan-revokes-asvk.crl", "", "CVM-REVOKED" },
                { "crl/milan-bad-signer.crl", "CVM-CRL", "CVM-CRL" },
                { "crl/milan-stale.crl", "CVM-CRL-STALE", "CVM-CRL-STALE" },
        };
        CVM_CLEANUP(snp_chain_done) struct snp_chain vcek = { 0 }, vlek = { 0 };
        uint64_t now;

        if (shared_is_absent("vectors/snp/synthetic/crl"))
                skip();
        assert_int_equal(cvm_time_parse("2026-09-01T00:00:00Z", &now), 0);
        load_chain(false, &vcek);
        load_chain(true, &vlek);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes crl = { 0 };

                load(rows[i].file, &crl);
                assert_string_equal(outcome(crl.data, crl.size, &vcek, now), rows[i].vcek);
                assert_string_equal(outcome(crl.data, crl.size, &vlek, now), rows[i].vlek);
        }
}

static int make(void **state) {
        keys = make_keys();
        return 0;
}

static int done(void **state) {
        make_keys_done(&keys);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_revoked), cmocka_unit_test(test_revoked),
                cmocka_unit_test(test_lists_of_others), cmocka_unit_test(test_dates),
                cmocka_unit_test(test_profile),         cmocka_unit_test(test_bytes_that_are_none),
                cmocka_unit_test(test_vectors),
        };

        return cmocka_run_group_tests(tests, make, done);
}
