/* Sealed secrets: every circumstance in the header counts, and both the signer and the recipient are one. */
#include "attest/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/hpke.h"
#include "base/json.h"
#include "tests/attest/fixed-keys.h"

static EVP_PKEY *owner, *kem;
static uint8_t kem_spki[CVM_SPKI_SIZE];

static int setup(void **state) {
        owner = fixed_key(FIXED_OWNER);
        kem = fixed_key(FIXED_BOOT_KEM);
        fixed_spki(FIXED_BOOT_KEM, kem_spki);
        return owner && kem ? 0 : -1;
}

static int teardown(void **state) {
        EVP_PKEY_free(owner);
        EVP_PKEY_free(kem);
        return 0;
}

static struct cvm_secret_header header(void) {
        return (struct cvm_secret_header){ .platform = 0x81,
                                           .suite = CVM_SUITE,
                                           .kind = CVM_SECRET_FILE,
                                           .uuid = { 1 },
                                           .keyset = { 2 },
                                           .binding = { 3 },
                                           .generation = 4,
                                           .seq = 5,
                                           .name = "tls.key" };
}

static char *seal(const void *plaintext, size_t size) {
        struct cvm_secret_header h = header();
        struct cvm_error err = { 0 };
        char *envelope = NULL;

        assert_int_equal(cvm_secret_seal(&h, kem_spki, plaintext, size, owner, &envelope, &err), 0);
        return envelope;
}

static const struct cvm_code *open_with(const char *envelope, EVP_PKEY *signer, EVP_PKEY *recipient) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plaintext = { 0 };
        struct cvm_secret_header h = { .seq = 99 };
        struct cvm_error err = { 0 };

        if (cvm_secret_open(envelope, strlen(envelope), signer, recipient, &h, &plaintext, NULL, &err) == 0)
                return NULL;
        assert_null(plaintext.data);
        assert_int_equal(h.seq, 99);
        return cvm_error_code(&err);
}

static void test_there_and_back(void **state) {
        static const size_t sizes[] = { 0, 1, 15, 16, 17, 4096, CVM_SECRET_MAX };
        CVM_CLEANUP(cvm_freep) uint8_t *data = malloc(CVM_SECRET_MAX);

        memset(data, 0xa5, CVM_SECRET_MAX);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                CVM_CLEANUP(cvm_freep) char *envelope = seal(data, sizes[i]);
                CVM_CLEANUP(cvm_secret_done) struct cvm_secret plaintext = { 0 };
                struct cvm_secret_header h, wanted = header();
                struct cvm_error err = { 0 };

                assert_int_equal(cvm_secret_open(envelope, strlen(envelope), owner, kem, &h, &plaintext,
                                                 NULL, &err),
                                 0);
                assert_int_equal(plaintext.size, sizes[i]);
                assert_memory_equal(plaintext.data, data, sizes[i]);
                assert_memory_equal(h.uuid, wanted.uuid, sizeof h.uuid);
                assert_memory_equal(h.keyset, wanted.keyset, sizeof h.keyset);
                assert_memory_equal(h.binding, wanted.binding, sizeof h.binding);
                assert_int_equal(h.platform, 0x81);
                assert_int_equal(h.kind, CVM_SECRET_FILE);
                assert_int_equal(h.generation, 4);
                assert_int_equal(h.seq, 5);
                assert_string_equal(h.name, "tls.key");
        }
}

