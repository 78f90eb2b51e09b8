#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/verdict.h"

static struct verdict sample(void) {
        struct verdict verdict = {
                .class_ = CVM_CLASS_SIMULATED,
                .covers = { true, true, true, true, false, CVM_COVERED_OWNER_KEYED },
                .uuid = strdup("0c1d2e3f-0000-4000-8000-000000000001"),
                .generation = 3,
                .time = 1800000000123,
        };

        memset(verdict.keyset, 1, sizeof verdict.keyset);
        memset(verdict.binding, 2, sizeof verdict.binding);
        memset(verdict.nonce, 3, sizeof verdict.nonce);
        memset(verdict.evidence, 4, sizeof verdict.evidence);
        memset(verdict.policy, 5, sizeof verdict.policy);
        return verdict;
}

static void test_result_only_worsens(void **state) {
        CVM_CLEANUP(verdict_done) struct verdict verdict = sample();

        verdict_add(&verdict, &CVM_CODE_POLICY_OPEN, "a remark");
        assert_int_equal(verdict.result, VERDICT_ACCEPTED);
        verdict_add(&verdict, &CVM_CODE_HOST_MASKED, "masked");
        assert_int_equal(verdict.result, VERDICT_UNKNOWN);
        verdict_add(&verdict, &CVM_CODE_DEBUG, "debug");
        assert_int_equal(verdict.result, VERDICT_REFUSED);
        verdict_add(&verdict, &CVM_CODE_HOST_MASKED, "masked");
        verdict_add(&verdict, &CVM_CODE_POLICY_OPEN, "a remark");
        assert_int_equal(verdict.result, VERDICT_REFUSED);
        assert_int_equal(verdict.n_reasons, 5);
}

static void test_reasons_beyond_the_cap_still_count(void **state) {
        CVM_CLEANUP(verdict_done) struct verdict verdict = sample();

        for (size_t i = 0; i < VERDICT_REASONS_MAX + 5; i++)
                verdict_add(&verdict, &CVM_CODE_POLICY_OPEN, "remark %zu", i);
        verdict_add(&verdict, &CVM_CODE_DEBUG, "debug");
        assert_int_equal(verdict.n_reasons, VERDICT_REASONS_MAX);
        assert_int_equal(verdict.result, VERDICT_REFUSED);
}

static void test_reasons_are_cleaned(void **state) {
        CVM_CLEANUP(verdict_done) struct verdict verdict = sample();

        verdict_add(&verdict, &CVM_CODE_DEBUG, "a %s", "\x1b[31mred\n");
        assert_string_equal(verdict.reasons[0].text, "a ?[31mred?");
}

static void test_written_reads_the_same(void **state) {
        CVM_CLEANUP(verdict_done) struct verdict in = sample(), out = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL, *again = NULL;

        verdict_add(&in, &CVM_CODE_MEASUREMENT, "it is another one");
        verdict_add(&in, &CVM_CODE_POLICY_OPEN, "a remark");
        in.has_image = true;
        memset(in.image, 6, sizeof in.image);
        text = verdict_write(&in);
        assert_int_equal(verdict_read(text, strlen(text), &out, NULL), 0);
        again = verdict_write(&out);
        assert_string_equal(text, again);
        assert_int_equal(out.result, VERDICT_REFUSED);
        assert_ptr_equal(out.reasons[0].code, &CVM_CODE_MEASUREMENT);
        assert_int_equal(out.covers.root, CVM_COVERED_OWNER_KEYED);
        assert_true(out.has_image);
        assert_memory_equal(out.image, in.image, sizeof out.image);
        assert_non_null(strstr(text, "\"time\":\"2027-01-15T08:00:00.123Z\""));
        assert_non_null(strstr(text, "\"result\":\"refused\""));
        assert_non_null(strstr(text, "\"root\":\"owner-keyed, replay not detected\""));
}

static void test_an_image_is_named_or_not(void **state) {
        CVM_CLEANUP(verdict_done) struct verdict in = sample(), out = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = verdict_write(&in);

        assert_null(strstr(text, "image"));
        assert_int_equal(verdict_read(text, strlen(text), &out, NULL), 0);
        assert_false(out.has_image);
}

static void expect_refused(const char *from, const char *to) {
        CVM_CLEANUP(verdict_done) struct verdict in = sample(), out = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };
        char changed[4096], *at;

        verdict_add(&in, &CVM_CODE_MEASUREMENT, "it is another one");
        text = verdict_write(&in);
        at = strstr(text, from);
        assert_non_null(at);
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
        assert_true(verdict_read(changed, strlen(changed), &out, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FIELD);
}

static void test_documents_that_are_refused(void **state) {
        expect_refused("\"version\":1", "\"version\":2");
        expect_refused("\"result\":\"refused\"", "\"result\":\"fine\"");
        expect_refused("\"class\":\"simulated\"", "\"class\":\"both\"");
        expect_refused("\"acpi\":false,", "");
        expect_refused("\"firmware\":true", "\"firmware\":1");
        expect_refused("CVM-MEASUREMENT", "CVM-NO-SUCH-CODE");
        expect_refused("\"uuid\":\"0c1d", "\"uuid\":\"0C1D");
        expect_refused("\"generation\":3", "\"generation\":-3");
        expect_refused("\"nonce\":\"03", "\"nonce\":\"");
        expect_refused("\"time\":\"2027-01-15T", "\"time\":\"2027-13-15T");
        expect_refused("\"generation\":3", "\"generation\":3,\"extra\":0");
        expect_refused("\"generation\":3", "\"generation\":3,\"image\":\"06\"");
}

/* Whoever signs "accepted" above a reason to refuse has made the document by hand. */
static void test_result_better_than_its_reasons(void **state) {
        expect_refused("\"result\":\"refused\"", "\"result\":\"accepted\"");
        expect_refused("\"result\":\"refused\"", "\"result\":\"could-not-check\"");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_result_only_worsens),
                cmocka_unit_test(test_reasons_beyond_the_cap_still_count),
                cmocka_unit_test(test_reasons_are_cleaned),
                cmocka_unit_test(test_written_reads_the_same),
                cmocka_unit_test(test_an_image_is_named_or_not),
                cmocka_unit_test(test_documents_that_are_refused),
                cmocka_unit_test(test_result_better_than_its_reasons),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
