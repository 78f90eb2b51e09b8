/* Times in documents: one meaning for each text, and only real dates. */
#include "base/time.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_there_and_back(void **state) {
        static const struct {
                const char *text;
                uint64_t msec;
        } times[] = {
                { "1970-01-01T00:00:00.000Z", 0 },
                { "2026-11-24T12:00:00.123Z", 1795521600123 },
                { "2024-02-29T23:59:59.999Z", 1709251199999 },
                { "9999-12-31T23:59:59.000Z", 253402300799000 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
                char text[CVM_TIME_TEXT];
                uint64_t msec;

                assert_int_equal(cvm_time_parse(times[i].text, &msec), 0);
                assert_true(msec == times[i].msec);
                cvm_time_format(msec, text);
                assert_string_equal(text, times[i].text);
        }
}

static void test_fractions_are_cut(void **state) {
        uint64_t msec;

        assert_int_equal(cvm_time_parse("1970-01-01T00:00:01Z", &msec), 0);
        assert_int_equal(msec, 1000);
        assert_int_equal(cvm_time_parse("1970-01-01T00:00:01.5Z", &msec), 0);
        assert_int_equal(msec, 1500);
        assert_int_equal(cvm_time_parse("1970-01-01T00:00:01.999999999Z", &msec), 0);
        assert_int_equal(msec, 1999);
}

static void test_what_is_no_time(void **state) {
        static const char *const bad[] = {
                "",
                "2026-11-24",
                "2026-11-24T12:00:00",
                "2026-11-24 12:00:00Z",
                "2026-11-24T12:00:00z",
                "2026-11-24T12:00:00+00:00",
                "2026-11-24T12:00:00.Z",
                "2026-11-24T12:00:00.1234567890Z",
                "2026-11-24T12:00:00Z ",
                " 2026-11-24T12:00:00Z",
                "2026-11-31T12:00:00Z",
                "2026-02-29T12:00:00Z",
                "2026-13-01T12:00:00Z",
                "2026-00-01T12:00:00Z",
                "2026-01-00T12:00:00Z",
                "2026-11-24T24:00:00Z",
                "2026-11-24T12:60:00Z",
                "2026-11-24T12:00:60Z",
                "1969-12-31T23:59:59Z",
                "-026-11-24T12:00:00Z",
                "+2026-11-24T12:00:00Z",
                "2026-1-24T12:00:00Z",
        };
        uint64_t msec = 7;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (cvm_time_parse(bad[i], &msec) != -EINVAL)
                        fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(msec, 7);
}

static void test_absurd_numbers_have_a_form(void **state) {
        char text[CVM_TIME_TEXT];
        uint64_t msec;

        cvm_time_format(UINT64_MAX, text);
        assert_int_equal(cvm_time_parse(text, &msec), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_fractions_are_cut),
                cmocka_unit_test(test_what_is_no_time),
                cmocka_unit_test(test_absurd_numbers_have_a_form),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
