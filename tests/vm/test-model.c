/* One VM through its life in the real model: a guest of one boot sector under real QEMU, the real worker. */
#include "tests/vm/scene.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attest/audit-chain.h"
#include "vm/driver.h"
#include "vm/pidfd.h"

static const struct caller root = { .bus_name = ":1.1" };

static void expect_code(int r, const struct cvm_error *err, const char *id) {
        assert_true(r < 0);
        assert_non_null(err->code);
        assert_string_equal(err->code->id, id);
        assert_true(err->text[0] != 0);
}

static bool alive(pid_t pid) {
        CVM_CLEANUP(cvm_closep) int fd = pidfd_of(pid);

        return fd >= 0 && pidfd_is_alive(fd);
}

/* QEMU dies, and nobody is told. */
static void slay(pid_t pid) {
        CVM_CLEANUP(cvm_closep) int fd = pidfd_of(pid);
        struct pollfd end = { .fd = fd, .events = POLLIN };

        assert_true(fd >= 0);
        pidfd_kill(fd, SIGKILL);
        assert_int_equal(poll(&end, 1, 60000), 1);
        (void)waitpid(pid, NULL, WNOHANG); /* a child, where no libvirt stands between */
}

static bool is_libvirt(const struct scene *s) {
        return s->config.driver == &driver_libvirt;
}

static void a_vm_lives_and_is_deleted(void **state) {
        CVM_CLEANUP(cvm_freep) char *record = NULL;
        CVM_CLEANUP(cvm_freep) char *chain = NULL;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        struct scene s;
        struct operation *operation;
        struct cvm_error err = { 0 };
        struct audit_head head;
        const char *pem;
        pid_t pid;

        scene_begin(&s);
        assert_int_equal(scene_create(&s, "web1", "", false, &operation, &err), 0);
        assert_int_equal(s.added, 1);
        assert_int_equal(scene_look(&s).state, VM_DEFINED);
        scene_expect_done(&s, operation);
        assert_int_equal(scene_look(&s).measurement_size, 48);

        assert_int_equal(vm_start(s.vm, &root, &operation, &err), 0);
        scene_expect_done(&s, operation);
        assert_int_equal(scene_look(&s).state, VM_RUNNING);
        assert_int_equal(scene_look(&s).trust, TRUST_UNVERIFIED);
        assert_int_equal(strlen(scene_look(&s).boot_id), 36);
        pid = scene_look(&s).pid;
        assert_true(alive(pid));

        assert_int_equal(vm_pause(s.vm, &root, &operation, &err), 0);
        scene_expect_done(&s, operation);
        assert_int_equal(scene_look(&s).state, VM_PAUSED);
        assert_int_equal(vm_resume(s.vm, &root, &operation, &err), 0);
        scene_expect_done(&s, operation);
        assert_int_equal(scene_look(&s).state, VM_RUNNING);

        expect_code(vm_delete(s.vm, &root, &operation, &err), &err, "CVM-WRONG-STATE");
        assert_int_equal(vm_kill(s.vm, &root, &operation, &err), 0);
        scene_expect_done(&s, operation);
        assert_int_equal(scene_look(&s).state, VM_STOPPED);
        assert_int_equal(scene_look(&s).pid, 0);
        assert_false(alive(pid));

        assert_int_equal(vm_delete(s.vm, &root, &operation, &err), 0);
        s.vm = NULL;
        scene_expect_done(&s, operation);
        assert_int_equal(s.removed, 1);
        assert_null(manager_vm(s.manager, "web1"));
        assert_int_equal(manager_record(s.manager, "web1", &record, &err), 0);
        pem = manager_record_key(s.manager);
        assert_int_equal(cvm_key_from_public_pem(pem, strlen(pem), &key, &err), 0);
        assert_int_equal(manager_audit(s.manager, 0, 1000, &chain, &err), 0);
        if (audit_verify(chain, strlen(chain), key, NULL, &head, &err) < 0)
                fail_msg("%s", err.text);
        assert_true(head.seq > 5);
        scene_end(&s);
}

static void a_guest_that_does_not_listen_is_not_killed_unasked(void **state) {
        struct scene s;
        struct operation *operation;
        struct operation_view view;
        struct cvm_error err = { 0 };

        scene_begin(&s);
        scene_launch(&s, "");
        assert_int_equal(vm_stop(s.vm, 200000, &root, &operation, &err), 0);
        assert_int_equal(scene_look(&s).state, VM_STOPPING);
        expect_code(vm_pause(s.vm, &root, &operation, &err), &err, "CVM-WRONG-STATE");
        view = scene_wait(&s, manager_operation_at(s.manager, 0));
        assert_string_equal(view.code->id, "CVM-TIMEOUT");
        assert_int_equal(scene_look(&s).state, VM_RUNNING);
        assert_true(alive(scene_look(&s).pid));
        scene_end(&s);
}

