/* Secret bytes: zeros at first, out of dumps and children, gone when done. */
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

/* Has the mapping that holds p this flag ("dd": not dumped, "dc": not copied on fork)? */
static bool has_flag(const void *p, const char *flag) {
        FILE *maps = fopen("/proc/self/smaps", "re");
        char line[512];
        bool here = false, found = false;

        while (fgets(line, sizeof line, maps)) {
                unsigned long from, to;

                if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
                        here = from <= (unsigned long)p && (unsigned long)p < to;
                else if (here && strncmp(line, "VmFlags:", 8) == 0)
                        found = strstr(line, flag);
        }
        fclose(maps);
        return found;
}

static void test_pages_stay_here(void **state) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret secret = { 0 };

        assert_int_equal(cvm_secret_new(100000, &secret), 0);
        assert_true(cvm_is_zero(secret.data, secret.size));
        assert_true(has_flag(secret.data, " dd"));
        assert_true(has_flag(secret.data, " dc"));
}

static void test_empty_secret(void **state) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret secret = { 0 };

        assert_int_equal(cvm_secret_new(0, &secret), 0);
        assert_non_null(secret.data);
        assert_int_equal(secret.data[0], 0); /* usable as a text */
}

static void test_done_twice(void **state) {
        struct cvm_secret secret = { 0 };

        cvm_secret_done(&secret);
        assert_int_equal(cvm_secret_new(8, &secret), 0);
        cvm_secret_done(&secret);
        assert_null(secret.data);
        assert_int_equal(secret.size, 0);
        cvm_secret_done(&secret);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pages_stay_here),
                cmocka_unit_test(test_empty_secret),
                cmocka_unit_test(test_done_twice),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
