/* Published requests, measurements and exchange files, byte for byte, and what must be refused of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/exchange-se.h"
#include "attest/secret-se.h"
#include "tests/attest/vectors-se.h"

/* What all published requests were made with. */
struct maker {
        EVP_PKEY *customer, *host;
        uint8_t key[SE_KEY_SIZE], iv[SE_IV_SIZE];
        struct se_recipients to;
};

static void maker_begin(struct maker *m) {
        m->customer = se_customer_key();
        m->host = se_host_key("keys/host.pem.crt");
        memset(m->key, 0x17, sizeof m->key);
        memset(m->iv, 0x55, sizeof m->iv);
        m->to = (struct se_recipients){ m->customer, &m->host, 1, m->key, m->iv };
}

static void maker_done(struct maker *m) {
        EVP_PKEY_free(m->customer);
        EVP_PKEY_free(m->host);
}

static void same(const struct cvm_bytes *made, const char *name) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes expected = se_load(name);

        if (made->size != expected.size || memcmp(made->data, expected.data, made->size) != 0)
                fail_msg("'%s' comes out otherwise", name);
}

static void test_attestation_request(void **state) {
        CVM_CLEANUP(maker_done) struct maker m;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
        struct se_attestation a = { .flags = SE_ATTEST_IMAGE_KEY | SE_ATTEST_REQUEST_KEY };
        const struct se_attestation *found;

        maker_begin(&m);
        memset(a.measurement_key, 0x77, sizeof a.measurement_key);
        memset(a.nonce, 0xab, sizeof a.nonce);
        assert_int_equal(se_attestation_make(&a, &m.to, &request, NULL), 0);
        same(&request, "exp/arcb.bin");
        assert_int_equal(se_attestation_open(request.data, request.size, m.key, &opened, NULL), 0);
        found = (const struct se_attestation *)opened.data;
        assert_memory_equal(found->measurement_key, a.measurement_key, sizeof a.measurement_key);
        assert_true(found->has_nonce);
        assert_memory_equal(found->nonce, a.nonce, sizeof a.nonce);
        assert_int_equal(se_additional_size(found->flags), 64);
}

static void test_changed_attestation_requests(void **state) {
        static const struct {
                size_t at;
                const char *words;
        } rows[] = {
                { 0, "no attestation request" },
                { 0x3b, "algorithm 17" },
                { 0x3c, "does not open" },
        };
        uint8_t key[SE_KEY_SIZE];

        memset(key, 0x17, sizeof key);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = se_load("exp/arcb.bin");
                CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
                struct cvm_error err = { 0 };

                bytes.data[rows[i].at] = 0x11;
                assert_true(se_attestation_open(bytes.data, bytes.size, key, &opened, &err) < 0);
                assert_string_equal(cvm_error_code(&err)->id, "CVM-REQUEST-FORMAT");
                if (!strstr(err.text, rows[i].words))
                        fail_msg("no '%s' in: %s", rows[i].words, err.text);
        }
}

static void test_measurements(void **state) {
        static const struct {
                bool user, nonce, additional;
                const char *expected;
        } rows[] = {
                { true, true, true,
                  "88794c62cce7bcf26216deb3f48f13fea6374b6d7e35bcc5c2ce68121db6f45dfc8c171856463549408bf8e7d1aca11e"
                  "fad0a878af97dc9e21a1fc2a32f3a675" },
                { false, false, true,
                  "63671fbf295036eb1023ea71f7182e7d6343dc7b2da584e824d0a7d198ab9cded756c93b39050ffb764555b01f88cb82"
                  "017a6a15c7e0bafc6005f1e4f78aa124" },
                { false, false, false,
                  "c5c34c93835d1ec23f5c2d778dfa20129b11b305601742cb2f38e0ed9894dcdb73fc8695ab6a8dbad0744073ddc81a5e"
                  "aafa52e4a15af8deb8d761091922847f" },
        };
        struct se_attestation a = { 0 };
        struct se_measured measured = { 0 };
        uint8_t user[256], additional[128], found[64], expected[64];

        memset(a.measurement_key, 0x41, sizeof a.measurement_key);
        memset(a.nonce, 8, sizeof a.nonce);
        memset(measured.boot_tags, 1, 64);
        memset(measured.boot_tags + 64, 2, 64);
        memset(measured.boot_tags + 128, 3, 64);
        memset(measured.boot_tags + 192, 4, 16);
        memset(measured.cuid, 5, sizeof measured.cuid);
        memset(user, 7, sizeof user);
        memset(additional, 9, sizeof additional);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                a.has_nonce = rows[i].nonce;
                measured.user_data = user;
                measured.user_data_size = rows[i].user ? sizeof user : 0;
                measured.additional = additional;
                measured.additional_size = rows[i].additional ? sizeof additional : 0;
                assert_int_equal(se_measure(&a, &measured, found), 0);
                cvm_unhex(rows[i].expected, expected, sizeof expected);
                assert_memory_equal(found, expected, sizeof found);
        }
}

