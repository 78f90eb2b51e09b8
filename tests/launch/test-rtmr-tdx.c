/* Run-time registers: each event of a direct boot by a digest that is computed here or was published, what
 * is not known is said to be so; and logs that others published beside a prediction. */
#include "launch/rtmr-tdx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fd.h"
#include "launch/authenticode.h"
#include "launch/setup-header.h"
#include "launch/variable-store.h"
#include "tests/attest/make-event-log.h"
#include "tests/launch/make-pe.h"
#include "tests/launch/make-tdvf.h"
#include "tests/launch/make-variables.h"
#include "tests/shared.h"

static uint8_t image[IMAGE_SIZE], kernel[PE_SIZE], initrd[CVM_SHA384_SIZE];

static struct measure_inputs make_inputs(void) {
        image_make(&image_good, image);
        store_make(image);
        pe_make(kernel);
        cvm_sha384("initrd", 6, initrd);
        return (struct measure_inputs){ .firmware = image,
                                        .firmware_size = IMAGE_SIZE,
                                        .vcpus = 2,
                                        .memory = 2ull << 30,
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

/* The first such event; it must be there. */
static const struct boot_event *find(const struct boot_log *log, unsigned index, const char *type,
                                     const char *name) {
        for (size_t i = 0; i < log->n_events; i++)
                if (log->events[i].index == index && strcmp(log->events[i].type, type) == 0 &&
                    strcmp(log->events[i].name, name) == 0)
                        return &log->events[i];
        fail_msg("no %s '%s' in register %u", type, name, index);
        return NULL;
}

static void expect_digest(const struct boot_event *e, const void *hashed, size_t size) {
        uint8_t digest[CVM_SHA384_SIZE];

        cvm_sha384(hashed, size, digest);
        assert_int_equal(e->status, BOOT_COMPUTED);
        assert_memory_equal(e->digest, digest, sizeof digest);
}

static void expect_begins(const struct boot_event *e, const char *expected) {
        char hex[2 * CVM_SHA384_SIZE + 1];

        cvm_hex(e->digest, CVM_SHA384_SIZE, hex);
        assert_int_equal(e->status, BOOT_COMPUTED);
        assert_memory_equal(hex, expected, 16);
}

#define VARIABLE "EV_EFI_VARIABLE_DRIVER_CONFIG"

/* Digests of published logs, where firmware without keys said the same. */
static void test_firmware_without_keys(void **state) {
        const struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        uint8_t value[CVM_SHA384_SIZE];

        predict(&in, &log);
        expect_digest(find(&log, 0, "EV_EFI_PLATFORM_FIRMWARE_BLOB2", "Fv"), image, 0x1000);
        expect_begins(find(&log, 0, VARIABLE, "PK"), "6f2e3cbc14f9def8");
        expect_begins(find(&log, 0, VARIABLE, "KEK"), "d607c0efb41c0d75");
        expect_begins(find(&log, 0, VARIABLE, "db"), "08a74f8963b337ac");
        expect_begins(find(&log, 0, VARIABLE, "dbx"), "18cc6e01f0c6ea99");
        expect_begins(find(&log, 0, "EV_SEPARATOR", ""), "394341b7182cd227");
        assert_int_equal(find(&log, 0, VARIABLE, "SecureBoot")->status, BOOT_UNKNOWN);
        assert_int_equal(find(&log, 0, "EV_PLATFORM_CONFIG_FLAGS", "ACPI DATA")->status, BOOT_UNKNOWN);
        assert_false(boot_log_register(&log, 0, value));
}

static void test_firmware_with_keys(void **state) {
        static const char enable[] = "\xf0\xa3\x0b\xf3\xa8\xaf\x56\x45\x99\xc4\x00\x10\x09\xc9\x3a\x44";
        const struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log on = { 0 }, off = { 0 };
        uint8_t expected[16 + 16 + 4 + 3] = { 0 };
        size_t at = store_add(image, STORE_BEGIN, 0x3f, VARIABLE_GUID_GLOBAL, "PK", "key", 3);

        predict(&in, &on);
        memcpy(expected, VARIABLE_GUID_GLOBAL, 16);
        expected[16] = 2;
        expected[24] = 3;
        memcpy(expected + 32, "P\0K\0key", 7);
        expect_digest(find(&on, 0, VARIABLE, "PK"), expected, sizeof expected);
        expect_begins(find(&on, 0, VARIABLE, "SecureBoot"), "2cded0c6f453d4c6");
        store_add(image, at, 0x3f, enable, "SecureBootEnable", "\0", 1);
        predict(&in, &off);
        expect_begins(find(&off, 0, VARIABLE, "SecureBoot"), "cfa4e2c606f57262");
}

static void test_other_store_is_not_known(void **state) {
        const struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };

        image[0x28] = 0;
        predict(&in, &log);
        assert_int_equal(find(&log, 0, VARIABLE, "db")->status, BOOT_UNKNOWN);
        assert_int_equal(find(&log, 0, "EV_EFI_PLATFORM_FIRMWARE_BLOB2", "Fv")->status, BOOT_COMPUTED);
}

/* RTMR 1 by hand: kernel, calling, separator, leaving, left. */
static void test_kernel(void **state) {
        static const char *const texts[] = { "Calling EFI Application from Boot Option", NULL,
                                             "Exit Boot Services Invocation",
                                             "Exit Boot Services Returned with Success" };
        const struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        uint8_t value[CVM_SHA384_SIZE], both[2 * CVM_SHA384_SIZE] = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(authenticode_sha384(kernel, sizeof kernel, both + 48, &err), 0);
        cvm_sha384(both, sizeof both, both);
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                cvm_sha384(texts[i] ? texts[i] : "\0\0\0\0", texts[i] ? strlen(texts[i]) : 4, both + 48);
                cvm_sha384(both, sizeof both, both);
        }
        predict(&in, &log);
        assert_true(boot_log_register(&log, 1, value));
        assert_memory_equal(value, both, sizeof value);
}

