/*
 * One suite for all drivers, with a real QEMU under TCG and a guest of one boot sector: its whole life, its
 * deaths, and its finding. `test-driver [DRIVER]`: the one of that name, else "qemu".
 */
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
#include "vm/libvirt-link.h"
#include "vm/pidfd.h"

static bool is_qemu(void) {
        return the_driver == &driver_qemu;
}

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

/* As the next daemon does it. */
static void find_again(struct fixture *f) {
        const struct driver_start s = start_of(f);
        struct cvm_error err = { 0 };

        forget(f);
        memset(f->seen, 0, sizeof f->seen);
        if (the_driver->adopt(&s, &f->trace, &f->guest, &err) != 1)
                fail_msg("%s", err.text);
}

static void test_found_again(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        command(&f, DRIVER_CONT);
        wait_for(&f, DRIVER_RUNNING, 1);
        find_again(&f);
        wait_for(&f, DRIVER_RUNNING, 1);
        assert_int_equal(f.seen[DRIVER_UP], 1);
        assert_int_equal(f.seen[DRIVER_PAUSED], 0);
        command(&f, DRIVER_PAUSE);
        wait_for(&f, DRIVER_PAUSED, 1);
        find_again(&f);
        wait_for(&f, DRIVER_PAUSED, 1);
        assert_int_equal(f.seen[DRIVER_UP], 1);
        assert_int_equal(f.seen[DRIVER_RUNNING], 0);
        the_driver->kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        assert_null(f.why.code);
}

/* Before its first instruction it is neither running nor paused. */
static void test_found_before_it_began(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        find_again(&f);
        wait_for(&f, DRIVER_UP, 1);
        command(&f, DRIVER_CONT);
        wait_for(&f, DRIVER_RUNNING, 1);
        assert_int_equal(f.seen[DRIVER_PAUSED], 0);
}

/* Not found, or found dead, and in words. */
static void expect_no_more(struct fixture *f, const struct driver_trace *trace) {
        const struct driver_start s = start_of(f);
        struct cvm_error err = { 0 };
        int r;

        forget(f);
        r = the_driver->adopt(&s, trace, &f->guest, &err);
        if (r == 0)
                return;
        assert_int_equal(r, 1);
        memset(f->seen, 0, sizeof f->seen);
        f->why = (struct cvm_error){ 0 };
        wait_for(f, DRIVER_GONE, 1);
        assert_ptr_equal(f->why.code, &CVM_CODE_ENDED_AWAY);
        assert_int_equal(f->seen[DRIVER_UP], 0);
}

static void test_not_found_when_it_has_ended(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        the_driver->trace(f.guest, &f.trace);
        the_driver->kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        /* One who was adopted is nobody's child here: wait for it as the subreaper would. */
        (void)waitpid(f.trace.pid, NULL, 0);
        expect_no_more(&f, &f.trace);
}

/* Its number names another process by now. */
static void test_another_process_is_not_it(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct driver_start s;
        struct driver_trace other;
        struct cvm_error err = { 0 };

        if (!is_qemu())
                skip(); /* libvirt finds it by its uuid */
        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        other = f.trace;
        other.start_time++;
        s = start_of(&f);
        struct driver_guest *none = NULL;
        assert_int_equal(the_driver->adopt(&s, &other, &none, &err), 0);
}

static void test_killed_by_somebody(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        assert_true(f.trace.pid > 0);
        kill(f.trace.pid, SIGKILL);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_QEMU);
        assert_string_equal(f.why.text, "QEMU ended without a word");
}

