/* Requests of our own making: the host they are for opens them, nobody else does, and every change is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>

#include "attest/exchange-se.h"
#include "attest/secret-se.h"
#include "base/names.h"
#include "tests/attest/software-uv-se.h"

struct scene {
        EVP_PKEY *customer, *hosts[2], *stranger;
        uint8_t key[SE_KEY_SIZE], iv[SE_IV_SIZE], tags[SE_BOOT_TAGS_SIZE], cuid[SE_CUID_SIZE];
        struct se_recipients to;
};

static void scene_begin(struct scene *s) {
        *s = (struct scene){ .hosts = { EVP_EC_gen("P-521"), EVP_EC_gen("P-521") },
                             .stranger = EVP_EC_gen("P-521") };
        assert_int_equal(se_customer_key_make(&s->customer, NULL), 0);
        cvm_random(s->key, sizeof s->key);
        cvm_random(s->iv, sizeof s->iv);
        cvm_random(s->tags, sizeof s->tags);
        cvm_random(s->cuid, sizeof s->cuid);
        s->to = (struct se_recipients){ s->customer, s->hosts, 2, s->key, s->iv };
}

static void scene_done(struct scene *s) {
        EVP_PKEY_free(s->customer);
        EVP_PKEY_free(s->hosts[0]);
        EVP_PKEY_free(s->hosts[1]);
        EVP_PKEY_free(s->stranger);
}

/* --- attestation --- */

static void make_request(struct scene *s, struct cvm_bytes *ret) {
        struct se_attestation a = { .flags = SE_ATTEST_IMAGE_KEY };

        cvm_random(a.measurement_key, sizeof a.measurement_key);
        cvm_random(a.nonce, sizeof a.nonce);
        assert_int_equal(se_attestation_make(&a, &s->to, ret, NULL), 0);
}

/* The guest's answer by a host. */
static void answer(struct scene *s, EVP_PKEY *host, const struct cvm_bytes *request,
                   struct se_exchange *ret) {
        uint8_t coordinates[160], hash[32], measurement[64];

        uv_coordinates(host, coordinates);
        cvm_sha256(coordinates, sizeof coordinates, hash);
        assert_true(uv_measure(request->data, request->size, host, s->tags, s->cuid, (const uint8_t *)"user",
                               4, hash, sizeof hash, measurement));
        *ret = (struct se_exchange){ .is_answer = true };
        assert_int_equal(cvm_bytes_copy(request->data, request->size, &ret->request), 0);
        assert_int_equal(cvm_bytes_copy(measurement, sizeof measurement, &ret->measurement), 0);
        assert_int_equal(cvm_bytes_copy(hash, sizeof hash, &ret->additional), 0);
        assert_int_equal(cvm_bytes_copy("user", 4, &ret->user_data), 0);
        memcpy(ret->cuid, s->cuid, sizeof ret->cuid);
}

static void test_hosts_answer(void **state) {
        CVM_CLEANUP(scene_done) struct scene s;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        uint8_t measurement[64];

        scene_begin(&s);
        make_request(&s, &request);
        for (size_t i = 0; i < 2; i++) {
                CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };
                CVM_CLEANUP(se_exchange_done) struct se_exchange again = { 0 };
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes file = { 0 };
                struct cvm_error err = { 0 };
                uint64_t flags = 0;

                answer(&s, s.hosts[i], &request, &x);
                assert_int_equal(se_exchange_write(&x, &file), 0);
                assert_int_equal(se_exchange_read(file.data, file.size, &again, NULL), 0);
                if (se_exchange_verify(&again, s.key, s.tags, &flags, &err) < 0)
                        fail_msg("%s", err.text);
                assert_int_equal(flags, SE_ATTEST_IMAGE_KEY | SE_ATTEST_NONCE);
        }
        assert_false(uv_measure(request.data, request.size, s.stranger, s.tags, s.cuid, NULL, 0, NULL, 0,
                                measurement));
}

static void test_every_part_of_an_answer_counts(void **state) {
        CVM_CLEANUP(scene_done) struct scene s;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };

        scene_begin(&s);
        make_request(&s, &request);
        answer(&s, s.hosts[0], &request, &x);
        uint8_t *const parts[] = { x.measurement.data, x.additional.data, x.user_data.data, x.cuid, s.tags,
                                   s.tags + 207 };

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                struct cvm_error err = { 0 };

                *parts[i] ^= 1;
                assert_true(se_exchange_verify(&x, s.key, s.tags, NULL, &err) < 0);
                assert_string_equal(cvm_error_code(&err)->id, "CVM-REPORT-MAC");
                *parts[i] ^= 1;
        }
        for (size_t i = 0; i < x.request.size; i++) {
                struct cvm_error err = { 0 };

                x.request.data[i] ^= 1;
                assert_true(se_exchange_verify(&x, s.key, s.tags, NULL, &err) < 0);
                assert_string_equal(cvm_error_code(&err)->id, "CVM-REQUEST-FORMAT");
                x.request.data[i] ^= 1;
        }
        assert_int_equal(se_exchange_verify(&x, s.key, s.tags, NULL, NULL), 0);
}

