/* The driver with a real QEMU under TCG and a guest of one boot sector: its whole life, its deaths, and its
 * finding. */
#include "vm/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/guest/boot-sector.h"
#include "vm/pidfd.h"
#include "vm/stderr-words.h"

#define DEFINITION                                                                                           \
        "{\"version\":1,\"name\":\"t\",\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"simulate\":true," \
        "\"memory\":\"256MiB\",\"vcpus\":1,"

struct fixture {
        char dir[64], disk[128];
        sd_event *event;
        struct definition *definition;
        struct plan *plan;
        int files[4];
        struct driver_guest *guest;
        struct driver_trace trace;
        unsigned seen[DRIVER_GONE + 1];
        struct cvm_error why;
        bool answered;
};

static void on_event(void *ctx, enum driver_event event, struct cvm_error *why) {
        struct fixture *f = ctx;

        f->seen[event]++;
        if (why->code)
                f->why = *why;
        if (event == DRIVER_GONE)
                f->guest = driver_qemu.release(f->guest);
}

static void wait_for(struct fixture *f, enum driver_event event, unsigned times) {
        while (f->seen[event] < times) {
                if (event != DRIVER_GONE && f->seen[DRIVER_GONE])
                        fail_msg("QEMU ended: %s", f->why.text);
                assert_true(sd_event_run(f->event, 60000000) > 0);
        }
}

static void begin(struct fixture *f, const char *members) {
        struct cvm_error err = { 0 };
        char text[1024];

        *f = (struct fixture){ .dir = "/tmp/cvmd-driver-XXXXXX" };
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->disk, sizeof f->disk, "%s/disk", f->dir);
        assert_int_equal(boot_sector_write(f->disk), 0);
        snprintf(text, sizeof text, "%s%s}", DEFINITION, members);
        if (definition_read(text, strlen(text), "test", &f->definition, &err) < 0 ||
            plan_make(f->definition, NULL, &f->plan, &err) < 0)
                fail_msg("%s", err.text);
        assert_true(sd_event_new(&f->event) >= 0);
        for (size_t i = 0; i < f->plan->n_files; i++)
                f->files[i] = open(f->disk, (f->plan->files[i].writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
}

static struct driver_start start_of(struct fixture *f) {
        return (struct driver_start){ .event = f->event,
                                      .plan = f->plan,
                                      .runtime_dir = f->dir,
                                      .files = f->files,
                                      .on_event = on_event,
                                      .ctx = f };
}

static void start(struct fixture *f) {
        struct driver_start s = start_of(f);
        struct cvm_error err = { 0 };

        if (driver_qemu.spawn(&s, &f->guest, &f->trace, &err) < 0 || driver_qemu.go(f->guest, &err) < 0)
                fail_msg("%s", err.text);
        for (size_t i = 0; i < f->plan->n_files; i++)
                f->files[i] = cvm_close(f->files[i]);
}

static void end(struct fixture *f) {
        char command[128];

        if (f->guest) {
                driver_qemu.kill(f->guest);
                wait_for(f, DRIVER_GONE, 1);
        }
        plan_free(f->plan);
        definition_free(f->definition);
        sd_event_unref(f->event);
        for (size_t i = 0; i < ARRAY_SIZE(f->files); i++)
                f->files[i] = f->files[i] > 2 ? cvm_close(f->files[i]) : -1;
        snprintf(command, sizeof command, "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
}

static void on_answer(void *ctx, struct cvm_error *err) {
        struct fixture *f = ctx;

        f->answered = true;
        if (err)
                f->why = *err;
}

static void command(struct fixture *f, enum driver_command command) {
        struct cvm_error err = { 0 };

        f->answered = false;
        if (driver_qemu.command(f->guest, command, on_answer, f, &err) < 0)
                fail_msg("%s", err.text);
        while (!f->answered)
                assert_true(sd_event_run(f->event, 60000000) > 0);
}

/* Until the guest has printed at least that many bytes on its console. */
static size_t wait_for_output(struct fixture *f, size_t bytes) {
        char path[128];
        size_t n = 0;

        snprintf(path, sizeof path, "%s/console.log", f->dir);
        for (int i = 0; i < 6000 && n < bytes; i++) {
                CVM_CLEANUP(cvm_freep) char *text = file_tail(path, 1 << 20);

                n = text ? strlen(text) : 0;
                if (n < bytes)
                        sd_event_run(f->event, 10000);
        }
        assert_true(n >= bytes);
        return n;
}

#define BOOT_DISK \
        "\"boot\":{\"disk\":\"root\"},\"disks\":[{\"path\":\"disk\",\"format\":\"raw\",\"serial\":\"root\"}]"

static void test_whole_life(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        size_t before;

        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        assert_int_equal(f.seen[DRIVER_RUNNING], 0);
        command(&f, DRIVER_CONT);
        wait_for(&f, DRIVER_RUNNING, 1);
        wait_for_output(&f, 20);
        command(&f, DRIVER_PAUSE);
        wait_for(&f, DRIVER_PAUSED, 1);
        before = wait_for_output(&f, 20);
        command(&f, DRIVER_CONT);
        wait_for(&f, DRIVER_RUNNING, 2);
        wait_for_output(&f, before + 1);
        command(&f, DRIVER_RESET_GUEST);
        wait_for(&f, DRIVER_RESET, 1);
        command(&f, DRIVER_QUIT);
        wait_for(&f, DRIVER_GONE, 1);
        assert_null(f.why.code);
}

static void test_found_again(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct driver_start s;
        struct driver_trace other;
        struct cvm_error err = { 0 };

        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        command(&f, DRIVER_CONT);
        wait_for(&f, DRIVER_RUNNING, 1);
        f.guest = driver_qemu.release(f.guest);
        other = f.trace;
        other.start_time++;
        s = start_of(&f);
        assert_int_equal(driver_qemu.adopt(&s, &other, &f.guest, &err), 0);
        assert_int_equal(driver_qemu.adopt(&s, &f.trace, &f.guest, &err), 1);
        wait_for(&f, DRIVER_RUNNING, 2);
        command(&f, DRIVER_PAUSE);
        wait_for(&f, DRIVER_PAUSED, 1);
        driver_qemu.kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        /* An adopted process is nobody's child here: wait for it as the subreaper would. */
        (void)waitpid(f.trace.pid, NULL, 0);
        assert_int_equal(driver_qemu.adopt(&s, &f.trace, &f.guest, &err), 0);
}

static void test_killed_by_somebody(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        kill(f.trace.pid, SIGKILL);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_QEMU);
        assert_string_equal(f.why.text, "QEMU ended without a word");
}

static void test_no_kernel_in_the_file(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, "\"boot\":{\"kernel\":\"disk\"}");
        assert_int_equal(truncate(f.disk, 16), 0);
        start(&f);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_BOOT_FILE);
}

