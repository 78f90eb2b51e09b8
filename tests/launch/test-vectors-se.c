/* Published headers, digests and slots, and images that an independent program made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "base/json.h"
#include "launch/pages-se.h"
#include "tests/attest/vectors-se.h"
#include "tests/launch/make-image-se.h"
#include "tests/attest/software-uv-se.h"

static void test_slot(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *customer = se_customer_key();
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *host = se_host_key("keys/host.pem.crt");
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes expected = se_load("exp/keyslot.bin");
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes public = se_load("keys/public_cust.bin");
        uint8_t key[SE_KEY_SIZE], slot[SE_SLOT_SIZE], coordinates[SE_COORDINATES_SIZE];

        memset(key, 0x17, sizeof key);
        assert_int_equal(se_slot_make(customer, host, key, slot, NULL), 0);
        assert_memory_equal(slot, expected.data, sizeof slot);
        assert_int_equal(se_coordinates(customer, "it", coordinates, NULL), 0);
        assert_memory_equal(coordinates, public.data, sizeof coordinates);
}

/* --- headers --- */

static bool found_in(const void *data, size_t size, uint64_t *ret_at) {
        CVM_CLEANUP(cvm_closep) int fd = make_file(data, size);
        struct se_place place;
        struct se_header header;

        if (se_header_find(fd, "file", &place, &header, NULL) < 0)
                return false;
        *ret_at = place.header;
        return true;
}

static void test_published_header(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = se_load("exp/secure_guest.hdr");
        struct se_header header;
        uint8_t hash[32], tag[16], digest[4];

        assert_int_equal(se_header_read(bytes.data, bytes.size, &header, NULL), 0);
        cvm_unhex("782966a6298f6f5968780c3134ca4c55958d2dbca5292f59e9f5d2670befaf2f", hash, sizeof hash);
        cvm_unhex("92309d4589b9a85b427f8753171d1520", tag, sizeof tag);
        assert_int_equal(header.n_slots, 1);
        assert_int_equal(header.digests.n_pages, 0xfc25);
        assert_int_equal(header.pcf, 0);
        assert_true(se_header_has_host(&header, hash));
        hash[0] ^= 1;
        assert_false(se_header_has_host(&header, hash));
        assert_memory_equal(se_header_tag(&header), tag, sizeof tag);
        cvm_unhex("be94b5ea", digest, sizeof digest);
        assert_memory_equal(header.digests.pages, digest, sizeof digest);
        cvm_unhex("2858c336", digest, sizeof digest);
        assert_memory_equal(header.digests.addresses, digest, sizeof digest);
        cvm_unhex("4860ebcf", digest, sizeof digest);
        assert_memory_equal(header.digests.tweaks, digest, sizeof digest);
}

static void test_where_headers_are_found(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = se_load("exp/secure_guest.hdr");
        uint8_t *image = calloc(1, 0x20000);
        uint64_t at = 1;

        assert_true(found_in(bytes.data, bytes.size, &at));
        assert_int_equal(at, 0);
        memcpy(image + 0x12000, bytes.data, bytes.size);
        assert_true(found_in(image, 0x20000, &at));
        assert_int_equal(at, 0x12000);
        memset(image, 0, 0x20000);
        memcpy(image + 0x12008, bytes.data, bytes.size);
        assert_false(found_in(image, 0x20000, &at));
        memset(image, 0, 0x20000);
        memcpy(image + 0x15000, bytes.data, bytes.size); /* the page behind the last that is looked at */
        assert_false(found_in(image, 0x20000, &at));
        memcpy(image + 0x14000, bytes.data, bytes.size);
        assert_true(found_in(image, 0x20000, &at));
        assert_false(found_in(bytes.data + 1, bytes.size - 1, &at));
        bytes.data[2] ^= bytes.data[3];
        bytes.data[3] ^= bytes.data[2];
        bytes.data[2] ^= bytes.data[3];
        assert_false(found_in(bytes.data, bytes.size, &at));
        free(image);
}

/* --- pages --- */

