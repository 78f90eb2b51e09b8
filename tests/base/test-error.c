/* Words of a failure: the cause is never lost, however much is put in front of it. */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_layers_add_in_front(void **state) {
        struct cvm_error err = { 0 };
        int r = cvm_fail(&err, &CVM_CODE_MEMORY, EINVAL, "memory %d MiB is less than 256 MiB", 12);

        assert_int_equal(r, -EINVAL);
        assert_int_equal(cvm_while(&err, r, "reading definition '%s'", "gold"), -EINVAL);
        assert_string_equal(err.text, "reading definition 'gold': memory 12 MiB is less than 256 MiB");
        assert_ptr_equal(err.code, &CVM_CODE_MEMORY);
}

static void test_plain_errno_gets_words(void **state) {
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_while(&err, -ENOENT, "opening '%s'", "x"), -ENOENT);
        assert_string_equal(err.text, "opening 'x': No such file or directory");
        assert_ptr_equal(err.code, &CVM_CODE_INTERNAL);
}

static void test_cause_outlives_long_prefixes(void **state) {
        struct cvm_error err = { 0 };
        char name[400];

        memset(name, 'n', sizeof name - 1);
        name[sizeof name - 1] = 0;
        (void)cvm_fail(&err, &CVM_CODE_FILE, EIO, "the cause");
        for (int i = 0; i < 10; i++)
                (void)cvm_while(&err, -EIO, "%s", name);
        assert_true(*err.text && strlen(err.text) < CVM_ERROR_TEXT_MAX);
        assert_string_equal(err.text + strlen(err.text) - strlen(": the cause"), ": the cause");
}

static void test_cause_that_fills_all_room(void **state) {
        struct cvm_error err = { 0 };
        char cause[600];

        memset(cause, 'c', sizeof cause - 1);
        cause[sizeof cause - 1] = 0;
        (void)cvm_fail(&err, &CVM_CODE_FILE, EIO, "%s", cause);
        (void)cvm_while(&err, -EIO, "in front");
        assert_int_equal(strlen(err.text), CVM_ERROR_TEXT_MAX - 1);
        assert_string_equal(err.text + CVM_ERROR_TEXT_MAX - 4, "ccc");
}

static void test_a_failure_is_always_negative(void **state) {
        assert_int_equal(cvm_fail(NULL, &CVM_CODE_FILE, 0, "x"), -EIO);
        assert_int_equal(cvm_fail(NULL, &CVM_CODE_FILE, -EPERM, "x"), -EPERM);
        assert_int_equal(cvm_while(NULL, -EPERM, "x"), -EPERM);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_layers_add_in_front),
                cmocka_unit_test(test_plain_errno_gets_words),
                cmocka_unit_test(test_cause_outlives_long_prefixes),
                cmocka_unit_test(test_cause_that_fills_all_room),
                cmocka_unit_test(test_a_failure_is_always_negative),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
