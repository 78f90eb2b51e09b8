/* The probe of KVM: real probe guests, and programs that fail in each way that QEMU has been seen to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "launch/platform.h"
#include "vm/driver.h"
#include "vm/probe-guest.h"

struct answer {
        unsigned times;
        bool yes;
        struct cvm_error why;
};

static sd_event *event;
static char dir[] = "/tmp/cvmd-probe-XXXXXX";

static int set_up(void **state) {
        return mkdtemp(dir) && sd_event_new(&event) >= 0 ? 0 : -1;
}

static int tear_down(void **state) {
        char command[64];

        sd_event_unref(event);
        snprintf(command, sizeof command, "rm -rf %s", dir);
        return system(command);
}

static void on_answer(void *ctx, struct cvm_error *err) {
        struct answer *a = ctx;

        a->times++;
        a->yes = !err;
        if (err)
                a->why = *err;
}

static const char *machine = "q35"; /* of those that follow */

static void probe_as(uid_t uid, const char *binary, const char *accelerator, struct answer *a) {
        const struct driver_probe what = { binary, machine, "max", accelerator, uid };
        struct cvm_error err = { 0 };

        if (driver_probe(event, &what, on_answer, a, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(a->times, 0); /* never from within */
        while (!a->times)
                assert_true(sd_event_run(event, 30000000) > 0);
        assert_int_equal(a->times, 1);
}

static void probe(const char *binary, const char *accelerator, struct answer *a) {
        probe_as(0, binary, accelerator, a);
}

static void script(const char *name, const char *body, char ret[128]) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        snprintf(ret, 128, "%s/%s", dir, name);
        assert_true(asprintf(&text, "#!/bin/sh\n%s\n", body) > 0);
        assert_int_equal(cvm_write_file(ret, text, strlen(text), 0755, NULL), 0);
}

/* Under emulation it needs no device: this shows that the guest of the probe is one. */
static void the_probe_guest_executes(void **state) {
        struct answer a = { 0 };

        probe("qemu-system-x86_64", "tcg", &a);
        if (!a.yes)
                fail_msg("%s", a.why.text);
}

/* QEMU of s390x, where it or the root of the testbed with one is. */
static bool find_s390x(char ret[128]) {
        static const char *const in_root = "exec " CVM_SOURCE_DIR
                                           "/tests/testbed/in-root \"$root\" /tmp qemu-system-s390x \"$@\"";
        char body[512];

        snprintf(body, sizeof body,
                 "root=${CVMD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cvmd}/testbed/root\n"
                 "[ -x \"$root/usr/bin/qemu-system-s390x\" ] || exec qemu-system-s390x \"$@\"\n%s",
                 in_root);
        script("s390x", body, ret);
        snprintf(body, sizeof body, "%s -version >/dev/null 2>&1", ret);
        return system(body) == 0;
}

static time_t ahead; /* of the true clock */

/* Not before it was so late that only a loaded host explains it. */
static void probe_patiently(const char *binary, struct answer *a) {
        for (int i = 0; i < 10; i++, ahead += 601) {
                *a = (struct answer){ 0 };
                probe(binary, "tcg", a);
                if (a->yes || !strstr(a->why.text, "within a second"))
                        break;
        }
        ahead = 0;
}

static void the_probe_guest_of_s390x_executes(void **state) {
        struct answer a;
        char path[128], deaf[128], body[256];

        if (!find_s390x(path)) {
                print_message("SKIP: no QEMU of s390x\n");
                skip();
        }
        machine = "s390-ccw-virtio";
        probe_patiently(path, &a);
        if (!a.yes)
                fail_msg("%s", a.why.text);
        /* one that ends as well, and whose guest has said nothing */
        snprintf(body, sizeof body, "exec %s \"$@\" >/dev/null", path);
        script("deaf", body, deaf);
        probe_patiently(deaf, &a);
        assert_false(a.yes);
        assert_non_null(strstr(a.why.text, "did not run (status 0)"));
        machine = "q35";
}

static void each_machine_of_ours_has_a_probe_guest(void **state) {
        for (size_t i = 0; platform_at(i); i++)
                assert_non_null(probe_guest_find(platform_at(i)->machine));
        assert_null(probe_guest_find("none"));
}

static void this_host_gives_one_answer(void **state) {
        struct answer first = { 0 }, second = { 0 };
        char copy[128];

        /* a copy of its own key: a link to the real binary */
        snprintf(copy, sizeof copy, "%s/qemu", dir);
        assert_int_equal(symlink("/usr/bin/qemu-system-x86_64", copy), 0);
        unlink(copy);
        script("real", "exec qemu-system-x86_64 \"$@\"", copy);
        probe(copy, "kvm", &first);
        probe(copy, "kvm", &second); /* from the cache */
        assert_int_equal(first.yes, second.yes);
        if (!first.yes) {
                assert_ptr_equal(first.why.code, &CVM_CODE_KVM);
                assert_string_equal(first.why.text, second.why.text);
        }
}

static void each_failure_is_a_no(void **state) {
        static const struct {
                const char *name, *body, *words;
        } cases[] = {
                { "aborts", "kill -ABRT $$", "signal 6" },
                { "refuses", "exit 1", "status 1" },
                { "says", "echo 'qemu: no such CPU' >&2; exit 1", "no such CPU" },
                { "msr", "echo 'error: failed to set MSR 0x10a to 0x0' >&2; kill -ABRT $$",
                  "cannot run this CPU model" },
                { "ends", "exit 0", "status 0" },
                { "hangs", "exec sleep 60", "within a second" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct answer a = { 0 };
                char path[128];

                script(cases[i].name, cases[i].body, path);
                probe(path, "kvm", &a);
                assert_false(a.yes);
                assert_ptr_equal(a.why.code, &CVM_CODE_KVM);
                assert_non_null(strstr(a.why.text, cases[i].words));
        }
}

/* The superuser's yes is none for a guest that runs as somebody else, and each of them runs the probe. */
static void it_is_asked_as_the_user_of_the_guest(void **state) {
        struct answer root = { 0 }, user = { 0 };
        char path[128];

        if (geteuid() != 0)
                skip();
        assert_int_equal(chmod(dir, 0755), 0);
        script("user", "test $(id -u) = 0 && exit 3; echo \"closed to $(id -u)\" >&2; exit 1", path);
        probe(path, "kvm", &root);
        assert_true(root.yes);
        probe_as(61234, path, "kvm", &user);
        assert_false(user.yes);
        assert_non_null(strstr(user.why.text, "closed to 61234"));
}

int clock_gettime(clockid_t clock, struct timespec *ret) {
        int r = (int)syscall(SYS_clock_gettime, clock, ret);

        ret->tv_sec += ahead;
        return r;
}

/* A host that was busy for a second is asked again later. */
static void a_late_answer_is_not_kept_for_ever(void **state) {
        struct answer late = { 0 }, kept = { 0 }, anew = { 0 };
        char path[128], body[256];

        snprintf(body, sizeof body, "test -e %s/asked && exit 3; touch %s/asked; exec sleep 30", dir, dir);
        script("busy", body, path);
        probe(path, "kvm", &late);
        assert_non_null(strstr(late.why.text, "within a second"));
        probe(path, "kvm", &kept);
        assert_false(kept.yes);
        ahead = 601;
        probe(path, "kvm", &anew);
        ahead = 0;
        assert_true(anew.yes);
}

static void those_who_ask_together_share_a_run_and_may_leave(void **state) {
        struct answer a = { 0 }, b = { 0 }, gone = { 0 };
        struct cvm_error err = { 0 };
        char path[128], body[256], count[128];
        const struct driver_probe what = { path, "q35", "max", "kvm", 0 },
                                  absent = { "/no/such/qemu", "q35", "max", "kvm", 0 };
        struct stat st;

        snprintf(count, sizeof count, "%s/count", dir);
        snprintf(body, sizeof body, "echo x >>%s; exit 3", count);
        script("shared", body, path);
        assert_int_equal(driver_probe(event, &what, on_answer, &a, &err), 0);
        assert_int_equal(driver_probe(event, &what, on_answer, &gone, &err), 0);
        driver_probe_forget(&gone);
        probe(path, "kvm", &b);
        assert_true(a.yes && b.yes);
        assert_int_equal(gone.times, 0);
        assert_int_equal(stat(count, &st), 0);
        assert_int_equal(st.st_size, 2);
        assert_true(driver_probe(event, &absent, on_answer, &a, &err) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_probe_guest_executes),
                cmocka_unit_test(the_probe_guest_of_s390x_executes),
                cmocka_unit_test(each_machine_of_ours_has_a_probe_guest),
                cmocka_unit_test(this_host_gives_one_answer),
                cmocka_unit_test(each_failure_is_a_no),
                cmocka_unit_test(it_is_asked_as_the_user_of_the_guest),
                cmocka_unit_test(a_late_answer_is_not_kept_for_ever),
                cmocka_unit_test(those_who_ask_together_share_a_run_and_may_leave),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