static void test_too_large(void **state) {
        CVM_CLEANUP(cvm_freep) uint8_t *data = calloc(1, CVM_SECRET_MAX + 1);
        struct cvm_secret_header h = header();
        struct cvm_error err = { 0 };
        char *envelope = NULL;

        assert_true(cvm_secret_seal(&h, kem_spki, data, CVM_SECRET_MAX + 1, owner, &envelope, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_TOO_LARGE);
        assert_null(envelope);
}

static void test_never_the_same_twice(void **state) {
        CVM_CLEANUP(cvm_freep) char *a = seal("x", 1);
        CVM_CLEANUP(cvm_freep) char *b = seal("x", 1);

        assert_string_not_equal(a, b);
}

static void test_other_signer_other_recipient(void **state) {
        CVM_CLEANUP(cvm_freep) char *envelope = seal("x", 1);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *stranger = fixed_key(FIXED_SERVICE);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *other_boot = fixed_key(FIXED_EPHEMERAL);

        assert_ptr_equal(open_with(envelope, stranger, kem), &CVM_CODE_SIGNATURE);
        assert_ptr_equal(open_with(envelope, owner, other_boot), &CVM_CODE_SECRET_SEAL);
        assert_null(open_with(envelope, owner, kem));
}

/* The host itself can seal to a boot key that it knows; without the owner's signature that is worth nothing.
 */
static void test_sealed_by_somebody_else(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *host = fixed_key(FIXED_RECORD);
        struct cvm_secret_header h = header();
        struct cvm_error err = { 0 };
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;

        assert_int_equal(cvm_secret_seal(&h, kem_spki, "own", 3, host, &envelope, &err), 0);
        assert_ptr_equal(open_with(envelope, owner, kem), &CVM_CODE_SIGNATURE);
}

/* One part of a signed payload replaced by base64 of these bytes, and signed anew by the owner: what the
 * seal itself holds together. */
static char *resign(const char *envelope, const char *key, const void *bytes, size_t size) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *base64 = cvm_base64(bytes, size);
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };
        char *again = NULL;

        assert_int_equal(cvm_envelope_peek(envelope, strlen(envelope), CVM_ENVELOPE_SECRET, &payload, &err),
                         0);
        assert_int_equal(cvm_json_parse(payload.data, payload.size, "secret", &node, &err), 0);
        json_object_object_add(node, key, json_object_new_string(base64));
        text = cvm_json_text(node);
        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_SECRET, text, strlen(text), owner, &again, &err), 0);
        return again;
}

static void test_each_header_field_is_sealed(void **state) {
        CVM_CLEANUP(cvm_freep) char *envelope = seal("x", 1);
        struct cvm_secret_header h = header();
        uint8_t *const fields[] = {
                &h.platform,       &h.kind,          h.uuid,         h.keyset,
                h.keyset + 47,     h.binding,        h.binding + 47, (uint8_t *)&h.generation,
                (uint8_t *)&h.seq, (uint8_t *)h.name
        };

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
                CVM_CLEANUP(cvm_freep) char *changed = NULL;

                *fields[i] ^= 3;
                assert_int_equal(cvm_secret_header_write(&h, &bytes), 0);
                changed = resign(envelope, "header", bytes.data, bytes.size);
                assert_ptr_equal(open_with(changed, owner, kem), &CVM_CODE_SECRET_SEAL);
                *fields[i] ^= 3;
        }
}

static void test_parts_of_other_lengths(void **state) {
        CVM_CLEANUP(cvm_freep) char *envelope = seal("x", 1);
        static const struct {
                const char *key;
                size_t size;
                const struct cvm_code *code;
        } cases[] = {
                { "enc", 31, &CVM_CODE_SECRET_HEADER },      { "enc", 33, &CVM_CODE_SECRET_HEADER },
                { "enc", 0, &CVM_CODE_SECRET_HEADER },       { "enc", 32, &CVM_CODE_SECRET_SEAL },
                { "ciphertext", 0, &CVM_CODE_SECRET_SEAL },  { "ciphertext", 15, &CVM_CODE_SECRET_SEAL },
                { "ciphertext", 17, &CVM_CODE_SECRET_SEAL }, { "header", 0, &CVM_CODE_SECRET_HEADER },
                { "header", 400, &CVM_CODE_SECRET_HEADER },  { "header", 600, &CVM_CODE_SECRET_HEADER },
        };
        static const uint8_t zeros[600];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(cvm_freep)
                char *changed = resign(envelope, cases[i].key, zeros, cases[i].size);

                assert_ptr_equal(open_with(changed, owner, kem), cases[i].code);
        }
}

