/* Images that are built hold, give back what they were made of to the host's key and to no other, and every
 * change of them is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/resource.h>

#include "launch/pages-se.h"
#include "tests/launch/make-image-se.h"
#include "tests/attest/software-uv-se.h"

/* The built image as a file. */
static int build(const struct make_image *m, struct se_image *ret) {
        struct cvm_error err = { 0 };
        int fd = make_file(NULL, 0);

        if (se_image_build(&m->build, fd, ret, &err) < 0)
                fail_msg("%s", err.text);
        return fd;
}

static void fails(const struct make_image *m, const char *code, const char *words) {
        CVM_CLEANUP(cvm_closep) int fd = make_file(NULL, 0);
        struct se_image image;
        struct cvm_error err = { 0 };
        uint8_t byte;

        assert_true(se_image_build(&m->build, fd, &image, &err) < 0);
        assert_string_equal(cvm_error_code(&err)->id, code);
        if (!strstr(err.text, words))
                fail_msg("no '%s' in: %s", words, err.text);
        if (cvm_read_at(fd, 0, &byte, 1) == 1)
                assert_int_not_equal(se_image_read(fd, "half", &image, NULL), 0);
}

static void same(const struct uv_part *part, const void *data, size_t size) {
        assert_int_equal(part->size, size);
        assert_memory_equal(part->data, data, size);
}

/* Every host gets everything; whoever is no host of it gets nothing. */
static void given_back(const struct make_image *m) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *stranger = EVP_EC_gen("P-521");
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct se_image image;
        struct uv_guest guest;

        fd = build(m, &image);
        bytes = make_bytes_of(fd);
        for (size_t i = 0; i < m->build.n_hosts; i++) {
                assert_true(uv_start(bytes.data, bytes.size, m->stage3a.size, m->hosts[i], &guest));
                same(&guest.kernel, m->kernel.data, m->kernel.size);
                same(&guest.initrd, m->build.initrd ? m->build.initrd->data : guest.memory,
                     m->build.initrd ? m->build.initrd->size : 0);
                same(&guest.cmdline, m->build.cmdline ? m->build.cmdline : (const char *)guest.memory,
                     m->build.cmdline ? strlen(m->build.cmdline) + 1 : 0);
                assert_memory_equal(guest.protection_key, m->build.keys->protection, SE_KEY_SIZE);
                assert_memory_equal(guest.cck, m->build.keys->cck, SE_CCK_SIZE);
                assert_int_equal(guest.scf, m->build.scf);
                assert_int_equal(guest.pcf, m->build.pcf);
                free(guest.memory);
        }
        assert_false(uv_start(bytes.data, bytes.size, m->stage3a.size, stranger, &guest));
}

static void test_hosts_get_the_components(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;

        make_image(&m, 2);
        m.build.scf = SE_SCF_EXTENSION_SECRET;
        given_back(&m);
        m.build.pcf |= SE_PCF_PLAIN | SE_PCF_DUMP;
        given_back(&m);
}

static void test_what_is_optional(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;

        make_image(&m, 1);
        m.build.initrd = NULL;
        given_back(&m);
        m.build.cmdline = NULL;
        given_back(&m);
        m.build.cmdline = "";
        given_back(&m);
}

/* Empty, a page, a piece and what lies beside them; the kernel from a file. */
static void test_sizes(void **state) {
        static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20 };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                CVM_CLEANUP(make_image_done) struct make_image m;
                CVM_CLEANUP(cvm_closep) int kernel = -EBADF;

                make_image(&m, 1);
                kernel = make_file(m.kernel.data, m.kernel.size);
                m.build.kernel = (struct se_source){ kernel, NULL, 0, "the kernel" };
                cvm_bytes_done(&m.initrd);
                m.initrd = make_filler(sizes[i], 9);
                m.initrd_source.data = m.initrd.data;
                m.initrd_source.size = m.initrd.size;
                given_back(&m);
        }
}

