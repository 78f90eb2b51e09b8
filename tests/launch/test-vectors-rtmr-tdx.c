/* Logs that others published with their quotes: replayed they give the quote's registers, RTMR 3 too, and
 * their constant events are those that are predicted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/event-log-tdx.h"
#include "attest/quote-tdx.h"
#include "base/fd.h"
#include "launch/hob-tdx.h"
#include "launch/rtmr-tdx.h"
#include "tests/shared.h"

#define APPLICATION 0x08000001u /* the source's own events, in RTMR 3 */

static json_object *read_document(const char *below) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        json_object *node = NULL;
        struct cvm_error err = { 0 };

        if (cvm_read_file(shared_path(below), 1 << 20, &bytes, &err) < 0 ||
            cvm_json_parse(bytes.data, bytes.size, below, &node, &err) < 0)
                fail_msg("%s", err.text);
        return node;
}

static const char *text_of(json_object *node, const char *key) {
        return json_object_get_string(json_object_object_get(node, key));
}

/* Where the digest was left out: of u32 type, ':', name, ':', payload. */
static void digest_application(json_object *event, uint8_t ret[CVM_SHA384_SIZE]) {
        const char *name = text_of(event, "event"), *hex = text_of(event, "event_payload");
        size_t size = strlen(hex) / 2;
        CVM_CLEANUP(cvm_freep) uint8_t *payload = malloc(size + 1);
        struct cvm_writer w = { 0 };

        assert_int_equal(cvm_unhex(hex, payload, size), 0);
        cvm_write_u32le(&w, APPLICATION);
        cvm_write_u8(&w, ':');
        cvm_write_copy(&w, name, strlen(name));
        cvm_write_u8(&w, ':');
        cvm_write_copy(&w, payload, size);
        cvm_sha384(w.bytes.data, w.bytes.size, ret);
        cvm_writer_done(&w);
}

static void read_events(json_object *list, struct boot_log *ret) {
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                json_object *event = json_object_array_get_idx(list, i);
                struct boot_event *e = boot_log_add(ret);

                assert_non_null(e);
                e->index = (unsigned)json_object_get_int(json_object_object_get(event, "imr"));
                if (cvm_unhex(text_of(event, "digest"), e->digest, sizeof e->digest) < 0)
                        digest_application(event, e->digest);
        }
}

static void read_quote(const char *hex, struct cvm_bytes *ret_bytes, struct tdx_quote *ret) {
        struct cvm_error err = { 0 };

        ret_bytes->size = strlen(hex) / 2;
        ret_bytes->data = malloc(ret_bytes->size);
        assert_int_equal(cvm_unhex(hex, ret_bytes->data, ret_bytes->size), 0);
        if (tdx_quote_read(ret_bytes->data, ret_bytes->size, ret, &err) < 0)
                fail_msg("%s", err.text);
}

static void check(const char *below, size_t events, const char *first) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = read_document(below), *list = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        const char *text = text_of(node, "event_log");
        struct tdx_quote quote;
        uint8_t value[CVM_SHA384_SIZE];
        char hex[2 * CVM_SHA384_SIZE + 1];

        assert_int_equal(cvm_json_parse(text, strlen(text), "event_log", &list, NULL), 0);
        read_quote(text_of(node, "quote"), &bytes, &quote);
        read_events(list, &log);
        assert_int_equal(log.n_events, events);
        for (unsigned i = 0; i < TDX_REGISTERS; i++) {
                assert_true(boot_log_register(&log, i, value));
                assert_memory_equal(value, quote.body.rtmr[i], sizeof value);
        }
        cvm_hex(log.events[0].digest, CVM_SHA384_SIZE, hex);
        assert_memory_equal(hex, first, strlen(first));
}

/* The first event is the TD HOB of 64 and 2 GiB (tests/launch/test-hob-tdx.c). */
static void test_logs_with_quotes(void **state) {
        if (shared_is_absent("vectors/tdx/dstack/quote-report.json"))
                skip();
        check("vectors/tdx/dstack/quote-report.json", 28, "8ae1e425351df799");
        check("vectors/tdx/dstack/tdx-lite-getquote.json", 29, "0b8772e5b0b41b83");
}

/* Every log that is read as a list of events gives the same registers that way. */
static void test_logs_alone(void **state) {
        static const char *const files[] = {
                "go-tdx-guest/ccel/ccel_data.dat", "trustee/CCEL_data_ovmf", "trustee/CCEL_data_grub",
                "trustee/CCEL_data_grub_gke",      "trustee/CCEL_data_gcp",  "trustee/CCEL_data",
                "trustee/CCEL_AAEL_alibabacloud",  "dstack/ccel.bin",
        };

        if (shared_is_absent("vectors/tdx/trustee/CCEL_data"))
                skip();
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
                CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log raw = { 0 };
                CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
                uint8_t rtmr[TDX_REGISTERS][CVM_SHA384_SIZE], value[CVM_SHA384_SIZE];
                struct cvm_error err = { 0 };
                char below[256];

                snprintf(below, sizeof below, "vectors/tdx/%s", files[i]);
                if (cvm_read_file(shared_path(below), TDX_LOG_MAX, &bytes, &err) < 0 ||
                    tdx_event_log_read(bytes.data, bytes.size, &raw, &err) < 0 ||
                    tdx_registers.read(bytes.data, bytes.size, &log, &err) < 0)
                        fail_msg("%s: %s", files[i], err.text);
                tdx_event_log_replay(&raw, rtmr);
                for (unsigned k = 0; k < TDX_REGISTERS; k++) {
                        assert_true(boot_log_register(&log, k, value));
                        assert_memory_equal(value, rtmr[k], sizeof value);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_logs_with_quotes),
                cmocka_unit_test(test_logs_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