static void test_older_hosts_change_the_kernel(void **state) {
        struct measure_inputs in = make_inputs();
        uint8_t changed[PE_SIZE], digest[CVM_SHA384_SIZE], first[CVM_SHA384_SIZE], value[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };

        memcpy(changed, kernel, sizeof changed);
        assert_true(setup_header_rewrite(changed, sizeof changed, in.memory, in.initrd_size));
        assert_int_equal(authenticode_sha384(changed, sizeof changed, digest, &err), 0);
        for (unsigned minor = 0; minor < 4; minor++) {
                CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
                const struct boot_event *e;

                in.qemu_version = MEASURE_QEMU(10, minor);
                predict(&in, &log);
                e = find(&log, 1, "EV_EFI_BOOT_SERVICES_APPLICATION", "");
                assert_int_equal(memcmp(e->digest, digest, sizeof digest) == 0, minor < 2);
                assert_true(boot_log_register(&log, 1, value));
                if (minor == 0)
                        memcpy(first, value, sizeof value);
                assert_int_equal(memcmp(first, value, sizeof value) == 0, minor < 2);
        }
        in.qemu_version = MEASURE_QEMU(10, 1);
        in.cmdline = "vga=ask";
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        predict(&in, &log);
        assert_false(boot_log_register(&log, 1, value));
}

/* RTMR 2 by hand. */
static void test_cmdline_and_initrd(void **state) {
        static const char line[] = "console=ttyS0 initrd=initrd";
        const struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        uint8_t utf16[2 * sizeof line] = { 0 }, value[CVM_SHA384_SIZE], both[2 * CVM_SHA384_SIZE] = { 0 };

        for (size_t i = 0; i < sizeof line; i++)
                utf16[2 * i] = (uint8_t)line[i];
        cvm_sha384(utf16, sizeof utf16, both + 48);
        cvm_sha384(both, sizeof both, both);
        memcpy(both + 48, initrd, 48);
        cvm_sha384(both, sizeof both, both);
        predict(&in, &log);
        assert_true(boot_log_register(&log, 2, value));
        assert_memory_equal(value, both, sizeof value);
        assert_false(boot_log_register(&log, 3, value));
}