static void test_additional_data(void **state) {
        static const uint8_t data[448];
        const uint64_t all =
                        SE_ATTEST_IMAGE_KEY | SE_ATTEST_REQUEST_KEY | SE_ATTEST_SECRETS | SE_ATTEST_FIRMWARE;
        struct se_additional a;

        assert_int_equal(se_additional_size(all), 448);
        assert_int_equal(se_additional_size(SE_ATTEST_NONCE), 0);
        assert_int_equal(se_additional_read(all, data, 448, &a, NULL), 0);
        assert_ptr_equal(a.firmware, data + 128);
        assert_ptr_equal(a.secrets, data + 64);
        assert_int_equal(se_additional_read(SE_ATTEST_SECRETS, data, 64, &a, NULL), 0);
        assert_null(a.image_key);
        assert_ptr_equal(a.secrets, data);
        assert_true(se_additional_read(all, data, 447, &a, NULL) < 0);
        assert_true(se_additional_read(0, data, 1, &a, NULL) < 0);
}

/* --- secrets --- */

static struct se_secret secret_of(const struct scene *s, const char *type, const void *data, size_t size) {
        struct se_secret secret = { .type = se_secret_type_find(type),
                                    .data = data,
                                    .size = size,
                                    .boot_tags = s->tags,
                                    .cuid = s->cuid };

        assert_non_null(secret.type);
        return secret;
}

static void test_every_type(void **state) {
        CVM_CLEANUP(scene_done) struct scene s;
        uint8_t data[SE_SECRET_MAX], extension[32];

        scene_begin(&s);
        cvm_random(data, sizeof data);
        cvm_random(extension, sizeof extension);
        for (const struct se_secret_type *type = se_secret_types; type->name; type++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
                struct se_secret secret = secret_of(&s, type->name, data, type->size ? type->size : 0);
                struct se_secret_seen seen;
                uint8_t found[SE_SECRET_MAX + 32];
                size_t size, length;

                if (strcmp(type->name, "plaintext") == 0)
                        secret.size = 8190;
                length = secret.size == 8190 ? 8192 : secret.size;
                secret.extension = extension;
                assert_int_equal(se_secret_make(&secret, &s.to, &request, NULL), 0);
                assert_int_equal(se_secret_verify(request.data, request.size, NULL, &seen, NULL), 0);
                assert_int_equal(seen.type, type->number);
                assert_memory_equal(seen.cuid, s.cuid, sizeof seen.cuid);
                size = uv_open_request(request.data, request.size, 0x418, s.hosts[1], found, sizeof found);
                assert_int_equal(size, length + 32);
                assert_memory_equal(found + length, extension, 32);
                assert_memory_equal(found + (length - secret.size), data, secret.size);
                assert_int_equal(uv_open_request(request.data, request.size, 0x418, s.stranger, found,
                                                 sizeof found),
                                 0);
        }
}

static void test_sizes(void **state) {
        static const struct {
                const char *type;
                size_t size;
                bool good;
        } rows[] = {
                { "meta", 1, false },     { "association", 31, false }, { "association", 33, false },
                { "plaintext", 0, true }, { "plaintext", 8191, false }, { "ec-p521", 66, true },
                { "ec-p521", 65, false }, { "ed448", 57, true },        { "aes-128", 32, false },
        };
        static const uint8_t data[8191];
        CVM_CLEANUP(scene_done) struct scene s;

        scene_begin(&s);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
                struct se_secret secret = secret_of(&s, rows[i].type, data, rows[i].size);
                struct cvm_error err = { 0 };
                int r = se_secret_make(&secret, &s.to, &request, &err);

                if ((r >= 0) != rows[i].good)
                        fail_msg("%s of %zu bytes", rows[i].type, rows[i].size);
                if (r < 0)
                        assert_string_equal(cvm_error_code(&err)->id, "CVM-SECRET-FORM");
        }
        assert_null(se_secret_type_find("rsa"));
}

static void test_ids(void **state) {
        uint8_t id[32];

        assert_int_equal(se_secret_id("0123456789012345678901234567890", true, id), 0);
        assert_int_equal(id[31], 0);
        assert_int_equal(se_secret_id("01234567890123456789012345678901", true, id), -EINVAL);
        assert_int_equal(se_secret_id("", true, id), -EINVAL);
        assert_int_equal(se_secret_id("", false, id), -EINVAL);
}

