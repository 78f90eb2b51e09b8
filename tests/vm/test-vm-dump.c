/*
 * Dumps in the model, with a real QEMU. Its guest is one of x86, which nobody may dump: what is recorded of
 * it is changed under the daemon's feet to that of an image whose owner allows it.
 */
#include "tests/vm/scene.h"

#include <fcntl.h>

#include "vm/model.h"

static const struct caller root = { .bus_name = ":1.1" };

static void set_text(char **text, const char *value) {
        free(*text);
        *text = strdup(value);
}

static void begin(struct scene *s) {
        scene_begin(s);
        scene_launch(s, "");
}

static void allow(struct scene *s) {
        set_text(&s->vm->row.platform, "secure-execution");
        set_text(&s->vm->row.prediction, "{\"flags\":[\"dump\"]}");
}

static int dump_file(const struct scene *s, int flags) {
        int fd = open(s->dir, O_TMPFILE | O_CLOEXEC | flags, 0600);

        assert_true(fd >= 0);
        return fd;
}

static struct operation *dump(struct scene *s, int fd) {
        struct operation *operation = NULL;
        struct cvm_error err = { 0 };

        if (vm_dump(s->vm, fd, &root, &operation, &err) < 0)
                fail_msg("%s", err.text);
        return operation;
}

static void refused(struct scene *s, int fd, const struct cvm_code *code, const char *words) {
        struct operation *operation = NULL;
        struct cvm_error err = { 0 };

        assert_true(vm_dump(s->vm, fd, &root, &operation, &err) < 0);
        assert_null(operation);
        assert_ptr_equal(err.code, code);
        if (!strstr(err.text, words))
                fail_msg("%s", err.text);
}

static void test_offered_where_owner_and_technology_allow(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct cvm_error err = { 0 };

        begin(&s);
        fd = dump_file(&s, O_RDWR);
        refused(&s, fd, &CVM_CODE_DUMP_NONE, "AMD SEV-SNP has no dumps");
        assert_true(vm_check_verb(s.vm, VERB_DUMP, &err) < 0);
        allow(&s);
        assert_int_equal(vm_check_verb(s.vm, VERB_DUMP, &err), 0);
        s.vm->sim.store.forbids_dump = true;
        refused(&s, fd, &CVM_CODE_DUMP_DENIED, "forbids dumps");
        s.vm->sim.store.forbids_dump = false;
        set_text(&s.vm->row.prediction, "{\"flags\":[]}");
        refused(&s, fd, &CVM_CODE_DUMP_DENIED, "does not allow dumps");
        set_text(&s.vm->row.platform, "sev-snp");
}

static void test_files_that_are_none(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        CVM_CLEANUP(cvm_closep) int read_only = -EBADF, path = -EBADF, directory = -EBADF, used = -EBADF;
        CVM_CLEANUP(cvm_closep) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        int ends[2];

        begin(&s);
        allow(&s);
        read_only = open(s.disk, O_RDONLY | O_CLOEXEC);
        path = open(s.disk, O_PATH | O_CLOEXEC);
        directory = open(s.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        used = dump_file(&s, O_RDWR);
        assert_int_equal(write(used, "x", 1), 1);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        refused(&s, read_only, &CVM_CODE_DUMP_FILE, "not open for writing");
        refused(&s, path, &CVM_CODE_DUMP_FILE, "not open for writing");
        refused(&s, directory, &CVM_CODE_DUMP_FILE, "not of a regular file");
        refused(&s, full, &CVM_CODE_DUMP_FILE, "not of a regular file");
        refused(&s, ends[1], &CVM_CODE_DUMP_FILE, "not of a regular file");
        refused(&s, -EBADF, &CVM_CODE_DUMP_FILE, "none of a file");
        refused(&s, used, &CVM_CODE_DUMP_FILE, "not empty");
        assert_int_equal(scene_look(&s).state, VM_RUNNING);
        close(ends[0]);
        close(ends[1]);
        set_text(&s.vm->row.platform, "sev-snp");
}

/* Paused while it is dumped, and says why; then it is what it was. */
static void test_what_a_dump_does(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF, other = -EBADF;
        struct operation *operation, *resume;
        struct cvm_error err = { 0 };
        struct stat st;

        begin(&s);
        allow(&s);
        fd = dump_file(&s, O_RDWR);
        other = dump_file(&s, O_WRONLY | O_APPEND);
        operation = dump(&s, fd);
        refused(&s, other, &CVM_CODE_WRONG_STATE, "busy");
        assert_true(vm_pause(s.vm, &root, &resume, &err) < 0);
        assert_true(operation_cancel(operation, &err) < 0);
        scene_expect_state(&s, VM_PAUSED);
        assert_string_equal(scene_look(&s).state_code, "CVM-DUMPING");
        scene_expect_done(&s, operation);
        assert_int_equal(scene_look(&s).state, VM_RUNNING);
        assert_string_equal(scene_look(&s).state_code, "");
        assert_int_equal(fstat(fd, &st), 0);
        assert_true(st.st_size > 256 << 20);
        assert_string_equal(
                        scene_wait(&s, operation).result,
                        "{\"encrypted\":false,\"notes\":[\"SIMULATED: the dump has the guest's memory in "
                        "the clear, nothing is encrypted\"]}");
        assert_int_equal(vm_pause(s.vm, &root, &operation, &err), 0);
        scene_expect_done(&s, operation);
        s.vm->definition->simulate = false; /* who asked is to look whether it is what QEMU calls it */
        s.vm->manager->facts.can_dump = true;
        operation = dump(&s, other);
        scene_expect_done(&s, operation);
        assert_non_null(strstr(scene_wait(&s, operation).result,
                               "{\"encrypted\":true,\"platform\":\"secure-execution\",\"notes\":["));
        s.vm->definition->simulate = true;
        assert_int_equal(scene_look(&s).state, VM_PAUSED);
        assert_string_equal(scene_look(&s).state_code, "");
        set_text(&s.vm->row.platform, "sev-snp");
}

static void test_killed_while_it_is_dumped(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        struct operation *operation, *killed;
        struct cvm_error err = { 0 };

        begin(&s);
        allow(&s);
        fd = dump_file(&s, O_RDWR);
        operation = dump(&s, fd);
        scene_expect_state(&s, VM_PAUSED);
        assert_int_equal(vm_kill(s.vm, &root, &killed, &err), 0);
        assert_int_equal(scene_wait(&s, operation).state, OPERATION_CANCELLED);
        scene_expect_done(&s, killed);
        assert_int_equal(scene_look(&s).state, VM_STOPPED);
        set_text(&s.vm->row.platform, "sev-snp");
}

/* The next daemon finds it paused or running by then, and running in the end. */
static void test_the_daemon_dies_meanwhile(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        begin(&s);
        allow(&s);
        fd = dump_file(&s, O_RDWR);
        (void)dump(&s, fd);
        scene_expect_state(&s, VM_PAUSED);
        set_text(&s.vm->row.platform, "sev-snp");
        scene_close(&s);
        scene_open(&s);
        scene_expect_state(&s, VM_RUNNING);
        assert_string_equal(scene_look(&s).operation, "");
        assert_string_equal(scene_look(&s).state_code, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_offered_where_owner_and_technology_allow),
                cmocka_unit_test(test_files_that_are_none),
                cmocka_unit_test(test_what_a_dump_does),
                cmocka_unit_test(test_killed_while_it_is_dumped),
                cmocka_unit_test(test_the_daemon_dies_meanwhile),
        };

        if (system("command -v qemu-system-x86_64 >/dev/null") != 0) {
                puts("SKIP: qemu-system-x86_64 is not installed");
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
