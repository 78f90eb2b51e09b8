/*
 * What the driver asks of QEMU around a launch on hardware, before and after the first instruction: a script
 * plays the monitor, as this host runs no such guest. The real one is asked in the testbed.
 */
#include <sys/wait.h>

#include "tests/vm/driver-scene.h"

#include "launch/platform.h"

#define ON_HARDWARE                                                                                    \
        "{\"version\":1,\"name\":\"t\",\"uuid\":\"11111111-2222-3333-4444-555555555555\","             \
        "\"platform\":\"sev-snp\",\"memory\":\"256MiB\",\"firmware\":\"f\",\"boot\":{\"disk\":\"d\"}," \
        "\"disks\":[{\"path\":\"d\",\"format\":\"raw\",\"serial\":\"d\"}]"

/* Its guest is an image, QEMU's object has no property, and there is no state to ask for. */
#define PROTECTED                                                                          \
        "{\"version\":1,\"name\":\"t\",\"uuid\":\"11111111-2222-3333-4444-555555555555\"," \
        "\"platform\":\"secure-execution\",\"memory\":\"256MiB\",\"boot\":{\"kernel\":\"d\"}"

static const struct host_facts host = {
        .offers = { [CVM_PLATFORM_SEV_SNP] = true, [CVM_PLATFORM_SECURE_EXECUTION] = true },
        .encryption_bit = 51
};

/* The scene's guest, as a plan on hardware whose QEMU is the script with these states. */
struct scene {
        struct fixture f;
        struct platform platform;
        char binary[128];
};

static void scene_begin_of(struct scene *s, const char *document, const char *states, const char *more) {
        CVM_CLEANUP(cvm_freep) char *script = NULL;
        struct cvm_error err = { 0 };
        char text[1024];

        begin(&s->f, BOOT_DISK);
        plan_free(s->f.plan);
        s->f.plan = NULL;
        definition_free(s->f.definition);
        snprintf(text, sizeof text, "%s%s}", document, more);
        s->f.definition = NULL;
        if (definition_read(text, strlen(text), "test", &s->f.definition, &err) < 0 ||
            plan_make(s->f.definition, &host, NULL, &s->f.plan, &err) < 0)
                fail_msg("%s", err.text);
        for (size_t i = 0; i < s->f.plan->n_files; i++)
                if (s->f.files[i] <= 0)
                        s->f.files[i] = open(s->f.disk, O_RDWR | O_CLOEXEC);
        snprintf(s->binary, sizeof s->binary, "%s/qemu", s->f.dir);
        assert_true(asprintf(&script,
                             "#!/bin/sh\nexec /usr/bin/python3 " CVM_SOURCE_DIR
                             "/tests/vm/scripted-qemu.py %s -- \"$@\"\n",
                             states) > 0);
        assert_int_equal(cvm_write_file(s->binary, script, strlen(script), 0755, &err), 0);
        s->platform = *s->f.plan->platform;
        s->platform.binary = s->binary;
        s->f.plan->platform = &s->platform;
}

static void scene_begin(struct scene *s, const char *states, const char *more) {
        scene_begin_of(s, ON_HARDWARE, states, more);
}

static void scene_end(struct scene *s) {
        end(&s->f);
}

/* Up, and told to run. */
static void run(struct scene *s) {
        start(&s->f);
        wait_for(&s->f, DRIVER_UP, 1);
        command(&s->f, DRIVER_CONT);
}

static void test_it_runs_when_it_is_what_was_planned(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        scene_begin(&s, "running", "");
        run(&s);
        wait_for(&s.f, DRIVER_RUNNING, 1);
        command(&s.f, DRIVER_RESET_GUEST);
        wait_for(&s.f, DRIVER_RESET, 1);
}

