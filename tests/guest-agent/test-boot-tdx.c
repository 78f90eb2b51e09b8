/* The event log that evidence carries, and what is extended before the guest goes on: below a root that the
 * test makes, and by calls that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "guest-agent/agent.h"
#include "guest-agent/boot-tdx.h"
#include "tests/attest/make-event-log.h"

static char root[64];

static int make_root(void **state) {
        strcpy(root, "/tmp/cvm-boot-XXXXXX");
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
        char command[80];

        snprintf(command, sizeof command, "rm -r '%s'", root);
        return system(command);
}

static void path_of(const char *below, char ret[256]) {
        snprintf(ret, 256, "%s%s", root, below);
        for (char *p = ret + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
                *p = 0;
                mkdir(ret, 0700);
        }
}

static void put(const char *below, const void *data, size_t size) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char path[256];

        path_of(below, path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_int_equal(cvm_write_all(fd, data, size), 0);
}

/* Two events, and the room behind them. */
static void put_firmware_log(size_t room, size_t *ret_size) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        log_begin(&w);
        log_event(&w, 1, 4, "\0\0\0", 4);
        log_event(&w, 2, 0x80000007, "Exit Boot Services Invocation", 29);
        *ret_size = w.bytes.size;
        for (size_t i = 0; i < room; i++)
                cvm_write_u8(&w, 0xff);
        put(BOOT_TDX_LOG, w.bytes.data, w.bytes.size);
}

static void get_log(const struct cvm_bytes *own, struct cvm_bytes *ret, const char *words) {
        struct cvm_error err = { 0 };

        assert_int_equal(boot_tdx_log(&boot_tdx_system, root, own, ret, &err), 0);
        if (words ? !strstr(err.text, words) : err.code != NULL)
                fail_msg("%s", err.text);
}

static const struct cvm_bytes nothing;

static void test_the_room_behind_the_log_stays_behind(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes log = { 0 };
        size_t size;

        put_firmware_log(65536, &size);
        get_log(&nothing, &log, NULL);
        assert_int_equal(log.size, size);
}

static void test_no_log(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes log = { 0 };

        get_log(&nothing, &log, NULL);
        assert_int_equal(log.size, 0);
}

static void test_what_is_no_log_is_left_out(void **state) {
        static char large[(1u << 20) + 1];
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes log = { 0 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        size_t size;

        put(BOOT_TDX_LOG, "no log", 6);
        get_log(&nothing, &log, "record 0");
        put(BOOT_TDX_LOG, large, sizeof large);
        get_log(&nothing, &log, "File too large");
        put_firmware_log(sizeof large, &size); /* the room is read too, and bounded */
        get_log(&nothing, &log, "File too large");
        log_begin(&w);
        log_event(&w, 1, 4, large, 256 << 10);
        put(BOOT_TDX_LOG, w.bytes.data, w.bytes.size);
        get_log(&nothing, &log, "File too large");
        assert_int_equal(log.size, 0);
}

/* What the register holds after it, as the kernel would have it: the file here holds what was written. */
static void read_register(uint8_t ret[CVM_SHA384_SIZE]) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes digest = { 0 };
        struct cvm_error err = { 0 };
        char path[256];

        path_of(BOOT_TDX_REGISTER, path);
        assert_int_equal(cvm_read_file(path, 4096, &digest, &err), 0);
        assert_int_equal(digest.size, CVM_SHA384_SIZE);
        memset(ret, 0, CVM_SHA384_SIZE);
        tdx_extend(ret, digest.data);
}

static void expect_replayed(const struct cvm_bytes *bytes, size_t n_events) {
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
        uint8_t replayed[TDX_REGISTERS][CVM_SHA384_SIZE], value[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };

        assert_int_equal(tdx_event_log_read(bytes->data, bytes->size, &log, &err), 0);
        assert_int_equal(log.n_events, n_events);
        assert_int_equal(log.size, bytes->size);
        tdx_event_log_replay(&log, replayed);
        read_register(value);
        assert_memory_equal(replayed[3], value, sizeof value);
}

