/* The small signed objects: each reads what it wrote, needs all its fields, and is no other's. */
#include "attest/signed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/audit-chain.h"
#include "tests/attest/fixed-keys.h"

#define UUID "\"uuid\":\"0c1d2e3f-0000-4000-8000-000000000001\""
#define D16 "0123456789abcdef0123456789abcdef"
#define D32 D16 D16
#define D48 D32 D16

union object {
        struct approval approval;
        struct start_permit start_permit;
        struct receipt receipt;
        struct bye bye;
        struct recall recall;
        struct retire retire;
        struct audit_head head;
};

static void done_approval(union object *o) {
        approval_done(&o->approval);
}
static void done_start_permit(union object *o) {
        start_permit_done(&o->start_permit);
}
static void done_receipt(union object *o) {
        receipt_done(&o->receipt);
}
static void done_bye(union object *o) {
        bye_done(&o->bye);
}
static void done_recall(union object *o) {
        recall_done(&o->recall);
}
static void done_retire(union object *o) {
        retire_done(&o->retire);
}
static void done_head(union object *o) {
}

static const struct {
        enum cvm_envelope_type type;
        const struct cvm_json_field *fields;
        void (*done)(union object *o);
        const char *payload;
} kinds[] = {
        { CVM_ENVELOPE_APPROVAL, approval_fields, done_approval,
          "{" UUID ",\"keyset\":\"" D48 "\",\"binding\":\"" D48 "\",\"evidence\":\"" D48
          "\",\"chain_head\":\"" D32 "\"}" },
        { CVM_ENVELOPE_START_PERMIT, start_permit_fields, done_start_permit,
          "{" UUID ",\"binding\":\"" D48 "\",\"start_nonce\":\"" D32
          "\",\"expiry\":\"2026-11-24T12:00:00.000Z\"}" },
        { CVM_ENVELOPE_RECEIPT, receipt_fields, done_receipt,
          "{" UUID ",\"keyset\":\"" D48 "\",\"generation\":1,\"name\":\"a\",\"kind\":\"disk-key\",\"seq\":2,"
          "\"secret\":\"" D48 "\",\"result\":\"stale\",\"counter\":3}" },
        { CVM_ENVELOPE_BYE, bye_fields, done_bye,
          "{" UUID ",\"keyset\":\"" D48 "\",\"generation\":1,\"mid\":\"" D16 "\",\"counter\":3}" },
        { CVM_ENVELOPE_RECALL, recall_fields, done_recall,
          "{" UUID ",\"generation\":1,\"keyset\":\"" D48 "\",\"mid\":null,\"fenced_by\":\"pulled the plug\","
          "\"time\":\"2026-11-24T12:00:00.000Z\"}" },
        { CVM_ENVELOPE_RETIRE, retire_fields, done_retire,
          "{" UUID ",\"generation\":1,\"record\":\"" D48 "\"}" },
        { CVM_ENVELOPE_HEAD, audit_head_fields, done_head,
          "{\"seq\":1,\"hash\":\"" D32 "\",\"time\":\"2026-11-24T12:00:00.000Z\"}" },
        { CVM_ENVELOPE_RECEIPT, receipt_fields, done_receipt,
          "{" UUID ",\"keyset\":\"" D48
          "\",\"generation\":1,\"name\":\"a\",\"kind\":\"uv-request\",\"seq\":2,"
          "\"secret\":\"" D48 "\",\"result\":\"refused\",\"counter\":3,\"words\":\"it is full\"}" },
};

static EVP_PKEY *key, *stranger;

static int setup(void **state) {
        key = fixed_key(FIXED_OWNER);
        stranger = fixed_key(FIXED_SERVICE);
        return key && stranger ? 0 : -1;
}

static int teardown(void **state) {
        EVP_PKEY_free(key);
        EVP_PKEY_free(stranger);
        return 0;
}

/* The code with which this payload, well signed, is refused; NULL: it is taken. */
static const struct cvm_code *read_payload(size_t kind, const char *payload) {
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        union object object = { 0 };
        struct cvm_error err = { 0 };
        int r;

        assert_int_equal(cvm_envelope_sign(kinds[kind].type, payload, strlen(payload), key, &envelope, &err),
                         0);
        r = cvm_signed_open(envelope, strlen(envelope), kinds[kind].type, kinds[kind].fields, key, &object,
                            NULL, &err);
        kinds[kind].done(&object);
        return r < 0 ? cvm_error_code(&err) : NULL;
}

static void test_there_and_back(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                CVM_CLEANUP(cvm_freep) char *envelope = NULL;
                CVM_CLEANUP(cvm_freep) char *again = NULL;
                union object object = { 0 };
                struct cvm_error err = { 0 };

                assert_int_equal(cvm_json_read_text(kinds[i].payload, strlen(kinds[i].payload), "x",
                                                    kinds[i].fields, &object, &err),
                                 0);
                assert_int_equal(cvm_signed_make(kinds[i].type, kinds[i].fields, &object, key, &envelope,
                                                 &err),
                                 0);
                kinds[i].done(&object);
                object = (union object){ 0 };
                assert_int_equal(cvm_signed_open(envelope, strlen(envelope), kinds[i].type, kinds[i].fields,
                                                 key, &object, NULL, &err),
                                 0);
                again = cvm_json_write_text(kinds[i].fields, &object);
                assert_string_equal(again, kinds[i].payload);
                kinds[i].done(&object);
        }
}