static void a_reset_is_another_boot(void **state) {
        struct scene s;
        struct operation *operation;
        struct cvm_error err = { 0 };
        char before[64];

        scene_begin(&s);
        scene_launch(&s, "");
        snprintf(before, sizeof before, "%s", scene_look(&s).boot_id);
        assert_int_equal(vm_reset(s.vm, &root, &operation, &err), 0);
        scene_expect_done(&s, operation);
        while (strcmp(before, scene_look(&s).boot_id) == 0)
                scene_turn(&s);
        scene_end(&s);
}

static void a_guest_outlives_the_daemon(void **state) {
        struct scene s;
        pid_t pid;

        scene_begin(&s);
        scene_launch(&s, "");
        pid = scene_look(&s).pid;
        scene_close(&s);
        assert_true(alive(pid));

        scene_open(&s);
        assert_non_null(s.vm);
        scene_expect_state(&s, VM_RUNNING);
        assert_int_equal(scene_look(&s).pid, pid);
        scene_end(&s);
        assert_false(alive(pid));
}

static void a_paused_guest_is_found_paused(void **state) {
        struct scene s;
        struct operation *operation;
        struct cvm_error err = { 0 };

        scene_begin(&s);
        scene_launch(&s, "");
        assert_int_equal(vm_pause(s.vm, &root, &operation, &err), 0);
        scene_expect_done(&s, operation);
        scene_close(&s);
        scene_open(&s);
        assert_int_equal(scene_look(&s).state, VM_PAUSED);
        assert_int_equal(vm_resume(s.vm, &root, &operation, &err), 0);
        scene_expect_done(&s, operation);
        scene_end(&s);
}

static void a_guest_that_died_meanwhile_is_said_so(void **state) {
        struct scene s;
        pid_t pid;

        scene_begin(&s);
        scene_launch(&s, "");
        pid = scene_look(&s).pid;
        scene_close(&s);
        slay(pid);
        scene_open(&s);
        if (!is_libvirt(&s)) /* else libvirt is asked first */
                assert_int_equal(scene_look(&s).state, VM_FAILED);
        scene_expect_state(&s, VM_FAILED);
        assert_string_equal(scene_look(&s).state_code, "CVM-ENDED-AWAY");
        assert_true(strlen(scene_look(&s).state_reason) > 0);
        scene_end(&s);
}

static void a_guest_that_is_killed_from_outside_has_failed(void **state) {
        struct scene s;

        scene_begin(&s);
        scene_launch(&s, "");
        slay(scene_look(&s).pid);
        scene_expect_state(&s, VM_FAILED);
        assert_string_equal(scene_look(&s).state_code, "CVM-QEMU");
        scene_end(&s);
}

static void a_held_guest_runs_nothing_before_its_permit(void **state) {
        struct scene s;
        struct operation *operation;
        struct cvm_error err = { 0 };

        scene_begin(&s);
        assert_int_equal(scene_create(&s, "web1", ",\"hold\":true", false, &operation, &err) < 0, 1);
        assert_string_equal(err.code->id, "CVM-FIELD"); /* a permit is an owner's, and it has none */
        scene_end(&s);
}

static void requests_that_come_twice_make_one_vm(void **state) {
        struct scene s;
        char text[4096], other[4096];
        struct operation *first, *again;
        struct vm *vm, *vm_again;
        struct cvm_error err = { 0 };

        scene_begin(&s);
        scene_definition(&s, "web1", "", text, sizeof text);
        scene_definition(&s, "web2", "", other, sizeof other);
        struct create_options options = { .definition = text,
                                          .definition_size = strlen(text),
                                          .request_id = "r1",
                                          .may_name_paths = true };
        assert_int_equal(manager_create(s.manager, &options, &root, &vm, &first, &err), 0);
        assert_int_equal(manager_create(s.manager, &options, &root, &vm_again, &again, &err), 0);
        assert_ptr_equal(vm, vm_again);
        assert_ptr_equal(first, again);
        scene_expect_done(&s, first);
        options.definition = other;
        options.definition_size = strlen(other);
        expect_code(manager_create(s.manager, &options, &root, &vm_again, &again, &err), &err, "CVM-EXISTS");
        scene_close(&s);
        scene_open(&s);
        options.definition = text;
        options.definition_size = strlen(text);
        assert_int_equal(manager_create(s.manager, &options, &root, &vm_again, &again, &err), 0);
        assert_ptr_equal(vm_again, s.vm);
        scene_expect_done(&s, again);
        scene_end(&s);
}

