/* Boot files pinned by the real worker, and paths that try to lead elsewhere. */
#include "vm/image-store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "launch/definition.h"
#include "vm/worker-run.h"

struct fixture {
        char dir[64], images[128];
        sd_event *event;
        struct image_store *store;
        bool done;
        uint8_t sha256[CVM_SHA256_SIZE];
        uint64_t size;
        struct cvm_error why;
};

static void begin(struct fixture *f) {
        struct cvm_error err = { 0 };

        *f = (struct fixture){ .dir = "/tmp/cvmd-images-XXXXXX" };
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->images, sizeof f->images, "%s/images", f->dir);
        assert_true(sd_event_new(&f->event) >= 0);
        worker_run_set_program(CVM_BINARY_DIR "/worker/cvmd-worker");
        assert_int_equal(image_store_open(f->event, f->images, &f->store, &err), 0);
}

static void end(struct fixture *f) {
        char command[128];

        image_store_free(f->store);
        sd_event_unref(f->event);
        snprintf(command, sizeof command, "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
}

static void on_pinned(void *ctx, const uint8_t sha256[CVM_SHA256_SIZE], uint64_t size,
                      struct cvm_error *err) {
        struct fixture *f = ctx;

        f->done = true;
        f->size = size;
        memcpy(f->sha256, sha256, sizeof f->sha256);
        if (err)
                f->why = *err;
}

static void pin(struct fixture *f, int fd) {
        struct cvm_error err = { 0 };

        f->done = false;
        if (image_store_pin(f->store, fd, "x", on_pinned, f, &err) < 0)
                fail_msg("%s", err.text);
        while (!f->done)
                assert_true(sd_event_run(f->event, 60000000) > 0);
}

static unsigned count(const struct fixture *f, const char *pattern) {
        char command[256], line[32] = "";
        FILE *p;

        snprintf(command, sizeof command, "find %s -type f -name '%s' | wc -l", f->images, pattern);
        p = popen(command, "r");
        assert_non_null(fgets(line, sizeof line, p));
        pclose(p);
        return (unsigned)atoi(line);
}

static void test_pin_and_get(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int source = cvm_memfd("kernel", "kernel", 6);
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        uint8_t expected[CVM_SHA256_SIZE], absent[CVM_SHA256_SIZE] = { 1 };
        struct cvm_error err = { 0 };
        struct stat st;
        char text[16] = "";

        begin(&f);
        pin(&f, source);
        pin(&f, source);
        assert_null(f.why.code);
        cvm_sha256("kernel", 6, expected);
        assert_memory_equal(f.sha256, expected, sizeof expected);
        assert_int_equal(f.size, 6);
        assert_int_equal(count(&f, "*"), 1);
        assert_int_equal(image_store_get(f.store, expected, &fd, &err), 0);
        assert_int_equal(read(fd, text, sizeof text), 6);
        assert_string_equal(text, "kernel");
        assert_true(fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0444);
        assert_true(image_store_get(f.store, absent, &fd, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_IMAGE);
}

static void test_a_directory_is_no_boot_file(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int source = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        begin(&f);
        pin(&f, source);
        assert_ptr_equal(f.why.code, &CVM_CODE_FILE);
        assert_int_equal(count(&f, "*"), 0);
}

static bool never(void *ctx, const uint8_t sha256[CVM_SHA256_SIZE]) {
        return false;
}

static void test_leftovers_are_swept(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int source = cvm_memfd("kernel", "kernel", 6);
        struct cvm_error err = { 0 };
        char path[256];

        begin(&f);
        snprintf(path, sizeof path, "%s/new-1-1", f.images);
        assert_int_equal(cvm_write_file(path, "half", 4, 0600, &err), 0);
        pin(&f, source);
        f.store = image_store_free(f.store);
        assert_int_equal(image_store_open(f.event, f.images, &f.store, &err), 0);
        assert_int_equal(count(&f, "*"), 1);
        assert_int_equal(image_store_sweep(f.store, never, NULL, &err), 0);
        assert_int_equal(count(&f, "*"), 0);
}

static void test_a_store_may_end_in_mid_pin(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int source = cvm_memfd("kernel", "kernel", 6);
        struct cvm_error err = { 0 };

        begin(&f);
        assert_int_equal(image_store_pin(f.store, source, "x", on_pinned, &f, &err), 0);
        f.store = image_store_free(f.store);
        assert_int_equal(count(&f, "*"), 0);
        assert_false(f.done);
}

static void refused(const struct fixture *f, const char *name, const char *words) {
        char *dirs[] = { (char *)f->images, NULL };
        char path[512];
        struct cvm_error err = { 0 };
        int fd = -EBADF;

        snprintf(path, sizeof path, "%s%s", *name == '/' ? f->dir : "", name);
        if (image_open_path(path, dirs, false, &fd, &err) >= 0)
                fail_msg("%s was opened", path);
        assert_ptr_equal(err.code, &CVM_CODE_PATH);
        if (!strstr(err.text, words))
                fail_msg("%s: \"%s\"", path, err.text);
}

static void test_paths_that_lead_elsewhere(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        char a[256], b[256], *dirs[] = { f.images, NULL };
        int fd = -EBADF;

        begin(&f);
        snprintf(a, sizeof a, "%s/good", f.images);
        assert_int_equal(cvm_write_file(a, "x", 1, 0600, &err), 0);
        assert_int_equal(image_open_path(a, dirs, false, &fd, &err), 0);
        fd = cvm_close(fd);
        snprintf(a, sizeof a, "%s/outside", f.dir);
        assert_int_equal(cvm_write_file(a, "x", 1, 0600, &err), 0);
        snprintf(b, sizeof b, "%s/link", f.images);
        assert_int_equal(symlink(a, b), 0);
        snprintf(b, sizeof b, "%s/up", f.images);
        assert_int_equal(symlink("..", b), 0);
        snprintf(b, sizeof b, "%s/pipe", f.images);
        assert_int_equal(mkfifo(b, 0600), 0);
        refused(&f, "/outside", "is not beneath");
        refused(&f, "/images", "is not beneath");
        refused(&f, "/images2/good", "is not beneath");
        refused(&f, "relative", "is not beneath");
        refused(&f, "/images/../outside", "out of its directory");
        refused(&f, "/images/link", "symlink");
        refused(&f, "/images/up/outside", "symlink");
        refused(&f, "/images/pipe", "no regular file");
        refused(&f, "/images/.", "no regular file");
        refused(&f, "/images/gone", "cannot be opened");
}

/* While a directory of the path is a symlink to outside every other moment. */
static void test_a_race_in_a_path(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        char inside[256], swapped[256], outside[256], path[300], *dirs[] = { f.images, NULL };
        struct cvm_error err = { 0 };
        unsigned opened = 0, refused = 0;
        pid_t pid;

        begin(&f);
        snprintf(outside, sizeof outside, "%s/outside", f.dir);
        snprintf(inside, sizeof inside, "%s/d", f.images);
        snprintf(swapped, sizeof swapped, "%s/swapped", f.images);
        assert_true(mkdir(outside, 0700) == 0 && mkdir(inside, 0700) == 0 && symlink(outside, swapped) == 0);
        snprintf(path, sizeof path, "%s/x", outside);
        assert_int_equal(cvm_write_file(path, "o", 1, 0600, &err), 0);
        snprintf(path, sizeof path, "%s/x", inside);
        assert_int_equal(cvm_write_file(path, "i", 1, 0600, &err), 0);
        pid = fork();
        if (pid == 0)
                for (;;)
                        if (renameat2(AT_FDCWD, inside, AT_FDCWD, swapped, RENAME_EXCHANGE) < 0)
                                _exit(1);
        /* Until both outcomes have been met often enough; the swapper may be slow to begin. */
        for (unsigned i = 0; i < 1000000 && (opened < 100 || refused < 100); i++) {
                CVM_CLEANUP(cvm_closep) int fd = -EBADF;
                char c = 0;

                if (image_open_path(path, dirs, false, &fd, &err) < 0) {
                        assert_ptr_equal(err.code, &CVM_CODE_PATH);
                        refused++;
                        continue;
                }
                assert_int_equal(read(fd, &c, 1), 1);
                assert_int_equal(c, 'i');
                opened++;
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_true(opened >= 100 && refused >= 100);
}

static void test_a_disk_is_made_once(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        const struct definition_disk disk = { .format = DISK_RAW, .size = 1 << 20 };
        char path[256], link[256], *dirs[] = { f.images, NULL };
        struct cvm_error err = { 0 };
        struct stat st;

        begin(&f);
        snprintf(path, sizeof path, "%s/data", f.images);
        if (image_make_path(path, dirs, &disk, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size == 1 << 20 && (st.st_mode & 0777) == 0600);
        assert_int_equal(image_make_path(path, dirs, &disk, &err), -EEXIST);
        snprintf(link, sizeof link, "%s/up", f.images);
        assert_int_equal(symlink("..", link), 0);
        snprintf(path, sizeof path, "%s/up/data", f.images);
        assert_true(image_make_path(path, dirs, &disk, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_PATH);
        snprintf(path, sizeof path, "%s/data", f.dir);
        assert_true(image_make_path(path, dirs, &disk, &err) < 0);
        assert_int_equal(access(path, F_OK), -1);
        snprintf(path, sizeof path, "%s/link", f.images);
        assert_int_equal(symlink("../data", path), 0);
        assert_int_equal(image_make_path(path, dirs, &disk, &err), -EEXIST);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pin_and_get),
                cmocka_unit_test(test_a_directory_is_no_boot_file),
                cmocka_unit_test(test_leftovers_are_swept),
                cmocka_unit_test(test_a_store_may_end_in_mid_pin),
                cmocka_unit_test(test_paths_that_lead_elsewhere),
                cmocka_unit_test(test_a_race_in_a_path),
                cmocka_unit_test(test_a_disk_is_made_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
