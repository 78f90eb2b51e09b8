/* What older hosts make of a kernel's setup header; all else stays. */
#include "launch/setup-header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/launch/make-pe.h"

#define GIB (1ull << 30)

static uint8_t before[PE_SIZE], after[PE_SIZE];

static uint32_t get(size_t at, size_t size) {
        uint32_t value = 0;

        memcpy(&value, after + at, size);
        return value;
}

static void expect(uint64_t memory, uint64_t initrd, uint32_t address) {
        static const size_t changed[] = { 0x210, 0x211, 0x224, 0x225, 0x228, 0x229, 0x22a, 0x22b,
                                          0x218, 0x219, 0x21a, 0x21b, 0x21c, 0x21d, 0x21e, 0x21f };

        pe_make(before);
        pe_make(after);
        assert_true(setup_header_rewrite(after, sizeof after, memory, initrd));
        assert_int_equal(get(0x210, 2), 0x81b0);
        assert_int_equal(get(0x224, 2), 0xfe00);
        assert_int_equal(get(0x228, 4), 0x20000);
        if (initrd) {
                assert_int_equal(get(0x218, 4), address);
                assert_int_equal(get(0x21c, 4), initrd);
        }
        for (size_t i = 0; i < (initrd ? 16 : 8); i++)
                after[changed[i]] = before[changed[i]];
        assert_memory_equal(before, after, sizeof after);
}

/* The initrd ends below what QEMU keeps for ACPI tables. */
static void test_addresses(void **state) {
        expect(GIB, 0, 0);
        expect(GIB, 4096, 0x3ffd6000);
        expect(GIB, 4097, 0x3ffd6000);
        expect(GIB, 4096 + 0xfff + 1, 0x3ffd5000);
        expect(2816ull << 20, 4096, 0x7ffd6000); /* from here on the low part is 2 GiB */
        expect((2816ull << 20) - 4096, 4096, 0xaffd5000);
        expect(64 * GIB, 4096, 0x7ffd6000);
}

/* Without the kernel's word that it can, nothing goes above its own limit. */
static void test_limit_of_the_kernel(void **state) {
        pe_make(after);
        pe_put(after + 0x236, 0x40, 2);
        pe_put(after + 0x22c, 0x0fffffff, 4);
        assert_true(setup_header_rewrite(after, sizeof after, 2 * GIB, 4096));
        assert_int_equal(get(0x218, 4), 0x0fffe000);
}

static void expect_left_alone(size_t at, uint64_t value, size_t size, size_t image_size, uint64_t memory,
                              uint64_t initrd) {
        pe_make(before);
        if (size)
                pe_put(before + at, value, size);
        memcpy(after, before, sizeof after);
        assert_false(setup_header_rewrite(after, image_size, memory, initrd));
        assert_memory_equal(before, after, sizeof after);
}

static void test_unknown_is_left_alone(void **state) {
        expect_left_alone(0x202, 0, 4, PE_SIZE, GIB, 0);
        expect_left_alone(0x206, 0x20b, 2, PE_SIZE, GIB, 0);
        expect_left_alone(0x211, 0, 1, PE_SIZE, GIB, 0);
        expect_left_alone(0, 0, 0, 0x267, GIB, 0);
        expect_left_alone(0, 0, 0, PE_SIZE, 0x28000, 0);
        expect_left_alone(0, 0, 0, PE_SIZE, GIB, GIB);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_limit_of_the_kernel),
                cmocka_unit_test(test_unknown_is_left_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