static void test_the_log_has_what_was_extended(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer own = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes alone = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes all = { 0 };
        struct cvm_error err = { 0 };
        size_t size;

        put(BOOT_TDX_REGISTER, "", 0);
        assert_int_equal(boot_tdx_extend(&boot_tdx_system, root, "what", 4, &own, &err), 1);
        get_log(&own.bytes, &alone, NULL);
        expect_replayed(&alone, 1);
        put_firmware_log(100, &size);
        get_log(&own.bytes, &all, NULL);
        expect_replayed(&all, 3);
        assert_int_equal(all.size, size + own.bytes.size);
}

static void test_a_kernel_without_the_register(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer own = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(boot_tdx_extend(&boot_tdx_system, root, "what", 4, &own, &err), 0);
        assert_int_equal(own.bytes.size, 0);
}

/* --- calls that fail --- */

static struct {
        int open_error, read_error, write_error, open;
        ssize_t written;
} k;

static int result(int errnum, int value) {
        errno = errnum;
        return errnum ? -1 : value;
}

static int fake_open(const char *path, int flags) {
        assert_true(flags & O_CLOEXEC);
        k.open += !k.open_error;
        return result(k.open_error, 7);
}

static ssize_t fake_read(int fd, void *data, size_t size) {
        assert_int_equal(fd, 7);
        return result(k.read_error, 0);
}

static ssize_t fake_write(int fd, const void *data, size_t size) {
        assert_int_equal(fd, 7);
        assert_int_equal(size, CVM_SHA384_SIZE);
        return result(k.write_error, (int)k.written);
}

static int fake_close(int fd) {
        k.open--;
        errno = EBADF; /* nobody asks for it */
        return 0;
}

static const struct boot_tdx_calls fakes = { fake_open, fake_read, fake_write, fake_close };

static void test_calls_that_fail(void **state) {
        static const struct {
                int open_error, write_error;
                ssize_t written;
                int r;
                const char *words;
        } rows[] = {
                { EACCES, 0, 0, -EACCES, "Permission denied" },
                { 0, EIO, 0, -EIO, "Input/output" },
                { 0, 0, 47, -EIO, "Input/output" },
                { 0, 0, 0, -EIO, "Input/output" },
                { ENOENT, 0, 0, 0, "" },
                { 0, 0, 48, 1, "" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_writer_done) struct cvm_writer own = { 0 };
                struct cvm_error err = { 0 };

                memset(&k, 0, sizeof k);
                k.open_error = rows[i].open_error;
                k.write_error = rows[i].write_error;
                k.written = rows[i].written;
                assert_int_equal(boot_tdx_extend(&fakes, "", "what", 4, &own, &err), rows[i].r);
                assert_non_null(strstr(err.text, rows[i].words));
                assert_true((own.bytes.size > 0) == (rows[i].r > 0)); /* no record of what did not happen */
                assert_int_equal(k.open, 0);
        }
}

static void test_a_log_that_cannot_be_read(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes log = { 0 };
        struct cvm_error err = { 0 };

        memset(&k, 0, sizeof k);
        k.read_error = EIO;
        assert_int_equal(boot_tdx_log(&fakes, "", &nothing, &log, &err), 0);
        assert_non_null(strstr(err.text, "Input/output"));
        assert_int_equal(log.size, 0);
        assert_int_equal(k.open, 0);
}

/* --- the agent --- */

static const struct tee_provider hardware = { .name = "hardware" };

static struct agent bound_agent(struct tee *tee) {
        struct agent a = { .tee = tee, .bound = true };

        *tee = (struct tee){ .provider = &hardware,
                             .root = root,
                             .fd = -EBADF,
                             .knows_self = true,
                             .self = { .platform = CVM_PLATFORM_TDX } };
        memset(a.uuid, 1, sizeof a.uuid);
        memset(a.keyset_digest, 2, sizeof a.keyset_digest);
        memset(a.binding_digest, 3, sizeof a.binding_digest);
        a.taken[0] = (struct taken){ .kind = CVM_SECRET_DISK_KEY, .name = "root" };
        memset(a.taken[0].digest, 4, sizeof a.taken[0].digest);
        a.n_taken = 1;
        return a;
}