/* Every member taken out, one after the other: they are separated by commas outside of texts. */
static void test_every_field_is_required(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                for (const struct cvm_json_field *f = kinds[i].fields; f->key; f++) {
                        CVM_CLEANUP(cvm_json_putp) json_object *node = json_tokener_parse(kinds[i].payload);
                        CVM_CLEANUP(cvm_freep) char *text = NULL;

                        json_object_object_del(node, f->key);
                        text = cvm_json_text(node);
                        assert_ptr_equal(read_payload(i, text), f->required ? &CVM_CODE_ENVELOPE : NULL);
                }
}

static void test_wrong_types_unknown_and_twice(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                char text[2048];

                for (const struct cvm_json_field *f = kinds[i].fields; f->key; f++) {
                        CVM_CLEANUP(cvm_json_putp) json_object *node = json_tokener_parse(kinds[i].payload);
                        CVM_CLEANUP(cvm_freep) char *changed = NULL;

                        json_object_object_add(node, f->key, json_object_new_array());
                        changed = cvm_json_text(node);
                        assert_ptr_equal(read_payload(i, changed), &CVM_CODE_ENVELOPE);
                }
                snprintf(text, sizeof text, "%.*s,\"x\":1}", (int)strlen(kinds[i].payload) - 1,
                         kinds[i].payload);
                assert_ptr_equal(read_payload(i, text), &CVM_CODE_ENVELOPE);
                snprintf(text, sizeof text, "%.*s,\"%s\":1}", (int)strlen(kinds[i].payload) - 1,
                         kinds[i].payload, kinds[i].fields[0].key);
                assert_ptr_equal(read_payload(i, text), &CVM_CODE_ENVELOPE);
        }
}

/* A BYE has all the fields that a MOVE has: only the type keeps them apart. */
static void test_one_is_no_other(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                CVM_CLEANUP(cvm_freep) char *envelope = NULL;
                struct cvm_error err = { 0 };

                assert_int_equal(cvm_envelope_sign(kinds[i].type, kinds[i].payload, strlen(kinds[i].payload),
                                                   key, &envelope, &err),
                                 0);
                for (int type = 0; type < CVM_ENVELOPE_MAX_; type++) {
                        union object object = { 0 };

                        if (type == (int)kinds[i].type)
                                continue;
                        assert_true(cvm_signed_open(envelope, strlen(envelope), (enum cvm_envelope_type)type,
                                                    kinds[i].fields, key, &object, NULL, &err) < 0);
                        assert_ptr_equal(err.code, &CVM_CODE_ENVELOPE);
                }
        }
}

static void test_signer_counts_only_when_opened(void **state) {
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        union object object = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BYE, kinds[3].payload, strlen(kinds[3].payload),
                                           stranger, &envelope, &err),
                         0);
        assert_true(cvm_signed_open(envelope, strlen(envelope), CVM_ENVELOPE_BYE, bye_fields, key, &object,
                                    NULL, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_SIGNATURE);
        assert_int_equal(cvm_signed_peek(envelope, strlen(envelope), CVM_ENVELOPE_BYE, bye_fields, &object,
                                         &err),
                         0);
        bye_done(&object.bye);
}

static void test_values_that_are_none(void **state) {
        static const struct {
                size_t kind;
                const char *from, *to;
        } changes[] = {
                { 0, "000000000001", "00000000000A" },
                { 2, "disk-key", "disk" },
                { 2, "stale", "gone" },
                { 2, "\"a\"", "\"../a\"" },
                { 2, "\"seq\":2", "\"seq\":-2" },
                { 2, "\"seq\":2", "\"seq\":2.0" },
                { 2, D48, D32 },
                { 3, D16, D16 "00" },
                { 4, "pulled the plug", "" },
                { 4, "null", "\"\"" },
                { 1, "24T12", "31T12" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                const char *base = kinds[changes[i].kind].payload, *place = strstr(base, changes[i].from);
                char text[2048];

                assert_non_null(place);
                snprintf(text, sizeof text, "%.*s%s%s", (int)(place - base), base, changes[i].to,
                         place + strlen(changes[i].from));
                assert_ptr_equal(read_payload(changes[i].kind, text), &CVM_CODE_ENVELOPE);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_every_field_is_required),
                cmocka_unit_test(test_wrong_types_unknown_and_twice),
                cmocka_unit_test(test_one_is_no_other),
                cmocka_unit_test(test_signer_counts_only_when_opened),
                cmocka_unit_test(test_values_that_are_none),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
