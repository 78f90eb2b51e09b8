/* Each pair of opinions on a technology: libvirt's in its two places, and ours. */
#include "launch/host-libvirt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static size_t look_at(const char *answer, const struct host_facts *facts,
                      struct host_check rows[HOST_LIBVIRT_ROWS]) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_tokener_parse(answer);

        assert_non_null(node);
        return host_check_libvirt(&(struct host_libvirt){ .answer = node }, facts, rows);
}

static size_t look(const char *answer, bool is_ours, struct host_check rows[HOST_LIBVIRT_ROWS]) {
        const struct host_facts facts = { .offers = { [CVM_PLATFORM_TDX] = is_ours } };

        return look_at(answer, &facts, rows);
}

static void test_opinions(void **state) {
        static const struct {
                const char *tdx; /* libvirt's word on it */
                bool is_ours;
                enum host_verdict verdict;
                const char *words; /* NULL: no row */
        } cases[] = {
                { "{\"listed\":true,\"feature\":\"yes\"}", true, HOST_PASS,
                  "Intel TDX is offered by libvirt too" },
                { "{\"listed\":true,\"feature\":\"no\"}", true, HOST_PASS,
                  "starts such guests all the same" },
                { "{\"listed\":true}", true, HOST_PASS, "is offered by libvirt too" },
                { "{\"listed\":false,\"feature\":\"yes\"}", true, HOST_WARN,
                  "is not among what libvirt starts" },
                { "{\"listed\":false,\"feature\":\"no\"}", true, HOST_WARN, "the host does not have it" },
                { "{\"listed\":false}", true, HOST_WARN, "this libvirt does not know it" },
                { "{}", true, HOST_WARN, "this libvirt does not know it" },
                { "[]", true, HOST_WARN, "this libvirt does not know it" },
                { "{\"listed\":true,\"feature\":\"yes\"}", false, HOST_WARN,
                  "does not find it on the host" },
                { "{\"listed\":true,\"feature\":\"no\"}", false, HOST_PASS, NULL },
                { "{\"listed\":false,\"feature\":\"no\"}", false, HOST_PASS, NULL },
                { "{\"listed\":false}", false, HOST_PASS, NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct host_check rows[HOST_LIBVIRT_ROWS] = { 0 };
                char answer[256];
                size_t n;

                snprintf(answer, sizeof answer, "{\"version\":\"12.8.0\",\"platforms\":{\"tdx\":%s}}",
                         cases[i].tdx);
                n = look(answer, cases[i].is_ours, rows);
                assert_string_equal(rows[0].sentence, "libvirt 12.8.0 answers");
                assert_int_equal(rows[0].verdict, HOST_PASS);
                assert_int_equal(n, cases[i].words ? 2 : 1);
                if (!cases[i].words)
                        continue;
                assert_string_equal(rows[1].id, "libvirt-platform");
                assert_int_equal(rows[1].verdict, cases[i].verdict);
                assert_int_equal(!*rows[1].remedy, cases[i].verdict == HOST_PASS);
                if (!strstr(rows[1].sentence, cases[i].words))
                        fail_msg("%s: %s", cases[i].tdx, rows[1].sentence);
        }
}

static void test_no_machine(void **state) {
        struct host_check rows[HOST_LIBVIRT_ROWS] = { 0 };

        assert_int_equal(look("{\"version\":\"9.0.0\",\"platforms\":{}}", true, rows), 2);
        assert_int_equal(rows[1].verdict, HOST_WARN);
        assert_string_equal(rows[1].sentence,
                            "Intel TDX is here, but libvirt finds no QEMU with KVM for it");
        assert_int_equal(look("{\"version\":\"9.0.0\",\"platforms\":{}}", false, rows), 1);
}

/* What libvirt writes into a guest's machine by itself, it may be wrong about. */
static void test_encryption_bit(void **state) {
        static const char answer[] =
                        "{\"version\":\"12.8.0\",\"platforms\":{\"sev-snp\":{\"listed\":true,\"bit\":51}}}";
        struct host_facts facts = { .offers = { [CVM_PLATFORM_SEV_SNP] = true }, .encryption_bit = 51 };
        struct host_check rows[HOST_LIBVIRT_ROWS] = { 0 };

        assert_int_equal(look_at(answer, &facts, rows), 2);
        assert_int_equal(rows[1].verdict, HOST_PASS);
        assert_non_null(strstr(rows[1].sentence, "finds 51 as this check does"));
        facts.encryption_bit = 47;
        assert_int_equal(look_at(answer, &facts, rows), 2);
        assert_int_equal(rows[1].verdict, HOST_WARN);
        assert_non_null(strstr(rows[1].sentence,
                               "would give guests encryption bit 51, and this processor has 47"));
        assert_true(*rows[1].remedy);
        facts.encryption_bit = 0; /* it cannot be told here */
        assert_int_equal(look_at(answer, &facts, rows), 2);
        assert_string_equal(rows[1].sentence, "AMD SEV-SNP is offered by libvirt too");
}

static void test_no_answer(void **state) {
        const struct host_facts facts = { 0 };
        static const struct {
                struct host_libvirt libvirt;
                enum host_verdict verdict;
                const char *sentence;
        } rows[] = {
                { { .why = "nobody is there" }, HOST_WARN, "nobody is there" },
                { { .why = "nobody is there", .is_needed = true }, HOST_FAIL, "nobody is there" },
                { { 0 }, HOST_PASS, "libvirt is not used" },
                { { .is_needed = true }, HOST_FAIL, "is not installed" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct host_check found[HOST_LIBVIRT_ROWS] = { 0 };

                assert_int_equal(host_check_libvirt(&rows[i].libvirt, &facts, found), 1);
                assert_int_equal(found[0].verdict, rows[i].verdict);
                assert_non_null(strstr(found[0].sentence, rows[i].sentence));
                assert_int_equal(*found[0].remedy != 0, rows[i].verdict != HOST_PASS);
        }
}

static void test_hostile_answers(void **state) {
        static const char *const answers[] = { "{}",
                                               "[]",
                                               "1",
                                               "{\"version\":1,\"platforms\":[]}",
                                               "{\"platforms\":{\"tdx\":{\"listed\":1}}}",
                                               "{\"version\":\"\\u001b[2J\",\"platforms\":1}" };

        for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
                struct host_check rows[HOST_LIBVIRT_ROWS] = { 0 };

                assert_int_equal(look(answers[i], false, rows), 1);
                assert_null(strchr(rows[0].sentence, 0x1b));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_opinions),        cmocka_unit_test(test_no_machine),
                cmocka_unit_test(test_encryption_bit),  cmocka_unit_test(test_no_answer),
                cmocka_unit_test(test_hostile_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
