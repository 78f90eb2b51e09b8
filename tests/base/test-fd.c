/* Whole files with caps, files replaced at once, memory files that nobody changes. */
#include "base/fd.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static char directory[64], path[96];

static int setup(void **state) {
        strcpy(directory, "/tmp/cvm-fd-XXXXXX");
        if (!mkdtemp(directory))
                return -1;
        snprintf(path, sizeof path, "%s/file", directory);
        return 0;
}

/* Fails where something was left beside the file. */
static int teardown(void **state) {
        unlink(path);
        return rmdir(directory);
}

static void test_caps(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(cvm_freep) char *data = calloc(1, 10000);
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_write_file(path, data, 10000, 0600, &err), 0);
        assert_true(cvm_read_file(path, 9999, &bytes, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_TOO_LARGE);
        assert_null(bytes.data);
        assert_int_equal(cvm_read_file(path, 10000, &bytes, &err), 0);
        assert_int_equal(bytes.size, 10000);
        assert_int_equal(bytes.data[10000], 0);
}

static void test_endless_input(void **state) {
        struct cvm_bytes bytes = { 0 };
        struct cvm_error err = { 0 };

        assert_true(cvm_read_file("/dev/zero", 1 << 20, &bytes, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_TOO_LARGE);
        assert_null(bytes.data);
}

static void test_empty_and_missing(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_read_file("/dev/null", 0, &bytes, &err), 0);
        assert_int_equal(bytes.size, 0);
        assert_int_equal(cvm_read_file(path, 10, &bytes, &err), -ENOENT);
        assert_ptr_equal(err.code, &CVM_CODE_FILE);
        assert_non_null(strstr(err.text, path));
        assert_true(cvm_read_file(directory, 10, &bytes, &err) < 0);
}

static void test_replaces_content_and_mode(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_error err = { 0 };
        struct stat st;

        assert_int_equal(cvm_write_file(path, "old", 3, 0644, &err), 0);
        assert_int_equal(cvm_write_file(path, "newer", 5, 0600, &err), 0);
        assert_int_equal(cvm_read_file(path, 100, &bytes, &err), 0);
        assert_string_equal((char *)bytes.data, "newer");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_symlink_is_replaced_not_followed(void **state) {
        struct cvm_error err = { 0 };
        struct stat st;

        assert_int_equal(symlink("/dev/null", path), 0);
        assert_int_equal(cvm_write_file(path, "x", 1, 0600, &err), 0);
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISREG(st.st_mode));
}

static void test_pipes_and_devices_are_written_into(void **state) {
        CVM_CLEANUP(cvm_closep) int reader = -EBADF;
        struct cvm_error err = { 0 };
        struct stat st;
        char text[8] = "";

        assert_int_equal(mkfifo(path, 0600), 0);
        reader = open(path, O_RDONLY | O_NONBLOCK);
        assert_int_equal(cvm_write_file(path, "abc", 3, 0600, &err), 0);
        assert_int_equal(read(reader, text, sizeof text), 3);
        assert_string_equal(text, "abc");
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISFIFO(st.st_mode));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(cvm_write_file("/dev/null", "abc", 3, 0600, &err), 0);
        assert_int_equal(stat("/dev/null", &st), 0);
        assert_true(S_ISCHR(st.st_mode));
}

static void test_descriptors_are_written_into(void **state) {
        char name[32], text[8] = "";
        struct cvm_error err = { 0 };
        int ends[2];

        assert_int_equal(pipe(ends), 0);
        snprintf(name, sizeof name, "/proc/self/fd/%d", ends[1]);
        assert_int_equal(cvm_write_file(name, "abc", 3, 0600, &err), 0);
        assert_int_equal(read(ends[0], text, sizeof text), 3);
        assert_string_equal(text, "abc");
        close(ends[0]);
        close(ends[1]);
}

static void test_write_that_fails_leaves_nothing(void **state) {
        struct cvm_error err = { 0 };

        assert_int_equal(mkdir(path, 0700), 0);
        assert_true(cvm_write_file(path, "x", 1, 0600, &err) < 0); /* a directory is in the way */
        assert_ptr_equal(err.code, &CVM_CODE_FILE);
        assert_int_equal(rmdir(path), 0);
        assert_true(cvm_write_all(-EBADF, "x", 1) < 0);
}