/* The daemon dies between the two steps: nothing runs, and the next one sees that. */
static void test_what_may_not_go_is_nothing(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct driver_start s;
        struct cvm_error err = { 0 };
        int status;

        begin(&f, BOOT_DISK);
        s = start_of(&f);
        assert_int_equal(the_driver->spawn(&s, &f.guest, &err), is_qemu() ? 0 : 1);
        if (!is_qemu())
                wait_for(&f, DRIVER_SPAWNED, 1);
        the_driver->trace(f.guest, &f.trace);
        forget(&f);
        if (is_qemu()) {
                assert_int_equal(waitpid(f.trace.pid, &status, 0), f.trace.pid);
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        expect_no_more(&f, &f.trace);
}

/* Killed before it may go: it ends without a reason. */
static void test_killed_between_the_steps(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct driver_start s;
        struct cvm_error err = { 0 };

        begin(&f, BOOT_DISK);
        s = start_of(&f);
        assert_int_equal(the_driver->spawn(&s, &f.guest, &err), is_qemu() ? 0 : 1);
        the_driver->kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        assert_null(f.why.code);
}

static void test_killed_while_it_starts(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        start(&f);
        the_driver->kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        assert_null(f.why.code);
}

static void test_commands_need_a_monitor(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct driver_start s;
        struct cvm_error err = { 0 };

        begin(&f, BOOT_DISK);
        s = start_of(&f);
        assert_int_equal(the_driver->spawn(&s, &f.guest, &err), is_qemu() ? 0 : 1);
        assert_true(the_driver->command(f.guest, DRIVER_CONT, on_answer, &f, &err) < 0);
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
        assert_int_equal(the_driver->console(f.guest, &fd, &err), 0);
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
        assert_int_equal(the_driver->console(f.guest, &fd, &err), 0);
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
        assert_int_equal(the_driver->console(f.guest, &first, &err), 0);
        assert_true(the_driver->console(f.guest, &second, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_CONSOLE_BUSY);
        first = cvm_close(first);
        while (the_driver->console(f.guest, &second, &err) < 0)
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
        assert_true(the_driver->console(f.guest, &fd, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_CONSOLE);
}

/* An ELF core with the guest's memory in it: its boot sector stands at 0x7c00. */
static void expect_dump(int fd) {
        static const uint8_t core[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
        CVM_CLEANUP(cvm_freep) uint8_t *head = malloc(1 << 20);
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        assert_true(st.st_size > 256 << 20);
        assert_int_equal(cvm_read_at(fd, 0, head, 1 << 20), 1 << 20);
        assert_memory_equal(head, core, sizeof core);
        assert_int_equal(head[16], 4); /* ET_CORE */
        assert_non_null(memmem(head, 1 << 20, boot_sector_code, sizeof boot_sector_code));
}

static void run(struct fixture *f) {
        begin(f, BOOT_DISK);
        start(f);
        wait_for(f, DRIVER_UP, 1);
        command(f, DRIVER_CONT);
        wait_for(f, DRIVER_RUNNING, 1);
}

/* It stands still meanwhile, and goes on. */
static void test_dump(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        size_t before;

        run(&f);
        before = wait_for_output(&f, 20);
        fd = dump_file(&f);
        dump(&f, fd);
        wait_for_dump(&f);
        assert_true(f.progress > 0);
        wait_for(&f, DRIVER_RUNNING, 2);
        assert_int_equal(f.seen[DRIVER_PAUSED], 1);
        expect_dump(fd);
        wait_for_output(&f, before + 20);
}

static void test_dump_of_one_that_is_paused(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        run(&f);
        wait_for_output(&f, 20);
        command(&f, DRIVER_PAUSE);
        wait_for(&f, DRIVER_PAUSED, 1);
        fd = dump_file(&f);
        dump(&f, fd);
        wait_for_dump(&f);
        expect_dump(fd);
        command(&f, DRIVER_CONT);
        wait_for(&f, DRIVER_RUNNING, 2);
        assert_int_equal(f.seen[DRIVER_PAUSED], 1);
}

/* A disk without room, and the guest goes on; then one with room. */
static void test_dump_without_room(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct cvm_error err = { 0 };

        run(&f);
        dump(&f, full);
        assert_true(the_driver->dump(f.guest, full, on_progress, on_answer, &f, &err) <
                    0); /* one at a time */
        assert_ptr_equal(err.code, &CVM_CODE_WRONG_STATE);
        wait_for_answer(&f);
        assert_ptr_equal(f.why.code, &CVM_CODE_DUMP_FAILED);
        if (!strstr(f.why.text, "No space left on device"))
                fail_msg("%s", f.why.text);
        wait_for(&f, DRIVER_RUNNING, 2);
        f.why = (struct cvm_error){ 0 };
        fd = dump_file(&f);
        dump(&f, fd);
        wait_for_dump(&f);
        wait_for(&f, DRIVER_RUNNING, 3);
}

static void test_killed_while_it_is_dumped(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        run(&f);
        fd = dump_into_pipe(&f);
        the_driver->kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        assert_int_equal(f.seen[DRIVER_GONE], 1);
}

/* The daemon dies: QEMU writes to the end, libvirt ends what nobody waits for, and the guest goes on. */
static void test_found_again_while_it_is_dumped(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        run(&f);
        fd = dump_into_pipe(&f);
        find_again(&f);
        if (is_qemu())
                wait_for(&f, DRIVER_PAUSED, 1);
        while (f.seen[DRIVER_RUNNING] == 0)
                drain(&f, fd);
        assert_int_equal(f.seen[DRIVER_UP], 1);
        assert_false(f.answered);
        command(&f, DRIVER_PAUSE);
        wait_for(&f, DRIVER_PAUSED, is_qemu() ? 2 : 1);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_life),
                cmocka_unit_test(test_found_again),
                cmocka_unit_test(test_found_before_it_began),
                cmocka_unit_test(test_not_found_when_it_has_ended),
                cmocka_unit_test(test_another_process_is_not_it),
                cmocka_unit_test(test_killed_by_somebody),
                cmocka_unit_test(test_what_may_not_go_is_nothing),
                cmocka_unit_test(test_killed_between_the_steps),
                cmocka_unit_test(test_killed_while_it_starts),
                cmocka_unit_test(test_commands_need_a_monitor),
                cmocka_unit_test(test_console),
                cmocka_unit_test(test_a_console_that_is_not_read),
                cmocka_unit_test(test_one_at_the_console),
                cmocka_unit_test(test_no_console),
                cmocka_unit_test(test_dump),
                cmocka_unit_test(test_dump_of_one_that_is_paused),
                cmocka_unit_test(test_dump_without_room),
                cmocka_unit_test(test_killed_while_it_is_dumped),
                cmocka_unit_test(test_found_again_while_it_is_dumped),
        };

        if (system("command -v qemu-system-x86_64 >/dev/null") != 0) {
                puts("SKIP: qemu-system-x86_64 is not installed");
                return 77;
        }
        the_driver = driver_by_name(argc > 1 ? argv[1] : "qemu");
        assert_non_null(the_driver);
        libvirt_link_set_program(CVM_BINARY_DIR "/worker/cvmd-libvirt");
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