/* --- exchange files --- */

static int read_exchange(const char *name, struct se_exchange *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = se_load(name);

        return se_exchange_read(bytes.data, bytes.size, ret, err);
}

static void test_exchange_files(void **state) {
        static const struct {
                const char *name;
                bool answer;
                size_t additional, user; /* additional in a request: expected */
        } rows[] = {
                { "exchange/full_req.bin", false, 32, 0 },  { "exchange/add_req.bin", false, 32, 0 },
                { "exchange/user_req.bin", false, 0, 256 }, { "exchange/full_resp.bin", true, 32, 256 },
                { "exchange/full.bin", true, 32, 256 },     { "exchange/add_resp.bin", true, 32, 0 },
                { "exchange/min_resp.bin", true, 0, 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes again = { 0 };
                struct cvm_error err = { 0 };

                if (read_exchange(rows[i].name, &x, &err) < 0)
                        fail_msg("%s: %s", rows[i].name, err.text);
                assert_int_equal(x.is_answer, rows[i].answer);
                assert_int_equal(x.request.size, 16);
                assert_int_equal(x.request.data[15], 0x11);
                assert_int_equal(x.user_data.size, rows[i].user);
                assert_int_equal(x.is_answer ? x.additional.size : x.expected_additional,
                                 rows[i].additional);
                assert_int_equal(x.measurement.size, x.is_answer ? 64 : 0);
                if (x.is_answer) {
                        assert_int_equal(x.measurement.data[63], 0x12);
                        assert_int_equal(x.cuid[0], 0x14);
                }
                assert_int_equal(se_exchange_write(&x, &again), 0);
                same(&again, rows[i].name);
        }
}

static void test_exchange_files_that_are_refused(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = se_load("exchange/full_resp.bin");
        CVM_CLEANUP(se_exchange_done) struct se_exchange request = { 0 };
        struct se_exchange x;
        struct cvm_error err = { 0 };
        uint8_t key[SE_KEY_SIZE], tags[SE_BOOT_TAGS_SIZE];

        assert_int_equal(read_exchange("exchange/full_req.bin", &request, NULL), 0);
        assert_true(se_exchange_verify(&request, key, tags, NULL, &err) < 0);
        assert_non_null(strstr(err.text, "no guest has answered"));
        bytes.data[0] ^= 0xff;
        assert_true(se_exchange_read(bytes.data, bytes.size, &x, &err) < 0);
        assert_non_null(strstr(err.text, "no attestation exchange file"));
        bytes.data[0] ^= 0xff;
        bytes.data[9] ^= 1;
        assert_true(se_exchange_read(bytes.data, bytes.size, &x, &err) < 0);
        bytes.data[9] ^= 1;
        assert_true(se_exchange_read(bytes.data, bytes.size - 1, &x, &err) < 0);
        assert_non_null(strstr(err.text, "version or length"));
}

/* --- answers --- */

static void boot_tags_of(const char *name, uint8_t ret[SE_BOOT_TAGS_SIZE]) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes header = se_load(name);

        memcpy(ret, header.data + 0xe0, 192);
        memcpy(ret + 192, header.data + header.size - 16, 16);
}

static void test_answers(void **state) {
        static const struct {
                const char *answer, *header;
                uint8_t key;
                const char *code; /* NULL: it verifies */
        } rows[] = {
                { "att_ok_min", "exp/secure_guest.hdr", 0x17, NULL },
                { "att_ok_user", "synthetic/se-enc1.hdr", 0x17, NULL },
                { "att_bad_mac", "exp/secure_guest.hdr", 0x17, "CVM-REPORT-MAC" },
                { "att_ok_min", "synthetic/se-enc1.hdr", 0x17, "CVM-REPORT-MAC" },
                { "att_ok_user", "exp/secure_guest.hdr", 0x17, "CVM-REPORT-MAC" },
                { "att_ok_min", "exp/secure_guest.hdr", 0x16, "CVM-REQUEST-FORMAT" },
                { "att_ok_user", "synthetic/se-enc1.hdr", 0x16, "CVM-REQUEST-FORMAT" },
                { "att_bad_mac", "exp/secure_guest.hdr", 0x16, "CVM-REQUEST-FORMAT" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };
                struct cvm_error err = { 0 };
                uint8_t key[SE_KEY_SIZE], tags[SE_BOOT_TAGS_SIZE];
                char name[64];
                int r;

                memset(key, rows[i].key, sizeof key);
                boot_tags_of(rows[i].header, tags);
                snprintf(name, sizeof name, "synthetic/%s.bin", rows[i].answer);
                assert_int_equal(read_exchange(name, &x, &err), 0);
                r = se_exchange_verify(&x, key, tags, NULL, &err);
                if (!rows[i].code != (r >= 0) ||
                    (r < 0 && strcmp(cvm_error_code(&err)->id, rows[i].code) != 0))
                        fail_msg("%s with %s: %s", name, rows[i].header, r < 0 ? err.text : "verifies");
        }
}

