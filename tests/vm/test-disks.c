/* Disks in the life of a VM: made at its first start, and never written by two. */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/vm/scene.h"

/* Create without start, from a whole list of disks. */
static struct operation *define(struct scene *s, const char *name, const char *disks, bool start) {
        const struct caller root = { .bus_name = ":1.1" };
        struct operation *operation;
        struct cvm_error err = { 0 };
        char text[4096];

        snprintf(text, sizeof text,
                 "{\"version\":1,\"name\":\"%s\",\"simulate\":true,\"memory\":\"256MiB\",\"vcpus\":1,"
                 "\"accel\":\"tcg\",\"boot\":{\"disk\":\"boot\"},\"disks\":[{\"path\":\"%s\","
                 "\"format\":\"raw\",\"readonly\":true,\"serial\":\"boot\"},%s]}",
                 name, s->disk, disks);
        const struct create_options options = {
                .definition = text, .definition_size = strlen(text), .start = start, .may_name_paths = true
        };
        if (manager_create(s->manager, &options, &root, &s->vm, &operation, &err) < 0)
                fail_msg("%s", err.text);
        return operation;
}

static void expect_failed(struct scene *s, struct operation *operation, const struct cvm_code *code) {
        struct operation_view view = scene_wait(s, operation);

        assert_int_equal(view.state, OPERATION_FAILED);
        assert_ptr_equal(view.code, code);
}

static struct operation *begin_start(struct scene *s) {
        const struct caller root = { .bus_name = ":1.1" };
        struct operation *operation;
        struct cvm_error err = { 0 };

        if (vm_start(s->vm, &root, &operation, &err) < 0)
                fail_msg("%s", err.text);
        return operation;
}

static void kill_vm(struct scene *s) {
        const struct caller root = { .bus_name = ":1.1" };
        struct operation *operation;
        struct cvm_error err = { 0 };

        assert_true(vm_kill(s->vm, &root, &operation, &err) >= 0);
        scene_expect_done(s, operation);
}

static void test_a_disk_is_made_at_the_first_start(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        char disks[512], raw[160], qcow2[160], command[256];
        struct stat first, second;

        scene_begin(&s);
        snprintf(raw, sizeof raw, "%s/data.raw", s.dir);
        snprintf(qcow2, sizeof qcow2, "%s/data.qcow2", s.dir);
        snprintf(disks, sizeof disks,
                 "{\"path\":\"%s\",\"format\":\"raw\",\"size\":\"64MiB\"},"
                 "{\"path\":\"%s\",\"format\":\"qcow2\",\"size\":\"2GiB\"}",
                 raw, qcow2);
        scene_expect_done(&s, define(&s, "web1", disks, false));
        assert_int_equal(access(raw, F_OK), -1);
        scene_expect_done(&s, begin_start(&s));
        assert_int_equal(stat(raw, &first), 0);
        assert_int_equal(first.st_size, 64 << 20);
        kill_vm(&s);
        snprintf(command, sizeof command, "qemu-img check -q -f qcow2 %s", qcow2);
        assert_int_equal(system(command), 0);
        scene_expect_done(&s, begin_start(&s));
        assert_int_equal(stat(raw, &second), 0);
        assert_int_equal(first.st_ino, second.st_ino);
}

static void test_a_disk_of_another_size_stays(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        char disks[512], path[160];

        scene_begin(&s);
        snprintf(path, sizeof path, "%s/data", s.dir);
        assert_int_equal(cvm_write_file(path, "x", 1, 0600, NULL), 0);
        snprintf(disks, sizeof disks, "{\"path\":\"%s\",\"format\":\"raw\",\"size\":\"64MiB\"}", path);
        expect_failed(&s, define(&s, "web1", disks, false), &CVM_CODE_DISK_SIZE);
}

static void test_no_two_write_one_file(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        char disks[512], path[160], other[160];

        scene_begin(&s);
        snprintf(path, sizeof path, "%s/data", s.dir);
        snprintf(other, sizeof other, "%s/data-by-another-name", s.dir);
        snprintf(disks, sizeof disks, "{\"path\":\"%s\",\"format\":\"raw\",\"size\":\"1MiB\"}", path);
        scene_expect_done(&s, define(&s, "web1", disks, true));
        assert_int_equal(link(path, other), 0);
        snprintf(disks, sizeof disks, "{\"path\":\"%s\",\"format\":\"raw\"}", other);
        expect_failed(&s, define(&s, "web2", disks, true), &CVM_CODE_DISK_IN_USE);
        /* it holds for guests of a former daemon, and ends with them */
        scene_close(&s);
        scene_open(&s);
        s.vm = manager_vm(s.manager, "web1");
        scene_expect_state(&s, VM_RUNNING);
        s.vm = manager_vm(s.manager, "web2");
        expect_failed(&s, begin_start(&s), &CVM_CODE_DISK_IN_USE);
        s.vm = manager_vm(s.manager, "web1");
        kill_vm(&s);
        s.vm = manager_vm(s.manager, "web2");
        scene_expect_done(&s, begin_start(&s));
}

static void test_two_names_in_one_definition(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        char disks[512], path[160], other[160];

        scene_begin(&s);
        snprintf(path, sizeof path, "%s/data", s.dir);
        snprintf(other, sizeof other, "%s/link", s.dir);
        assert_int_equal(cvm_write_file(path, "x", 1, 0600, NULL), 0);
        assert_int_equal(link(path, other), 0);
        snprintf(disks, sizeof disks,
                 "{\"path\":\"%s\",\"format\":\"raw\"},{\"path\":\"%s\",\"format\":\"raw\"}", path, other);
        expect_failed(&s, define(&s, "web1", disks, true), &CVM_CODE_DISK_IN_USE);
}

/* Between create and start the file may become another: what is opened is what is looked at. */
static void test_a_disk_that_was_swapped_since(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        char disks[512], path[160], command[512];

        scene_begin(&s);
        snprintf(path, sizeof path, "%s/data", s.dir);
        snprintf(disks, sizeof disks, "{\"path\":\"%s\",\"format\":\"qcow2\",\"size\":\"1MiB\"}", path);
        scene_expect_done(&s, define(&s, "web1", disks, false));
        snprintf(command, sizeof command, "qemu-img create -q -f qcow2 -F raw -b %s %s", s.disk, path);
        assert_int_equal(system(command), 0);
        expect_failed(&s, begin_start(&s), &CVM_CODE_DISK_BACKING);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_disk_is_made_at_the_first_start),
                cmocka_unit_test(test_a_disk_of_another_size_stays),
                cmocka_unit_test(test_no_two_write_one_file),
                cmocka_unit_test(test_two_names_in_one_definition),
                cmocka_unit_test(test_a_disk_that_was_swapped_since),
        };

        if (system("command -v qemu-system-x86_64 >/dev/null && command -v qemu-img >/dev/null") != 0) {
                puts("SKIP: qemu-system-x86_64 and qemu-img are not installed");
                return 77;
        }
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
