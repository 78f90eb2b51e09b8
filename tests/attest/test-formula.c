/* The formulas: every input counts, and no domain's output is another's. Their values stand in
 * doc/protocol.md and are compared by test-protocol.c. */
#include "attest/formula.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Each byte of the inputs, changed alone, changes the output. */
static void test_every_byte_counts(void **state) {
        struct cvm_evidence_inputs in = { .platform = 1, .suite = 1, .generation = 7 };
        uint8_t *const fields[] = { &in.platform, &in.suite,  in.nonce,
                                    in.keyset,    in.binding, (uint8_t *)&in.generation };
        static const size_t sizes[] = { 1, 1, CVM_NONCE_SIZE, CVM_SHA384_SIZE, CVM_SHA384_SIZE, 8 };
        uint8_t plain[CVM_REPORT_DATA_SIZE], changed[CVM_REPORT_DATA_SIZE];

        cvm_report_data(&in, plain);
        for (size_t f = 0; f < sizeof sizes / sizeof *sizes; f++)
                for (size_t i = 0; i < sizes[f]; i++) {
                        fields[f][i] ^= 0x10;
                        cvm_report_data(&in, changed);
                        assert_memory_not_equal(changed, plain, sizeof plain);
                        fields[f][i] ^= 0x10;
                }
}

static void test_domains_are_apart(void **state) {
        struct cvm_evidence_inputs in = { .platform = 1, .suite = 1 };
        uint8_t evidence[CVM_REPORT_DATA_SIZE], migration[CVM_REPORT_DATA_SIZE], host[CVM_REPORT_DATA_SIZE];

        cvm_report_data(&in, evidence);
        cvm_report_data_migration(&in, migration);
        cvm_report_data_host(evidence, host);
        assert_memory_not_equal(evidence, migration, sizeof evidence);
        assert_memory_not_equal(evidence, host, sizeof evidence);
        assert_memory_not_equal(migration, host, sizeof evidence);
}

static void test_halves_of_a_keyset_do_not_swap(void **state) {
        struct cvm_keyset keyset = { .kem = { 1 }, .sig = { 2 } }, swapped = { .kem = { 2 }, .sig = { 1 } };
        uint8_t a[CVM_SHA384_SIZE], b[CVM_SHA384_SIZE];

        cvm_keyset_digest(&keyset, a);
        cvm_keyset_digest(&swapped, b);
        assert_memory_not_equal(a, b, sizeof a);
}

static void test_simulated_is_one_bit_of_the_platform(void **state) {
        assert_int_equal(cvm_platform_byte(CVM_PLATFORM_SEV_SNP, false), 0x01);
        assert_int_equal(cvm_platform_byte(CVM_PLATFORM_TDX, false), 0x02);
        assert_int_equal(cvm_platform_byte(CVM_PLATFORM_SECURE_EXECUTION, false), 0x03);
        assert_int_equal(cvm_platform_byte(CVM_PLATFORM_SEV_SNP, true), 0x81);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_byte_counts),
                cmocka_unit_test(test_domains_are_apart),
                cmocka_unit_test(test_halves_of_a_keyset_do_not_swap),
                cmocka_unit_test(test_simulated_is_one_bit_of_the_platform),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