static void test_component_digests(void **state) {
        CVM_CLEANUP(se_pages_freep) struct se_pages *pages = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes one = { calloc(1, 0x4000), 0x4000 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes two = { calloc(1, 0x3000), 0x3000 };
        struct se_digests digests;
        uint8_t key[64], expected[4];

        memset(key, 0x42, 32);
        memset(key + 32, 0x43, 32);
        memset(one.data, 1, 0x3400);
        memset(two.data, 2, 0x3000);
        assert_int_equal(se_pages_new(&pages, NULL), 0);
        assert_int_equal(se_pages_encrypt(key, 0x42, 0, one.data, one.size, NULL), 0);
        assert_int_equal(se_pages_encrypt(key, 0x42, 0, two.data, two.size, NULL), 0);
        assert_int_equal(se_pages_add(pages, 0x42, 0x10000, 0, one.data, one.size, NULL), 0);
        assert_int_equal(se_pages_add(pages, 0x42, 0x20000, 0, two.data, two.size, NULL), 0);
        assert_int_equal(se_pages_digests(pages, &digests, NULL), 0);
        assert_int_equal(digests.n_pages, 7);
        cvm_unhex("c391de57", expected, sizeof expected);
        assert_memory_equal(digests.addresses, expected, sizeof expected);
        cvm_unhex("a24ff30a", expected, sizeof expected);
        assert_memory_equal(digests.pages, expected, sizeof expected);
        cvm_unhex("424fe3cf", expected, sizeof expected);
        assert_memory_equal(digests.tweaks, expected, sizeof expected);
        assert_int_equal(se_pages_decrypt(key, 0x42, 0, one.data, one.size, NULL), 0);
        assert_int_equal(one.data[0x33ff], 1);
        assert_int_equal(one.data[0x3400], 0);
}

static void test_metadata(void **state) {
        static const struct se_place place = { .header = 0x14000, .ipib = 0x16000 };
        uint8_t bytes[SE_METADATA_SIZE], expected[SE_METADATA_SIZE];

        cvm_unhex("5365496d674c6e780000000000014000000000010000000000016000", expected, sizeof expected);
        se_metadata_write(&place, bytes);
        assert_memory_equal(bytes, expected, sizeof bytes);
}

static void test_flags(void **state) {
        const char *names[SE_FLAGS_MAX];

        assert_int_equal(SE_PCF_DUMP, 0x20000000);
        assert_int_equal(SE_PCF_DUMP | SE_PCF_BACKUP_KEYS, 0x20000002);
        assert_int_equal(SE_SCF_EXTENSION_SECRET | SE_SCF_CCK_UPDATE, 0x6000000000000000);
        assert_int_equal(se_flag_names(0x20000002, 0, names), 0);
        assert_string_equal(names[0], "dump");
        assert_string_equal(names[1], "backup-keys");
        assert_null(names[2]);
        assert_int_equal(se_flag_names(0x300050e3, 1, names),
                         4); /* bits 49, 51, 63 and the last secret one */
}

/* --- whole images, with what is random in them given --- */

struct made {
        json_object *node;
        struct cvm_bytes kernel, initrd, cmdline, stage3a, stage3b;
        struct se_source initrd_source;
        struct cvm_secret keys;
        struct se_random random;
        EVP_PKEY *hosts[2];
        struct se_build build;
};

static void unhex(json_object *node, const char *name, uint8_t *ret, size_t size) {
        assert_int_equal(cvm_unhex(json_object_get_string(json_object_object_get(node, name)), ret, size),
                         0);
}

static void load_random(struct made *m) {
        json_object *list = json_object_object_get(m->node, "components");

        m->random.customer = se_customer_key();
        unhex(m->node, "iv", m->random.iv, sizeof m->random.iv);
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                json_object *c = json_object_array_get_idx(list, i);
                int kind = json_object_get_int(json_object_object_get(c, "kind"));
                uint8_t tweak[16];

                unhex(c, "tweak", tweak, sizeof tweak);
                memcpy(m->random.tweaks[(kind - SE_KERNEL) / 10], tweak + 2, SE_TWEAK_RANDOM);
        }
}

static void load_made(const char *json, struct made *m) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = se_load(json);
        uint8_t flags[8];
        struct cvm_reader r = cvm_reader_of(flags, sizeof flags);

        *m = (struct made){ .kernel = se_load("synthetic/dummy-kernel.bin"),
                            .initrd = se_load("synthetic/dummy-ramdisk.bin"),
                            .cmdline = se_load("synthetic/dummy-cmdline.txt"),
                            .stage3a = se_load("synthetic/dummy-loader/stage3a.bin"),
                            .stage3b = se_load("synthetic/dummy-loader/stage3b_reloc.bin"),
                            .hosts = { se_host_key("cert/host.crt"), se_host_key("keys/host.pem.crt") } };
        assert_int_equal(cvm_json_parse(text.data, text.size, json, &m->node, NULL), 0);
        se_keys_new(&m->keys, NULL);
        unhex(m->node, "hdr_key", se_keys(&m->keys)->protection, SE_KEY_SIZE);
        unhex(m->node, "cck", se_keys(&m->keys)->cck, SE_CCK_SIZE);
        unhex(m->node, "xts", se_keys(&m->keys)->image, SE_IMAGE_KEY_SIZE);
        load_random(m);
        m->initrd_source = (struct se_source){ -1, m->initrd.data, m->initrd.size, "the initrd" };
        m->build = (struct se_build){
                .kernel = { -1, m->kernel.data, m->kernel.size, "the kernel" },
                .stage3a = &m->stage3a,
                .stage3b = &m->stage3b,
                .hosts = m->hosts,
                .n_hosts = (size_t)json_object_get_int(json_object_object_get(m->node, "nks")),
                .keys = se_keys(&m->keys),
                .random = &m->random,
        };
        unhex(m->node, "pcf", flags, sizeof flags);
        m->build.pcf = cvm_read_u64be(&r);
        unhex(m->node, "scf", flags, sizeof flags);
        r = cvm_reader_of(flags, sizeof flags);
        m->build.scf = cvm_read_u64be(&r);
}

