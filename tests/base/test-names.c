/* Names that become paths, bus paths and arguments; uuids; text for people's eyes. */
#include "base/names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

/* 64 characters */
#define LONG "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789ab"

static const char *const never[] = {
        "",     ".",  "..",  "../a",  "/a",  "a/../b", "a//b", "-a",  "_a",       ".a",
        "a b",  "A",  "aB",  "a\n",   "a,b", "a=b",    "a%s",  "a:b", "\xc3\xa4", "a\x7f",
        "a\\b", "~a", "a*b", "a$(b)", "a'b", "a\"b",   "a;b",  "a@b", "a+b",      LONG "x",
};

static void test_names_that_escape(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
                if (cvm_name_is_valid(never[i]) || cvm_secret_name_is_valid(never[i]))
                        fail_msg("'%s' was taken", never[i]);
                if (!strchr(never[i], '/') && cvm_label_is_valid(never[i]))
                        fail_msg("'%s' was taken as a label", never[i]);
        }
        assert_false(cvm_name_is_valid("a..b"));
        assert_false(cvm_name_is_valid("a/b"));
        assert_false(cvm_secret_name_is_valid("a/b"));
        assert_false(cvm_label_is_valid("/a"));
}

static void test_names_at_their_longest(void **state) {
        assert_true(cvm_name_is_valid(LONG + 1));
        assert_false(cvm_name_is_valid(LONG));
        assert_true(cvm_secret_name_is_valid(LONG));
        assert_true(cvm_label_is_valid(LONG + 1));
        assert_false(cvm_label_is_valid(LONG));
        assert_true(cvm_name_is_valid("0"));
        assert_true(cvm_name_is_valid("web-1.prod_a"));
        assert_true(cvm_label_is_valid("example.org/team"));
}

static void test_uuid_has_one_form(void **state) {
        static const char *const bad[] = {
                "",
                "00000000-0000-0000-0000-000000000000",
                "0C1D2E3F-0000-4000-8000-000000000001",
                "0c1d2e3f00004000800000000000000100000",
                "0c1d2e3f-0000-4000-8000-00000000000",
                "0c1d2e3f-0000-4000-8000-0000000000011",
                "0c1d2e3f-0000-4000-80000-00000000001",
                "{0c1d2e3f-0000-4000-8000-0000000000}",
                "0c1d2e3f-0000-4000-8000-00000000000g",
                "0c1d2e3f-0000-4000 8000-000000000001",
        };
        uint8_t uuid[16];
        char text[CVM_UUID_TEXT];

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (cvm_uuid_is_valid(bad[i]))
                        fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(cvm_uuid_parse("0c1d2e3f-4051-4263-8475-8697a8b9cadb", uuid), 0);
        assert_memory_equal(uuid, "\x0c\x1d\x2e\x3f\x40\x51\x42\x63\x84\x75\x86\x97\xa8\xb9\xca\xdb", 16);
        cvm_uuid_format(uuid, text);
        assert_string_equal(text, "0c1d2e3f-4051-4263-8475-8697a8b9cadb");
}

static void test_fresh_uuids(void **state) {
        char a[CVM_UUID_TEXT], b[CVM_UUID_TEXT];

        cvm_uuid_make(a);
        cvm_uuid_make(b);
        assert_true(cvm_uuid_is_valid(a));
        assert_string_not_equal(a, b);
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
}

static void cleans(const char *dirty, bool keep_lines, const char *clean) {
        char text[64];

        strcpy(text, dirty);
        cvm_text_clean(text, strlen(text), keep_lines);
        assert_string_equal(text, clean);
}

static void test_text_for_eyes(void **state) {
        cleans("plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", false,
               "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
        cleans("\x1b[31mred\x07\x7f", false, "?[31mred??");
        cleans("a\nb\tc\r", true, "a\nb\tc?");
        cleans("a\nb\tc\r", false, "a?b?c?");
        cleans("\xc2\x9b"
               "31m",
               false, "??31m");                                   /* C1: CSI in one character */
        cleans("\xc0\xaf\xe0\x80\xaf", false, "?????");           /* overlong */
        cleans("\xed\xa0\x80\xf4\x90\x80\x80", false, "???????"); /* surrogate, beyond Unicode */
        cleans("a\xe2\x82", false, "a??");                        /* cut */
        cleans("\xff\xfe\x80", false, "???");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_that_escape), cmocka_unit_test(test_names_at_their_longest),
                cmocka_unit_test(test_uuid_has_one_form), cmocka_unit_test(test_fresh_uuids),
                cmocka_unit_test(test_text_for_eyes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
