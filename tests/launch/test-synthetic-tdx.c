/* The firmware of simulated trust domains, for ever the same, and their event logs: what is predicted is
 * what they replay to, and what is not says so itself. */
#include "launch/synthetic-tdx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attest/event-log-tdx.h"
#include "launch/measure-tdx.h"
#include "launch/rtmr-tdx.h"
#include "tests/launch/make-pe.h"

static struct cvm_bytes firmware;
static uint8_t kernel[PE_SIZE], initrd[CVM_SHA384_SIZE];

static int make_firmware(void **state) {
        pe_make(kernel);
        cvm_sha384("initrd", 6, initrd);
        return tdx_synthetic_firmware(&firmware);
}

static int drop_firmware(void **state) {
        cvm_bytes_done(&firmware);
        return 0;
}

static struct measure_inputs make_inputs(void) {
        return (struct measure_inputs){ .firmware = firmware.data,
                                        .firmware_size = firmware.size,
                                        .vcpus = 2,
                                        .memory = 512ull << 20,
                                        .has_kernel = true,
                                        .kernel = kernel,
                                        .kernel_size = PE_SIZE,
                                        .has_initrd = true,
                                        .initrd_sha384 = initrd,
                                        .initrd_size = 6,
                                        .cmdline = "console=ttyS0" };
}

static void predict(const struct measure_inputs *in, struct boot_log *ret) {
        struct cvm_error err = { 0 };

        if (tdx_registers.predict(in, ret, &err) < 0)
                fail_msg("%s", err.text);
}

/* The measurements of simulated guests depend on these bytes: they stay. */
static void test_the_firmware_never_changes(void **state) {
        const struct measure_inputs in = make_inputs();
        struct measurement m = { 0 };
        struct cvm_error err = { 0 };
        uint8_t sha256[CVM_SHA256_SIZE];
        char hex[2 * CVM_SHA384_SIZE + 1];

        cvm_sha256(firmware.data, firmware.size, sha256);
        cvm_hex(sha256, sizeof sha256, hex);
        assert_string_equal(hex, "3778e4d616275ac6c9b9749bd25a0ad06940112d26fc6c7f595f07172a0f8013");
        if (tdx_measure(&in, &m, &err) < 0)
                fail_msg("%s", err.text);
        cvm_hex(m.digest, m.size, hex);
        assert_string_equal(
                        hex,
                        "3e36ca641716b24a920e15c6407e4e22dedbefeea7f2404ab5f082cd880dfccf746d7e1d642e4db5ce75e05ecaabe692");
}

/* All that a kernel's boot extends is computed, and all of the firmware's own but what a host adds. */
static void test_what_is_predicted(void **state) {
        const struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        uint8_t value[CVM_SHA384_SIZE];
        size_t computed = 0;

        predict(&in, &log);
        for (size_t i = 0; i < log.n_events; i++)
                computed += log.events[i].index == 0 && log.events[i].status == BOOT_COMPUTED;
        assert_int_equal(computed, 7); /* TD HOB, store, four keys, separator */
        assert_false(boot_log_register(&log, 0, value));
        assert_true(boot_log_register(&log, 1, value));
        assert_true(boot_log_register(&log, 2, value));
}

static void test_the_log_replays_to_the_prediction(void **state) {
        const struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log events = { 0 };
        uint8_t value[CVM_SHA384_SIZE], replayed[TDX_REGISTERS][CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };

        predict(&in, &log);
        assert_int_equal(tdx_registers.simulate(&log, &bytes), 0);
        if (tdx_event_log_read(bytes.data, bytes.size, &events, &err) < 0)
                fail_msg("%s", err.text);
        tdx_event_log_replay(&events, replayed);
        for (unsigned i = 1; i < 3; i++) {
                assert_true(boot_log_register(&log, i, value));
                assert_memory_equal(replayed[i], value, sizeof value);
        }
        assert_false(cvm_is_zero(replayed[0], sizeof replayed[0]));
        assert_true(cvm_is_zero(replayed[3], sizeof replayed[3]));
}

/* Read as a guest's own log it differs in nothing from the prediction, and what the host would have written
 * is taken for unverified, never for computed. */
static void test_the_log_is_one_to_learn_from(void **state) {
        const struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 }, learnt = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(cvm_freep) struct boot_difference *differences = NULL;
        struct cvm_error err = { 0 };
        size_t n = 99;

        predict(&in, &log);
        assert_int_equal(tdx_registers.simulate(&log, &bytes), 0);
        if (tdx_registers.read(bytes.data, bytes.size, &learnt, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(boot_log_compare(&log, &learnt, &differences, &n), 0);
        assert_int_equal(n, 0);
        boot_log_mark_computed(&learnt, &log);
        assert_true(boot_log_is_unverified(&learnt, 0));
        assert_false(boot_log_is_unverified(&learnt, 1));
        assert_false(boot_log_is_unverified(&learnt, 2));
}

/* A guest that boots from its disk: nobody says what that starts, and nothing of it is in the log. */
static void test_without_a_kernel(void **state) {
        struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log events = { 0 };
        struct cvm_error err = { 0 };

        in.has_kernel = in.has_initrd = false;
        in.kernel = NULL;
        predict(&in, &log);
        assert_int_equal(tdx_registers.simulate(&log, &bytes), 0);
        if (tdx_event_log_read(bytes.data, bytes.size, &events, &err) < 0)
                fail_msg("%s", err.text);
        for (size_t i = 0; i < events.n_events; i++)
                assert_int_equal(events.events[i].index, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_firmware_never_changes),
                cmocka_unit_test(test_what_is_predicted),
                cmocka_unit_test(test_the_log_replays_to_the_prediction),
                cmocka_unit_test(test_the_log_is_one_to_learn_from),
                cmocka_unit_test(test_without_a_kernel),
        };

        return cmocka_run_group_tests(tests, make_firmware, drop_firmware);
}
