/* The envelope: one type, one key, one signature, over exactly these bytes. */
#include "attest/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/attest/fixed-keys.h"

#define PAYLOAD "{\"a\":1}"
#define PAYLOAD64 "eyJhIjoxfQ=="
#define TYPE "application/vnd.cvmd.policy.v1+json"

static EVP_PKEY *owner, *stranger;
static char *good;         /* PAYLOAD as a policy, by the owner */
static char good_sig[128]; /* its signature, base64 */

static int setup(void **state) {
        struct cvm_error err = { 0 };
        char *sig;

        owner = fixed_key(FIXED_OWNER);
        stranger = fixed_key(FIXED_SERVICE);
        if (cvm_envelope_sign(CVM_ENVELOPE_POLICY, PAYLOAD, strlen(PAYLOAD), owner, &good, &err) < 0)
                return -1;
        sig = strstr(good, "\"sig\":\"");
        snprintf(good_sig, sizeof good_sig, "%.88s", sig + 7);
        return 0;
}

static int teardown(void **state) {
        free(good);
        EVP_PKEY_free(owner);
        EVP_PKEY_free(stranger);
        return 0;
}

static const struct cvm_code *open_as(const char *text, size_t size, enum cvm_envelope_type type,
                                      EVP_PKEY *key) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t digest[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };

        if (cvm_envelope_open(text, size, type, key, &payload, digest, &err) < 0) {
                assert_null(payload.data);
                return cvm_error_code(&err);
        }
        return NULL;
}

/* An envelope of these parts, opened as the owner's policy. */
static const struct cvm_code *open_parts(const char *type, const char *payload, const char *signatures,
                                         const char *rest) {
        char text[2048];

        snprintf(text, sizeof text, "{\"payloadType\":\"%s\",\"payload\":\"%s\",\"signatures\":[%s]%s}",
                 type, payload, signatures, rest);
        return open_as(text, strlen(text), CVM_ENVELOPE_POLICY, owner);
}

static const char *signature(const char *more) {
        static char text[512];

        snprintf(text, sizeof text, "{\"sig\":\"%s\"%s}", good_sig, more);
        return text;
}

static void test_opens_what_was_signed(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t digest[CVM_SHA384_SIZE], expected[CVM_SHA384_SIZE];
        static const char pae[] = "DSSEv1 35 " TYPE " 7 " PAYLOAD;
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_envelope_open(good, strlen(good), CVM_ENVELOPE_POLICY, owner, &payload, digest,
                                           &err),
                         0);
        assert_string_equal((char *)payload.data, PAYLOAD);
        cvm_sha384(pae, sizeof pae - 1, expected);
        assert_memory_equal(digest, expected, sizeof digest);
        assert_null(open_parts(TYPE, PAYLOAD64, signature(""), ""));
}

static void test_keyid_is_a_hint(void **state) {
        assert_null(open_parts(TYPE, PAYLOAD64, signature(",\"keyid\":\"of somebody else\""), ""));
        assert_null(open_parts(TYPE, PAYLOAD64, signature(",\"keyid\":\"\""), ""));
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, signature(",\"keyid\":1"), ""), &CVM_CODE_ENVELOPE);
}

static void test_two_signatures_or_none(void **state) {
        char two[512];

        snprintf(two, sizeof two, "{\"sig\":\"%s\"},{\"sig\":\"%s\"}", good_sig, good_sig);
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, two, ""), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, "", ""), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, "null", ""), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, "{}", ""), &CVM_CODE_ENVELOPE);
}

static void test_another_type(void **state) {
        for (int type = 0; type < CVM_ENVELOPE_MAX_; type++)
                if (type != CVM_ENVELOPE_POLICY)
                        assert_ptr_equal(open_as(good, strlen(good), (enum cvm_envelope_type)type, owner),
                                         &CVM_CODE_ENVELOPE);
        /* the type is signed too: renaming it does not help */
        for (int type = 0; type < CVM_ENVELOPE_MAX_; type++) {
                char text[1024];

                if (type == CVM_ENVELOPE_POLICY)
                        continue;
                snprintf(text, sizeof text,
                         "{\"payloadType\":\"%s\",\"payload\":\"" PAYLOAD64 "\",\"signatures\":[%s]}",
                         cvm_envelope_type_text((enum cvm_envelope_type)type), signature(""));
                assert_ptr_equal(open_as(text, strlen(text), (enum cvm_envelope_type)type, owner),
                                 &CVM_CODE_SIGNATURE);
        }
        assert_ptr_equal(open_parts("application/json", PAYLOAD64, signature(""), ""), &CVM_CODE_ENVELOPE);
}

