/* Lists of boot events: registers only where all is known, the document there and back, and what differs. */
#include "launch/boot-log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct boot_register registers[] = {
        { .name = "r0", .covers_acpi = true },
        { .name = "r1", .covers_kernel = true, .covers_initrd = true, .covers_cmdline = true },
        { 0 },
};

static struct boot_event *add(struct boot_log *log, unsigned index, const char *type, uint8_t byte,
                              int status) {
        struct boot_event *e = boot_log_add(log);

        assert_non_null(e);
        e->index = index;
        snprintf(e->type, sizeof e->type, "%s", type);
        e->status = status;
        memset(e->digest, byte, sizeof e->digest);
        return e;
}

static void test_registers(void **state) {
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        uint8_t value[48], both[96] = { 0 }, expected[48];

        assert_true(boot_log_register(&log, 0, value) && cvm_is_zero(value, sizeof value));
        add(&log, 0, "A", 1, BOOT_COMPUTED);
        add(&log, 1, "B", 2, BOOT_UNKNOWN);
        add(&log, 0, "C", 3, BOOT_UNVERIFIED);
        memset(both + 48, 1, 48);
        cvm_sha384(both, sizeof both, expected);
        memcpy(both, expected, 48);
        memset(both + 48, 3, 48);
        cvm_sha384(both, sizeof both, expected);
        assert_true(boot_log_register(&log, 0, value));
        assert_memory_equal(value, expected, sizeof value);
        assert_false(boot_log_register(&log, 1, value));
        assert_true(boot_log_is_unverified(&log, 0));
        assert_false(boot_log_is_unverified(&log, 1));
        add(&log, 0, "D", 4, BOOT_COMPUTED)->may_be_absent = true;
        assert_false(boot_log_register(&log, 0, value));
}

static json_object *make_document(const struct boot_log *log) {
        json_object *node = json_tokener_parse("{\"covers\":{\"firmware\":true,\"kernel\":false}}");

        boot_log_add_json(log, registers, "reg", node);
        return node;
}

static void test_document(void **state) {
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 }, again = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL, *second = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL, *other = NULL;
        struct cvm_error err = { 0 };

        add(&log, 0, "A", 1, BOOT_UNVERIFIED);
        add(&log, 0, "A", 9, BOOT_UNKNOWN)->may_be_absent = true;
        add(&log, 1, "B", 2, BOOT_COMPUTED);
        node = make_document(&log);
        text = cvm_json_text(node);
        assert_non_null(strstr(
                        text,
                        "\"covers\":{\"firmware\":true,\"kernel\":true,\"initrd\":true,\"cmdline\":true}"));
        assert_non_null(strstr(text, "\"registers\":{\"r0\":null,\"r1\":\""));
        assert_non_null(strstr(text, "\"reg\":[null,\""));
        assert_non_null(strstr(text, "\"unverified\":[\"r0\"]"));
        assert_non_null(strstr(text, "\"digest\":null,\"status\":\"unknown\",\"may_be_absent\":true"));
        struct cvm_json root = cvm_json_root(node, "x");
        if (boot_log_read_json(&root, registers, &again, &err) < 0)
                fail_msg("%s", err.text);
        second = make_document(&again);
        other = cvm_json_text(second);
        assert_string_equal(text, other);
}

#define ZEROS \
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"

static void test_bad_documents(void **state) {
        static const char *const bad[] = {
                "{}",
                "{\"events\":1}",
                "{\"events\":[1]}",
                "{\"events\":[{}]}",
                "{\"events\":[{\"register\":\"r2\",\"status\":\"learnt\",\"digest\":\"\"}]}",
                "{\"events\":[{\"register\":\"r0\",\"status\":\"sure\",\"digest\":\"\"}]}",
                "{\"events\":[{\"register\":\"r0\",\"status\":\"learnt\",\"digest\":\"00\"}]}",
                "{\"events\":[{\"register\":\"r0\",\"status\":\"learnt\"}]}",
                "{\"events\":[{\"register\":\"r0\",\"status\":\"learnt\",\"digest\":\"" ZEROS "\"}]}",
                "{\"events\":[{\"register\":0,\"status\":\"learnt\"}]}",
        };

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                CVM_CLEANUP(cvm_json_putp) json_object *node = json_tokener_parse(bad[i]);
                const struct cvm_json root = cvm_json_root(node, "x");
                struct boot_log log = { 0 };
                struct cvm_error err = { 0 };

                if (boot_log_read_json(&root, registers, &log, &err) >= 0)
                        fail_msg("taken: %s", bad[i]);
                assert_ptr_equal(err.code, &CVM_CODE_FIELD);
                assert_null(log.events);
        }
}

static void expect_differences(const struct boot_log *expected, const struct boot_log *observed,
                               const char *words) {
        CVM_CLEANUP(cvm_freep) struct boot_difference *list = NULL;
        char text[256] = "";
        size_t n = 0;

        assert_int_equal(boot_log_compare(expected, observed, &list, &n), 0);
        for (size_t i = 0; i < n; i++)
                snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s/%s", i ? " " : "",
                         list[i].expected ? list[i].expected->type : "-",
                         list[i].observed ? list[i].observed->type : "-");
        assert_string_equal(text, words);
}

static void test_differences(void **state) {
        CVM_CLEANUP(boot_log_done) struct boot_log expected = { 0 }, observed = { 0 };

        add(&expected, 0, "A", 1, BOOT_COMPUTED);
        add(&expected, 0, "A", 2, BOOT_COMPUTED);
        add(&expected, 0, "B", 0, BOOT_UNKNOWN);
        add(&expected, 0, "C", 0, BOOT_UNKNOWN)->may_be_absent = true;
        add(&expected, 1, "D", 4, BOOT_LEARNT);
        expect_differences(&expected, &expected, "");
        expect_differences(&expected, &observed, "A/- A/- B/- D/-");
        add(&observed, 0, "A", 1, BOOT_LEARNT);
        add(&observed, 1, "A", 2, BOOT_LEARNT); /* of another register */
        add(&observed, 0, "B", 7, BOOT_LEARNT);
        add(&observed, 1, "D", 5, BOOT_LEARNT);
        expect_differences(&expected, &observed, "A/- D/D -/A");
        add(&expected, 1, "", 0, BOOT_UNKNOWN); /* anything */
        expect_differences(&expected, &observed, "A/- D/D");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_registers),
                cmocka_unit_test(test_document),
                cmocka_unit_test(test_bad_documents),
                cmocka_unit_test(test_differences),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