/* The arguments of a loader may lie across two pages, and a large first stage moves the header. */
static void test_loaders_of_other_sizes(void **state) {
        static const size_t sizes[][2] = {
                { 0x1000 + 24, 64 }, { 0x4001, 4096 + 30 }, { 40000, 4096 }, { 0x8000, 8192 + 2 }
        };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                CVM_CLEANUP(make_image_done) struct make_image m;
                CVM_CLEANUP(cvm_closep) int fd = -EBADF;
                struct se_image image;
                struct se_entry entry;

                make_image(&m, 1);
                cvm_bytes_done(&m.stage3a);
                cvm_bytes_done(&m.stage3b);
                m.stage3a = make_filler(sizes[i][0], 5);
                m.stage3b = make_filler(sizes[i][1], 6);
                given_back(&m);
                fd = build(&m, &image);
                assert_int_equal(se_image_read(fd, "image", &image, NULL), 0);
                assert_int_equal(se_image_open(fd, "image", &image, se_keys(&m.keys), &entry, NULL), 0);
                assert_int_equal(se_image_component(&image, SE_STAGE3B)->length, sizes[i][1]);
        }
}

static void test_most_hosts(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct se_image image, again;

        make_image(&m, SE_SLOTS_MAX + 1);
        fails(&m, "CVM-HOST-KEYS", "1 to 95 hosts, not for 96");
        m.build.n_hosts = 0;
        fails(&m, "CVM-HOST-KEYS", "not for 0");
        m.build.n_hosts = SE_SLOTS_MAX;
        fd = build(&m, &image);
        assert_int_equal(image.header.size, 8160);
        assert_int_equal(image.components[0].address, image.place.header + 2 * SE_PAGE);
        assert_int_equal(se_image_read(fd, "image", &again, NULL), 0);
        assert_int_equal(se_image_check(fd, "image", &again, NULL), 0);
}

static void test_builds_differ(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;
        CVM_CLEANUP(make_image_done) struct make_image other;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        CVM_CLEANUP(cvm_closep) int fd2 = -EBADF;
        CVM_CLEANUP(cvm_closep) int fd3 = -EBADF;
        struct se_image image, second, third;

        make_image(&m, 1);
        make_image(&other, 0);
        fd = build(&m, &image);
        fd2 = build(&m, &second);
        assert_memory_equal(image.header.bytes, second.header.bytes, image.header.size);
        m.build.random = &other.random;
        m.build.keys = se_keys(&other.keys);
        fd3 = build(&m, &third);
        assert_memory_not_equal(se_header_tag(&image.header), se_header_tag(&third.header), SE_TAG_SIZE);
        assert_memory_not_equal(image.header.digests.pages, third.header.digests.pages, CVM_SHA512_SIZE);
}

static void test_parts_that_are_refused(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;
        char line[900];

        make_image(&m, 2);
        memset(line, 'a', sizeof line);
        line[896] = 0;
        m.build.cmdline = line;
        fails(&m, "CVM-IMAGE-PART", "has 896 bytes, and the kernel takes 895");
        line[895] = 0;
        given_back(&m);
        m.kernel.data[0x10437] = 100;
        fails(&m, "CVM-IMAGE-PART", "takes 99");
        m.build.cmdline = NULL;
        m.kernel.data[0x10008] = 'X';
        fails(&m, "CVM-IMAGE-PART", "no kernel of s390x");
        memcpy(m.kernel.data + 0x10008, "S390EP", 6);
        memcpy(m.kernel.data,
               "\x7f"
               "ELF",
               4);
        fails(&m, "CVM-IMAGE-PART", "ELF");
        m.kernel.data[0] = 0;
        m.build.kernel.size = 0x10430 + 7;
        fails(&m, "CVM-IMAGE-PART", "cut off");
        m.build.kernel.size = m.kernel.size;
        m.stage3a.size = 100;
        fails(&m, "CVM-IMAGE-PART", "the loader");
        m.stage3a.size = MADE_STAGE3A_SIZE;
        m.stage3b.size = 63;
        fails(&m, "CVM-IMAGE-PART", "the loader");
        m.stage3b.size = MADE_STAGE3B_SIZE;
        memset(se_keys(&m.keys)->image, 7, SE_IMAGE_KEY_SIZE);
        fails(&m, "CVM-IMAGE-KEY", "two equal halves");
}

static void test_hosts_that_are_refused(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;

        make_image(&m, 2);
        EVP_PKEY_free(m.hosts[1]);
        EVP_PKEY_up_ref(m.hosts[0]);
        m.hosts[1] = m.hosts[0];
        fails(&m, "CVM-HOST-KEYS", "the host keys 1 and 2 are the same");
        EVP_PKEY_free(m.hosts[1]);
        m.hosts[1] = EVP_EC_gen("P-384");
        fails(&m, "CVM-HOST-KEY", "not on P-521");
}

