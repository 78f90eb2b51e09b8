/* Places on a host that is a tree of files: asked for, kept, missed. Guests on hardware by a driver without
 * QEMU, whose abilities a script tells. */
#include "tests/vm/scene.h"

#include "tests/launch/host-tree.h"
#include "tests/vm/fake-driver.h"

#define CURRENT "sys/fs/cgroup/misc.current"
#define HIDING "sys/module/kvm_amd/parameters/ciphertext_hiding_asids"

static const struct caller root = { .bus_name = ":1.1" };

struct fixture {
        struct scene s;
        char host[80], firmware[96], path[512];
        char leak[512]; /* the event's JSON */
};

static void put_qemu(struct fixture *f) {
        CVM_CLEANUP(cvm_freep) char *before = strdup(getenv("PATH"));
        struct cvm_error err = { 0 };
        char at[160], script[256];

        snprintf(at, sizeof at, "%s/qemu-system-x86_64", f->s.dir);
        snprintf(script, sizeof script,
                 "#!/bin/sh\nexec /usr/bin/python3 " CVM_SOURCE_DIR
                 "/tests/vm/scripted-qemu.py - -- \"$@\"\n");
        assert_int_equal(cvm_write_file(at, script, strlen(script), 0755, &err), 0);
        snprintf(f->path, sizeof f->path, "%s", before);
        snprintf(script, sizeof script, "%s:/usr/bin:/bin", f->s.dir);
        setenv("PATH", script, 1);
}

static void begin(struct fixture *f) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes firmware = { 0 };

        *f = (struct fixture){ 0 };
        scene_begin(&f->s);
        scene_close(&f->s);
        snprintf(f->host, sizeof f->host, "%s/host", f->s.dir);
        assert_int_equal(mkdir(f->host, 0700), 0);
        put_host(f->host, &milan);
        put(f->host, CURRENT, "sev 0\nsev_es 98\n"); /* of 99 */
        assert_int_equal(platform_by_id(CVM_PLATFORM_SEV_SNP)->synthetic_firmware(&firmware), 0);
        put_bytes(f->s.dir, "OVMF.fd", firmware.data, firmware.size);
        snprintf(f->firmware, sizeof f->firmware, "%s/OVMF.fd", f->s.dir);
        put_qemu(f);
        memset(&fake, 0, sizeof fake);
        f->s.config.driver = &driver_fake;
        f->s.config.host_root = f->host;
        f->s.config.vms_per_user = 8;
        f->s.config.settle_usec = 1;
        scene_open(&f->s);
}

static void end(struct fixture *f) {
        setenv("PATH", f->path, 1);
        scene_end(&f->s);
}

static int create(struct fixture *f, const char *name, const char *more, bool start, struct operation **ret,
                  struct cvm_error *err) {
        char text[1024];

        snprintf(text, sizeof text,
                 "{\"version\":1,\"name\":\"%s\",\"platform\":\"sev-snp\",\"memory\":\"256MiB\",\"vcpus\":1,"
                 "\"firmware\":\"%s\",\"boot\":{\"disk\":\"boot\"},"
                 "\"disks\":[{\"path\":\"%s\",\"format\":\"raw\",\"readonly\":true,\"serial\":\"boot\"}]%s}",
                 name, f->firmware, f->s.disk, more);
        const struct create_options options = {
                .definition = text, .definition_size = strlen(text), .start = start, .may_name_paths = true
        };
        return manager_create(f->s.manager, &options, &root, &f->s.vm, ret, err);
}

static struct operation_view launch(struct fixture *f, const char *name, const char *more) {
        struct operation *operation;
        struct cvm_error err = { 0 };

        if (create(f, name, more, true, &operation, &err) < 0)
                fail_msg("%s", err.text);
        return scene_wait(&f->s, operation);
}

static void expect_running(struct fixture *f, const char *name) {
        struct operation_view view = launch(f, name, "");

        if (view.state != OPERATION_DONE)
                fail_msg("%s", view.text);
        assert_int_equal(scene_look(&f->s).state, VM_RUNNING);
}

static void expect_no_room(struct fixture *f, const char *name, const char *words) {
        struct operation_view view = launch(f, name, "");

        assert_ptr_equal(view.code, &CVM_CODE_GUEST_KEYS);
        if (!strstr(view.text, words))
                fail_msg("%s", view.text);
        assert_int_equal(scene_look(&f->s).state, VM_DEFINED);
}

static void kill_it(struct fixture *f, const char *name) {
        struct operation *operation;
        struct cvm_error err = { 0 };

        f->s.vm = manager_vm(f->s.manager, name);
        assert_int_equal(vm_kill(f->s.vm, &root, &operation, &err), 0);
        scene_expect_done(&f->s, operation);
}

static void test_the_last_place(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct operation *operation;
        struct cvm_error err = { 0 };
        unsigned starts;

        begin(&f);
        expect_running(&f, "first");
        put(f.host, CURRENT, "sev 0\nsev_es 99\n");
        starts = fake.starts;
        expect_no_room(&f, "second", "99 of 99 identifiers (ASIDs) are taken");
        assert_int_equal(fake.starts, starts);
        put(f.host, CURRENT, "sev 0\nsev_es 98\n");
        assert_int_equal(vm_start(f.s.vm, &root, &operation, &err), 0);
        scene_expect_done(&f.s, operation);
}

/* Those that have no process yet are not in the kernel's count. */
static void test_two_at_once_for_the_last_place(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct operation *operations[2];
        struct cvm_error err = { 0 };
        unsigned done = 0;

        begin(&f);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(create(&f, i ? "b" : "a", "", false, &operations[i], &err), 0);
                scene_expect_done(&f.s, operations[i]);
        }
        done += vm_start(manager_vm(f.s.manager, "a"), &root, &operations[0], &err) >= 0;
        done += vm_start(manager_vm(f.s.manager, "b"), &root, &operations[1], &err) >= 0;
        assert_int_equal(done, 1);
        assert_ptr_equal(err.code, &CVM_CODE_GUEST_KEYS);
        assert_non_null(strstr(err.text, "1 are kept for others"));
        scene_expect_done(&f.s, operations[0]);
}

