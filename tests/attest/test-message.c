/* Messages of both channels: each kind goes there and back; what is missing, unknown, twice or too large is
 * refused by the reader. */
#include "attest/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define D16 "0123456789abcdef0123456789abcdef"
#define D32 D16 D16
#define D48 D32 D16
#define D64 D32 D32

static const struct {
        uint8_t type;
        const char *payload;
} samples[] = {
        { CVM_MSG_HELLO, "{\"protocol_min\":1,\"protocol_max\":2}" },
        { CVM_MSG_BINDING, "{\"id\":1,\"envelope\":\"{}\",\"owner\":\"AAEC\",\"service\":\"AAEC\"}" },
        { CVM_MSG_BINDING, "{\"id\":1,\"envelope\":\"{}\",\"owner\":\"AAEC\"}" },
        { CVM_MSG_EVIDENCE_REQUEST, "{\"id\":2,\"nonce\":\"" D32 "\"}" },
        { CVM_MSG_SECRET, "{\"id\":3,\"envelope\":\"{\\\"a\\\":1}\"}" },
        { CVM_MSG_APPROVAL, "{\"id\":4,\"envelope\":\"{}\"}" },
        { CVM_MSG_STOP, "{\"id\":5,\"reboot\":true,\"mid\":\"" D16 "\"}" },
        { CVM_MSG_BYE_ACK, "{\"id\":0}" },
        { CVM_MSG_WELCOME, "{\"protocol\":1,\"agent\":\"a 1\",\"kem\":\"AAEC\",\"sig\":\"AAEC\",\"suite\":1,"
                           "\"simulated\":true,\"unowned\":false}" },
        { CVM_MSG_STATUS, "{\"waits_for\":\"\",\"secrets\":[],\"provisioned\":true,\"generation\":0}" },
        { CVM_MSG_STATUS, "{\"waits_for\":\"secret:a\",\"secrets\":[\"b\",\"c\"],\"provisioned\":false,"
                          "\"binding\":\"" D48 "\",\"generation\":18446744073709551614}" },
        { CVM_MSG_EVIDENCE, "{\"id\":6,\"report\":\"AAEC\",\"certificates\":\"AAEC\",\"nonce\":\"" D32
                            "\",\"generation\":1}" },
        { CVM_MSG_EVIDENCE, "{\"id\":6,\"report\":\"AAEC\",\"nonce\":\"" D32 "\",\"generation\":1}" },
        { CVM_MSG_RECEIPT, "{\"id\":7,\"envelope\":\"{}\"}" },
        { CVM_MSG_APPROVED, "{\"id\":8}" },
        { CVM_MSG_BYE, "{\"id\":0,\"envelope\":\"{}\"}" },
        { CVM_MSG_REFUSED, "{\"id\":9,\"code\":\"CVM-FRAME\",\"text\":\"no\"}" },
        { CVM_MSG_REPORT_REQUEST, "{\"report_data\":\"" D64 "\"}" },
        { CVM_MSG_REPORT, "{\"report\":\"AAEC\",\"certificates\":\"AAEC\"}" },
        { CVM_MSG_REPORT, "{\"report\":\"AAEC\"}" },
        { CVM_MSG_STORE_REQUEST, "{\"request\":\"AAEC\"}" },
        { CVM_MSG_STORE_LOCK, "{}" },
        { CVM_MSG_STORED, "{\"taken\":false,\"words\":\"no\"}" },
        { CVM_MSG_STORE_LIST, "{}" },
        { CVM_MSG_STORE_LISTED, "{\"list\":\"AAEC\"}" },
        { CVM_MSG_REPORT_REFUSED, "{\"id\":0,\"code\":\"CVM-FRAME\",\"text\":\"no\"}" },
};

/* The code with which the payload is refused, NULL: taken. ret (may be NULL): written again, as a frame. */
static const struct cvm_code *read_as(uint8_t type, const char *payload, struct cvm_bytes *ret) {
        const struct cvm_message_kind *kind = cvm_message_kind(type);
        CVM_CLEANUP(cvm_freep) void *message = calloc(1, kind->size);
        struct cvm_frame frame = { .type = type, .session = 5, .payload = payload, .size = strlen(payload) };
        struct cvm_error err = { 0 };
        int r = cvm_message_read(kind, &frame, message, &err);

        if (r >= 0 && ret)
                assert_int_equal(cvm_message_make(type, 5, message, ret, &err), 0);
        kind->done(message);
        return r < 0 ? cvm_error_code(&err) : NULL;
}

static void test_every_kind_there_and_back(void **state) {
        bool seen[256] = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };

                seen[samples[i].type] = true;
                assert_null(read_as(samples[i].type, samples[i].payload, &frame));
                assert_string_equal((char *)frame.data + CVM_FRAME_HEADER_SIZE, samples[i].payload);
        }
        for (int type = 0; type < 256; type++)
                assert_int_equal(seen[type], cvm_message_kind((uint8_t)type) != NULL);
}

