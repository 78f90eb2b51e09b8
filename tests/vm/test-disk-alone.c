/* Who has a file open, whatever it is called. */
#include "vm/disk-alone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/fd.h"

struct fixture {
        char dir[64], file[96], link[96], other[96];
};

static void begin(struct fixture *f) {
        *f = (struct fixture){ .dir = "/tmp/cvmd-alone-XXXXXX" };
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->file, sizeof f->file, "%s/file", f->dir);
        snprintf(f->link, sizeof f->link, "%s/link", f->dir);
        snprintf(f->other, sizeof f->other, "%s/other", f->dir);
        assert_int_equal(cvm_write_file(f->file, "x", 1, 0600, NULL), 0);
        assert_int_equal(cvm_write_file(f->other, "x", 1, 0600, NULL), 0);
        assert_int_equal(link(f->file, f->link), 0);
}

static void end(struct fixture *f) {
        char command[128];

        snprintf(command, sizeof command, "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
}

static void test_a_hard_link_is_the_same(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int a = -EBADF;
        CVM_CLEANUP(cvm_closep) int b = -EBADF;
        CVM_CLEANUP(cvm_closep) int c = -EBADF;

        begin(&f);
        a = open(f.file, O_RDONLY | O_CLOEXEC);
        b = open(f.link, O_RDONLY | O_CLOEXEC);
        c = open(f.other, O_RDONLY | O_CLOEXEC);
        assert_true(disk_is_same(a, b));
        assert_false(disk_is_same(a, c));
        assert_false(disk_is_same(a, -EBADF));
}

/* A process that has only this open, until its input ends. */
static pid_t hold(const char *path, int flags, int *ret_go) {
        int ends[2], ready[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                close(ends[1]);
                if (open(path, flags) < 0 || write(ready[1], "r", 1) != 1)
                        _exit(1);
                _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
        }
        close(ends[0]);
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        *ret_go = ends[1];
        return pid;
}

static void test_a_process_that_holds_it(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        CVM_CLEANUP(cvm_closep) int other = -EBADF;
        int go;
        pid_t pid;

        begin(&f);
        pid = hold(f.file, O_RDWR, &go);
        fd = open(f.link, O_RDONLY | O_CLOEXEC); /* only now: the other shall not inherit them */
        other = open(f.other, O_RDONLY | O_CLOEXEC);
        assert_int_equal(disk_is_held(other, true, pid), 0);
        assert_int_equal(disk_is_held(fd, false, pid), 1);
        assert_int_equal(disk_is_held(fd, true, pid), 1);
        close(go);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(disk_is_held(fd, true, pid), 0);
}

static void test_readers_share(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        int go;
        pid_t pid;

        begin(&f);
        pid = hold(f.file, O_RDONLY, &go);
        fd = open(f.link, O_RDWR | O_CLOEXEC);
        assert_int_equal(disk_is_held(fd, false, pid), 0);
        assert_int_equal(disk_is_held(fd, true, pid), 1);
        close(go);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_hard_link_is_the_same),
                cmocka_unit_test(test_a_process_that_holds_it),
                cmocka_unit_test(test_readers_share),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
