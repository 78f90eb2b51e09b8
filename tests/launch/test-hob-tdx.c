/* The digest of the TD HOB against those in logs that others published, of OVMF's usual sections. */
#include "launch/hob-tdx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"

#define GIB (1ull << 30)

static const struct tdvf usual = {
        .sections = { { .gpa = 0xffc84000, .size = 0x37c000, .type = TDVF_BOOT_FIRMWARE },
                      { .gpa = 0xffc00000, .size = 0x84000, .type = TDVF_CONFIGURATION },
                      { .gpa = 0x810000, .size = 0x10000, .type = TDVF_MEMORY },
                      { .gpa = 0x80b000, .size = 0x2000, .type = TDVF_MEMORY },
                      { .gpa = 0x809000, .size = 0x2000, .type = TDVF_HAND_OFF },
                      { .gpa = 0x800000, .size = 0x6000, .type = TDVF_MEMORY } },
        .n_sections = 6,
};

static void expect(uint64_t memory, const char *expected) {
        uint8_t digest[CVM_SHA384_SIZE];
        char hex[2 * CVM_SHA384_SIZE + 1];

        assert_true(tdx_hob_digest(&usual, memory, digest));
        cvm_hex(digest, sizeof digest, hex);
        assert_string_equal(hex, expected);
}

static void test_published(void **state) {
        expect(2 * GIB,
               "0b8772e5b0b41b83e6044a68397e02f49fb47066b4fbe4917ea2c45c64f323fdacbb37948f821ebaf8bc9c938ba8a749");
        expect(64 * GIB,
               "8ae1e425351df7992c444586eff99d35af3b779aa2b0e981cb4b73bc5b279f2ade19b6a62a203fc3c3bbdaae80af596d");
}

/* Sizes around the one from which memory lies above the devices too differ in more than a number. */
static void test_each_size_is_another(void **state) {
        static const uint64_t sizes[] = { GIB, (2816ull << 20) - 4096, 2816ull << 20, 4 * GIB };
        uint8_t digests[4][CVM_SHA384_SIZE];

        for (size_t i = 0; i < 4; i++) {
                assert_true(tdx_hob_digest(&usual, sizes[i], digests[i]));
                for (size_t k = 0; k < i; k++)
                        assert_memory_not_equal(digests[i], digests[k], CVM_SHA384_SIZE);
        }
}

/* A section at the very start, at the very end, and the whole of what is left. */
static void test_edges(void **state) {
        struct tdvf tdvf = { .sections = { { .gpa = 0, .size = 0x1000, .type = TDVF_HAND_OFF },
                                           { .gpa = 0xff000, .size = 0x1000, .type = TDVF_MEMORY },
                                           { .gpa = 0x1000, .size = 0xfe000, .type = TDVF_MEMORY } },
                             .n_sections = 3 };
        uint8_t digest[CVM_SHA384_SIZE];

        assert_true(tdx_hob_digest(&tdvf, 1 << 20, digest));
}

static void test_outside_is_not_known(void **state) {
        static const struct tdvf_section outside[] = {
                { .gpa = 0x100000, .size = 0x1000, .type = TDVF_HAND_OFF },
                { .gpa = 0xff000, .size = 0x2000, .type = TDVF_HAND_OFF },
                { .gpa = 0x80000000, .size = 0x1000, .type = TDVF_HAND_OFF },
        };
        uint8_t digest[CVM_SHA384_SIZE];

        for (size_t i = 0; i < 3; i++) {
                struct tdvf tdvf = { .sections = { outside[i] }, .n_sections = 1 };

                assert_false(tdx_hob_digest(&tdvf, 1 << 20, digest));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_published),
                cmocka_unit_test(test_each_size_is_another),
                cmocka_unit_test(test_edges),
                cmocka_unit_test(test_outside_is_not_known),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