static void what_cannot_be_made_is_refused_with_its_code(void **state) {
        static const struct {
                const char *name, *members, *code;
        } cases[] = {
                { "web1", "", "CVM-EXISTS" },
                { "Web", "", "CVM-FIELD" },
                { "x", ",\"colour\":\"red\"", "CVM-FIELD" },
                { "x", ",\"nics\":[{\"type\":\"bridge\",\"name\":\"br0\"}]", "CVM-NETWORK" },
                { "x", ",\"platform\":\"secure-execution\"", "CVM-IMAGE-FIELD" },
        };
        struct scene s;
        struct operation *operation;

        scene_begin(&s);
        assert_int_equal(scene_create(&s, "web1", "", false, &operation, NULL), 0);
        scene_expect_done(&s, operation);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct cvm_error err = { 0 };
                int r = scene_create(&s, cases[i].name, cases[i].members, false, &operation, &err);

                if (r >= 0 || strcmp(err.code->id, cases[i].code) != 0)
                        print_error("%s %s: %d %s\n", cases[i].name, cases[i].members, r, err.text);
                expect_code(r, &err, cases[i].code);
        }
        scene_end(&s);
}

static int create_as(struct scene *s, uint32_t uid, const char *name, const struct named_fd *files,
                     size_t n_files, struct operation **ret, struct cvm_error *err) {
        const struct caller user = { .uid = uid, .bus_name = ":1.2" };
        char text[1024];

        snprintf(text, sizeof text,
                 "{\"version\":1,\"name\":\"%s\",\"simulate\":true,\"boot\":{\"kernel\":\"k\"}}", name);
        const struct create_options options = {
                .definition = text, .definition_size = strlen(text), .files = files, .n_files = n_files
        };
        return manager_create(s->manager, &options, &user, &s->vm, ret, err);
}

static void users_have_quotas_and_pass_descriptors(void **state) {
        struct scene s;
        struct operation *operation;
        struct operation_view view;
        struct cvm_error err = { 0 };
        struct named_fd file = { .name = "k" };

        scene_begin(&s);
        assert_int_equal(create_as(&s, 1000, "a", NULL, 0, &operation, &err), 0);
        view = scene_wait(&s, operation);
        assert_int_equal(view.state, OPERATION_FAILED);
        assert_string_equal(view.code->id, "CVM-PATH");
        assert_null(manager_vm_at(s.manager, 0)); /* what could not be prepared was never made */
        assert_int_equal(s.removed, 1);

        file.fd = open(s.disk, O_RDONLY | O_CLOEXEC);
        assert_int_equal(create_as(&s, 1000, "b", &file, 1, &operation, &err), 0);
        scene_expect_done(&s, operation);
        assert_int_equal(scene_look(&s).measurement_size, 48);
        assert_int_equal(create_as(&s, 1000, "a", &file, 1, &operation, &err), 0);
        scene_expect_done(&s, operation);
        expect_code(create_as(&s, 1000, "c", &file, 1, &operation, &err), &err, "CVM-QUOTA");
        assert_int_equal(create_as(&s, 1001, "c", &file, 1, &operation, &err), 0);
        scene_expect_done(&s, operation);
        cvm_close(file.fd);
        scene_end(&s);
}

static int update(struct scene *s, const char *members, bool dry_run, struct operation **ret,
                  struct cvm_error *err) {
        char text[4096];

        scene_definition(s, "web1", members, text, sizeof text);
        const struct create_options options = { .definition = text,
                                                .definition_size = strlen(text),
                                                .may_name_paths = true };
        return vm_update(s->vm, &options, dry_run, &root, ret, err);
}

