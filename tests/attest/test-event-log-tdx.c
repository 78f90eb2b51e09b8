/* Event logs: those that others published replay to their registers; cut and changed ones say which record.
 */
#include "attest/event-log-tdx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fd.h"
#include "tests/attest/make-event-log.h"
#include "tests/shared.h"

/* A log with an event of each kind of name; the room behind it is filled. */
static struct cvm_bytes make_log(uint8_t fill) {
        static const uint8_t variable[] = { [16] = 2, [24] = 1, [32] = 'd', [34] = 'b', [36] = 7 };
        struct cvm_writer w = { 0 };
        struct cvm_bytes log = { 0 };
        uint8_t rest[64];

        log_begin(&w);
        log_event(&w, 1, 0x8000000b, "\x8TdxTable", 9);
        log_event(&w, 1, 0x80000001, variable, sizeof variable);
        log_event(&w, 1, 3, "passed over", 11);
        log_event(&w, 2, 0x80000007, "Exit Boot Services Invocation", 29);
        log_event(&w, 3, 6, "\xed\x22\x3b\x8f\x2\0\0\0hi", 10);
        log_event(&w, 4, 0x8000002, "\x1b[1m", 4);
        memset(rest, fill, sizeof rest);
        cvm_write_copy(&w, rest, sizeof rest);
        assert_int_equal(cvm_writer_take(&w, &log), 0);
        return log;
}

static void test_events_are_read(void **state) {
        static const struct {
                unsigned index;
                const char *type, *name;
        } expected[] = {
                { 1, "EV_EFI_HANDOFF_TABLES2", "TdxTable" },
                { 1, "EV_EFI_VARIABLE_DRIVER_CONFIG", "db" },
                { 2, "EV_EFI_ACTION", "Exit Boot Services Invocation" },
                { 3, "EV_EVENT_TAG", "hi" },
                { 4, "event 0x8000002", "" },
        };

        for (int fill = 0; fill < 2; fill++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = make_log(fill ? 0xff : 0);
                CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
                struct cvm_error err = { 0 };
                char text[64];

                if (tdx_event_log_read(bytes.data, bytes.size, &log, &err) < 0)
                        fail_msg("%s", err.text);
                assert_int_equal(log.n_events, ARRAY_SIZE(expected));
                for (size_t i = 0; i < log.n_events; i++) {
                        assert_int_equal(log.events[i].index, expected[i].index);
                        tdx_event_type_text(log.events[i].type, text, sizeof text);
                        assert_string_equal(text, expected[i].type);
                        tdx_event_name(&log.events[i], text, sizeof text);
                        assert_string_equal(text, expected[i].name);
                }
        }
}

/* SHA-384 of 48 zeros and the digest of a separator: one event in one register. */
static void test_one_event_by_hand(void **state) {
        struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
        uint8_t rtmr[TDX_REGISTERS][CVM_SHA384_SIZE], both[96] = { 0 }, expected[48];
        struct cvm_error err = { 0 };

        log_begin(&w);
        log_event(&w, 2, 4, "\0\0\0\0", 4);
        assert_int_equal(cvm_writer_take(&w, &bytes), 0);
        assert_int_equal(tdx_event_log_read(bytes.data, bytes.size, &log, &err), 0);
        tdx_event_log_replay(&log, rtmr);
        cvm_sha384("\0\0\0\0", 4, both + 48);
        cvm_sha384(both, sizeof both, expected);
        assert_memory_equal(rtmr[1], expected, 48);
        assert_true(cvm_is_zero(rtmr[0], 48) && cvm_is_zero(rtmr[2], 48) && cvm_is_zero(rtmr[3], 48));
}

static void expect_refusal(const uint8_t *bytes, size_t size, const char *words) {
        struct tdx_event_log log = { 0 };
        struct cvm_error err = { 0 };

        if (tdx_event_log_read(bytes, size, &log, &err) >= 0)
                fail_msg("taken, without \"%s\"", words);
        assert_ptr_equal(err.code, &CVM_CODE_EVENT_LOG);
        assert_null(log.events);
        if (!strstr(err.text, words))
                fail_msg("\"%s\" is not in \"%s\"", words, err.text);
}

/* Offsets of the first record's fields, and of those of the second. */
#define SECOND (32 + 33)
static const struct {
        size_t at;
        uint8_t value;
        const char *words;
} changes[] = {
        { 4, 4, "record 0 of the event log is not the one" },
        { 28, 0xff, "record 0 of the event log has a wrong length" },
        { 32, 'x', "record 0 of the event log is of another format" },
        { 56, 2, "record 0 of the event log promises other digests" },
        { 60, 0xb, "record 0 of the event log promises other digests" },
        { 62, 32, "record 0 of the event log promises other digests" },
        { 64, 1, "record 0 of the event log has a wrong length" },
        { SECOND, 5, "record 1 of the event log is for a register" },
        { SECOND + 8, 2, "record 1 of the event log has other digests" },
        { SECOND + 12, 0xb, "record 1 of the event log has other digests" },
        { SECOND + 65, 0xff, "record 1 of the event log is cut off" },
};

static void test_changed_logs_are_refused(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = make_log(0xff);

                bytes.data[changes[i].at] = changes[i].value;
                expect_refusal(bytes.data, bytes.size, changes[i].words);
        }
}

