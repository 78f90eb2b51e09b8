/* The digest of a PE image against one that is put together here, and images that lie. That a distribution's
 * signed kernel has the digest in its signature was tried by hand. */
#include "launch/authenticode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fd.h"
#include "tests/launch/make-pe.h"

static uint8_t image[PE_SIZE];

/* All but the checksum, the entry of the signatures, and the signatures. */
static void test_parts_are_passed_over(void **state) {
        uint8_t hashed[PE_SIZE], expected[CVM_SHA384_SIZE], digest[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };
        size_t n = 0;

        pe_make(image);
        for (size_t i = 0; i < PE_SIGNATURE; i++)
                if ((i < PE_CHECKSUM || i >= PE_CHECKSUM + 4) &&
                    (i < PE_CERTIFICATES || i >= PE_CERTIFICATES + 8))
                        hashed[n++] = image[i];
        cvm_sha384(hashed, n, expected);
        if (authenticode_sha384(image, sizeof image, digest, &err) < 0)
                fail_msg("%s", err.text);
        assert_memory_equal(digest, expected, sizeof digest);
}

static void expect_changed(size_t at, bool is_changed) {
        uint8_t before[CVM_SHA384_SIZE], after[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };

        pe_make(image);
        assert_int_equal(authenticode_sha384(image, sizeof image, before, &err), 0);
        image[at] ^= 1;
        assert_int_equal(authenticode_sha384(image, sizeof image, after, &err), 0);
        assert_int_equal(memcmp(before, after, sizeof before) != 0, is_changed);
}

static void test_what_counts(void **state) {
        expect_changed(2, true);
        expect_changed(PE_CHECKSUM, false);
        expect_changed(PE_CERTIFICATES, false);
        expect_changed(0x500, true);
        expect_changed(PE_TAIL, true);
        expect_changed(PE_SIGNATURE, false);
}

/* Without the entry nothing is a signature; a PE32 image has its tables elsewhere. */
static void test_other_forms(void **state) {
        uint8_t hashed[PE_SIZE], expected[CVM_SHA384_SIZE], digest[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };

        pe_make(image);
        pe_put(image + PE_OPTIONAL + 108, 4, 4);
        memcpy(hashed, image, PE_CHECKSUM);
        memcpy(hashed + PE_CHECKSUM, image + PE_CHECKSUM + 4, PE_SIZE - PE_CHECKSUM - 4);
        cvm_sha384(hashed, PE_SIZE - 4, expected);
        assert_int_equal(authenticode_sha384(image, sizeof image, digest, &err), 0);
        assert_memory_equal(digest, expected, sizeof digest);

        pe_make(image);
        pe_put(image + PE_OPTIONAL, 0x10b, 2);
        pe_put(image + PE_OPTIONAL + 92, 5, 4);
        pe_put(image + PE_OPTIONAL + 96 + 32 + 4, 0, 4);
        memcpy(hashed, image, PE_CHECKSUM);
        memcpy(hashed + PE_CHECKSUM, image + PE_CHECKSUM + 4, PE_OPTIONAL + 96 + 32 - PE_CHECKSUM - 4);
        memcpy(hashed + PE_OPTIONAL + 96 + 32 - 4, image + PE_OPTIONAL + 96 + 40,
               PE_SIZE - PE_OPTIONAL - 96 - 40);
        cvm_sha384(hashed, PE_SIZE - 12, expected);
        assert_int_equal(authenticode_sha384(image, sizeof image, digest, &err), 0);
        assert_memory_equal(digest, expected, sizeof digest);
}

static const struct {
        size_t at, size;
        uint64_t value;
        const char *words;
} lies[] = {
        { 0, 1, 'Z', "no EFI stub" },
        { 0x3c, 4, 0xffffffff, "no EFI stub" },
        { 0x3c, 4, PE_SIZE - 4, "no EFI stub" },
        { PE_AT, 1, 'N', "no EFI stub" },
        { PE_OPTIONAL, 2, 0x107, "unknown kind" },
        { PE_AT + 20, 2, 100, "cut off" },
        { PE_AT + 20, 2, 112 + 8 * 4, "cut off" },
        { PE_AT + 20, 2, 0xffff, "absurd size" },
        { PE_AT + 6, 2, 97, "absurd size" },
        { PE_OPTIONAL + 60, 4, PE_SIZE + 1, "absurd size" },
        { PE_OPTIONAL + 60, 4, PE_CERTIFICATES, "absurd size" },
        { PE_SECTIONS + 20, 4, 0xfffffff0, "outside the file" },
        { PE_SECTIONS + 16, 4, 0xfffffff0, "outside the file" },
};

static void test_lies_are_refused(void **state) {
        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
                uint8_t digest[CVM_SHA384_SIZE];
                struct cvm_error err = { 0 };

                pe_make(image);
                pe_put(image + lies[i].at, lies[i].value, lies[i].size);
                assert_true(authenticode_sha384(image, sizeof image, digest, &err) < 0);
                assert_ptr_equal(err.code, &CVM_CODE_KERNEL);
                if (!strstr(err.text, lies[i].words))
                        fail_msg("%zu: \"%s\" is not in \"%s\"", i, lies[i].words, err.text);
        }
}

static void test_any_cut(void **state) {
        for (size_t size = 0; size < PE_SIZE; size++) {
                uint8_t *cut = malloc(size + !size), digest[CVM_SHA384_SIZE];
                struct cvm_error err = { 0 };

                pe_make(image);
                memcpy(cut, image, size);
                if (size < PE_TAIL)
                        assert_true(authenticode_sha384(cut, size, digest, &err) < 0);
                else
                        assert_int_equal(authenticode_sha384(cut, size, digest, &err), 0);
                free(cut);
        }
}

static void expect_signatures(const void *data, size_t size, size_t expected) {
        CVM_CLEANUP(cvm_closep) int fd = cvm_memfd("image", data, size);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(authenticode_signatures(fd, "image", &table, &err), 0);
        assert_int_equal(table.size, expected);
        assert_true(expected == 0 || memcmp(table.data, image + PE_SIGNATURE, expected) == 0);
}

static void test_signatures(void **state) {
        struct cvm_error err = { 0 };
        struct cvm_bytes table = { 0 };

        pe_make(image);
        expect_signatures(image, sizeof image, PE_SIZE - PE_SIGNATURE);
        expect_signatures(image, PE_SIZE - 4, PE_SIZE - PE_SIGNATURE - 4); /* what there is of them */
        expect_signatures(image, PE_OPTIONAL, 0);
        expect_signatures("no image", 8, 0);
        expect_signatures("", 0, 0);
        pe_put(image + PE_CERTIFICATES + 4, 0xffffffff, 4);
        expect_signatures(image, sizeof image, 0);
        pe_put(image + PE_OPTIONAL + 108, 4, 4);
        expect_signatures(image, sizeof image, 0);
        assert_true(authenticode_signatures(-1, "image", &table, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FILE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parts_are_passed_over),
                cmocka_unit_test(test_what_counts),
                cmocka_unit_test(test_other_forms),
                cmocka_unit_test(test_lies_are_refused),
                cmocka_unit_test(test_any_cut),
                cmocka_unit_test(test_signatures),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