/* Firmware that finds no bytes of an initrd neither names it to the kernel nor serves it. */
static void test_an_empty_initrd_is_none(void **state) {
        struct measure_inputs in = make_inputs();
        CVM_CLEANUP(boot_log_done) struct boot_log empty = { 0 }, none = { 0 };
        uint8_t with[CVM_SHA384_SIZE], without[CVM_SHA384_SIZE];

        in.initrd_size = 0;
        predict(&in, &empty);
        in.has_initrd = false;
        predict(&in, &none);
        assert_true(boot_log_register(&empty, 2, with) && boot_log_register(&none, 2, without));
        assert_memory_equal(with, without, sizeof with);
}

static void expect_unknown(const struct measure_inputs *in, unsigned index) {
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        uint8_t value[CVM_SHA384_SIZE];

        predict(in, &log);
        assert_false(boot_log_register(&log, index, value));
}

static void test_what_is_not_given_is_unknown(void **state) {
        struct measure_inputs in = make_inputs();

        in.kernel = NULL;
        expect_unknown(&in, 1);
        in = make_inputs();
        in.initrd_sha384 = NULL;
        expect_unknown(&in, 2);
        in = make_inputs();
        in.has_initrd = false;
        in.cmdline = "";
        expect_unknown(&in, 2);
        in = make_inputs();
        in.has_kernel = in.has_initrd = false;
        expect_unknown(&in, 1);
        expect_unknown(&in, 2);
}

