/* HPKE against RFC 9180, A.1 (the same KEM and key schedule with AES-128), and against OpenSSL's own where
 * it has one. */
#include "attest/hpke.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/opensslv.h>
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
#include <openssl/hpke.h>
#endif

static EVP_PKEY *private_key(const char *hex) {
        uint8_t raw[32];

        assert_int_equal(cvm_unhex(hex, raw, 32), 0);
        return EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, raw, 32);
}

static struct hpke_text text_of(const char *text) {
        return (struct hpke_text){ text, strlen(text) };
}

static void test_rfc_9180_a_1(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep)
        EVP_PKEY *recipient =
                        private_key("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
        CVM_CLEANUP(EVP_PKEY_freep)
        EVP_PKEY *ephemeral =
                        private_key("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736");
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes sealed = { 0 };
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
        struct cvm_error err = { 0 };
        uint8_t enc[HPKE_ENC_SIZE];
        char hex[256];

        assert_int_equal(hpke_seal(HPKE_AES_128_GCM, recipient, ephemeral, text_of("Ode on a Grecian Urn"),
                                   text_of("Count-0"), text_of("Beauty is truth, truth beauty"), enc,
                                   &sealed, &err),
                         0);
        cvm_hex(enc, sizeof enc, hex);
        assert_string_equal(hex, "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
        cvm_hex(sealed.data, sealed.size, hex);
        assert_string_equal(
                        hex,
                        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea8"
                        "7e13c512a");
        assert_int_equal(hpke_open(HPKE_AES_128_GCM, recipient, enc, text_of("Ode on a Grecian Urn"),
                                   text_of("Count-0"), (struct hpke_text){ sealed.data, sealed.size },
                                   &opened, &err),
                         0);
        assert_int_equal(opened.size, 29);
        assert_memory_equal(opened.data, "Beauty is truth, truth beauty", 29);
}

struct sample {
        EVP_PKEY *recipient;
        uint8_t enc[HPKE_ENC_SIZE];
        struct cvm_bytes sealed;
};

static void sample_make(struct sample *s) {
        struct cvm_error err = { 0 };

        s->recipient = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
        assert_int_equal(hpke_seal(HPKE_AES_256_GCM, s->recipient, NULL, text_of("info"), text_of("aad"),
                                   text_of("plain"), s->enc, &s->sealed, &err),
                         0);
}

static void sample_done(struct sample *s) {
        EVP_PKEY_free(s->recipient);
        cvm_bytes_done(&s->sealed);
}

static void assert_refused(const struct sample *s, const uint8_t *enc, const char *info, const char *aad,
                           size_t size) {
        struct cvm_secret opened = { 0 };
        struct cvm_error err = { 0 };

        assert_true(hpke_open(HPKE_AES_256_GCM, s->recipient, enc, text_of(info), text_of(aad),
                              (struct hpke_text){ s->sealed.data, size }, &opened, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_SECRET_SEAL);
        assert_null(opened.data);
}

static void test_anything_changed_is_refused(void **state) {
        CVM_CLEANUP(sample_done) struct sample s = { 0 };
        uint8_t enc[HPKE_ENC_SIZE], low_order[HPKE_ENC_SIZE] = { 0 };

        sample_make(&s);
        assert_refused(&s, s.enc, "Info", "aad", s.sealed.size);
        assert_refused(&s, s.enc, "info", "aae", s.sealed.size);
        assert_refused(&s, s.enc, "info", "aad", s.sealed.size - 1);
        assert_refused(&s, s.enc, "info", "aad", HPKE_TAG_SIZE - 1);
        assert_refused(&s, s.enc, "info", "aad", 0);
        memcpy(enc, s.enc, sizeof enc);
        enc[3] ^= 1;
        assert_refused(&s, enc, "info", "aad", s.sealed.size);
        assert_refused(&s, low_order, "info", "aad", s.sealed.size);
        low_order[0] = 1;
        assert_refused(&s, low_order, "info", "aad", s.sealed.size);
        for (size_t i = 0; i < s.sealed.size; i++) {
                s.sealed.data[i] ^= 0x80;
                assert_refused(&s, s.enc, "info", "aad", s.sealed.size);
                s.sealed.data[i] ^= 0x80;
        }
}

static void test_another_key_does_not_open(void **state) {
        CVM_CLEANUP(sample_done) struct sample s = { 0 };

        sample_make(&s);
        EVP_PKEY_free(s.recipient);
        s.recipient = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
        assert_refused(&s, s.enc, "info", "aad", s.sealed.size);
}

#if OPENSSL_VERSION_NUMBER >= 0x30200000L
static const OSSL_HPKE_SUITE theirs = { OSSL_HPKE_KEM_ID_X25519, OSSL_HPKE_KDF_ID_HKDF_SHA256,
                                        OSSL_HPKE_AEAD_ID_AES_GCM_256 };

static void their_ctx_free(OSSL_HPKE_CTX **ctx) {
        OSSL_HPKE_CTX_free(*ctx);
}

static void they_open_what_we_seal(const uint8_t *plain, size_t size) {
        CVM_CLEANUP(their_ctx_free)
        OSSL_HPKE_CTX *ctx =
                        OSSL_HPKE_CTX_new(OSSL_HPKE_MODE_BASE, theirs, OSSL_HPKE_ROLE_RECEIVER, NULL, NULL);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *recipient = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes sealed = { 0 };
        struct cvm_error err = { 0 };
        uint8_t enc[HPKE_ENC_SIZE], opened[1024];
        size_t opened_size = sizeof opened;

        assert_int_equal(hpke_seal(HPKE_AES_256_GCM, recipient, NULL, text_of("info"), text_of("aad"),
                                   (struct hpke_text){ plain, size }, enc, &sealed, &err),
                         0);
        assert_int_equal(OSSL_HPKE_decap(ctx, enc, sizeof enc, recipient, (const uint8_t *)"info", 4), 1);
        assert_int_equal(OSSL_HPKE_open(ctx, opened, &opened_size, (const uint8_t *)"aad", 3, sealed.data,
                                        sealed.size),
                         1);
        assert_int_equal(opened_size, size);
        assert_memory_equal(opened, plain, size);
}

static void we_open_what_they_seal(const uint8_t *plain, size_t size) {
        CVM_CLEANUP(their_ctx_free)
        OSSL_HPKE_CTX *ctx =
                        OSSL_HPKE_CTX_new(OSSL_HPKE_MODE_BASE, theirs, OSSL_HPKE_ROLE_SENDER, NULL, NULL);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *recipient = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
        struct cvm_error err = { 0 };
        uint8_t public[32], enc[HPKE_ENC_SIZE], sealed[1024 + HPKE_TAG_SIZE];
        size_t public_size = sizeof public, enc_size = sizeof enc, sealed_size = sizeof sealed;

        assert_int_equal(EVP_PKEY_get_raw_public_key(recipient, public, &public_size), 1);
        assert_int_equal(OSSL_HPKE_encap(ctx, enc, &enc_size, public, public_size, (const uint8_t *)"info",
                                         4),
                         1);
        assert_int_equal(OSSL_HPKE_seal(ctx, sealed, &sealed_size, (const uint8_t *)"aad", 3, plain, size),
                         1);
        assert_int_equal(hpke_open(HPKE_AES_256_GCM, recipient, enc, text_of("info"), text_of("aad"),
                                   (struct hpke_text){ sealed, sealed_size }, &opened, &err),
                         0);
        assert_int_equal(opened.size, size);
        assert_memory_equal(opened.data, plain, size);
}
#endif

/* The RFC prints no vector for suite 1, so another implementation is its witness, in both directions. */
static void test_equals_openssl(void **state) {
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
        static const size_t sizes[] = { 1, 16, 31, 1000 };
        uint8_t plain[1000];

        memset(plain, 0x5a, sizeof plain);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                they_open_what_we_seal(plain, sizes[i]);
                we_open_what_they_seal(plain, sizes[i]);
        }
#else
        print_message("SKIP: %s has no HPKE of its own, 3.2 or later has\n", OPENSSL_VERSION_TEXT);
        skip();
#endif
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rfc_9180_a_1),
                cmocka_unit_test(test_anything_changed_is_refused),
                cmocka_unit_test(test_another_key_does_not_open),
                cmocka_unit_test(test_equals_openssl),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