static void test_not_enough_memory(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        f.definition->memory = 8ull << 40;
        start(&f);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_MEMORY_HOST);
}

static void test_a_process_that_may_not_go_ends(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct driver_start s;
        struct cvm_error err = { 0 };
        int status;

        begin(&f, BOOT_DISK);
        s = start_of(&f);
        assert_int_equal(driver_qemu.spawn(&s, &f.guest, &f.trace, &err), 0);
        f.guest = driver_qemu.release(f.guest); /* as when the daemon dies */
        assert_int_equal(waitpid(f.trace.pid, &status, 0), f.trace.pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_commands_need_a_monitor(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct driver_start s;
        struct cvm_error err = { 0 };

        begin(&f, BOOT_DISK);
        s = start_of(&f);
        assert_int_equal(driver_qemu.spawn(&s, &f.guest, &f.trace, &err), 0);
        assert_true(driver_qemu.command(f.guest, DRIVER_CONT, on_answer, &f, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_QMP);
}

static void test_console(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char byte = 0;

        begin(&f, "\"console\":\"interactive\"," BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        assert_int_equal(driver_qemu.console(f.guest, &fd, &err), 0);
        command(&f, DRIVER_CONT);
        while (recv(fd, &byte, 1, MSG_DONTWAIT) != 1 || byte < '0' || byte > '9')
                sd_event_run(f.event, 10000);
        wait_for_output(&f, 5); /* and in the log too */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_life),
                cmocka_unit_test(test_found_again),
                cmocka_unit_test(test_killed_by_somebody),
                cmocka_unit_test(test_no_kernel_in_the_file),
                cmocka_unit_test(test_not_enough_memory),
                cmocka_unit_test(test_a_process_that_may_not_go_ends),
                cmocka_unit_test(test_commands_need_a_monitor),
                cmocka_unit_test(test_console),
        };

        if (system("command -v qemu-system-x86_64 >/dev/null") != 0) {
                puts("SKIP: qemu-system-x86_64 is not installed");
                return 77;
        }
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
