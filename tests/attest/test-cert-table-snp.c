#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "attest/cert-table-snp.h"

/* VCEK "vcek", ASK "ask", behind a header of three entries. */
static struct cvm_bytes sample(void) {
        const struct snp_cert_entry entries[] = {
                { SNP_CERT_VCEK, (const uint8_t *)"vcek", 4 },
                { SNP_CERT_ASK, (const uint8_t *)"ask", 3 },
        };
        struct cvm_bytes table = { 0 };

        assert_int_equal(snp_cert_table_write(entries, ARRAY_SIZE(entries), &table), 0);
        return table;
}

static void put_u32(uint8_t *at, uint32_t v) {
        for (int i = 0; i < 4; i++)
                at[i] = (uint8_t)(v >> (8 * i));
}

static void expect_refused(const void *table, size_t size) {
        struct snp_cert_entry entries[SNP_CERT_TABLE_ENTRIES];
        struct cvm_error err = { 0 };
        size_t n;

        assert_true(snp_cert_table_read(table, size, entries, &n, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_REPORT_CHAIN);
}

static void test_written_reads_the_same(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = sample();
        struct snp_cert_entry entries[SNP_CERT_TABLE_ENTRIES];
        size_t n;

        assert_int_equal(table.size, 4096);
        assert_int_equal(table.data[0], 0x63); /* in the order of the text */
        assert_int_equal(snp_cert_table_read(table.data, table.size, entries, &n, NULL), 0);
        assert_int_equal(n, 2);
        assert_int_equal(entries[0].kind, SNP_CERT_VCEK);
        assert_memory_equal(entries[0].data, "vcek", 4);
        assert_int_equal(entries[1].kind, SNP_CERT_ASK);
        assert_int_equal(entries[1].size, 3);
}

static void test_empty_table(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = { 0 };
        struct snp_cert_entry entries[SNP_CERT_TABLE_ENTRIES];
        size_t n = 7;

        assert_int_equal(snp_cert_table_write(NULL, 0, &table), 0);
        assert_int_equal(snp_cert_table_read(table.data, table.size, entries, &n, NULL), 0);
        assert_int_equal(n, 0);
}

static void test_unknown_kind_beside_known_ones(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = sample();
        struct snp_cert_entry entries[SNP_CERT_TABLE_ENTRIES];
        size_t n;

        table.data[24] ^= 0xff;
        assert_int_equal(snp_cert_table_read(table.data, table.size, entries, &n, NULL), 0);
        assert_int_equal(entries[1].kind, SNP_CERT_UNKNOWN);
}

static void test_only_unknown_kinds(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = sample();

        table.data[0] ^= 0xff;
        table.data[24] ^= 0xff;
        expect_refused(table.data, table.size);
}

static void test_ranges(void **state) {
        static const struct {
                uint32_t offset, length;
        } rows[] = {
                { 4096, 1 },       { 4095, 2 },          { 71, 4 },  { 0, 4 }, { 100, UINT32_MAX },
                { UINT32_MAX, 2 }, { UINT32_MAX, 4096 }, { 100, 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = sample();

                put_u32(table.data + 16, rows[i].offset);
                put_u32(table.data + 20, rows[i].length);
                expect_refused(table.data, table.size);
        }
}

static void test_two_of_one_kind(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = sample();

        memcpy(table.data + 24, table.data, 16);
        expect_refused(table.data, table.size);
}

static void test_cut_inside_the_header(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = sample();

        expect_refused(table.data, 0);
        expect_refused(table.data, 23);
        expect_refused(table.data, 71);
}

static void test_no_end(void **state) {
        uint8_t table[4096];

        memset(table, 1, sizeof table);
        expect_refused(table, sizeof table);
}

static void test_too_large(void **state) {
        static uint8_t table[SNP_CERT_TABLE_MAX + 1];

        expect_refused(table, sizeof table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_written_reads_the_same),
                cmocka_unit_test(test_empty_table),
                cmocka_unit_test(test_unknown_kind_beside_known_ones),
                cmocka_unit_test(test_only_unknown_kinds),
                cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_two_of_one_kind),
                cmocka_unit_test(test_cut_inside_the_header),
                cmocka_unit_test(test_no_end),
                cmocka_unit_test(test_too_large),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
