/* The table reader: each way of misuse is refused in a sentence that names the field. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct thing {
        uint32_t version, count;
        char *name;
        uint8_t key[4];
        int colour;
        bool loud, has_count;
        struct cvm_bytes blob;
        char **words;
};

static bool is_short(const char *text) {
        return strlen(text) < 5;
}

static const char *const colours[] = { "red", "green", NULL };

static const struct cvm_json_field fields[] = {
        { "version", CVM_JSON_U32, .required = true, .offset = offsetof(struct thing, version), .min = 1,
          .max = 1 },
        { "count", CVM_JSON_U32, .offset = offsetof(struct thing, count), .nullable = true,
          .has_offset = offsetof(struct thing, has_count) },
        { "name", CVM_JSON_TEXT, .offset = offsetof(struct thing, name), .min = 1, .check = is_short,
          .expected = "short" },
        { "key", CVM_JSON_HEX, .offset = offsetof(struct thing, key), .size = 4 },
        { "colour", CVM_JSON_CHOICE, .offset = offsetof(struct thing, colour), .choices = colours },
        { "loud", CVM_JSON_BOOL, .offset = offsetof(struct thing, loud) },
        { "blob", CVM_JSON_BASE64, .offset = offsetof(struct thing, blob), .max = 6 },
        { "words", CVM_JSON_CUSTOM, .offset = offsetof(struct thing, words), .read = cvm_json_read_texts,
          .write = cvm_json_write_texts },
        { 0 },
};

static void thing_done(struct thing *t) {
        free(t->name);
        cvm_bytes_done(&t->blob);
        t->words = cvm_texts_free(t->words);
}

static void refused(const char *text, const char *words) {
        struct thing t = { 0 };
        struct cvm_error err = { 0 };

        assert_true(cvm_json_read_text(text, strlen(text), "x.json", fields, &t, &err) < 0);
        if (!strstr(err.text, words))
                fail_msg("%s gives \"%s\", not \"%s\"", text, err.text, words);
        thing_done(&t);
}

static void test_reads_and_writes_alike(void **state) {
        static const char text[] =
                        "{\"version\":1,\"count\":7,\"name\":\"abc\",\"key\":\"00ff10ab\","
                        "\"colour\":\"green\",\"loud\":true,\"blob\":\"AAEC\",\"words\":[\"a\",\"/b\"]}";
        struct cvm_error err = { 0 };
        struct thing t = { 0 };

        assert_int_equal(cvm_json_read_text(text, strlen(text), "x.json", fields, &t, &err), 0);
        assert_int_equal(t.count, 7);
        assert_string_equal(t.name, "abc");
        assert_int_equal(t.key[1], 0xff);
        assert_int_equal(t.colour, 1);
        assert_int_equal(t.blob.size, 3);
        assert_string_equal(t.words[1], "/b");
        CVM_CLEANUP(cvm_freep) char *again = cvm_json_write_text(fields, &t);
        assert_string_equal(again, text);
        thing_done(&t);
}

static void test_null_stands_for_absent(void **state) {
        struct cvm_error err = { 0 };
        struct thing t = { 0 };
        const char *text = "{\"version\":1,\"count\":null}";

        assert_int_equal(cvm_json_read_text(text, strlen(text), "x.json", fields, &t, &err), 0);
        assert_false(t.has_count);
        thing_done(&t);
}

static void test_refusals_name_the_field(void **state) {
        refused("{}", "'version' in 'x.json' is missing");
        refused("{\"version\":2}", "'version' in 'x.json' must be a number from 1 to 1");
        refused("{\"version\":-1}", "'version' in 'x.json' must be a number");
        /* newer versions of json-c say so themselves */
        refused("{\"version\":18446744073709551616}", "number");
        refused("{\"version\":1.0}", "'version' in 'x.json' must be a whole number");
        refused("{\"version\":\"1\"}", "'version' in 'x.json' must be a whole number");
        refused("{\"version\":1,\"nme\":1}", "'nme' in 'x.json' is not a known field");
        refused("{\"version\":1,\"name\":\"toolong\"}", "'name' in 'x.json' must be short");
        refused("{\"version\":1,\"name\":\"\"}", "'name' in 'x.json' must not be empty");
        refused("{\"version\":1,\"name\":\"a\\u0007\"}",
                "'name' in 'x.json' must not have control characters");
        refused("{\"version\":1,\"name\":\"a\\u0000b\"}",
                "'name' in 'x.json' must not have control characters");
        refused("{\"version\":1,\"key\":\"00FF10AB\"}", "'key' in 'x.json' must be 8 lower-case hex digits");
        refused("{\"version\":1,\"colour\":\"blue\"}", "must be one of 'red', 'green'");
        refused("{\"version\":1,\"blob\":\"AAE\"}", "must be standard base64");
        refused("{\"version\":1,\"blob\":\"AAECAAECAAEC\"}", "must have at most 8 bytes");
        refused("{\"version\":1,\"words\":{}}", "'words' in 'x.json' must be a list");
        refused("{\"version\":1,\"words\":[1]}", "'words[0]' in 'x.json' must be a text");
        refused("[]", "'x.json' must be an object");
}

static void test_duplicate_keys_are_named(void **state) {
        refused("{\"version\":1,\"version\":1}", "'version' is given twice");
        refused("{\"version\":1,\"v\\u0065rsion\":1}", "'version' is given twice");
        refused("{\"version\":1,\"words\":[{\"a\":1,\"b\":{\"a\":1},\"a\":2}]}", "'a' is given twice");
}

/* Other readers see another key: what was signed must mean one thing. */
static void test_key_that_is_cut(void **state) {
        refused("{\"version\\u0000x\":1}", "a key in 'x.json' has a NUL character");
        refused("{\"version\":1,\"words\":[{\"a\\u0000\":1}]}", "a key in 'x.json' has a NUL character");
}

static void test_numbers_of_other_forms(void **state) {
        static const char *const forms[] = {
                "01", "+1", "1.", "1e0", "0x1", "NaN", "Infinity", "-Infinity"
        };

        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
                char text[64];

                snprintf(text, sizeof text, "{\"version\":%s}", forms[i]);
                refused(text, "x.json");
        }
}

static void test_broken_text(void **state) {
        refused("", "not JSON");
        refused("{\"version\":1", "unexpected end of data");
        refused("{\"version\":1} x", "not JSON");
        refused("{\"version\":1,}", "not JSON");
        refused("{'version':1}", "not JSON");
        refused("{\"name\":\"\xff\"}", "not JSON");
        refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "not JSON");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reads_and_writes_alike),
                cmocka_unit_test(test_null_stands_for_absent),
                cmocka_unit_test(test_refusals_name_the_field),
                cmocka_unit_test(test_duplicate_keys_are_named),
                cmocka_unit_test(test_key_that_is_cut),
                cmocka_unit_test(test_numbers_of_other_forms),
                cmocka_unit_test(test_broken_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
