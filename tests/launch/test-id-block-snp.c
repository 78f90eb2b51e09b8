/* ID blocks that are made hold, every changed byte of them does not, and published ones say what they say.
 */
#include "launch/id-block-snp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "tests/shared.h"

struct scene {
        EVP_PKEY *id_key, *author_key;
        struct snp_id_block block;
        uint8_t bytes[SNP_ID_BLOCK_SIZE], auth[SNP_ID_AUTH_SIZE];
};

static int make_scene(void **state) {
        static struct scene s;

        s.id_key = EVP_EC_gen("P-384");
        s.author_key = EVP_EC_gen("P-384");
        s.block = (struct snp_id_block){
                .guest_svn = 7, .policy = 0x30000, .family_id = { 1 }, .image_id = { 2 }
        };
        memset(s.block.digest, 0xab, sizeof s.block.digest);
        *state = &s;
        return snp_id_block_make(&s.block, s.id_key, s.author_key, s.bytes, s.auth, NULL);
}

static int free_scene(void **state) {
        struct scene *s = *state;

        EVP_PKEY_free(s->id_key);
        EVP_PKEY_free(s->author_key);
        return 0;
}

static int verify(const struct scene *s, struct cvm_error *err) {
        struct snp_id_block block;

        return snp_id_block_verify(s->bytes, sizeof s->bytes, s->auth, sizeof s->auth, &block, NULL, err);
}

static void test_there_and_back(void **state) {
        struct scene *s = *state;
        struct snp_id_keys keys;
        struct snp_id_block block;
        struct cvm_error err = { 0 };

        if (snp_id_block_verify(s->bytes, sizeof s->bytes, s->auth, sizeof s->auth, &block, &keys, &err) < 0)
                fail_msg("%s", err.text);
        assert_memory_equal(block.digest, s->block.digest, sizeof block.digest);
        assert_int_equal(block.guest_svn, 7);
        assert_int_equal(block.policy, 0x30000);
        assert_true(keys.has_author);
        assert_memory_not_equal(keys.id_key, keys.author_key, sizeof keys.id_key);
}

static void test_without_an_author(void **state) {
        struct scene s = *(struct scene *)*state;
        struct snp_id_keys keys;
        struct snp_id_block block;

        assert_int_equal(snp_id_block_make(&s.block, s.id_key, NULL, s.bytes, s.auth, NULL), 0);
        assert_int_equal(snp_id_block_verify(s.bytes, sizeof s.bytes, s.auth, 0x680, &block, &keys, NULL),
                         0);
        assert_false(keys.has_author);
}

/* No byte of either may be another: signed, or zero. Ten bytes apart suffices to meet each part. */
static void test_every_part_counts(void **state) {
        for (size_t at = 0; at < SNP_ID_BLOCK_SIZE + SNP_ID_AUTH_SIZE; at += at < 32 ? 1 : 11) {
                struct scene s = *(struct scene *)*state;
                struct cvm_error err = { 0 };

                *(at < SNP_ID_BLOCK_SIZE ? &s.bytes[at] : &s.auth[at - SNP_ID_BLOCK_SIZE]) ^= 0x40;
                if (verify(&s, &err) >= 0)
                        fail_msg("byte %zu does not count", at);
                assert_ptr_equal(err.code, &CVM_CODE_ID_BLOCK);
        }
}

static void test_other_lengths(void **state) {
        const struct scene *s = *state;
        struct snp_id_block block;
        uint8_t longer[SNP_ID_AUTH_SIZE + 1] = { 0 };

        assert_true(snp_id_block_read(s->bytes, 95, &block, NULL) < 0);
        assert_true(snp_id_block_read(longer, 97, &block, NULL) < 0);
        memcpy(longer, s->auth, sizeof s->auth);
        assert_true(snp_id_block_verify(s->bytes, sizeof s->bytes, longer, sizeof longer, &block, NULL,
                                        NULL) < 0);
        assert_true(snp_id_block_verify(s->bytes, sizeof s->bytes, s->auth, 0x240, &block, NULL, NULL) < 0);
}

static void test_keys_of_another_kind(void **state) {
        struct scene s = *(struct scene *)*state;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *p256 = EVP_EC_gen("P-256");
        struct cvm_error err = { 0 };

        assert_true(snp_id_block_make(&s.block, p256, NULL, s.bytes, s.auth, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_ID_KEY);
}

static void load(const char *name, struct cvm_bytes *ret) {
        struct cvm_error err = { 0 };
        char below[256];

        snprintf(below, sizeof below, "vectors/snp/idblock/%s", name);
        if (cvm_read_file(shared_path(below), 1 << 16, ret, &err) < 0)
                fail_msg("%s", err.text);
}

static EVP_PKEY *load_key(const char *name) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        CVM_CLEANUP(BIO_free_allp) BIO *bio = NULL;

        load(name, &pem);
        bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        return PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
}

static void assert_key(const char *name, const char *digest) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = load_key(name);
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct snp_id_block block = { .policy = 0x30000 }, again;
        uint8_t bytes[SNP_ID_BLOCK_SIZE], auth[SNP_ID_AUTH_SIZE];
        struct snp_id_keys keys;

        assert_int_equal(snp_id_block_make(&block, key, NULL, bytes, auth, NULL), 0);
        assert_int_equal(snp_id_block_verify(bytes, sizeof bytes, auth, sizeof auth, &again, &keys, NULL),
                         0);
        text = cvm_base64(keys.id_key, sizeof keys.id_key);
        assert_string_equal(text, digest);
}

static void test_published(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes block = { 0 }, auth = { 0 };
        uint8_t made[SNP_ID_BLOCK_SIZE], made_auth[SNP_ID_AUTH_SIZE];
        struct snp_id_block read;
        struct snp_id_keys keys;
        struct cvm_error err = { 0 };

        if (shared_is_absent("vectors/snp/idblock"))
                skip();
        load("test_id_block.bin", &block);
        load("test_auth_block.bin", &auth);
        if (snp_id_block_verify(block.data, block.size, auth.data, auth.size, &read, &keys, &err) < 0)
                fail_msg("%s", err.text);
        assert_true(keys.has_author);
        assert_int_equal(read.policy, 0x30000);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = load_key("test_id_key.pem");
        assert_int_equal(snp_id_block_make(&read, key, NULL, made, made_auth, NULL), 0);
        assert_memory_equal(made, block.data, sizeof made);
        assert_memory_equal(made_auth + 0x240, auth.data + 0x240, 0x404);
        assert_key("measure-id_key_test.pem",
                   "hwt+NcU/inLQ0yL3WrKvgmJ5Kq9leWIs5BMcPyHyied8sFYKXjuQs5MuZ07HCcsU");
        assert_key("measure-author_key_test.pem",
                   "YxEcNLv8Ckk4+aAJvQdJgNgXIyPmFZnJ/TNtqGcySOHcqY0L6PdjdqEGuK/UwKBX");
        assert_key("test_id_key.pem", "WfssaG36T+9J84M5qndckAUcKNVzg93DuvO160sUlt87DbvcuuX+J2d6ZEggdz/i");
        assert_key("test_auth_key.pem", "7tgRafsMteDsNHlPEo/U4MSkb2fGWhrfqB/LJLzAiMJyNpt//D6ytq9qQoShs2xf");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),       cmocka_unit_test(test_without_an_author),
                cmocka_unit_test(test_every_part_counts),    cmocka_unit_test(test_other_lengths),
                cmocka_unit_test(test_keys_of_another_kind), cmocka_unit_test(test_published),
        };

        return cmocka_run_group_tests(tests, make_scene, free_scene);
}