static void test_missing_fields(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
                for (const struct cvm_json_field *f = cvm_message_kind(samples[i].type)->fields; f->key;
                     f++) {
                        CVM_CLEANUP(cvm_json_putp)
                        json_object *node = json_tokener_parse(samples[i].payload);
                        CVM_CLEANUP(cvm_freep) char *text = NULL;

                        json_object_object_del(node, f->key);
                        text = cvm_json_text(node);
                        assert_ptr_equal(read_as(samples[i].type, text, NULL),
                                         f->required ? &CVM_CODE_FRAME : NULL);
                }
}

static void test_wrong_types(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
                for (const struct cvm_json_field *f = cvm_message_kind(samples[i].type)->fields; f->key;
                     f++) {
                        CVM_CLEANUP(cvm_json_putp)
                        json_object *node = json_tokener_parse(samples[i].payload);
                        CVM_CLEANUP(cvm_freep) char *text = NULL;

                        json_object_object_add(node, f->key, json_object_new_object());
                        text = cvm_json_text(node);
                        assert_ptr_equal(read_as(samples[i].type, text, NULL), &CVM_CODE_FRAME);
                        json_object_object_add(node, f->key, NULL);
                        free(text);
                        text = cvm_json_text(node);
                        assert_ptr_equal(read_as(samples[i].type, text, NULL), &CVM_CODE_FRAME);
                }
}

static void test_unknown_and_duplicate_fields(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
                const struct cvm_json_field *fields = cvm_message_kind(samples[i].type)->fields;
                int length = (int)strlen(samples[i].payload) - 1;
                char text[1024];

                snprintf(text, sizeof text, "%.*s,\"x\":1}", length, samples[i].payload);
                assert_ptr_equal(read_as(samples[i].type, text, NULL), &CVM_CODE_FRAME);
                snprintf(text, sizeof text, "%.*s,\"%s\":1}", length, samples[i].payload, fields[0].key);
                assert_ptr_equal(read_as(samples[i].type, text, NULL), &CVM_CODE_FRAME);
                snprintf(text, sizeof text, "%s ]", samples[i].payload);
                assert_ptr_equal(read_as(samples[i].type, text, NULL), &CVM_CODE_FRAME);
                assert_ptr_equal(read_as(samples[i].type, "", NULL), &CVM_CODE_FRAME);
                assert_ptr_equal(read_as(samples[i].type, "[]", NULL), &CVM_CODE_FRAME);
        }
}

static void test_values_over_their_caps(void **state) {
        CVM_CLEANUP(cvm_freep) char *fill = malloc(CVM_FRAME_PAYLOAD_MAX);
        CVM_CLEANUP(cvm_freep) char *text = malloc(CVM_FRAME_PAYLOAD_MAX);
        static const struct {
                uint8_t type;
                size_t size;
                const char *format;
        } cases[] = {
                { CVM_MSG_SECRET, (3u << 19) + 1, "{\"id\":3,\"envelope\":\"%s\"}" },
                { CVM_MSG_REPORT, (64u << 10) / 3 * 4 + 8, "{\"report\":\"%s\"}" },
                { CVM_MSG_REPORT, (256u << 10) / 3 * 4 + 8,
                  "{\"report\":\"AAEC\",\"certificates\":\"%s\"}" },
                { CVM_MSG_REFUSED, 513, "{\"id\":9,\"code\":\"CVM-FRAME\",\"text\":\"%s\"}" },
                { CVM_MSG_REFUSED, 65, "{\"id\":9,\"code\":\"%s\",\"text\":\"\"}" },
                { CVM_MSG_STATUS, 129,
                  "{\"waits_for\":\"%s\",\"secrets\":[],\"provisioned\":true,\"generation\":0}" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                memset(fill, 'A', cases[i].size);
                fill[cases[i].size] = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(text, CVM_FRAME_PAYLOAD_MAX, cases[i].format, fill);
#pragma GCC diagnostic pop
                assert_ptr_equal(read_as(cases[i].type, text, NULL), &CVM_CODE_FRAME);
        }
}

static void test_what_cannot_be_made(void **state) {
        struct msg_envelope message = { .envelope = (char *)"\xff" };
        struct cvm_bytes frame = { 0 };
        struct cvm_error err = { 0 };

        assert_true(cvm_message_make(0x7f, 1, &message, &frame, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FRAME);
        assert_true(cvm_message_make(CVM_MSG_SECRET, 1, &message, &frame, &err) < 0);
        assert_null(frame.data);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_kind_there_and_back),
                cmocka_unit_test(test_missing_fields),
                cmocka_unit_test(test_wrong_types),
                cmocka_unit_test(test_unknown_and_duplicate_fields),
                cmocka_unit_test(test_values_over_their_caps),
                cmocka_unit_test(test_what_cannot_be_made),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
