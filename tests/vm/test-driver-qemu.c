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
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/vm/driver-scene.h"
#include "vm/pidfd.h"

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

/* Whoever does not read stops neither the guest nor its log, and misses what the log has. */
static void test_a_console_that_is_not_read(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char path[128], some[4096];
        size_t waited = 0;
        struct stat st;
        ssize_t n;

        begin(&f, "\"console\":\"interactive\"," BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        assert_int_equal(driver_qemu.console(f.guest, &fd, &err), 0);
        command(&f, DRIVER_CONT);
        snprintf(path, sizeof path, "%s/console.log", f.dir);
        do {
                sd_event_run(f.event, 100000);
                assert_int_equal(stat(path, &st), 0);
        } while (st.st_size < 32 << 10); /* a socket holds a few hundred single bytes */
        while ((n = read(fd, some, sizeof some)) > 0)
                waited += (size_t)n;
        assert_true(waited > 0 && waited < 16 << 10);
        command(&f, DRIVER_PAUSE); /* the daemon turns, too */
}

static void test_one_at_the_console(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        CVM_CLEANUP(cvm_closep) int first = -EBADF;
        CVM_CLEANUP(cvm_closep) int second = -EBADF;
        char byte;

        begin(&f, "\"console\":\"interactive\"," BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        assert_int_equal(driver_qemu.console(f.guest, &first, &err), 0);
        assert_true(driver_qemu.console(f.guest, &second, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_CONSOLE_BUSY);
        first = cvm_close(first);
        while (driver_qemu.console(f.guest, &second, &err) < 0)
                assert_true(sd_event_run(f.event, 10000000) > 0);
        command(&f, DRIVER_CONT);
        while (recv(second, &byte, 1, MSG_DONTWAIT) != 1)
                sd_event_run(f.event, 10000);
        command(&f, DRIVER_QUIT);
        wait_for(&f, DRIVER_GONE, 1);
        while (recv(second, &byte, 1, 0) > 0)
                ;                                       /* what is left */
        assert_int_equal(recv(second, &byte, 1, 0), 0); /* and it ends with the guest */
}

static void test_no_console(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        int fd = -EBADF;

        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        assert_true(driver_qemu.console(f.guest, &fd, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_CONSOLE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_life),
                cmocka_unit_test(test_found_again),
                cmocka_unit_test(test_killed_by_somebody),
                cmocka_unit_test(test_a_process_that_may_not_go_ends),
                cmocka_unit_test(test_commands_need_a_monitor),
                cmocka_unit_test(test_console),
                cmocka_unit_test(test_a_console_that_is_not_read),
                cmocka_unit_test(test_one_at_the_console),
                cmocka_unit_test(test_no_console),
        };

        if (system("command -v qemu-system-x86_64 >/dev/null") != 0) {
                puts("SKIP: qemu-system-x86_64 is not installed");
                return 77;
        }
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