/* Once, and of everything that was taken by then. */
static void test_the_hand_over_is_extended_once(void **state) {
        struct cvm_hand_over in = { .platform = 2, .suite = 1, .n_secrets = 1 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(tee_done) struct tee tee;
        struct agent a = bound_agent(&tee);
        uint8_t value[CVM_SHA384_SIZE], expected[CVM_SHA384_SIZE] = { 0 }, digest[CVM_SHA384_SIZE];
        char waits_for[64];
        size_t size;

        put(BOOT_TDX_REGISTER, "", 0);
        agent_waits_for(&a, waits_for, sizeof waits_for);
        assert_string_equal(waits_for, "register");
        agent_hand_over(&a);
        agent_waits_for(&a, waits_for, sizeof waits_for);
        assert_string_equal(waits_for, "");

        memset(in.uuid, 1, sizeof in.uuid);
        memset(in.keyset, 2, sizeof in.keyset);
        memset(in.binding, 3, sizeof in.binding);
        cvm_write_u32le(&w, 0x444d5643);
        cvm_write_u32le(&w, 18 + 2 + 16 + 96 + 8 + 2 + 2 + 4 + 48);
        cvm_hand_over_write(&in, &w);
        cvm_hand_over_write_secret(CVM_SECRET_DISK_KEY, "root", a.taken[0].digest, &w);
        cvm_sha384(w.bytes.data, w.bytes.size, digest);
        tdx_extend(expected, digest);
        read_register(value);
        assert_memory_equal(value, expected, sizeof value);

        put(BOOT_TDX_REGISTER, "", 0);
        size = tee.own_events.bytes.size;
        agent_hand_over(&a);
        assert_int_equal(tee.own_events.bytes.size, size);
}

static void test_nothing_is_handed_over_early_or_unextended(void **state) {
        static char name[] = "root", *required[] = { name, NULL };
        CVM_CLEANUP(tee_done) struct tee tee;
        struct agent a = bound_agent(&tee);
        char waits_for[64], path[256];

        a.binding.required_secrets = required;
        a.n_taken = 0;
        put(BOOT_TDX_REGISTER, "", 0);
        agent_hand_over(&a);
        assert_int_equal(tee.own_events.bytes.size, 0);
        agent_waits_for(&a, waits_for, sizeof waits_for);
        assert_string_equal(waits_for, "secret:root");

        path_of(BOOT_TDX_REGISTER, path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0); /* which nobody can write into */
        a.n_taken = 1;
        agent_hand_over(&a);
        agent_waits_for(&a, waits_for, sizeof waits_for);
        assert_string_equal(waits_for, "register");

        assert_int_equal(rmdir(path), 0); /* an older kernel */
        agent_hand_over(&a);
        agent_waits_for(&a, waits_for, sizeof waits_for);
        assert_string_equal(waits_for, "");
}

/* Simulated registers are what the agent's records say; where the technology has none nothing is recorded.
 */
static void test_simulated_registers(void **state) {
        static const struct {
                enum cvm_platform_id platform;
                size_t n_events;
        } rows[] = { { CVM_PLATFORM_TDX, 1 }, { CVM_PLATFORM_SEV_SNP, 0 } };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
                CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
                CVM_CLEANUP(tee_done) struct tee tee;
                struct agent a = bound_agent(&tee);
                char waits_for[64];

                tee.provider = &tee_simulated;
                tee.self.platform = rows[i].platform;
                agent_hand_over(&a);
                agent_waits_for(&a, waits_for, sizeof waits_for);
                assert_string_equal(waits_for, "");
                assert_int_equal(tdx_event_log_join(&nothing, &tee.own_events.bytes, &bytes), 0);
                if (bytes.size)
                        assert_int_equal(tdx_event_log_read(bytes.data, bytes.size, &log, NULL), 0);
                assert_int_equal(log.n_events, rows[i].n_events);
                assert_true(log.n_events == 0 || log.events[0].index == TDX_OWN_INDEX);
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
        const struct CMUnitTest tests[] = {
                TEST(test_the_room_behind_the_log_stays_behind),
                TEST(test_no_log),
                TEST(test_what_is_no_log_is_left_out),
                TEST(test_the_log_has_what_was_extended),
                TEST(test_a_kernel_without_the_register),
                TEST(test_calls_that_fail),
                TEST(test_a_log_that_cannot_be_read),
                TEST(test_the_hand_over_is_extended_once),
                TEST(test_nothing_is_handed_over_early_or_unextended),
                TEST(test_simulated_registers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