static void expect_verify(const struct cvm_bytes *request, EVP_PKEY *key, const char *code) {
        struct se_secret_seen seen;
        struct cvm_error err = { 0 };
        int r = se_secret_verify(request->data, request->size, key, &seen, &err);

        if (code ? r >= 0 || strcmp(cvm_error_code(&err)->id, code) != 0 : r < 0)
                fail_msg("%s, not %s", r < 0 ? err.text : "verified", code ? code : "verified");
}

static void test_user_data(void **state) {
        static const uint8_t much[513];
        static const struct {
                const char *kind;
                size_t max;
        } rows[] = { { NULL, 512 }, { "P-521", 256 }, { "2048", 256 }, { "3072", 128 } };
        CVM_CLEANUP(scene_done) struct scene s;

        scene_begin(&s);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
                struct se_secret secret = secret_of(&s, "meta", NULL, 0);
                struct cvm_error err = { 0 };

                if (rows[i].kind)
                        key = rows[i].kind[0] == 'P' ? EVP_EC_gen(rows[i].kind)
                                                     : EVP_RSA_gen((unsigned)atoi(rows[i].kind));
                secret.user_key = key;
                secret.user_data = much;
                secret.user_data_size = rows[i].max + 1;
                assert_true(se_secret_make(&secret, &s.to, &request, &err) < 0);
                assert_string_equal(cvm_error_code(&err)->id, "CVM-SECRET-FORM");
                secret.user_data_size = rows[i].max;
                assert_int_equal(se_secret_make(&secret, &s.to, &request, &err), 0);
                expect_verify(&request, key, NULL);
                expect_verify(&request, key ? NULL : s.customer, "CVM-USER-KEY");
                if (!key)
                        continue;
                request.data[0x110] ^= 1; /* the configuration id */
                expect_verify(&request, key, i ? "CVM-SIGNATURE" : NULL);
                request.data[0x110] ^= 1;
                request.data[0x218] ^= 1; /* user data */
                expect_verify(&request, key, "CVM-SIGNATURE");
                request.data[0x218] ^= 1;
                request.data[request.size - 17] ^= 1; /* what is sealed */
                expect_verify(&request, key, "CVM-SIGNATURE");
        }
}

static void test_user_keys(void **state) {
        CVM_CLEANUP(scene_done) struct scene s;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *p256 = EVP_EC_gen("P-256");
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *rsa = EVP_RSA_gen(2048);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        struct se_secret secret;
        struct cvm_error err = { 0 };

        scene_begin(&s);
        secret = secret_of(&s, "meta", NULL, 0);
        secret.user_key = p256;
        assert_true(se_secret_make(&secret, &s.to, &request, &err) < 0);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-USER-KEY");
        secret.user_key = s.stranger;
        assert_int_equal(se_secret_make(&secret, &s.to, &request, NULL), 0);
        expect_verify(&request, s.stranger, NULL);
        expect_verify(&request, s.hosts[0], "CVM-SIGNATURE");
        expect_verify(&request, rsa, "CVM-USER-KEY");
        expect_verify(&request, p256, "CVM-USER-KEY");
}

static void test_requests_of_another_form(void **state) {
        CVM_CLEANUP(scene_done) struct scene s;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        struct se_secret secret;
        static const size_t formed[] = { 0, 6, 7, 8, 12, 15, 0x27, 0x2f, 0x118, 0x217 };

        scene_begin(&s);
        secret = secret_of(&s, "meta", NULL, 0);
        assert_int_equal(se_secret_make(&secret, &s.to, &request, NULL), 0);
        expect_verify(&request, NULL, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(formed); i++) {
                request.data[formed[i]] ^= 0x40;
                expect_verify(&request, NULL, "CVM-REQUEST-FORMAT");
                request.data[formed[i]] ^= 0x40;
        }
        for (size_t size = 0; size < request.size; size += 7) {
                struct cvm_bytes cut = { request.data, size };

                expect_verify(&cut, NULL, "CVM-REQUEST-FORMAT");
        }
        s.to.n_hosts = 0;
        assert_true(se_secret_make(&secret, &s.to, &request, NULL) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hosts_answer),
                cmocka_unit_test(test_every_part_of_an_answer_counts),
                cmocka_unit_test(test_additional_data),
                cmocka_unit_test(test_every_type),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_ids),
                cmocka_unit_test(test_user_data),
                cmocka_unit_test(test_user_keys),
                cmocka_unit_test(test_requests_of_another_form),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