/* Cut anywhere in a record it is refused; between two of them it is a shorter log. */
static void test_cut_logs(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = make_log(0xff);

        for (size_t size = 0; size < bytes.size; size++) {
                CVM_CLEANUP(cvm_freep) uint8_t *copy = malloc(size ? size : 1); /* its end is watched */
                CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
                struct cvm_error err = { 0 };

                memcpy(copy, bytes.data, size);
                if (tdx_event_log_read(copy, size, &log, &err) < 0)
                        assert_ptr_equal(err.code, &CVM_CODE_EVENT_LOG);
                else
                        assert_true(size >= SECOND);
        }
        expect_refusal(bytes.data, SECOND - 1, "record 0");
        expect_refusal(bytes.data, SECOND + 60, "record 1");
}

static void test_too_many(void **state) {
        struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };

        log_begin(&w);
        for (int i = 0; i <= TDX_EVENTS_MAX; i++)
                log_event(&w, 1, 4, "\0\0\0\0", 4);
        assert_int_equal(cvm_writer_take(&w, &bytes), 0);
        expect_refusal(bytes.data, bytes.size, "more than 4096 events");
}

/* Beginnings of RTMR 0 to 3, as the logs' sources publish them; "" where only zeros are. */
static const struct {
        const char *file;
        size_t events; /* the passed-over first record counts in their tables */
        const char *rtmr[TDX_REGISTERS];
} published[] = {
        { "go-tdx-guest/ccel/ccel_data.dat",
          43,
          { "3fa2f61f395b7f5feefb4ec2df61297f109ad8abcd6410c1b7df60f21f37b192",
            "f62dbc072bd5d3f3438b7b35c39a727f5aea2ffc2473f43723953f530daf6250",
            "4969684dc87381fc3b3134176c8d8806eaf0a901859f5f70cfae8d1771", "" } },
        { "trustee/CCEL_data_ovmf",
          20,
          { "8566f998798db09443b244c62de9a3041fb02e2e6936c4396d784bba2e901773",
            "775b9f6bfe99f8a31396f0d0218e67ffa796d3b96ccf961cbb0deba48c79c00f",
            "94eaf7a7bf398ed8d888c91057ae0261802e4f3df084213a76ca7f0b5055ac9d", "" } },
        { "trustee/CCEL_data_grub",
          37,
          { "cec0a104f691f60da2387fea3c2de00c4ac035e2bb479ff02edcce69039d9e99",
            "6c289e0c62182d41ebe97bdbc9872d10998a08eaa86adcdc684001a363207ee7",
            "08919d017ba0e52cd6d966351c7de16fe76c1d3d3d3da4554239e4c7d16c", "" } },
        { "trustee/CCEL_data_grub_gke",
          35,
          { "bc9945139042cf2cc75caf920aa57f14884ecfd7e893bccc51250c8ce90eb53c",
            "c17cb288a4dee302bb9ed8d27257a168f3264ad68cab53757f37eeaa7039657f",
            "334aeba2c985f8886cea97d1ecffbd512769d528b9a9", "" } },
        { "trustee/CCEL_data_gcp",
          21,
          { "3300980705adf09d28b707b79699d9874892164280832be2c386a715b6e204e0",
            "204d49f78d29918fe7b2f694e76653861a0c2a018987d2c3a54266eff7372325", "", "" } },
        { "trustee/CCEL_data",
          5,
          { "2dc712306a963eadb894ad47dbaa17df44814151555aee11cbb843becca88950",
            "0fa3be56af61208bbd179dc7b124988eb929319154663c539d6f46445ecac2fe", "", "" } },
        { "trustee/CCEL_AAEL_alibabacloud",
          87,
          { "b796e1c11396c198", "3b0b906140fcea68", "35f2801338c1b5fc", "5e4ecd49d3c7983d" } },
        { "dstack/ccel.bin",
          18,
          { "274c2344116db7c663470693b5ba62b8621eac28cb41d2f816ddf188f9f423f9",
            "bdcf4ee0f7fdfe7c73fbb19ded73193aee23a6726b86d3b282ea097cf4c9ed7a", "", "" } },
};

static void check_published(size_t i) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
        uint8_t rtmr[TDX_REGISTERS][CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };
        char below[256], hex[97];

        snprintf(below, sizeof below, "vectors/tdx/%s", published[i].file);
        if (cvm_read_file(shared_path(below), TDX_LOG_MAX, &bytes, &err) < 0 ||
            tdx_event_log_read(bytes.data, bytes.size, &log, &err) < 0)
                fail_msg("%s: %s", published[i].file, err.text);
        assert_true(log.n_events <= published[i].events && log.n_events + 2 >= published[i].events);
        tdx_event_log_replay(&log, rtmr);
        for (size_t k = 0; k < TDX_REGISTERS; k++) {
                const char *expected = published[i].rtmr[k];

                cvm_hex(rtmr[k], CVM_SHA384_SIZE, hex);
                if (*expected ? strncmp(hex, expected, strlen(expected)) != 0 : !cvm_is_zero(rtmr[k], 48))
                        fail_msg("%s: RTMR%zu is %s", published[i].file, k, hex);
        }
}

static void test_published(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes other = { 0 };
        struct cvm_error err = { 0 };

        if (shared_is_absent("vectors/tdx/INDEX.md"))
                skip();
        for (size_t i = 0; i < ARRAY_SIZE(published); i++)
                check_published(i);
        /* another maker's, with other digests and registers */
        assert_int_equal(cvm_read_file(shared_path("vectors/tdx/trustee/CCEL_data_csv"), TDX_LOG_MAX, &other,
                                       &err),
                         0);
        expect_refusal(other.data, other.size, "record");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_events_are_read),
                cmocka_unit_test(test_one_event_by_hand),
                cmocka_unit_test(test_changed_logs_are_refused),
                cmocka_unit_test(test_cut_logs),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_published),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
