/* Keys in the forms of the protocol: one kind, one length, nothing behind them, no passphrase asked for. */
#include "attest/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "tests/attest/fixed-keys.h"

static void assert_no_key(enum cvm_key_kind kind, const uint8_t *spki, size_t size) {
        EVP_PKEY *key = NULL;
        struct cvm_error err = { 0 };

        assert_true(cvm_key_from_spki(kind, spki, size, &key, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_KEY);
        assert_null(key);
}

static void test_spki_of_one_kind_and_length(void **state) {
        uint8_t sign[CVM_SPKI_SIZE + 1] = { 0 }, seal[CVM_SPKI_SIZE], again[CVM_SPKI_SIZE];
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        struct cvm_error err = { 0 };

        fixed_spki(FIXED_OWNER, sign);
        fixed_spki(FIXED_BOOT_KEM, seal);
        assert_no_key(CVM_KEY_SEAL, sign, CVM_SPKI_SIZE);
        assert_no_key(CVM_KEY_SIGN, seal, CVM_SPKI_SIZE);
        assert_no_key(CVM_KEY_SIGN, sign, CVM_SPKI_SIZE + 1);
        assert_no_key(CVM_KEY_SIGN, sign, CVM_SPKI_SIZE - 1);
        assert_no_key(CVM_KEY_SIGN, sign, 0);
        assert_int_equal(cvm_key_from_spki(CVM_KEY_SIGN, sign, CVM_SPKI_SIZE, &key, &err), 0);
        assert_int_equal(cvm_key_spki(key, again, &err), 0);
        assert_memory_equal(again, sign, CVM_SPKI_SIZE);
}

/* A digest names the key, so a key must have no second encoding: each changed header byte is refused. */
static void test_spki_has_one_encoding(void **state) {
        uint8_t spki[CVM_SPKI_SIZE];

        fixed_spki(FIXED_OWNER, spki);
        for (size_t i = 0; i < CVM_SPKI_SIZE - 32; i++)
                for (int bit = 0; bit < 8; bit++) {
                        spki[i] ^= (uint8_t)(1 << bit);
                        assert_no_key(CVM_KEY_SIGN, spki, sizeof spki);
                        spki[i] ^= (uint8_t)(1 << bit);
                }
}

static void test_keys_of_other_sizes_have_no_spki_here(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *ec = EVP_EC_gen("P-256");
        uint8_t spki[CVM_SPKI_SIZE] = { 7 };
        struct cvm_error err = { 0 };

        assert_true(cvm_key_spki(ec, spki, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_KEY);
        assert_int_equal(spki[0], 7);
}

static void test_pem_there_and_back(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = fixed_key(FIXED_OWNER);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *private = NULL;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *public = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes private_pem = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes public_pem = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_key_to_private_pem(key, &private_pem, &err), 0);
        assert_int_equal(cvm_key_to_public_pem(key, &public_pem, &err), 0);
        assert_int_equal(cvm_key_from_private_pem(private_pem.data, private_pem.size, &private, &err), 0);
        assert_int_equal(cvm_key_from_public_pem(public_pem.data, public_pem.size, &public, &err), 0);
        assert_int_equal(EVP_PKEY_eq(private, key), 1);
        assert_int_equal(EVP_PKEY_eq(public, key), 1);
        assert_non_null(strstr((char *)private_pem.data, "BEGIN PRIVATE KEY"));
        assert_null(strstr((char *)public_pem.data, "PRIVATE"));
        EVP_PKEY_free(private);
        private = NULL;
        assert_true(cvm_key_from_private_pem(public_pem.data, public_pem.size, &private, &err) < 0);
        assert_true(cvm_key_from_private_pem("", 0, &private, &err) < 0);
}

static void test_passphrase_is_not_asked_for(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = fixed_key(FIXED_OWNER);
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        EVP_PKEY *read = NULL;
        struct cvm_error err = { 0 };
        char *pem;
        long size;

        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL),
                         1);
        size = BIO_get_mem_data(bio, &pem);
        assert_true(cvm_key_from_private_pem(pem, (size_t)size, &read, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_KEY);
        assert_non_null(strstr(err.text, "without passphrase"));
}

static void test_fresh_keys_differ(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *a = NULL;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *b = NULL;
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_key_make(CVM_KEY_SEAL, &a, &err), 0);
        assert_int_equal(cvm_key_make(CVM_KEY_SEAL, &b, &err), 0);
        assert_int_not_equal(EVP_PKEY_eq(a, b), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_spki_of_one_kind_and_length),
                cmocka_unit_test(test_spki_has_one_encoding),
                cmocka_unit_test(test_keys_of_other_sizes_have_no_spki_here),
                cmocka_unit_test(test_pem_there_and_back),
                cmocka_unit_test(test_passphrase_is_not_asked_for),
                cmocka_unit_test(test_fresh_keys_differ),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