static void test_what_answers_say(void **state) {
        CVM_CLEANUP(se_exchange_done) struct se_exchange min = { 0 };
        CVM_CLEANUP(se_exchange_done) struct se_exchange user = { 0 };
        struct se_additional a;
        uint8_t published[32], other[32], coordinates[SE_COORDINATES_SIZE];
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *host = se_host_key("cert/host.crt");

        cvm_unhex("415c25a5d19c381e619733e1c1b7fbd88bdd1c31d882d5ade04b97043c5010f0", published, 32);
        se_coordinates(host, "it", coordinates, NULL);
        cvm_sha256(coordinates, sizeof coordinates, other);
        assert_int_equal(read_exchange("synthetic/att_ok_min.bin", &min, NULL), 0);
        assert_int_equal(read_exchange("synthetic/att_ok_user.bin", &user, NULL), 0);
        assert_int_equal(min.cuid[0], 0x42);
        assert_int_equal(user.cuid[15], 1);
        assert_int_equal(user.user_data.size, 10);
        assert_memory_equal(user.user_data.data, "hello cvmd", 10);
        assert_int_equal(se_additional_read(SE_ATTEST_IMAGE_KEY | SE_ATTEST_REQUEST_KEY, min.additional.data,
                                            min.additional.size, &a, NULL),
                         0);
        assert_memory_equal(a.image_key, published, 32);
        assert_memory_equal(a.request_key, published, 32);
        assert_null(a.secrets);
        assert_int_equal(se_additional_read(SE_ATTEST_IMAGE_KEY | SE_ATTEST_REQUEST_KEY,
                                            user.additional.data, user.additional.size, &a, NULL),
                         0);
        assert_memory_equal(a.image_key, other, 32);
        assert_memory_equal(a.request_key, published, 32);
        assert_true(se_additional_read(SE_ATTEST_IMAGE_KEY, min.additional.data, min.additional.size, &a,
                                       NULL) < 0);
}

static void test_secret_store(void **state) {
        uint8_t hash[64], expected[4];

        se_secret_store_hash(NULL, 0, true, hash);
        cvm_unhex("7b54b668", expected, sizeof expected);
        assert_memory_equal(hash, expected, sizeof expected);
        se_secret_store_hash(NULL, 0, false, hash);
        cvm_unhex("b8244d02", expected, sizeof expected);
        assert_memory_equal(hash, expected, sizeof expected);
}

/* --- secrets --- */

static void published_secret(struct se_secret *ret, uint8_t tags[SE_BOOT_TAGS_SIZE], const char *type) {
        memset(tags, 1, 64);
        memset(tags + 64, 2, 64);
        memset(tags + 128, 3, 64);
        memset(tags + 192, 4, 16);
        *ret = (struct se_secret){ .type = se_secret_type_find(type), .boot_tags = tags };
        assert_non_null(ret->type);
}

static void test_add_secret_requests(void **state) {
        static const struct {
                const char *name;
                bool association, cuid;
                int extension; /* 0 none, 1 given, 2 derived */
        } rows[] = {
                { "assoc_none_default_cuid_one", true, true, 0 },
                { "assoc_simple_default_cuid_one", true, true, 1 },
                { "null_derived_default_cuid_one", false, true, 2 },
                { "null_none_default_cuid_one", false, true, 0 },
                { "null_none_default_ncuid_one", false, false, 0 },
                { "null_simple_default_cuid_one", false, true, 1 },
        };
        CVM_CLEANUP(maker_done) struct maker m;
        uint8_t tags[SE_BOOT_TAGS_SIZE], cuid[SE_CUID_SIZE], given[32], derived[32], secret[32],
                        cck[32] = { 0 };

        maker_begin(&m);
        memset(cuid, 0x42, sizeof cuid);
        memset(given, 0x17, sizeof given);
        memset(secret, 0x11, sizeof secret);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
                struct se_secret s;
                char name[80];

                published_secret(&s, tags, rows[i].association ? "association" : "meta");
                if (rows[i].association) {
                        s.data = secret;
                        s.size = sizeof secret;
                        se_secret_id("add_secret_request", false, s.id);
                }
                s.cuid = rows[i].cuid ? cuid : NULL;
                assert_int_equal(se_extension_secret(cck, tags + 192, derived), 0);
                s.extension = rows[i].extension == 1 ? given : rows[i].extension == 2 ? derived : NULL;
                assert_int_equal(se_secret_make(&s, &m.to, &request, NULL), 0);
                snprintf(name, sizeof name, "exp/asrcb/%s", rows[i].name);
                same(&request, name);
        }
}

