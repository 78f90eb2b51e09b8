/* Want of memory says nothing about evidence: it is never turned into a refusal. */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/audit-chain.h"
#include "attest/message.h"
#include "attest/seal.h"
#include "tests/attest/fixed-keys.h"
#include "tests/attest/make-snp.h"

/* json-c finds no memory for its n-th document from now; 0: it always does. */
static int fails_at;

json_tokener *json_tokener_new_ex(int depth) {
        json_tokener *(*real)(int) = (json_tokener * (*)(int)) dlsym(RTLD_NEXT, "json_tokener_new_ex");

        return fails_at > 0 && --fails_at == 0 ? NULL : real(depth);
}

/* OpenSSL finds no memory for its n-th piece from now; 0: it always does. */
static int openssl_fails_at;

static bool openssl_fails(void) {
        return openssl_fails_at > 0 && --openssl_fails_at == 0;
}

static void *openssl_malloc(size_t size, const char *file, int line) {
        return openssl_fails() ? NULL : malloc(size);
}

static void *openssl_realloc(void *p, size_t size, const char *file, int line) {
        return openssl_fails() ? NULL : realloc(p, size);
}

static void openssl_free(void *p, const char *file, int line) {
        free(p);
}

static EVP_PKEY *owner, *kem;

static int setup(void **state) {
        owner = fixed_key(FIXED_OWNER);
        kem = fixed_key(FIXED_BOOT_KEM);
        return owner && kem ? 0 : -1;
}

static int teardown(void **state) {
        EVP_PKEY_free(owner);
        EVP_PKEY_free(kem);
        return 0;
}

static void assert_no_memory(int r, const struct cvm_error *err) {
        assert_int_equal(r, -ENOMEM);
        assert_ptr_equal(err->code, &CVM_CODE_NO_MEMORY);
}

static void test_envelope(void **state) {
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        struct cvm_bytes payload = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_POLICY, "{}", 2, owner, &envelope, &err), 0);
        fails_at = 1;
        assert_no_memory(cvm_envelope_open(envelope, strlen(envelope), CVM_ENVELOPE_POLICY, owner, &payload,
                                           NULL, &err),
                         &err);
}

/* Envelope and payload of it are two documents. */
static void test_signed_object(void **state) {
        struct retire retire = { .uuid = (char *)"0c1d2e3f-4051-4263-8475-8697a8b9cadb" }, read = { 0 };
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_signed_make(CVM_ENVELOPE_RETIRE, retire_fields, &retire, owner, &envelope,
                                         &err),
                         0);
        fails_at = 2;
        assert_no_memory(cvm_signed_open(envelope, strlen(envelope), CVM_ENVELOPE_RETIRE, retire_fields,
                                         owner, &read, NULL, &err),
                         &err);
}

static void test_secret(void **state) {
        struct cvm_secret_header header = { .suite = CVM_SUITE, .kind = CVM_SECRET_FILE, .name = "a" };
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        struct cvm_secret plaintext = { 0 };
        uint8_t spki[CVM_SPKI_SIZE];
        struct cvm_error err = { 0 };

        fixed_spki(FIXED_BOOT_KEM, spki);
        assert_int_equal(cvm_secret_seal(&header, spki, "x", 1, owner, &envelope, &err), 0);
        fails_at = 2;
        assert_no_memory(cvm_secret_open(envelope, strlen(envelope), owner, kem, &header, &plaintext, NULL,
                                         &err),
                         &err);
}

static void test_message(void **state) {
        struct cvm_frame frame = { .type = CVM_MSG_BYE_ACK, .payload = "{\"id\":1}", .size = 8 };
        struct msg_ack ack = { 0 };
        struct cvm_error err = { 0 };

        fails_at = 1;
        assert_no_memory(cvm_message_read(cvm_message_kind(frame.type), &frame, &ack, &err), &err);
}

static void test_audit_row(void **state) {
        struct audit_head head;
        struct cvm_error err = { 0 };

        fails_at = 1;
        assert_no_memory(audit_verify("{}\n{}\n", 6, owner, NULL, &head, &err), &err);
}

/* Each of its pieces missing in turn, until none is. */
static void test_key(void **state) {
        uint8_t spki[CVM_SPKI_SIZE];
        int r = -1;

        fixed_spki(FIXED_OWNER, spki);
        for (int n = 1; r < 0; n++) {
                CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
                struct cvm_error err = { 0 };

                openssl_fails_at = n;
                r = cvm_key_from_spki(CVM_KEY_SIGN, spki, sizeof spki, &key, &err);
                openssl_fails_at = 0;
                if (r < 0)
                        assert_no_memory(r, &err);
        }
}

/* OpenSSL 3.0 keeps silent when the key in it finds no memory; the pieces of the certificate come first. */
static void test_certificate(void **state) {
        CVM_CLEANUP(make_keys_done) struct make_keys keys = make_keys();
        struct make_chain chain = make_chain(&keys, false);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = make_certificate(&chain.ark);

        for (int n = 1; n <= 64; n++) {
                struct snp_certificate certificate = { 0 };
                struct cvm_error err = { 0 };
                int r;

                openssl_fails_at = n;
                r = snp_certificate_read(der.data, der.size, &certificate, &err);
                openssl_fails_at = 0;
                assert_no_memory(r, &err);
        }
}

int main(void) {
        if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
                return 1;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_envelope),    cmocka_unit_test(test_signed_object),
                cmocka_unit_test(test_secret),      cmocka_unit_test(test_message),
                cmocka_unit_test(test_audit_row),   cmocka_unit_test(test_key),
                cmocka_unit_test(test_certificate),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