/* --- images that were changed --- */

static const char *outcome(int fd, const struct se_keys *keys) {
        struct se_image image;
        struct cvm_error err = { 0 };
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret room = { 0 };
        struct se_entry entry;
        int r = se_image_read(fd, "image", &image, &err);

        if (r >= 0)
                r = se_image_check(fd, "image", &image, &err);
        assert_int_equal(se_keys_new(&room, NULL), 0);
        *se_keys(&room) = *keys;
        if (r >= 0)
                r = se_image_open(fd, "image", &image, se_keys(&room), &entry, &err);
        return r < 0 ? cvm_error_code(&err)->id : "";
}

static void flip(int fd, uint64_t at) {
        uint8_t byte;

        assert_int_equal(cvm_read_at(fd, at, &byte, 1), 1);
        byte ^= 1;
        assert_int_equal(cvm_write_at(fd, at, &byte, 1), 0);
}

static void test_one_changed_byte(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct se_image image;

        make_image(&m, 1);
        fd = build(&m, &image);
        assert_string_equal(outcome(fd, se_keys(&m.keys)), "");
        for (size_t i = 0; i < image.header.size; i++) {
                flip(fd, image.place.header + i);
                assert_string_not_equal(outcome(fd, se_keys(&m.keys)), "");
                flip(fd, image.place.header + i);
        }
        for (uint64_t at = image.components[0].address; at < image.place.ipib; at += 1021) {
                flip(fd, at);
                assert_string_equal(outcome(fd, se_keys(&m.keys)), "CVM-IMAGE-CHANGED");
                flip(fd, at);
        }
        for (uint64_t at = image.place.ipib + 0x74; at < image.place.ipib + 0x88 + 24 * 4; at++) {
                flip(fd, at);
                assert_string_not_equal(outcome(fd, se_keys(&m.keys)), "");
                flip(fd, at);
        }
        for (uint64_t at = SE_METADATA_AT; at < SE_METADATA_AT + SE_METADATA_SIZE; at++) {
                flip(fd, at);
                assert_string_equal(outcome(fd, se_keys(&m.keys)), "CVM-IMAGE-FORMAT");
                flip(fd, at);
        }
        assert_string_equal(outcome(fd, se_keys(&m.keys)), "");
        se_keys(&m.keys)->protection[3] ^= 1;
        assert_string_equal(outcome(fd, se_keys(&m.keys)), "CVM-IMAGE-CHANGED");
}

static void test_cut_and_grown(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct se_image image;
        struct stat st;

        make_image(&m, 1);
        fd = build(&m, &image);
        assert_int_equal(fstat(fd, &st), 0);
        for (off_t size = st.st_size - 1; size > 0; size -= 3001) {
                assert_int_equal(ftruncate(fd, size), 0);
                assert_string_equal(outcome(fd, se_keys(&m.keys)), "CVM-IMAGE-FORMAT");
        }
        cvm_close(fd);
        fd = build(&m, &image);
        assert_int_equal(ftruncate(fd, st.st_size + 1), 0);
        assert_string_equal(outcome(fd, se_keys(&m.keys)), "CVM-IMAGE-FORMAT");
}

/* A header that its maker sealed, around components that are not what its loader was told. */
static void test_loader_told_otherwise(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct se_image image;
        struct se_entry entry;
        struct cvm_error err = { 0 };
        uint64_t end;

        make_image(&m, 1);
        m.build.pcf |= SE_PCF_PLAIN;
        fd = build(&m, &image);
        end = image.components[3].address + image.components[3].length;
        flip(fd, end - 64 + 15); /* the kernel's length */
        assert_int_equal(se_image_read(fd, "image", &image, &err), 0);
        assert_int_equal(se_image_open(fd, "image", &image, se_keys(&m.keys), &entry, &err), 0);
        assert_int_equal(image.components[0].length, MADE_KERNEL_SIZE ^ 1);
        flip(fd, end - 64 + 13);
        assert_true(se_image_open(fd, "image", &image, se_keys(&m.keys), &entry, &err) < 0);
        assert_non_null(strstr(err.text, "another length"));
        flip(fd, end - 64 + 13);
        flip(fd, end - 64 + 5); /* and its address */
        assert_true(se_image_open(fd, "image", &image, se_keys(&m.keys), &entry, &err) < 0);
        assert_non_null(strstr(err.text, "other components"));
}

/* --- compared with what it was made of --- */

