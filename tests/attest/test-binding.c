/* The binding: its bytes are for ever, every field must be there, and only its owner signs it. */
#include "attest/binding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/attest/fixed-keys.h"

#define ZEROS16 "00000000000000000000000000000000"
#define ZEROS48 ZEROS16 ZEROS16 ZEROS16
#define ONES48                                                                        \
        "111111111111111111111111111111111111111111111111111111111111111111111111111" \
        "111111111111111111111"
#define VERITY "2222222222222222222222222222222222222222222222222222222222222222"

/* The bytes that released versions have written: what the hardware vouches for is their digest, so a change
 * of one byte here would orphan every guest that runs. Lines are added below, never edited. */
static const struct {
        const char *bytes, *sha256;
} released[] = {
        { "{\"version\":1,\"serial\":1,\"uuid\":\"0c1d2e3f-0000-4000-8000-000000000001\",\"platform\":\"sev-snp\","
          "\"class\":\"simulated\",\"owner_id\":\"" ONES48 "\",\"root\":{\"type\":\"none\"},"
          "\"required_secrets\":[],\"service_id\":null,\"approval\":false}",
          "ecd10f16762d0bb9e2f0f1d2390c7497990f7ddf1c5a573c342726399ce32237" },
        { "{\"version\":1,\"serial\":9223372036854775807,\"uuid\":\"0c1d2e3f-0000-4000-8000-000000000001\","
          "\"platform\":\"tdx\",\"class\":\"hardware\",\"owner_id\":\"" ONES48 "\","
          "\"root\":{\"type\":\"luks\",\"header_digest\":\"" ONES48 "\"},"
          "\"required_secrets\":[\"disk\",\"tls.key\"],\"service_id\":\"" ONES48 "\",\"approval\":true}",
          "c265aecf951cbb9a392a96fd9285b81f022259c68d0e918a18770cfbfe98c521" },
        { "{\"version\":1,\"serial\":0,\"uuid\":\"0c1d2e3f-0000-4000-8000-000000000001\","
          "\"platform\":\"secure-execution\",\"class\":\"hardware\",\"owner_id\":\"" ONES48 "\","
          "\"root\":{\"type\":\"verity\",\"root_hash\":\"" VERITY "\"},"
          "\"required_secrets\":[\"a\"],\"service_id\":null,\"approval\":false}",
          "21f06b76277f91966697ef0eab6b858fa42e0f53385b4c8d7c6a6629c74f7a21" },
};

static void test_bytes_never_change(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(released); i++) {
                CVM_CLEANUP(binding_done) struct binding binding = { 0 };
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes again = { 0 };
                uint8_t digest[CVM_SHA256_SIZE];
                char hex[2 * CVM_SHA256_SIZE + 1];
                struct cvm_error err = { 0 };

                assert_int_equal(binding_read(released[i].bytes, strlen(released[i].bytes), &binding, &err),
                                 0);
                assert_int_equal(binding_write(&binding, &again, &err), 0);
                assert_int_equal(again.size, strlen(released[i].bytes));
                assert_string_equal((char *)again.data, released[i].bytes);
                cvm_sha256(again.data, again.size, digest);
                cvm_hex(digest, sizeof digest, hex);
                assert_string_equal(hex, released[i].sha256);
        }
}

static void test_fields_mean_what_they_say(void **state) {
        CVM_CLEANUP(binding_done) struct binding b = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(binding_read(released[1].bytes, strlen(released[1].bytes), &b, &err), 0);
        assert_true(b.serial == INT64_MAX);
        assert_int_equal(b.platform, CVM_PLATFORM_TDX);
        assert_int_equal(b.class_, CVM_CLASS_HARDWARE);
        assert_int_equal(b.root, CVM_ROOT_LUKS);
        assert_true(b.has_root_digest && b.root_digest[47] == 0x11);
        assert_int_equal(cvm_texts_count(b.required_secrets), 2);
        assert_true(b.has_service && b.approval);
        binding_done(&b);
        assert_int_equal(binding_read(released[2].bytes, strlen(released[2].bytes), &b, &err), 0);
        assert_int_equal(b.root, CVM_ROOT_VERITY);
        assert_true(b.root_digest[31] == 0x22 && b.root_digest[32] == 0);
        assert_false(b.has_service);
}

/* The first of the released ones, with `from` replaced by `to`. */
static void refused(const char *from, const char *to) {
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        const char *base = released[0].bytes, *place = strstr(base, from);
        struct cvm_error err = { 0 };
        char text[2048];

        assert_non_null(place);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(place - base), base, to, place + strlen(from));
        if (binding_read(text, strlen(text), &binding, &err) == 0)
                fail_msg("taken with %s", to);
        assert_ptr_equal(err.code, &CVM_CODE_FIELD);
}

static void test_every_field_is_required(void **state) {
        refused("\"version\":1,", "");
        refused("\"serial\":1,", "");
        refused("\"uuid\":\"0c1d2e3f-0000-4000-8000-000000000001\",", "");
        refused("\"platform\":\"sev-snp\",", "");
        refused("\"class\":\"simulated\",", "");
        refused("\"owner_id\":\"" ONES48 "\",", "");
        refused("\"root\":{\"type\":\"none\"},", "");
        refused("\"required_secrets\":[],", "");
        refused("\"service_id\":null,", "");
        refused(",\"approval\":false", "");
}