static void test_a_place_that_is_kept(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct operation *operation;
        struct cvm_error err = { 0 };

        begin(&f);
        assert_int_equal(create(&f, "kept", ",\"reserve\":true", false, &operation, &err), 0);
        scene_expect_done(&f.s, operation);
        expect_no_room(&f, "other", "1 are kept for others");
        assert_true(create(&f, "more", ",\"reserve\":true", false, &operation, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_GUEST_KEYS);
        assert_null(manager_vm(f.s.manager, "more"));
        assert_int_equal(create(&f, "sim", ",\"reserve\":true,\"simulate\":true", false, &operation, &err),
                         0);
        scene_expect_done(&f.s, operation); /* takes none */
        scene_close(&f.s);
        scene_open(&f.s); /* kept across daemons */
        f.s.vm = manager_vm(f.s.manager, "other");
        assert_true(vm_start(f.s.vm, &root, &operation, &err) < 0);
        err = (struct cvm_error){ 0 };
        f.s.vm = manager_vm(f.s.manager, "kept");
        assert_int_equal(vm_start(f.s.vm, &root, &operation, &err), 0);
        scene_expect_done(&f.s, operation);
}

/* Of a divided pool only those of this technology count, which are all that cvmd starts. */
static void test_a_pool_that_is_divided(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f);
        put(f.host, CURRENT, "sev 0\nsev_es 90\n");
        put(f.host, HIDING, "1\n");
        expect_running(&f, "first");
        expect_no_room(&f, "second", "ciphertext_hiding_asids' leaves it 1 identifiers");
}

/* The kernel may count the old process still: it is this one's place. */
static void test_a_restart_keeps_its_place(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        struct operation *operation;

        begin(&f);
        expect_running(&f, "first");
        put(f.host, CURRENT, "sev 0\nsev_es 99\n");
        assert_int_equal(vm_restart(f.s.vm, 0, &root, &operation, &err), 0);
        fake_tell(DRIVER_GONE);
        scene_expect_done(&f.s, operation);
        assert_int_equal(scene_look(&f.s).state, VM_RUNNING);
        assert_int_equal(fake.starts, 2);
}

/* Where the kernel does not count, QEMU is asked by starting it. */
static void test_a_host_that_does_not_count(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        uint64_t leaked = 1;

        begin(&f);
        take(f.host, CURRENT);
        expect_running(&f, "first");
        kill_it(&f, "first");
        assert_null(manager_capacity(f.s.manager, &leaked));
        assert_int_equal(leaked, 0);
}

static void find_leak(void *ctx, uint64_t seq, const char *json) {
        struct fixture *f = ctx;

        if (strstr(json, "\"capacity\":\"leaked\""))
                snprintf(f->leak, sizeof f->leak, "%s", json);
}

static uint64_t leaked_now(struct fixture *f) {
        CVM_CLEANUP(cvm_json_putp) json_object *pools = NULL;
        struct cvm_error err = { 0 };
        uint64_t leaked;

        pools = manager_capacity(f->s.manager, &leaked);
        assert_int_equal(json_object_array_length(pools), 2);
        *f->leak = 0;
        assert_int_equal(manager_events(f->s.manager, 0, 1000, find_leak, f, &err), 0);
        return leaked;
}

static void test_what_is_not_given_back_is_missed(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f);
        put(f.host, CURRENT, "sev 0\nsev_es 40\n");
        expect_running(&f, "first");
        put(f.host, CURRENT, "sev 0\nsev_es 42\n");
        expect_running(&f, "second");
        put(f.host, CURRENT, "sev 0\nsev_es 43\n");
        kill_it(&f, "first");
        for (int i = 0; i < 3; i++)
                assert_true(sd_event_run(f.s.event, 0) >= 0);
        assert_int_equal(leaked_now(&f), 0); /* one runs: nobody can tell */
        kill_it(&f, "second");
        while (!leaked_now(&f))
                scene_turn(&f.s);
        assert_int_equal(leaked_now(&f), 3);
        while (!*f.leak) { /* durable at the end of the turn */
                scene_turn(&f.s);
                (void)leaked_now(&f);
        }
        assert_non_null(strstr(f.leak, "43 identifiers (ASIDs) are taken, 40 were before the first guest"));
}

static void test_what_is_given_back_is_not(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        uint64_t leaked;

        begin(&f);
        expect_running(&f, "first");
        put(f.host, CURRENT, "sev 0\nsev_es 99\n");
        kill_it(&f, "first");
        put(f.host, CURRENT, "sev 0\nsev_es 98\n");
        expect_running(&f, "second"); /* by then it has been counted */
        kill_it(&f, "second");
        for (int i = 0; i < 5; i++)
                assert_true(sd_event_run(f.s.event, 1000) >= 0);
        leaked = leaked_now(&f);
        assert_int_equal(leaked, 0);
        assert_string_equal(f.leak, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_last_place),
                cmocka_unit_test(test_two_at_once_for_the_last_place),
                cmocka_unit_test(test_a_place_that_is_kept),
                cmocka_unit_test(test_a_pool_that_is_divided),
                cmocka_unit_test(test_a_restart_keeps_its_place),
                cmocka_unit_test(test_a_host_that_does_not_count),
                cmocka_unit_test(test_what_is_not_given_back_is_missed),
                cmocka_unit_test(test_what_is_given_back_is_not),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