static void test_published_request_is_seen(void **state) {
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes bytes = se_load("exp/asrcb/null_none_default_ncuid_one");
        struct se_secret_seen seen;

        assert_int_equal(se_secret_verify(bytes.data, bytes.size, NULL, &seen, NULL), 0);
        assert_int_equal(seen.user, SE_USER_NONE);
        assert_int_equal(seen.user_data_size, 0);
        assert_int_equal(seen.type, 1);
        assert_true(cvm_is_zero(seen.cuid, sizeof seen.cuid));
}

static void test_secret_ids(void **state) {
        uint8_t id[32], expected[32];

        assert_int_equal(se_secret_id("association secret", false, id), 0);
        cvm_unhex("75ad01b403a9e4595df07ace38129799ddad908a8f82f9c32cdd7d53efc73c62", expected, 32);
        assert_memory_equal(id, expected, 32);
        assert_int_equal(se_secret_id("test retr secret", false, id), 0);
        cvm_unhex("612cd63e", expected, 4);
        assert_memory_equal(id, expected, 4);
}

/* What the ultravisor finds in a plaintext secret. */
static void test_plaintext(void **state) {
        static const uint8_t ten[] = { 0, 10, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0 },
                             fourteen[] = { 0, 14, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7 };
        static const size_t sizes[] = { 10, 14 };
        CVM_CLEANUP(maker_done) struct maker m;
        uint8_t tags[SE_BOOT_TAGS_SIZE], sevens[14];

        maker_begin(&m);
        memset(sevens, 7, sizeof sevens);
        for (size_t i = 0; i < 2; i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
                CVM_CLEANUP(cvm_secret_done) struct cvm_secret plain = { 0 };
                struct se_request_head head;
                struct cvm_reader r;
                struct se_secret s;

                published_secret(&s, tags, "plaintext");
                s.data = sevens;
                s.size = sizes[i];
                assert_int_equal(se_secret_make(&s, &m.to, &request, NULL), 0);
                r = cvm_reader_of(request.data, request.size);
                assert_int_equal(se_request_head_read(&r, &head, NULL), 0);
                assert_int_equal(se_request_unseal(request.data, request.size, &head, m.key, &plain, NULL),
                                 0);
                assert_int_equal(plain.size, 16 + 32);
                assert_memory_equal(plain.data, i ? fourteen : ten, 16);
        }
}

static EVP_PKEY *pem_key(const char *name) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = se_load(name);
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

        assert_non_null(key);
        return key;
}

static void test_published_user_keys(void **state) {
        static const struct {
                const char *key, *certificate;
                const char *code;
        } rows[] = {
                { "keys/rsa2048key.pem", "keys/rsa2048.crt", NULL },
                { "keys/rsa3072key.pem", "keys/rsa3072.crt", NULL },
                { "keys/rsa4096key.pem", NULL, "CVM-USER-KEY" },
        };
        CVM_CLEANUP(maker_done) struct maker m;
        uint8_t tags[SE_BOOT_TAGS_SIZE];

        maker_begin(&m);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = pem_key(rows[i].key);
                CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *public = NULL;
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
                struct cvm_error err = { 0 };
                struct se_secret_seen seen;
                struct se_secret s;

                published_secret(&s, tags, "meta");
                s.user_data = "hello";
                s.user_data_size = 5;
                s.user_key = key;
                if (rows[i].code) {
                        assert_true(se_secret_make(&s, &m.to, &request, &err) < 0);
                        assert_string_equal(cvm_error_code(&err)->id, rows[i].code);
                        continue;
                }
                assert_int_equal(se_secret_make(&s, &m.to, &request, &err), 0);
                public = se_host_key(rows[i].certificate);
                if (se_secret_verify(request.data, request.size, public, &seen, &err) < 0)
                        fail_msg("%s", err.text);
                assert_memory_equal(seen.user_data, "hello", 6);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_attestation_request),
                cmocka_unit_test(test_changed_attestation_requests),
                cmocka_unit_test(test_measurements),
                cmocka_unit_test(test_exchange_files),
                cmocka_unit_test(test_exchange_files_that_are_refused),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_what_answers_say),
                cmocka_unit_test(test_secret_store),
                cmocka_unit_test(test_add_secret_requests),
                cmocka_unit_test(test_published_request_is_seen),
                cmocka_unit_test(test_secret_ids),
                cmocka_unit_test(test_plaintext),
                cmocka_unit_test(test_published_user_keys),
        };

        if (shared_is_absent("vectors/se/INDEX.md"))
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