static void test_fields_that_are_wrong(void **state) {
        refused("\"version\":1", "\"version\":2");
        refused("\"version\":1", "\"version\":1,\"extra\":1");
        refused("\"version\":1", "\"version\":1,\"version\":1");
        refused("\"serial\":1", "\"serial\":-1");
        refused("\"serial\":1", "\"serial\":18446744073709551615");
        refused("\"serial\":1", "\"serial\":\"1\"");
        refused("000000000001", "00000000000A");
        refused("\"sev-snp\"", "\"none\"");
        refused("\"sev-snp\"", "\"SEV-SNP\"");
        refused("\"simulated\"", "\"any\"");
        refused("\"simulated\"", "null");
        refused(ONES48, "11");
        refused("null", "\"\"");
        refused("false", "0");
}

static void test_roots_with_too_much_or_too_little(void **state) {
        refused("{\"type\":\"none\"}", "{\"type\":\"luks\"}");
        refused("{\"type\":\"none\"}", "{\"type\":\"verity\"}");
        refused("{\"type\":\"none\"}", "{\"type\":\"none\",\"root_hash\":\"" VERITY "\"}");
        refused("{\"type\":\"none\"}", "{\"type\":\"luks\",\"root_hash\":\"" VERITY "\"}");
        refused("{\"type\":\"none\"}", "{\"type\":\"verity\",\"header_digest\":\"" ZEROS48 "\"}");
        refused("{\"type\":\"none\"}",
                "{\"type\":\"verity\",\"root_hash\":\"" VERITY "\",\"header_digest\":\"" ZEROS48 "\"}");
        refused("{\"type\":\"none\"}", "\"none\"");
        refused("{\"type\":\"none\"}", "{}");
}

static void test_secrets_that_are_no_names(void **state) {
        refused("[]", "[\"../key\"]");
        refused("[]", "[\"\"]");
        refused("[]", "[\"a\",\"b\",\"a\"]");
        refused("[]", "[\"a\",1]");
        refused("[]", "\"a\"");
        refused("[]", "null");
}

static char *sign(enum fixed_key signer, enum fixed_key named) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = fixed_key(signer);
        struct binding binding = { .version = 1,
                                   .uuid = (char *)"0c1d2e3f-0000-4000-8000-000000000001",
                                   .platform = CVM_PLATFORM_SEV_SNP };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t spki[CVM_SPKI_SIZE];
        struct cvm_error err = { 0 };
        char *envelope = NULL;

        fixed_spki(named, spki);
        cvm_key_id(spki, binding.owner_id);
        assert_int_equal(binding_write(&binding, &payload, &err), 0);
        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BINDING, payload.data, payload.size, key, &envelope,
                                           &err),
                         0);
        return envelope;
}

static const struct cvm_code *open_by(const char *envelope, enum fixed_key owner) {
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t spki[CVM_SPKI_SIZE];
        struct cvm_error err = { 0 };

        fixed_spki(owner, spki);
        if (binding_open(envelope, strlen(envelope), spki, &binding, &payload, &err) == 0)
                return NULL;
        assert_null(payload.data);
        assert_null(binding.uuid);
        return cvm_error_code(&err);
}

static void test_signer_and_named_owner_are_one(void **state) {
        CVM_CLEANUP(cvm_freep) char *own = sign(FIXED_OWNER, FIXED_OWNER);
        CVM_CLEANUP(cvm_freep) char *claims_other = sign(FIXED_OWNER, FIXED_SERVICE);

        assert_null(open_by(own, FIXED_OWNER));
        assert_ptr_equal(open_by(own, FIXED_SERVICE), &CVM_CODE_SIGNATURE);
        assert_ptr_equal(open_by(claims_other, FIXED_OWNER), &CVM_CODE_BINDING_OWNER);
        assert_ptr_equal(open_by(claims_other, FIXED_SERVICE), &CVM_CODE_SIGNATURE);
        assert_ptr_equal(open_by(own, FIXED_BOOT_KEM), &CVM_CODE_KEY);
}

/* Signed, and yet no binding. */
static void test_a_payload_that_is_none(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = fixed_key(FIXED_OWNER);
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;

        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BINDING, "{}", 2, key, &envelope, NULL), 0);
        assert_ptr_equal(open_by(envelope, FIXED_OWNER), &CVM_CODE_ENVELOPE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes_never_change),
                cmocka_unit_test(test_fields_mean_what_they_say),
                cmocka_unit_test(test_every_field_is_required),
                cmocka_unit_test(test_fields_that_are_wrong),
                cmocka_unit_test(test_roots_with_too_much_or_too_little),
                cmocka_unit_test(test_secrets_that_are_no_names),
                cmocka_unit_test(test_signer_and_named_owner_are_one),
                cmocka_unit_test(test_a_payload_that_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