static void made_done(struct made *m) {
        json_object_put(m->node);
        cvm_bytes_done(&m->kernel);
        cvm_bytes_done(&m->initrd);
        cvm_bytes_done(&m->cmdline);
        cvm_bytes_done(&m->stage3a);
        cvm_bytes_done(&m->stage3b);
        cvm_secret_done(&m->keys);
        se_random_done(&m->random);
        EVP_PKEY_free(m->hosts[0]);
        EVP_PKEY_free(m->hosts[1]);
}

static void builds_as_published(const struct made *m, const char *name) {
        CVM_CLEANUP(cvm_closep) int fd = make_file(NULL, 0);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes expected = se_load(name);
        struct cvm_error err = { 0 };
        struct se_image image;
        uint8_t sha256[32], found[32];

        if (se_image_build(&m->build, fd, &image, &err) < 0)
                fail_msg("%s", err.text);
        bytes = make_bytes_of(fd);
        assert_int_equal(bytes.size, expected.size);
        assert_memory_equal(bytes.data, expected.data, bytes.size);
        unhex(m->node, "image_sha256", sha256, sizeof sha256);
        cvm_sha256(bytes.data, bytes.size, found);
        assert_memory_equal(found, sha256, sizeof sha256);
        unhex(m->node, "header_sha256", sha256, sizeof sha256);
        cvm_sha256(image.header.bytes, image.header.size, found);
        assert_memory_equal(found, sha256, sizeof sha256);
}

static void test_encrypted_image(void **state) {
        CVM_CLEANUP(made_done) struct made m;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = se_load("synthetic/se-enc1.img");
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = se_load("cert/host.key");
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *host = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        struct uv_guest guest;

        load_made("synthetic/se-enc1.json", &m);
        m.build.cmdline = (char *)m.cmdline.data;
        m.build.initrd = &m.initrd_source;
        builds_as_published(&m, "synthetic/se-enc1.img");
        assert_true(uv_start(bytes.data, bytes.size, m.stage3a.size, host, &guest));
        assert_memory_equal(guest.protection_key, m.build.keys->protection, SE_KEY_SIZE);
        assert_int_equal(guest.kernel.size, m.kernel.size);
        assert_memory_equal(guest.kernel.data, m.kernel.data, m.kernel.size);
        free(guest.memory);
}

static void test_plain_image(void **state) {
        CVM_CLEANUP(made_done) struct made m;

        load_made("synthetic/se-plain1.json", &m);
        builds_as_published(&m, "synthetic/se-plain1.img");
}

static int check(const char *name, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = se_load(name);
        CVM_CLEANUP(cvm_closep) int fd = make_file(bytes.data, bytes.size);
        struct se_image image;

        assert_int_equal(se_image_read(fd, name, &image, err), 0);
        return se_image_check(fd, name, &image, err);
}

static void test_changed_ones(void **state) {
        CVM_CLEANUP(made_done) struct made m;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = se_load("synthetic/se-enc1-badpcf.hdr");
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes good = se_load("synthetic/se-enc1.hdr");
        struct cvm_error err = { 0 };
        struct se_header header;
        struct se_entry entry;

        assert_int_equal(check("synthetic/se-enc1.img", &err), 0);
        assert_int_equal(check("synthetic/se-plain1.img", &err), 0);
        assert_true(check("synthetic/se-enc1-badpage.img", &err) < 0);
        assert_non_null(strstr(err.text, "PLD"));
        load_made("synthetic/se-enc1.json", &m);
        assert_int_equal(se_header_read(good.data, good.size, &header, &err), 0);
        assert_int_equal(se_header_open(&header, se_keys(&m.keys), &entry, &err), 0);
        assert_int_equal(entry.psw_address, 0x2b000);
        assert_int_equal(entry.scf, 0);
        assert_int_equal(se_header_read(bytes.data, bytes.size, &header, &err), 0);
        assert_int_equal(header.pcf, 0xc0);
        assert_true(se_header_open(&header, se_keys(&m.keys), &entry, &err) < 0);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-IMAGE-CHANGED");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_slot),
                cmocka_unit_test(test_published_header),
                cmocka_unit_test(test_where_headers_are_found),
                cmocka_unit_test(test_component_digests),
                cmocka_unit_test(test_metadata),
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_encrypted_image),
                cmocka_unit_test(test_plain_image),
                cmocka_unit_test(test_changed_ones),
        };

        if (shared_is_absent("vectors/se/INDEX.md"))
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