/* Nothing is told of a guest that is something else, and it ends. */
static void test_it_ends_when_it_is_not(void **state) {
        static const struct {
                const char *states, *words;
        } cases[] = {
                { "launch-update", "'sev-snp' in state 'launch-update'" },
                { "plain", "'not confidential' in state 'uninit'" },
                { "nonsense", "'sev-snp' in state 'nonsense'" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(scene_end) struct scene s;

                scene_begin(&s, cases[i].states, "");
                run(&s);
                wait_for(&s.f, DRIVER_GONE, 1);
                assert_int_equal(s.f.seen[DRIVER_RUNNING], 0);
                assert_ptr_equal(s.f.why.code, &CVM_CODE_LAUNCH_STATE);
                if (!strstr(s.f.why.text, cases[i].words))
                        fail_msg("%s", s.f.why.text);
        }
}

static void test_it_ends_when_a_reset_made_something_else(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        scene_begin(&s, "running launch-update", "");
        run(&s);
        wait_for(&s.f, DRIVER_RUNNING, 1);
        command(&s.f, DRIVER_RESET_GUEST);
        wait_for(&s.f, DRIVER_GONE, 1);
        assert_int_equal(s.f.seen[DRIVER_RESET], 0);
        assert_ptr_equal(s.f.why.code, &CVM_CODE_LAUNCH_STATE);
}

/* What happens before the answer is told behind it, in its order. */
static void test_events_keep_their_order(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        scene_begin(&s, "running+reset+stop", "");
        run(&s);
        wait_for(&s.f, DRIVER_PAUSED, 1);
        assert_int_equal(s.f.seen[DRIVER_RUNNING], 1);
        assert_int_equal(s.f.seen[DRIVER_RESET], 1);
}

static void test_a_qemu_that_ends_at_a_reset(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        scene_begin(&s, "running reboot", "");
        run(&s);
        wait_for(&s.f, DRIVER_RELAUNCH, 1);
        wait_for(&s.f, DRIVER_GONE, 1);
        assert_int_equal(s.f.seen[DRIVER_SHUTDOWN], 0);
        assert_null(s.f.why.code);
}

static void test_a_guest_that_stops_for_good(void **state) {
        static const struct {
                const char *document, *states;
                const struct cvm_code *code;
                const char *words;
        } cases[] = {
                { PROTECTED, "panic", &CVM_CODE_GUEST_PANIC, "panicked" },
                { PROTECTED, "refused", &CVM_CODE_HOST_KEY_SLOT, "none of its key slots" },
                { PROTECTED, "loader", &CVM_CODE_KVM_CONFIDENTIAL, "facility 161" },
                /* what another technology's loader would mean is only a guest's text */
                { ON_HARDWARE, "loader", &CVM_CODE_GUEST_PANIC, "panicked" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(scene_end) struct scene s;

                scene_begin_of(&s, cases[i].document, cases[i].states, "");
                start(&s.f);
                wait_for(&s.f, DRIVER_UP, 1);
                command(&s.f, DRIVER_CONT);
                wait_for(&s.f, DRIVER_GONE, 1);
                assert_int_equal(s.f.seen[DRIVER_SHUTDOWN], 1);
                assert_ptr_equal(s.f.why.code, cases[i].code);
                if (!strstr(s.f.why.text, cases[i].words))
                        fail_msg("%s", s.f.why.text);
        }
}

/* Its last words are heard, also when it is dead before anybody looks. */
static void test_a_qemu_that_is_dead_before_it_is_heard(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        siginfo_t info;

        scene_begin(&s, "running ends", "");
        run(&s);
        wait_for(&s.f, DRIVER_RUNNING, 1);
        command(&s.f, DRIVER_RESET_GUEST);
        assert_int_equal(waitid(P_PID, (id_t)s.f.trace.pid, &info, WEXITED | WNOWAIT), 0);
        wait_for(&s.f, DRIVER_RELAUNCH, 1);
        wait_for(&s.f, DRIVER_GONE, 1);
        assert_null(s.f.why.code);
}

static void check_plan(struct scene *s) {
        struct cvm_error err = { 0 };

        s->f.answered = false;
        s->f.why = (struct cvm_error){ 0 };
        if (driver_check_plan(s->f.event, s->f.plan, 0, on_answer, &s->f, &err) < 0)
                fail_msg("%s", err.text);
        assert_false(s->f.answered); /* never from within */
        while (!s->f.answered)
                assert_true(sd_event_run(s->f.event, 60000000) > 0);
}

static void expect_all(struct scene *s) {
        check_plan(s);
        if (s->f.why.code)
                fail_msg("%s", s->f.why.text);
}

static void expect_lack(struct scene *s, const char *words) {
        check_plan(s);
        assert_ptr_equal(s->f.why.code, &CVM_CODE_QEMU_OPTION);
        if (!strstr(s->f.why.text, words))
                fail_msg("%s", s->f.why.text);
}

static void add_property(struct scene *s, const char *name) {
        assert_int_equal(plan_add(s->f.plan, name, json_object_new_boolean(true), NULL), 0);
}

static void drop_properties(struct scene *s) {
        json_object_put(s->f.plan->guest.properties);
        s->f.plan->guest.properties = NULL;
}

static void test_what_qemu_can_do_is_asked(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        scene_begin(&s, "-", "");
        expect_all(&s);
        expect_all(&s); /* kept */
        s.f.definition->shim = strdup("shim");
        expect_lack(&s, "has no option '-shim'");
        add_property(&s, "kernel-hashes"); /* another type of object has it */
        expect_lack(&s, "has no 'kernel-hashes' for guests of AMD SEV-SNP");
        s.f.plan->guest.type = "no-such-guest";
        expect_lack(&s, "it has no object 'no-such-guest'");
}

static void test_an_object_without_properties_is_asked_for(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        scene_begin_of(&s, PROTECTED, "running", "");
        expect_all(&s);
        run(&s);
        wait_for(&s.f, DRIVER_RUNNING, 1);
        command(&s.f, DRIVER_RESET_GUEST);
        wait_for(&s.f, DRIVER_RESET, 1);
        s.f.plan->guest.type = "no-such-guest";
        expect_lack(&s, "it has no object 'no-such-guest'");
}

/* The QEMU of Debian 12 has sev-guest, not yet sev-snp-guest; any has these. */
static void test_a_real_qemu_is_asked(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        scene_begin(&s, "-", "");
        s.platform.binary = "qemu-system-x86_64";
        s.f.plan->guest.type = "memory-backend-memfd";
        drop_properties(&s);
        add_property(&s, "hugetlb");
        add_property(&s, "share");
        expect_all(&s);
        add_property(&s, "cbitpos");
        expect_lack(&s, "has no 'cbitpos'");
        drop_properties(&s);
        add_property(&s, "qom-type"); /* a member of all types, no property of any */
        expect_lack(&s, "has no 'qom-type'");
}

static void test_a_qemu_that_does_not_tell(void **state) {
        static const char *const bodies[] = { "exit 1", "echo hello >&2; exit 0", "kill -9 $$" };

        for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
                CVM_CLEANUP(scene_end) struct scene s;
                CVM_CLEANUP(cvm_freep) char *script = NULL;
                struct cvm_error err = { 0 };

                scene_begin(&s, "-", "");
                assert_true(asprintf(&script, "#!/bin/sh\n%s\n", bodies[i]) > 0);
                assert_int_equal(cvm_write_file(s.binary, script, strlen(script), 0755, &err), 0);
                check_plan(&s);
                assert_ptr_equal(s.f.why.code, &CVM_CODE_QEMU);
                assert_non_null(strstr(s.f.why.text, "did not tell what it can do"));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_runs_when_it_is_what_was_planned),
                cmocka_unit_test(test_it_ends_when_it_is_not),
                cmocka_unit_test(test_it_ends_when_a_reset_made_something_else),
                cmocka_unit_test(test_events_keep_their_order),
                cmocka_unit_test(test_a_qemu_that_ends_at_a_reset),
                cmocka_unit_test(test_a_guest_that_stops_for_good),
                cmocka_unit_test(test_a_qemu_that_is_dead_before_it_is_heard),
                cmocka_unit_test(test_what_qemu_can_do_is_asked),
                cmocka_unit_test(test_an_object_without_properties_is_asked_for),
                cmocka_unit_test(test_a_real_qemu_is_asked),
                cmocka_unit_test(test_a_qemu_that_does_not_tell),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