/* Written at offsets, and there at its end; what was begun and not ended is gone. */
static void test_new_file_by_pieces(void **state) {
        struct cvm_new_file file = CVM_NEW_FILE_INIT;
        struct cvm_error err = { 0 };
        char bytes[16];

        assert_int_equal(cvm_write_file(path, "old", 3, 0600, &err), 0);
        assert_int_equal(cvm_new_file_begin(path, 0640, &file, &err), 0);
        assert_int_equal(cvm_write_at(file.fd, 5, "new", 3), 0);
        cvm_new_file_done(&file);
        assert_int_equal(cvm_new_file_begin(path, 0640, &file, &err), 0);
        assert_int_equal(cvm_read_at(file.fd, 0, bytes, sizeof bytes), 0);
        assert_int_equal(cvm_write_at(file.fd, 5, "new", 3), 0);
        assert_int_equal(cvm_new_file_end(&file, &err), 0);
        assert_int_equal(cvm_read_at(file.fd, 0, bytes, sizeof bytes), 8);
        assert_memory_equal(bytes, "\0\0\0\0\0new", 8);
        assert_int_equal(cvm_read_at(file.fd, 6, bytes, 1), 1);
        assert_int_equal(cvm_read_at(file.fd, 9, bytes, 1), 0);
        cvm_new_file_done(&file);
        assert_true(cvm_new_file_begin("/dev/stdout", 0600, &file, &err) < 0);
        assert_true(cvm_new_file_begin("-", 0600, &file, &err) < 0);
        assert_true(cvm_new_file_begin("/nowhere/file", 0600, &file, &err) < 0);
        assert_int_equal(cvm_read_at(-1, 0, bytes, 1), -EBADF);
}

/* It leaves nothing (teardown), and the older file as it was. */
static void test_new_file_of_a_process_that_dies(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(cvm_closep) int nameless = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        int status = -1;
        pid_t pid;

        if (nameless < 0) {
                puts("SKIP: /tmp has no files without a name");
                skip();
        }
        assert_int_equal(cvm_write_file(path, "old", 3, 0600, NULL), 0);
        pid = fork();
        if (pid == 0) {
                struct cvm_new_file file = CVM_NEW_FILE_INIT;

                _exit(cvm_new_file_begin(path, 0600, &file, NULL) < 0 ||
                      cvm_write_all(file.fd, "new", 3) < 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(cvm_read_file(path, 8, &bytes, NULL), 0);
        assert_memory_equal(bytes.data, "old", 4);
}

static void test_memory_file_is_sealed(void **state) {
        CVM_CLEANUP(cvm_closep) int fd = cvm_memfd("sealed", "abc", 3);
        char c;

        assert_int_equal(read(fd, &c, 1), 1);
        assert_int_equal(c, 'a');
        assert_int_equal(pwrite(fd, "x", 1, 0), -1);
        assert_int_equal(ftruncate(fd, 0), -1);
        assert_int_equal(ftruncate(fd, 9), -1);
        assert_ptr_equal(mmap(NULL, 3, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
        assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}

static void test_close_keeps_errno(void **state) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        errno = ENOTTY;
        fd = cvm_close(fd);
        assert_int_equal(fd, -EBADF);
        assert_int_equal(errno, ENOTTY);
        assert_int_equal(cvm_close(fd), -EBADF);
}

static void assert_path(const char *from, const char *given, const char *wanted) {
        CVM_CLEANUP(cvm_freep) char *got = NULL;
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_path_from(from, given, &got, &err), 0);
        assert_string_equal(got, wanted);
}

static void test_paths(void **state) {
        char climbing[128];

        assert_path("/a", "b", "/a/b");
        assert_path("/a", "./././b", "/a/b");
        assert_path("/a", "/b/c", "/b/c");
        snprintf(climbing, sizeof climbing, "%s/../b", directory);
        assert_path("/a", climbing, "/tmp/b");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_caps),
                TEST(test_endless_input),
                TEST(test_empty_and_missing),
                TEST(test_replaces_content_and_mode),
                TEST(test_symlink_is_replaced_not_followed),
                TEST(test_pipes_and_devices_are_written_into),
                TEST(test_descriptors_are_written_into),
                TEST(test_write_that_fails_leaves_nothing),
                TEST(test_new_file_by_pieces),
                TEST(test_new_file_of_a_process_that_dies),
                TEST(test_memory_file_is_sealed),
                TEST(test_close_keeps_errno),
                TEST(test_paths),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
