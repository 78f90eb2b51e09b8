#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/attest/make-snp.h"

static struct make_keys keys;

/* Make, read and verify; NULL or the code. */
static const char *outcome(const struct make_chain *chain, bool vlek, struct snp_chain_facts *ret) {
        struct cvm_bytes der[] = { make_certificate(&chain->ek), make_certificate(&chain->ask),
                                   make_certificate(&chain->ark) };
        CVM_CLEANUP(snp_chain_done) struct snp_chain read = { 0 };
        struct cvm_error err = { 0 };
        int r = snp_chain_read(der, ARRAY_SIZE(der), vlek, &read, &err);

        if (r >= 0)
                r = snp_chain_verify(&read, TEST_NOW, ret, &err);
        for (size_t i = 0; i < ARRAY_SIZE(der); i++)
                cvm_bytes_done(&der[i]);
        return r < 0 ? cvm_error_code(&err)->id : NULL;
}

static void expect_refused(const struct make_chain *chain) {
        struct snp_chain_facts facts;
        const char *code = outcome(chain, false, &facts);

        assert_non_null(code);
        assert_string_equal(code, "CVM-REPORT-CHAIN");
}

static void test_hardware_shape_holds(void **state) {
        struct make_chain chain = make_chain(&keys, false);
        struct snp_chain_facts facts;

        assert_null(outcome(&chain, false, &facts));
        assert_false(facts.simulated);
}

static void test_simulated_holds_and_says_so(void **state) {
        struct make_chain chain = make_chain(&keys, true);
        struct snp_chain_facts facts;

        assert_null(outcome(&chain, false, &facts));
        assert_true(facts.simulated);
}

static void test_vlek_under_asvk(void **state) {
        struct make_chain chain = make_chain(&keys, false);
        struct snp_chain_facts facts;

        chain.ask.cn = chain.ek.issuer = "SEV-VLEK-Milan";
        chain.ek.cn = "SEV-VLEK";
        chain.ek.product = "Milan";
        chain.ek.with_chip = false;
        chain.ek.with_csp = true;
        assert_null(outcome(&chain, true, &facts));
        assert_string_equal(outcome(&chain, false, &facts), "CVM-REPORT-CHAIN");
}

static void test_extension_in_some_certificates_only(void **state) {
        for (int i = 0; i < 3; i++) {
                struct make_chain chain = make_chain(&keys, true);

                *(i == 0   ? &chain.ark.simulated
                  : i == 1 ? &chain.ask.simulated
                           : &chain.ek.simulated) = false;
                expect_refused(&chain);
        }
}

static void test_simulation_extension_not_critical(void **state) {
        struct make_chain chain = make_chain(&keys, true);

        chain.ask.simulated_not_critical = true;
        expect_refused(&chain);
}

static void test_unknown_critical_extension(void **state) {
        struct make_chain chain = make_chain(&keys, false);

        chain.ask.unknown_critical = true;
        expect_refused(&chain);
}

static void test_signature_algorithms(void **state) {
        struct make_chain chain = make_chain(&keys, false);

        chain.ek.pkcs1 = true;
        expect_refused(&chain);
        chain = make_chain(&keys, false);
        chain.ask.sha256 = true;
        expect_refused(&chain);
        chain = make_chain(&keys, false);
        chain.ek.salt = 32;
        expect_refused(&chain);
}

static void test_keys(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *p256 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
        struct make_chain chain = make_chain(&keys, false);

        chain.ek.key = p256;
        expect_refused(&chain);
        chain = make_chain(&keys, false);
        chain.ask.key = chain.ek.signer = small;
        expect_refused(&chain);
        chain = make_chain(&keys, false);
        chain.ark.key = chain.ark.signer = chain.ask.signer = small;
        expect_refused(&chain);
}

static void test_extensions_of_the_key(void **state) {
        struct make_chain base = make_chain(&keys, false), chain = base;

        chain.ek.with_csp = true; /* chip and provider */
        expect_refused(&chain);
        chain = base;
        chain.ek.with_chip = false; /* neither */
        expect_refused(&chain);
        chain = base;
        chain.ek.chip_size = 63;
        expect_refused(&chain);
        chain = base;
        chain.ek.chip_size = 8; /* the size of another product */
        expect_refused(&chain);
        chain = base;
        chain.ek.spl[8] = 300;
        expect_refused(&chain);
        chain = base;
        chain.ek.spl[3] = -1;
        expect_refused(&chain);
        chain = base;
        chain.ek.spl[9] = 0; /* a component that Milan has not */
        expect_refused(&chain);
        chain = base;
        chain.ek.twice = true;
        expect_refused(&chain);
        chain = base;
        chain.ek.product = "Naples";
        expect_refused(&chain);
}

static void test_products_must_agree(void **state) {
        struct make_chain chain = make_chain(&keys, false);

        chain.ek.product = "Genoa";
        expect_refused(&chain);
        chain = make_chain(&keys, false);
        chain.ask.cn = chain.ek.issuer = "SEV-Genoa";
        expect_refused(&chain);
}