static void an_update_shows_both_measurements_before_it_applies(void **state) {
        static const char cpu[] = ",\"cpu_model\":\"EPYC-Milan\"";
        struct scene s;
        struct operation *operation;
        struct operation_view view;
        struct cvm_error err = { 0 };
        uint8_t before[64];

        scene_begin(&s);
        assert_int_equal(scene_create(&s, "web1", "", false, &operation, &err), 0);
        scene_expect_done(&s, operation);
        memcpy(before, scene_look(&s).measurement, sizeof before);

        assert_int_equal(update(&s, cpu, true, &operation, &err), 0);
        view = scene_wait(&s, operation);
        assert_non_null(strstr(view.result, "\"changed\":true,\"applied\":false"));
        assert_memory_equal(before, scene_look(&s).measurement, sizeof before);

        assert_int_equal(update(&s, cpu, false, &operation, &err), 0);
        expect_code(vm_start(s.vm, &root, &operation, &err), &err, "CVM-WRONG-STATE"); /* busy */
        view = scene_wait(&s, manager_operation_at(s.manager, 0));
        assert_non_null(strstr(view.result, "\"changed\":true,\"applied\":true"));
        assert_memory_not_equal(before, scene_look(&s).measurement, sizeof before);
        assert_non_null(strstr(scene_look(&s).definition, "EPYC-Milan"));
        scene_close(&s);
        scene_open(&s);
        assert_non_null(strstr(scene_look(&s).definition, "EPYC-Milan"));

        err = (struct cvm_error){ 0 };
        expect_code(update(&s, ",\"uuid\":\"" SCENE_UUID "\"", false, &operation, &err), &err, "CVM-FIELD");
        assert_int_equal(update(&s, ",\"nics\":[]", false, &operation, &err), 0);
        assert_int_equal(operation_cancel(operation, &err), 0);
        assert_int_equal(vm_start(s.vm, &root, &operation, &err), 0);
        scene_expect_done(&s, operation);
        err = (struct cvm_error){ 0 };
        expect_code(update(&s, "", false, &operation, &err), &err, "CVM-WRONG-STATE");
        scene_end(&s);
}

static void a_measurement_makes_no_vm(void **state) {
        struct scene s;
        struct operation *operation;
        struct operation_view view;
        struct cvm_error err = { 0 };
        char text[4096];

        scene_begin(&s);
        scene_definition(&s, "web1", "", text, sizeof text);
        const struct create_options options = { .definition = text,
                                                .definition_size = strlen(text),
                                                .may_name_paths = true };
        assert_int_equal(manager_measure(s.manager, &options, &root, &operation, &err), 0);
        view = scene_wait(&s, operation);
        assert_int_equal(view.state, OPERATION_DONE);
        assert_non_null(strstr(view.result, "\"measurement\":\""));
        assert_null(manager_vm_at(s.manager, 0));
        scene_end(&s);
}

static void a_qemu_that_cannot_start_says_why(void **state) {
        struct scene s;
        struct operation *operation;
        struct operation_view view;
        struct cvm_error err = { 0 };
        struct named_fd file = { .name = "k" };

        scene_begin(&s);
        assert_int_equal(scene_create(&s, "web1", ",\"memory\":\"8TiB\"", true, &operation, &err) < 0, 1);
        assert_string_equal(err.code->id, "CVM-FIELD"); /* memory twice */
        file.fd = cvm_memfd("k", "no kernel", 9);
        assert_int_equal(create_as(&s, 0, "k", &file, 1, &operation, &err), 0);
        cvm_close(file.fd);
        scene_expect_done(&s, operation);
        assert_int_equal(vm_start(s.vm, &root, &operation, &err), 0);
        view = scene_wait(&s, operation);
        assert_int_equal(view.state, OPERATION_FAILED);
        assert_string_equal(view.code->id, "CVM-BOOT-FILE");
        assert_int_equal(scene_look(&s).state, VM_FAILED);
        assert_string_equal(scene_look(&s).state_code, "CVM-BOOT-FILE");
        scene_end(&s);
}

/* Made before this technology was simulated: it gets what it lacks, durably, and is the old one otherwise.
 */
static void an_older_simulation_root_gets_what_it_lacks(void **state) {
        static const char end[] = "-----END PRIVATE KEY-----\n";
        CVM_CLEANUP(cvm_freep) char *before = NULL, *after = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes old = { 0 }, new = { 0 };
        struct cvm_error err = { 0 };
        struct scene s;
        char path[256];

        scene_begin(&s);
        scene_close(&s);
        snprintf(path, sizeof path, "%s/simulation-root.pem", s.state);
        assert_int_equal(cvm_read_file(path, 1 << 16, &old, &err), 0);
        old.size = (size_t)(strstr((char *)old.data, end) + strlen(end) - (char *)old.data);
        assert_int_equal(truncate(path, (off_t)old.size), 0);
        scene_open(&s);
        before = strdup(manager_simulation_root(s.manager));

        scene_launch(&s, ",\"platform\":\"tdx\"");
        after = strdup(manager_simulation_root(s.manager));
        assert_memory_equal(before, after, strlen(before));
        assert_true(strlen(after) > strlen(before));
        assert_int_equal(cvm_read_file(path, 1 << 16, &new, &err), 0);
        assert_memory_equal(old.data, new.data, old.size);
        assert_true(new.size > old.size);

        scene_close(&s);
        scene_open(&s);
        assert_string_equal(manager_simulation_root(s.manager), after);
        scene_end(&s);
}

