/* A burst, then one request an interval, whatever the clock and the file do. */
#include "collateral/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static const struct budget_rate rate = { .burst = 3, .interval_msec = 1000 };

#define NOW 1800000000000ull

static void test_burst_then_intervals(void **state) {
        struct budget budget = { 0 };

        for (int i = 0; i < 3; i++) {
                assert_int_equal(budget_wait(&budget, &rate, NOW), 0);
                budget_take(&budget, &rate, NOW);
        }
        assert_int_equal(budget_wait(&budget, &rate, NOW), 1000);
        assert_int_equal(budget_wait(&budget, &rate, NOW + 999), 1);
        assert_int_equal(budget_wait(&budget, &rate, NOW + 1000), 0);
        budget_take(&budget, &rate, NOW + 1000);
        assert_int_equal(budget_wait(&budget, &rate, NOW + 1000), 1000);
        for (int i = 0; i < 3; i++) { /* rested, it is a burst again, and no more than one */
                assert_int_equal(budget_wait(&budget, &rate, NOW + 90000), 0);
                budget_take(&budget, &rate, NOW + 90000);
        }
        assert_int_equal(budget_wait(&budget, &rate, NOW + 90000), 1000);
}

static void test_demand(void **state) {
        const struct budget budget = { .not_before = NOW + 5000 }, far = { .not_before = UINT64_MAX };

        assert_int_equal(budget_wait(&budget, &rate, NOW), 5000);
        assert_int_equal(budget_wait(&budget, &rate, NOW + 5000), 0);
        assert_int_equal(budget_wait(&far, &rate, NOW), BUDGET_DEMAND_MAX_MSEC);
}

static void test_clock_set_back(void **state) {
        struct budget budget = { .paid_until = NOW + 86400000ull };

        assert_int_equal(budget_wait(&budget, &rate, NOW), 1000);
        budget.paid_until = UINT64_MAX - 1;
        assert_int_equal(budget_wait(&budget, &rate, NOW), 1000);
}

static void test_file(void **state) {
        char directory[] = "/tmp/test-budget-XXXXXX", path[64];
        struct cvm_error err = { 0 };
        uint64_t wait = 99;

        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof path, "%s/b", directory);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(budget_file_take(path, &rate, NOW, &wait, &err), 0);
                assert_int_equal(wait, 0);
        }
        assert_int_equal(budget_file_take(path, &rate, NOW, &wait, &err), 0);
        assert_int_equal(wait, 1000);
        assert_int_equal(budget_file_demand(path, NOW + 7000, &err), 0);
        assert_int_equal(budget_file_demand(path, NOW + 6000, &err), 0); /* never shortens it */
        assert_int_equal(budget_file_take(path, &rate, NOW, &wait, &err), 0);
        assert_int_equal(wait, 7000);
        assert_int_equal(cvm_write_file(path, "garbage", 7, 0600, &err), 0);
        assert_int_equal(budget_file_take(path, &rate, NOW, &wait, &err), 0);
        assert_int_equal(wait, 0);
        unlink(path);
        rmdir(directory);
        assert_true(budget_file_take(path, &rate, NOW, &wait, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FILE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_burst_then_intervals),
                cmocka_unit_test(test_demand),
                cmocka_unit_test(test_clock_set_back),
                cmocka_unit_test(test_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
