/* Lists of an ultravisor's secret store, as its drivers give them, and those that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/list-se.h"
#include "base/macros.h"

/* An id of one byte, 32 times. */
#define ID(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c

static uint8_t list[4 * SE_LIST_PAGE];

static void put16(size_t at, unsigned value) {
        list[at] = (uint8_t)(value >> 8);
        list[at + 1] = (uint8_t)value;
}

static void begin(unsigned n, unsigned total, unsigned next) {
        memset(list, 0, sizeof list);
        put16(0, n);
        put16(2, total);
        put16(4, next);
        memset(list + 6, 0xee, 10); /* reserved: whatever it is one day */
}

static void add(size_t i, unsigned index, unsigned type, uint8_t id) {
        const size_t at = SE_LIST_HEAD_SIZE + i * SE_LISTED_SIZE;

        put16(at, index);
        put16(at + 2, type);
        memset(list + at + 4, 0xee, 12);
        memset(list + at + 16, id, 32);
}

static void expect(size_t size, const char *lines) {
        CVM_CLEANUP(cvm_freep) char *said = NULL;
        struct cvm_error err = { 0 };

        if (se_list_lines(list, size, &said, &err) < 0)
                fail_msg("%s", err.text);
        assert_string_equal(said, lines);
}

static void expect_none(size_t size, const char *words) {
        char *said = NULL;
        struct cvm_error err = { 0 };

        assert_true(se_list_lines(list, size, &said, &err) < 0);
        assert_ptr_equal(cvm_error_code(&err), &CVM_CODE_AGENT_STORE);
        if (!strstr(err.text, words))
                fail_msg("%s", err.text);
        assert_null(said);
}

static void test_one_line_each(void **state) {
        begin(0, 0, 0);
        expect(SE_LIST_PAGE, "0 of 0 secrets");
        expect(SE_LIST_HEAD_SIZE, "0 of 0 secrets");
        begin(3, 3, 0);
        add(0, 0, 2, 0x11);
        add(1, 5, 0x13, 0x22);
        add(2, 65535, 0x99, 0x0a);
        expect(SE_LIST_PAGE, "0 association " ID("11") "\n5 ec-p521 " ID("22") "\n65535 type-0x99 " ID(
                                             "0a") "\n3 of 3 secrets");
        expect(SE_LIST_HEAD_SIZE + 3 * SE_LISTED_SIZE,
               "0 association " ID("11") "\n5 ec-p521 " ID("22") "\n65535 type-0x99 " ID(
                               "0a") "\n3 of 3 secrets");
}

static void test_one_that_is_longer_says_so(void **state) {
        begin(1, 2, 1);
        add(0, 0, 3, 0x33);
        expect(SE_LIST_PAGE,
               "0 plaintext " ID(
                               "33") "\n1 of 2 secrets: the store has more than this guest's kernel lists");
}

/* As drivers fill several pages: one head, then all entries without a gap. */
static void test_pages_are_one_list(void **state) {
        CVM_CLEANUP(cvm_freep) char *said = NULL;
        size_t lines = 0;

        begin(340, 340, 0);
        for (unsigned i = 0; i < 340; i++)
                add(i, i, 6, (uint8_t)i);
        assert_int_equal(se_list_lines(list, sizeof list, &said, NULL), 0);
        for (const char *p = said; *p; p++)
                lines += *p == '\n';
        assert_int_equal(lines, 340);
        assert_non_null(strstr(said, "\n339 aes-256 " ID("53") "\n340 of 340 secrets"));
}

static void test_what_is_no_list_is_refused(void **state) {
        begin(1, 1, 0);
        expect_none(0, "room for 0");
        expect_none(SE_LIST_HEAD_SIZE - 1, "room for 0");
        expect_none(SE_LIST_HEAD_SIZE + SE_LISTED_SIZE - 1, "has 1 secrets of 1, and has room for 0");
        begin(86, 86, 0);
        expect_none(SE_LIST_PAGE, "has 86 secrets of 86, and has room for 85");
        begin(65535, 65535, 0);
        expect_none(sizeof list, "65535");
        begin(2, 1, 0);
        expect_none(SE_LIST_PAGE, "has 2 secrets of 1");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_line_each),
                cmocka_unit_test(test_one_that_is_longer_says_so),
                cmocka_unit_test(test_pages_are_one_list),
                cmocka_unit_test(test_what_is_no_list_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