static void expect_xml_of_a_start(const struct scene *s) {
        CVM_CLEANUP(cvm_freep) char *xml = NULL;
        struct cvm_error err = { 0 };

        if (!is_libvirt(s)) {
                expect_code(vm_xml(s->vm, &xml, &err), &err, "CVM-NO-XML");
                return;
        }
        assert_int_equal(vm_xml(s->vm, &xml, &err), 0);
        assert_non_null(strstr(xml, "<name>cvmd-web1</name>"));
}

static void start(struct scene *s) {
        struct operation *operation;
        struct cvm_error err = { 0 };

        assert_int_equal(vm_start(s->vm, &root, &operation, &err), 0);
        scene_expect_done(s, operation);
}

static void kill_vm(struct scene *s) {
        struct operation *operation;
        struct cvm_error err = { 0 };

        assert_int_equal(vm_kill(s->vm, &root, &operation, &err), 0);
        scene_expect_done(s, operation);
}

/* What stands there is of a start before, perhaps under the other driver: this test writes it in its place.
 */
static void what_libvirt_was_given_is_of_the_last_start(void **state) {
        static const char given[] = "<domain/>\n";
        CVM_CLEANUP(cvm_freep) char *xml = NULL;
        struct scene s;
        struct operation *operation;
        struct cvm_error err = { 0 };
        char dir[256], path[300];

        scene_begin(&s);
        assert_int_equal(scene_create(&s, "web1", "", false, &operation, &err), 0);
        scene_expect_done(&s, operation);
        assert_string_equal(scene_look(&s).driver, s.config.driver->name);
        expect_code(vm_xml(s.vm, &xml, &err), &err, "CVM-NO-XML");
        start(&s);
        expect_xml_of_a_start(&s);
        snprintf(dir, sizeof dir, "%s/vm/%s", s.runtime, scene_look(&s).id);
        snprintf(path, sizeof path, "%s/" DRIVER_DOMAIN_FILE, dir);
        assert_int_equal(cvm_write_file(path, given, strlen(given), 0600, &err), 0);
        kill_vm(&s);
        assert_int_equal(vm_xml(s.vm, &xml, &err), 0);
        assert_string_equal(xml, given);

        start(&s);
        expect_xml_of_a_start(&s);
        assert_int_equal(cvm_write_file(path, given, strlen(given), 0600, &err), 0);
        kill_vm(&s);
        assert_int_equal(vm_delete(s.vm, &root, &operation, &err), 0);
        s.vm = NULL;
        scene_expect_done(&s, operation);
        assert_int_equal(access(dir, F_OK), -1);
        scene_end(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_vm_lives_and_is_deleted),
                cmocka_unit_test(a_guest_that_does_not_listen_is_not_killed_unasked),
                cmocka_unit_test(a_reset_is_another_boot),
                cmocka_unit_test(a_guest_outlives_the_daemon),
                cmocka_unit_test(a_paused_guest_is_found_paused),
                cmocka_unit_test(a_guest_that_died_meanwhile_is_said_so),
                cmocka_unit_test(a_guest_that_is_killed_from_outside_has_failed),
                cmocka_unit_test(a_held_guest_runs_nothing_before_its_permit),
                cmocka_unit_test(requests_that_come_twice_make_one_vm),
                cmocka_unit_test(what_cannot_be_made_is_refused_with_its_code),
                cmocka_unit_test(users_have_quotas_and_pass_descriptors),
                cmocka_unit_test(an_update_shows_both_measurements_before_it_applies),
                cmocka_unit_test(a_measurement_makes_no_vm),
                cmocka_unit_test(a_qemu_that_cannot_start_says_why),
                cmocka_unit_test(what_libvirt_was_given_is_of_the_last_start),
                cmocka_unit_test(an_older_simulation_root_gets_what_it_lacks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