static void test_types_are_distinct(void **state) {
        for (int a = 0; a < CVM_ENVELOPE_MAX_; a++)
                for (int b = 0; b < a; b++)
                        assert_string_not_equal(cvm_envelope_type_text((enum cvm_envelope_type)a),
                                                cvm_envelope_type_text((enum cvm_envelope_type)b));
}

static void test_another_key(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *x25519 = fixed_key(FIXED_BOOT_KEM);

        assert_ptr_equal(open_as(good, strlen(good), CVM_ENVELOPE_POLICY, stranger), &CVM_CODE_SIGNATURE);
        assert_ptr_equal(open_as(good, strlen(good), CVM_ENVELOPE_POLICY, x25519), &CVM_CODE_SIGNATURE);
}

static void test_payload_changed(void **state) {
        assert_ptr_equal(open_parts(TYPE, "eyJhIjoyfQ==", signature(""), ""), &CVM_CODE_SIGNATURE);
        assert_ptr_equal(open_parts(TYPE, "", signature(""), ""), &CVM_CODE_SIGNATURE);
        /* the same JSON value in other bytes */
        assert_ptr_equal(open_parts(TYPE, "eyJhIjogMX0=", signature(""), ""), &CVM_CODE_SIGNATURE);
}

static void test_every_bit_of_the_signature(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes sig = { 0 };

        assert_int_equal(cvm_unbase64(good_sig, &sig), 0);
        for (size_t i = 0; i < 8 * sig.size; i += 7) {
                CVM_CLEANUP(cvm_freep) char *text = NULL;
                char object[256];

                sig.data[i / 8] ^= (uint8_t)(1 << i % 8);
                text = cvm_base64(sig.data, sig.size);
                snprintf(object, sizeof object, "{\"sig\":\"%s\"}", text);
                assert_ptr_equal(open_parts(TYPE, PAYLOAD64, object, ""), &CVM_CODE_SIGNATURE);
                sig.data[i / 8] ^= (uint8_t)(1 << i % 8);
        }
}

/* S + L is another number for the same signature: RFC 8032 wants it refused, or envelopes had two forms. */
static void test_signature_is_not_malleable(void **state) {
        static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                           0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes sig = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        char object[256];
        unsigned carry = 0;

        assert_int_equal(cvm_unbase64(good_sig, &sig), 0);
        for (size_t i = 0; i < 32; i++) {
                carry += sig.data[32 + i] + (unsigned)order[i];
                sig.data[32 + i] = (uint8_t)carry;
                carry >>= 8;
        }
        text = cvm_base64(sig.data, sig.size);
        snprintf(object, sizeof object, "{\"sig\":\"%s\"}", text);
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, object, ""), &CVM_CODE_SIGNATURE);
}

static void test_signatures_of_other_lengths(void **state) {
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, "{\"sig\":\"\"}", ""), &CVM_CODE_SIGNATURE);
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, "{\"sig\":\"AAEC\"}", ""), &CVM_CODE_SIGNATURE);
}

static void test_base64_that_is_not_standard(void **state) {
        char url[128];

        assert_ptr_equal(open_parts(TYPE, "eyJhIjoxfQ", signature(""), ""), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_parts(TYPE, "eyJhIjoxfR==", signature(""), ""), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_parts(TYPE, "eyJhIjoxfQ== ", signature(""), ""), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_parts(TYPE, "eyJh\\nIjoxfQ==", signature(""), ""), &CVM_CODE_ENVELOPE);
        snprintf(url, sizeof url, "{\"sig\":\"%.86s\"}", good_sig);
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, url, ""), &CVM_CODE_ENVELOPE);
}