static void compared(const struct make_image *m, int fd, const struct se_image *image, enum se_kind kind,
                     const void *data, size_t size, bool equal) {
        const struct se_source source = { -1, data, size, "the file" };
        struct cvm_error err = { 0 };
        int r = se_image_compare(fd, "image", image, se_keys(&m->keys), kind, &source, &err);

        if (equal && r < 0)
                fail_msg("%s", err.text);
        if (!equal)
                assert_string_equal(cvm_error_code(&err)->id, "CVM-IMAGE-CHANGED");
}

static void compare_all(struct make_image *m) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes longer = { 0 };
        struct se_image image;
        struct se_entry entry;

        fd = build(m, &image);
        assert_int_equal(se_image_read(fd, "image", &image, NULL), 0);
        assert_int_equal(se_image_open(fd, "image", &image, se_keys(&m->keys), &entry, NULL), 0);
        compared(m, fd, &image, SE_KERNEL, m->kernel.data, m->kernel.size, true);
        compared(m, fd, &image, SE_RAMDISK, m->initrd.data, m->initrd.size, true);
        compared(m, fd, &image, SE_CMDLINE, m->build.cmdline, strlen(m->build.cmdline) + 1, true);
        compared(m, fd, &image, SE_CMDLINE, m->build.cmdline, strlen(m->build.cmdline), false);
        compared(m, fd, &image, SE_RAMDISK, m->kernel.data, m->kernel.size, false);
        compared(m, fd, &image, SE_KERNEL, m->kernel.data, m->kernel.size - 1, false);
        longer = make_kernel(m->kernel.size + 1, 0); /* zeros behind it would look like padding */
        longer.data[m->kernel.size] = 0;
        compared(m, fd, &image, SE_KERNEL, longer.data, longer.size, false);
        m->kernel.data[70000] ^= 1;
        compared(m, fd, &image, SE_KERNEL, m->kernel.data, m->kernel.size, false);
        m->kernel.data[70000] ^= 1;
}

static void test_compared_with_components(void **state) {
        CVM_CLEANUP(make_image_done) struct make_image m;

        make_image(&m, 1);
        compare_all(&m);
        m.build.pcf |= SE_PCF_PLAIN;
        compare_all(&m);
}

/* A large initrd (a file with nothing in it) costs time and no memory. */
static void test_memory_does_not_grow_with_the_image(void **state) {
        const uint64_t large = 64 << 20;
        CVM_CLEANUP(make_image_done) struct make_image m;
        CVM_CLEANUP(cvm_closep) int initrd = -EBADF;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct se_image image;
        struct rusage before, after;

        make_image(&m, 1);
        initrd = make_file(NULL, 0);
        assert_int_equal(ftruncate(initrd, (off_t)large), 0);
        m.initrd_source = (struct se_source){ .fd = initrd, .name = "the initrd" };
        getrusage(RUSAGE_SELF, &before);
        fd = build(&m, &image);
        assert_int_equal(se_image_read(fd, "image", &image, NULL), 0);
        assert_int_equal(se_image_check(fd, "image", &image, NULL), 0);
        getrusage(RUSAGE_SELF, &after);
        assert_true(image.header.digests.n_pages > large / SE_PAGE);
        assert_true(after.ru_maxrss - before.ru_maxrss < 16 << 10); /* kilobytes */
}

static void test_short_psw(void **state) {
        uint64_t psw;

        assert_int_equal(se_short_psw(0x180000000, 0x11000, &psw), 0);
        assert_int_equal(psw, 0x0008000180011000);
        assert_int_equal(se_short_psw(0x180000000, 0x80000000, &psw), -EINVAL);
        assert_int_equal(se_short_psw(0x0008000180000000, 0x11000, &psw), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hosts_get_the_components),
                cmocka_unit_test(test_what_is_optional),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_loaders_of_other_sizes),
                cmocka_unit_test(test_most_hosts),
                cmocka_unit_test(test_builds_differ),
                cmocka_unit_test(test_parts_that_are_refused),
                cmocka_unit_test(test_hosts_that_are_refused),
                cmocka_unit_test(test_one_changed_byte),
                cmocka_unit_test(test_cut_and_grown),
                cmocka_unit_test(test_loader_told_otherwise),
                cmocka_unit_test(test_compared_with_components),
                cmocka_unit_test(test_memory_does_not_grow_with_the_image),
                cmocka_unit_test(test_short_psw),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
