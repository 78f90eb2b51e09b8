/*
 * One suite for all drivers, with a real QEMU under TCG and a guest of one boot sector: its whole life, its
 * deaths, and its finding. The driver is that of CVM_DRIVER.
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

#include "tests/guest/port-opener.h"
#include "base/time.h"
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
        CVM_CLEANUP(cvm_closep) int fd = begin_at_console(&f, NULL, 0);
        char byte = 0;

        while (byte < '0' || byte > '9')
                assert_true(take_printed(&f, fd, &byte, 1) >= 0);
        wait_for_output(&f, 5); /* and in the log too */
}

/* Each byte comes to the guest and back, in its order, and into the log. */
static void test_what_is_typed(void **state) {
        static const uint8_t echo[] = {
                0xba, 0xfd, 0x03, /* again: mov dx, 0x3fd    */
                0xec,             /* wait:  in al, dx        */
                0xa8, 0x01,       /*        test al, 1       */
                0x74, 0xfb,       /*        jz wait          */
                0xba, 0xf8, 0x03, /*        mov dx, 0x3f8    */
                0xec,             /*        in al, dx        */
                0x88, 0xc4,       /*        mov ah, al       */
                0xba, 0xfd, 0x03, /*        mov dx, 0x3fd    */
                0xec,             /* full:  in al, dx        */
                0xa8, 0x20,       /*        test al, 0x20    */
                0x74, 0xfb,       /*        jz full          */
                0x88, 0xe0,       /*        mov al, ah       */
                0xba, 0xf8, 0x03, /*        mov dx, 0x3f8    */
                0xee,             /*        out dx, al       */
                0xeb, 0xe2,       /*        jmp again        */
        };
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = begin_at_console(&f, echo, sizeof echo);
        char typed[6000], printed[sizeof typed];
        size_t sent = 0, got = 0;
        ssize_t n;

        for (size_t i = 0; i < sizeof typed; i++)
                typed[i] = (char)('!' + i % 89);
        while (got < sizeof printed) {
                n = send(fd, typed + sent, sizeof typed - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
                sent += n > 0 ? (size_t)n : 0;
                n = take_printed(&f, fd, printed + got, sizeof printed - got);
                assert_true(n >= 0);
                got += (size_t)n;
        }
        assert_memory_equal(printed, typed, sizeof typed);
        wait_for_output(&f, sizeof typed);
}

/* Whoever does not read stops neither the guest nor its log, and misses what the log has. */
static void test_a_console_that_is_not_read(void **state) {
        static const uint8_t flood[] = {
                0xba, 0xfd, 0x03, /* again: mov dx, 0x3fd    */
                0xec,             /* full:  in al, dx        */
                0xa8, 0x20,       /*        test al, 0x20    */
                0x74, 0xfb,       /*        jz full          */
                0xba, 0xf8, 0x03, /*        mov dx, 0x3f8    */
                0xb0, 'x',        /*        mov al, 'x'      */
                0xee,             /*        out dx, al       */
                0xeb, 0xf0,       /*        jmp again        */
        };
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = begin_at_console(&f, flood, sizeof flood);
        char path[128], some[4096];
        size_t waited = 0;
        struct stat st;
        ssize_t n;

        snprintf(path, sizeof path, "%s/console.log", f.dir);
        do {
                sd_event_run(f.event, 100000);
                assert_int_equal(stat(path, &st), 0);
        } while (st.st_size < 320 << 10); /* more than there is room for on the way */
        while ((n = recv(fd, some, sizeof some, MSG_DONTWAIT)) > 0)
                waited += (size_t)n;
        assert_true(waited > 0 && waited < 256 << 10);
        command(&f, DRIVER_PAUSE); /* the daemon turns, too */
}

/* Whoever types to a guest that takes nothing waits, and nobody else. */
static void test_a_guest_that_does_not_listen(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = begin_at_console(&f, NULL, 0);
        char typed[4096] = "";
        unsigned pauses = 0;
        size_t sent = 0;
        ssize_t n;

        while ((n = send(fd, typed, sizeof typed, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
                sent += (size_t)n;
                assert_true(sent < 4 << 20); /* it is bounded */
                for (int i = 0; i < 10; i++)
                        sd_event_run(f.event, 1000);
        }
        while (++pauses <= 3) {
                command(&f, DRIVER_PAUSE);
                wait_for(&f, DRIVER_PAUSED, pauses);
                command(&f, DRIVER_CONT);
                wait_for(&f, DRIVER_RUNNING, pauses + 1);
        }
}

static void test_last_words(void **state) {
        static const uint8_t code[] = {
                0xba, 0xfd, 0x03, /*        mov dx, 0x3fd    */
                0xec,             /* wait:  in al, dx        */
                0xa8, 0x01,       /*        test al, 1       */
                0x74, 0xfb,       /*        jz wait          */
                0xb9, 0x30, 0x75, /*        mov cx, 30000    */
                0xba, 0xfd, 0x03, /* again: mov dx, 0x3fd    */
                0xec,             /* full:  in al, dx        */
                0xa8, 0x20,       /*        test al, 0x20    */
                0x74, 0xfb,       /*        jz full          */
                0xba, 0xf8, 0x03, /*        mov dx, 0x3f8    */
                0xb0, 'x',        /*        mov al, 'x'      */
                0xee,             /*        out dx, al       */
                0xe2, 0xf0,       /*        loop again       */
                0xba, 0x04, 0x06, /*        mov dx, 0x604    */
                0xb8, 0x00, 0x20, /*        mov ax, 0x2000   */
                0xef,             /*        out dx, ax: off  */
                0xf4,             /* rest:  hlt              */
                0xeb, 0xfd,       /*        jmp rest         */
        };
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = begin_at_console(&f, code, sizeof code);
        char some[4096];
        size_t got = 0;
        ssize_t n;

        assert_int_equal(send(fd, "go", 2, 0), 2);
        while ((n = take_printed(&f, fd, some, sizeof some)) >= 0)
                got += (size_t)n;
        if (is_qemu())
                assert_int_equal(got, 30000);
        else /* QEMU's end takes with it what libvirt has not read yet */
                assert_true(got > 0 && got <= 30000);
        wait_for_output(&f, 30000);
        wait_for(&f, DRIVER_GONE, 1);
        assert_int_equal(f.seen[DRIVER_SHUTDOWN], 1);
}

static void test_one_at_the_console(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int first = begin_at_console(&f, NULL, 0);
        CVM_CLEANUP(cvm_closep) int second = -EBADF;
        struct cvm_error err = { 0 };
        char some[4096];

        assert_true(open_console(&f, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_CONSOLE_BUSY);
        first = cvm_close(first);
        while ((second = open_console(&f, &err)) < 0) {
                assert_ptr_equal(err.code, &CVM_CODE_CONSOLE_BUSY); /* it is not seen yet */
                assert_true(sd_event_run(f.event, 10000000) > 0);
        }
        while (take_printed(&f, second, some, 1) == 0)
                ;
        command(&f, DRIVER_QUIT);
        wait_for(&f, DRIVER_GONE, 1);
        while (recv(second, some, sizeof some, 0) > 0)
                ;                                      /* what is left */
        assert_int_equal(recv(second, some, 1, 0), 0); /* and it ends with the guest */
}

/* The agent's channel is told of, once, and the other one, which was opened before it, is not. */
static void test_the_guest_opens_its_channels(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        assert_int_equal(pwrite(f.files[0], port_opener_code, sizeof port_opener_code, 0),
                         sizeof port_opener_code);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        assert_int_equal(f.seen[DRIVER_LISTENS], 0);
        command(&f, DRIVER_CONT);
        wait_for(&f, DRIVER_LISTENS, 1);
        command(&f, DRIVER_PAUSE); /* what was told before is here by then */
        assert_int_equal(f.seen[DRIVER_LISTENS], 1);
}

static void test_no_console(void **state) {
        static const char *const definitions[] = { BOOT_DISK, "\"console\":\"none\"," BOOT_DISK };

        for (size_t i = 0; i < ARRAY_SIZE(definitions); i++) {
                CVM_CLEANUP(end) struct fixture f;
                struct cvm_error err = { 0 };

                begin(&f, definitions[i]);
                start(&f);
                wait_for(&f, DRIVER_UP, 1);
                assert_true(open_console(&f, &err) < 0);
                assert_ptr_equal(err.code, &CVM_CODE_CONSOLE);
        }
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

/* It stands still meanwhile, and goes on. */
static void test_dump(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        size_t before;

        begin_running(&f);
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

        begin_running(&f);
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

        begin_running(&f);
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

/* How far it is, while nobody reads on. */
static void test_progress_of_a_dump(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        uint64_t until = cvm_time_now() + 60000; /* it is never told: waiting longer is no use */
        char some[65536];

        begin_running(&f);
        fd = dump_into_pipe(&f);
        for (size_t n = 0; n < 64 << 20;) {
                ssize_t k = read(fd, some, sizeof some);

                n += k > 0 ? (size_t)k : 0;
                assert_true(k > 0 || sd_event_run(f.event, 1000) >= 0);
        }
        while (f.percent < 20 && cvm_time_now() < until)
                assert_true(sd_event_run(f.event, 1000000) >= 0);
        assert_in_range(f.percent, 20, 98);
        assert_false(f.answered);
}

static void test_killed_while_it_is_dumped(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        begin_running(&f);
        fd = dump_into_pipe(&f);
        the_driver->kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        assert_int_equal(f.seen[DRIVER_GONE], 1);
}

/* The daemon dies: QEMU writes to the end, libvirt ends what nobody waits for, and the guest goes on. */
static void test_found_again_while_it_is_dumped(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        begin_running(&f);
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
                cmocka_unit_test(test_what_is_typed),
                cmocka_unit_test(test_a_console_that_is_not_read),
                cmocka_unit_test(test_a_guest_that_does_not_listen),
                cmocka_unit_test(test_last_words),
                cmocka_unit_test(test_one_at_the_console),
                cmocka_unit_test(test_no_console),
                cmocka_unit_test(test_the_guest_opens_its_channels),
                cmocka_unit_test(test_dump),
                cmocka_unit_test(test_dump_of_one_that_is_paused),
                cmocka_unit_test(test_dump_without_room),
                cmocka_unit_test(test_progress_of_a_dump),
                cmocka_unit_test(test_killed_while_it_is_dumped),
                cmocka_unit_test(test_found_again_while_it_is_dumped),
        };

        if (system("command -v qemu-system-x86_64 >/dev/null") != 0) {
                puts("SKIP: qemu-system-x86_64 is not installed");
                return 77;
        }
        the_driver = driver_of_test();
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        if (argc > 1)
                cmocka_set_test_filter(argv[1]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