static void test_unknown_fields(void **state) {
        CVM_CLEANUP(cvm_freep) char *envelope = seal("x", 1);
        CVM_CLEANUP(cvm_freep) char *changed = resign(envelope, "also", "x", 1);

        assert_ptr_equal(open_with(changed, owner, kem), &CVM_CODE_SECRET_HEADER);
}

/* The header's own form. */
static void header_refused(const struct cvm_bytes *bytes, size_t size) {
        struct cvm_secret_header h = { .seq = 99 };
        struct cvm_error err = { 0 };

        assert_true(cvm_secret_header_read(bytes->data, size, &h, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_SECRET_HEADER);
        assert_int_equal(h.seq, 99);
}

static void test_headers_that_are_none(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_secret_header h = header();
        size_t name = 15 + 3 + 16 + 2 * 48 + 2 * 8;
        static const struct {
                size_t offset;
                int value;
        } changes[] = {
                { 0, 'C' },   { 14, 1 },    { 16, 0 },    { 16, 2 },  { 17, 0 },   { 17, 5 },
                { 17, 255 },  { 146, 0 },   { 146, 6 },   { 146, 8 }, { 146, 65 }, { 146, 255 },
                { 147, '.' }, { 147, 'A' }, { 148, '/' }, { 149, 0 }, { 150, 10 },
        };

        assert_int_equal(cvm_secret_header_write(&h, &bytes), 0);
        assert_int_equal(bytes.size, name + 1 + strlen(h.name));
        for (size_t size = 0; size < bytes.size; size++)
                header_refused(&bytes, size);
        header_refused(&bytes, bytes.size + 1); /* the NUL behind it */
        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                uint8_t kept = bytes.data[changes[i].offset];

                bytes.data[changes[i].offset] = (uint8_t)changes[i].value;
                header_refused(&bytes, bytes.size);
                bytes.data[changes[i].offset] = kept;
        }
        assert_int_equal(cvm_secret_header_read(bytes.data, bytes.size, &h, NULL), 0);
}

static void test_names_that_cannot_be_written(void **state) {
        static const char *const names[] = { "", "../x", "/x", "A", "a/b", "a b" };
        struct cvm_error err = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                struct cvm_secret_header h = header();
                struct cvm_bytes bytes = { 0 };
                char *envelope = NULL;

                snprintf(h.name, sizeof h.name, "%s", names[i]);
                assert_true(cvm_secret_header_write(&h, &bytes) < 0);
                assert_true(cvm_secret_seal(&h, kem_spki, "x", 1, owner, &envelope, &err) < 0);
                assert_ptr_equal(err.code, &CVM_CODE_NAME);
        }
}

static void test_peek_gives_the_header_alone(void **state) {
        CVM_CLEANUP(cvm_freep) char *envelope = seal("x", 1);
        struct cvm_secret_header h;
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_secret_peek(envelope, strlen(envelope), &h, &err), 0);
        assert_string_equal(h.name, "tls.key");
        assert_true(cvm_secret_peek("{}", 2, &h, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_ENVELOPE);
}

static void test_kinds_have_words(void **state) {
        assert_null(cvm_secret_kind_text(0));
        assert_null(cvm_secret_kind_text(5));
        assert_null(cvm_secret_kind_text((enum cvm_secret_kind)255));
        assert_string_equal(cvm_secret_kind_text(CVM_SECRET_UV_REQUEST), "uv-request");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_never_the_same_twice),
                cmocka_unit_test(test_other_signer_other_recipient),
                cmocka_unit_test(test_sealed_by_somebody_else),
                cmocka_unit_test(test_each_header_field_is_sealed),
                cmocka_unit_test(test_parts_of_other_lengths),
                cmocka_unit_test(test_unknown_fields),
                cmocka_unit_test(test_headers_that_are_none),
                cmocka_unit_test(test_names_that_cannot_be_written),
                cmocka_unit_test(test_peek_gives_the_header_alone),
                cmocka_unit_test(test_kinds_have_words),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