static void test_fields_that_are_none(void **state) {
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, signature(""), ",\"x\":1"), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, signature(""), ",\"payload\":\"" PAYLOAD64 "\""),
                         &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_parts(TYPE, PAYLOAD64, signature(",\"x\":1"), ""), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_as("{}", 2, CVM_ENVELOPE_POLICY, owner), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_as("", 0, CVM_ENVELOPE_POLICY, owner), &CVM_CODE_ENVELOPE);
        assert_ptr_equal(open_as("[]", 2, CVM_ENVELOPE_POLICY, owner), &CVM_CODE_ENVELOPE);
}

static void test_trailing_bytes(void **state) {
        size_t size = strlen(good);
        char text[2048];

        snprintf(text, sizeof text, "%s\n", good);
        assert_null(open_as(text, size + 1, CVM_ENVELOPE_POLICY, owner)); /* a file ends so */
        snprintf(text, sizeof text, "%s{}", good);
        assert_ptr_equal(open_as(text, size + 2, CVM_ENVELOPE_POLICY, owner), &CVM_CODE_ENVELOPE);
        memcpy(text + size, "\0x", 2);
        assert_ptr_equal(open_as(text, size + 2, CVM_ENVELOPE_POLICY, owner), &CVM_CODE_ENVELOPE);
        for (size_t cut = 0; cut < size; cut += 5)
                assert_ptr_equal(open_as(good, cut, CVM_ENVELOPE_POLICY, owner), &CVM_CODE_ENVELOPE);
}

static void test_too_large(void **state) {
        const size_t size = 2 * CVM_ENVELOPE_MAX + 1;
        CVM_CLEANUP(cvm_freep) char *text = malloc(size + 1);
        char *signed_ = NULL;
        struct cvm_error err = { 0 };

        memset(text, ' ', size);
        text[size] = 0;
        assert_ptr_equal(open_as(text, size, CVM_ENVELOPE_POLICY, owner), &CVM_CODE_TOO_LARGE);
        assert_true(cvm_envelope_sign(CVM_ENVELOPE_POLICY, text, CVM_ENVELOPE_MAX + 1, owner, &signed_,
                                      &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_TOO_LARGE);
}

static void test_keys_that_cannot_sign(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *x25519 = fixed_key(FIXED_BOOT_KEM);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *public = NULL;
        uint8_t spki[CVM_SPKI_SIZE];
        struct cvm_error err = { 0 };
        char *text = NULL;

        assert_true(cvm_envelope_sign(CVM_ENVELOPE_POLICY, "{}", 2, x25519, &text, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_KEY);
        fixed_spki(FIXED_OWNER, spki);
        assert_int_equal(cvm_key_from_spki(CVM_KEY_SIGN, spki, sizeof spki, &public, &err), 0);
        assert_true(cvm_envelope_sign(CVM_ENVELOPE_POLICY, "{}", 2, public, &text, &err) < 0);
        assert_null(text);
}

static void test_peek_looks_at_no_signature_but_at_the_form(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        struct cvm_error err = { 0 };
        char text[512];

        snprintf(text, sizeof text,
                 "{\"payloadType\":\"" TYPE "\",\"payload\":\"" PAYLOAD64
                 "\",\"signatures\":[{\"sig\":\"AAAA\"}]}");
        assert_int_equal(cvm_envelope_peek(text, strlen(text), CVM_ENVELOPE_POLICY, &payload, &err), 0);
        assert_string_equal((char *)payload.data, PAYLOAD);
        cvm_bytes_done(&payload);
        assert_true(cvm_envelope_peek(text, strlen(text), CVM_ENVELOPE_BINDING, &payload, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_ENVELOPE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_opens_what_was_signed),
                cmocka_unit_test(test_keyid_is_a_hint),
                cmocka_unit_test(test_two_signatures_or_none),
                cmocka_unit_test(test_another_type),
                cmocka_unit_test(test_types_are_distinct),
                cmocka_unit_test(test_another_key),
                cmocka_unit_test(test_payload_changed),
                cmocka_unit_test(test_every_bit_of_the_signature),
                cmocka_unit_test(test_signature_is_not_malleable),
                cmocka_unit_test(test_signatures_of_other_lengths),
                cmocka_unit_test(test_base64_that_is_not_standard),
                cmocka_unit_test(test_fields_that_are_none),
                cmocka_unit_test(test_trailing_bytes),
                cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_keys_that_cannot_sign),
                cmocka_unit_test(test_peek_looks_at_no_signature_but_at_the_form),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
