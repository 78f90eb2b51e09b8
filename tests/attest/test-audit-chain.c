/* The audit chain: what was changed, dropped, swapped, cut or rewritten is noticed. */
#include "attest/audit-chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 5

struct chain {
        EVP_PKEY *key;
        char *rows[ROWS], *head;
        uint8_t hashes[ROWS + 1][CVM_SHA256_SIZE];
};

static char *text_of(const char *text) {
        return (char *)text;
}

static void begin(struct chain *c, const char *outcome) {
        struct cvm_error err = { 0 };
        struct audit_head head = { .seq = ROWS, .time = 1 };

        *c = (struct chain){ 0 };
        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &c->key, &err), 0);
        for (size_t i = 0; i < ROWS; i++) {
                struct audit_row row = { .seq = i + 1,
                                         .time = 1000 * i,
                                         .kind = text_of("request"),
                                         .actor = text_of("uid 0"),
                                         .object = text_of("manager"),
                                         .what = text_of("Launch"),
                                         .outcome = text_of(outcome) };

                memcpy(row.prev, c->hashes[i], sizeof row.prev);
                c->rows[i] = cvm_json_write_text(audit_row_fields, &row);
                audit_hash(c->hashes[i], c->rows[i], strlen(c->rows[i]), c->hashes[i + 1]);
        }
        memcpy(head.hash, c->hashes[ROWS], sizeof head.hash);
        assert_int_equal(cvm_signed_make(CVM_ENVELOPE_HEAD, audit_head_fields, &head, c->key, &c->head,
                                         &err),
                         0);
}

static void end(struct chain *c) {
        for (size_t i = 0; i < ROWS; i++)
                free(c->rows[i]);
        free(c->head);
        EVP_PKEY_free(c->key);
}

/* Rows by number (1 to ROWS, 0 ends), then the head; the verdict of the check. */
static const struct cvm_code *verify(const struct chain *c, const int *order, const uint8_t *since) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        struct audit_head head;
        struct cvm_error err = { 0 };

        for (; *order; order++) {
                cvm_write_copy(&w, c->rows[*order - 1], strlen(c->rows[*order - 1]));
                cvm_write_copy(&w, "\n", 1);
        }
        cvm_write_copy(&w, c->head, strlen(c->head));
        cvm_write_copy(&w, "\n", 1);
        if (audit_verify((char *)w.bytes.data, w.bytes.size, c->key, since, &head, &err) >= 0)
                assert_int_equal(head.seq, ROWS);
        return err.code;
}

static const int all[] = { 1, 2, 3, 4, 5, 0 };

static void test_a_whole_chain(void **state) {
        CVM_CLEANUP(end) struct chain c;

        begin(&c, "ok");
        assert_null(verify(&c, all, NULL));
        assert_null(verify(&c, (int[]){ 3, 4, 5, 0 }, NULL));
        for (size_t i = 0; i <= ROWS; i++)
                assert_null(verify(&c, all, c.hashes[i]));
}

static void test_what_has_come_since_a_head(void **state) {
        CVM_CLEANUP(end) struct chain c;

        begin(&c, "ok");
        assert_null(verify(&c, (int[]){ 3, 4, 5, 0 }, c.hashes[2]));
        assert_ptr_equal(verify(&c, (int[]){ 3, 4, 5, 0 }, c.hashes[1]), &CVM_CODE_AUDIT_SINCE);
        assert_null(verify(&c, (int[]){ 0 }, c.hashes[ROWS]));
        assert_ptr_equal(verify(&c, (int[]){ 0 }, c.hashes[3]), &CVM_CODE_AUDIT_SINCE);
        assert_ptr_equal(verify(&c, (int[]){ 0 }, NULL), &CVM_CODE_AUDIT);
}

static void test_missing_and_swapped_rows(void **state) {
        CVM_CLEANUP(end) struct chain c;

        begin(&c, "ok");
        assert_ptr_equal(verify(&c, (int[]){ 1, 2, 4, 5, 0 }, NULL), &CVM_CODE_AUDIT);
        assert_ptr_equal(verify(&c, (int[]){ 1, 3, 2, 4, 5, 0 }, NULL), &CVM_CODE_AUDIT);
        assert_ptr_equal(verify(&c, (int[]){ 1, 2, 3, 4, 0 }, NULL), &CVM_CODE_AUDIT);
        assert_ptr_equal(verify(&c, (int[]){ 1, 2, 3, 4, 5, 5, 0 }, NULL), &CVM_CODE_AUDIT);
}

static void test_a_changed_row(void **state) {
        CVM_CLEANUP(end) struct chain c;

        begin(&c, "ok");
        *strstr(c.rows[2], "Launch") = 'l';
        assert_ptr_equal(verify(&c, all, NULL), &CVM_CODE_AUDIT);
        begin((end(&c), &c), "ok");
        *strstr(c.rows[ROWS - 1], "Launch") = 'l'; /* the last one: only the head tells */
        assert_ptr_equal(verify(&c, all, NULL), &CVM_CODE_AUDIT);
}

static void test_a_rewritten_chain(void **state) {
        CVM_CLEANUP(end) struct chain c;
        CVM_CLEANUP(end) struct chain other;

        begin(&c, "ok");
        begin(&other, "denied");
        assert_null(verify(&other, all, NULL));
        assert_ptr_equal(verify(&other, all, c.hashes[3]), &CVM_CODE_AUDIT_SINCE);
        EVP_PKEY_free(other.key);
        other.key = c.key;
        EVP_PKEY_up_ref(c.key);
        assert_ptr_equal(verify(&other, all, NULL), &CVM_CODE_SIGNATURE);
}

static void test_cut_exports(void **state) {
        CVM_CLEANUP(end) struct chain c;
        struct audit_head head;
        struct cvm_error err = { 0 };

        begin(&c, "ok");
        assert_true(audit_verify("", 0, c.key, NULL, &head, &err) < 0);
        assert_true(audit_verify(c.rows[0], strlen(c.rows[0]), c.key, NULL, &head, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_AUDIT);
        assert_true(audit_verify("\n\n", 2, c.key, NULL, &head, &err) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_whole_chain),
                cmocka_unit_test(test_what_has_come_since_a_head),
                cmocka_unit_test(test_missing_and_swapped_rows),
                cmocka_unit_test(test_a_changed_row),
                cmocka_unit_test(test_a_rewritten_chain),
                cmocka_unit_test(test_cut_exports),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