/* What starts the kernel is known, how it does that is not: the registers wait for a guest's own log. */
static void test_a_shim(void **state) {
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        struct measure_inputs in = make_inputs();
        uint8_t shim[PE_SIZE], digest[CVM_SHA384_SIZE];
        const struct boot_event *e;
        struct cvm_error err = { 0 };

        pe_make(shim);
        shim[0x500] ^= 1;
        in.has_shim = true;
        expect_unknown(&in, 1);
        in.shim = shim;
        in.shim_size = sizeof shim;
        expect_unknown(&in, 1);
        expect_unknown(&in, 2);
        predict(&in, &log);
        e = find(&log, 1, "EV_EFI_BOOT_SERVICES_APPLICATION", "");
        assert_int_equal(authenticode_sha384(shim, sizeof shim, digest, &err), 0);
        assert_int_equal(e->status, BOOT_COMPUTED);
        assert_memory_equal(e->digest, digest, sizeof digest);
        shim[0] = 0;
        assert_true(tdx_registers.predict(&in, &log, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_KERNEL);
        assert_non_null(strstr(err.text, "the shim"));
}

static void test_refusals(void **state) {
        struct measure_inputs in = make_inputs();
        struct boot_log log = { 0 };
        struct cvm_error err = { 0 };

        kernel[0] = 0;
        assert_true(tdx_registers.predict(&in, &log, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_KERNEL);
        in.firmware_size = 4096;
        assert_true(tdx_registers.predict(&in, &log, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FIRMWARE);
        assert_true(tdx_registers.read("x", 1, &log, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_EVENT_LOG);
        assert_null(log.events);
}

static void test_learnt(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        struct cvm_writer w = { 0 };
        struct cvm_error err = { 0 };
        const struct boot_event *e;

        log_begin(&w);
        log_event(&w, 0, 4, "no register", 11);
        log_event(&w, 1, 0x8000000a,
                  "\x08"
                  "Fv(1234)",
                  9);
        log_event(&w, 1, 0xa, "QEMU FW CFG\0bootorder\0\0", 23);
        log_event(&w, 1, 0x80000009, "smbios", 6);
        log_event(&w, 1, 4, "\0\0\0\0", 4);
        log_event(&w, 4, 0x8000001, "app", 3);
        assert_int_equal(cvm_writer_take(&w, &bytes), 0);
        if (tdx_registers.read(bytes.data, bytes.size, &log, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(log.n_events, 5);
        assert_int_equal(find(&log, 0, "EV_SEPARATOR", "")->status, BOOT_LEARNT);
        e = find(&log, 0, "EV_EFI_PLATFORM_FIRMWARE_BLOB2", "Fv");
        assert_int_equal(e->status, BOOT_UNVERIFIED);
        e = find(&log, 0, "EV_PLATFORM_CONFIG_FLAGS", "QEMU FW CFG bootorder");
        assert_int_equal(e->status, BOOT_UNVERIFIED);
        assert_int_equal(find(&log, 0, "EV_EFI_HANDOFF_TABLES", "")->status, BOOT_UNVERIFIED);
        assert_int_equal(find(&log, 3, "event 0x8000001", "")->status, BOOT_LEARNT);
}

/* The words of an event are whoever's who carries the log: they cannot take the mark away. */
static void test_other_words_do_not_verify(void **state) {
        static const uint32_t types[] = { 0x4, 0x5, 0x80000001, 0x80000007, 0x8000000a, 0x800000e0 };

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
                CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
                struct cvm_writer w = { 0 };
                struct cvm_error err = { 0 };

                log_begin(&w);
                log_event(&w, 1, types[i], "ACPI DATA", 9);
                assert_int_equal(cvm_writer_take(&w, &bytes), 0);
                bytes.data[bytes.size - 1] ^= 1; /* no longer what was hashed */
                if (tdx_registers.read(bytes.data, bytes.size, &log, &err) < 0)
                        fail_msg("%s", err.text);
                assert_int_equal(log.events[0].status, BOOT_UNVERIFIED);
        }
}

/* A direct boot that others logged: what differs is the store that they had, what they had no secure boot
 * variable for, kernel, command line, initrd, and where their older firmware put the second separator. */
static void test_published_direct_boot(void **state) {
        struct measure_inputs in = make_inputs();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(boot_log_done) struct boot_log expected = { 0 }, observed = { 0 };
        CVM_CLEANUP(cvm_freep) struct boot_difference *list = NULL;
        static const char *const names[] = { "TdxTable",     "Fv", "", "", "LOADED_IMAGE::LoadOptions",
                                             "Linux initrd", "" };
        struct cvm_error err = { 0 };
        size_t n = 0;

        if (shared_is_absent("vectors/tdx/trustee/CCEL_data_ovmf"))
                skip();
        if (cvm_read_file(shared_path("vectors/tdx/trustee/CCEL_data_ovmf"), 1 << 20, &bytes, &err) < 0 ||
            tdx_registers.read(bytes.data, bytes.size, &observed, &err) < 0)
                fail_msg("%s", err.text);
        predict(&in, &expected);
        assert_int_equal(boot_log_compare(&expected, &observed, &list, &n), 0);
        assert_int_equal(n, ARRAY_SIZE(names));
        for (size_t i = 0; i < n; i++)
                assert_string_equal((list[i].expected ? list[i].expected : list[i].observed)->name,
                                    names[i]);
        assert_null(list[3].observed);
        assert_string_equal(list[3].expected->type, "EV_SEPARATOR");
        assert_null(list[6].expected);
        assert_string_equal(list[6].observed->type, "EV_SEPARATOR");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_firmware_without_keys),
                cmocka_unit_test(test_firmware_with_keys),
                cmocka_unit_test(test_other_store_is_not_known),
                cmocka_unit_test(test_kernel),
                cmocka_unit_test(test_older_hosts_change_the_kernel),
                cmocka_unit_test(test_cmdline_and_initrd),
                cmocka_unit_test(test_an_empty_initrd_is_none),
                cmocka_unit_test(test_what_is_not_given_is_unknown),
                cmocka_unit_test(test_a_shim),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_learnt),
                cmocka_unit_test(test_other_words_do_not_verify),
                cmocka_unit_test(test_published_direct_boot),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