static void test_names(void **state) {
        static const char *const names[] = { "SEV-VCEK-Milan", "Somebody", "SEV-", "SEV-Milan-B0",
                                             "ark-Milan" };
        struct make_chain chain;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                chain = make_chain(&keys, false);
                chain.ask.cn = chain.ek.issuer = names[i];
                expect_refused(&chain);
        }
}

static void test_signed_by_another_key(void **state) {
        struct make_chain chain = make_chain(&keys, false);

        chain.ek.signer = keys.other;
        expect_refused(&chain);
        chain = make_chain(&keys, false);
        chain.ask.signer = keys.other;
        expect_refused(&chain);
        chain = make_chain(&keys, false);
        chain.ark.signer = keys.other; /* not self-signed */
        expect_refused(&chain);
}

static void test_key_directly_under_the_root(void **state) {
        struct make_chain chain = make_chain(&keys, false);

        chain.ek.issuer = "ARK-Milan";
        chain.ek.signer = keys.ark;
        expect_refused(&chain);
}

static void test_authority_that_may_not_sign(void **state) {
        struct make_chain chain = make_chain(&keys, false);

        chain.ask.ca = false;
        expect_refused(&chain);
}

static void test_expired(void **state) {
        for (int i = 0; i < 3; i++) {
                struct make_chain chain = make_chain(&keys, false);

                *(i == 0 ? &chain.ark.expired : i == 1 ? &chain.ask.expired : &chain.ek.expired) = true;
                expect_refused(&chain);
        }
}

/* Not a fault of the evidence: somebody has to bring them. */
static void test_missing_certificates(void **state) {
        struct make_chain chain = make_chain(&keys, false);
        struct cvm_bytes der[] = { make_certificate(&chain.ek), make_certificate(&chain.ask),
                                   make_certificate(&chain.ark) };

        for (size_t left_out = 0; left_out < 3; left_out++) {
                struct cvm_bytes some[] = { der[(left_out + 1) % 3], der[(left_out + 2) % 3] };
                struct snp_chain read;
                struct cvm_error err = { 0 };

                assert_true(snp_chain_read(some, 2, false, &read, &err) < 0);
                assert_ptr_equal(err.code, &CVM_CODE_CHAIN_MISSING);
        }
        for (size_t i = 0; i < 3; i++)
                cvm_bytes_done(&der[i]);
}

static void test_two_certificates_of_one_role(void **state) {
        struct make_chain chain = make_chain(&keys, false);
        struct cvm_bytes der[] = { make_certificate(&chain.ek),
                                   make_certificate(&chain.ask),
                                   make_certificate(&chain.ark),
                                   { 0 } };
        struct snp_chain read;
        struct cvm_error err = { 0 };

        der[3] = der[0]; /* the very same one again is no contradiction */
        assert_int_equal(snp_chain_read(der, 4, false, &read, &err), 0);
        snp_chain_done(&read);
        chain.ek.spl[8]++;
        der[3] = make_certificate(&chain.ek);
        assert_true(snp_chain_read(der, 4, false, &read, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_REPORT_CHAIN);
        for (size_t i = 0; i < 4; i++)
                cvm_bytes_done(&der[i]);
}

static void test_bytes_that_are_no_certificate(void **state) {
        struct make_chain chain = make_chain(&keys, false);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = make_certificate(&chain.ek);
        struct snp_certificate c;
        struct cvm_error err = { 0 };

        assert_true(snp_certificate_read(der.data, der.size - 1, &c, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_REPORT_CHAIN);
        assert_true(snp_certificate_read("", 0, &c, &err) < 0);
        der.data = realloc(der.data, der.size + 1);
        der.data[der.size++] = 0;
        assert_true(snp_certificate_read(der.data, der.size, &c, &err) < 0);
}

static int make(void **state) {
        keys = make_keys();
        return 0;
}

static int unmake(void **state) {
        make_keys_done(&keys);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hardware_shape_holds),
                cmocka_unit_test(test_simulated_holds_and_says_so),
                cmocka_unit_test(test_vlek_under_asvk),
                cmocka_unit_test(test_extension_in_some_certificates_only),
                cmocka_unit_test(test_simulation_extension_not_critical),
                cmocka_unit_test(test_unknown_critical_extension),
                cmocka_unit_test(test_signature_algorithms),
                cmocka_unit_test(test_keys),
                cmocka_unit_test(test_extensions_of_the_key),
                cmocka_unit_test(test_products_must_agree),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_signed_by_another_key),
                cmocka_unit_test(test_key_directly_under_the_root),
                cmocka_unit_test(test_authority_that_may_not_sign),
                cmocka_unit_test(test_expired),
                cmocka_unit_test(test_missing_certificates),
                cmocka_unit_test(test_two_certificates_of_one_role),
                cmocka_unit_test(test_bytes_that_are_no_certificate),
        };

        return cmocka_run_group_tests(tests, make, unmake);
}
