/* The host is looked at beside the loop: scripts stand in for the worker that takes its time, dies, babbles.
 */
#include "tests/vm/scene.h"

#include <fcntl.h>

#include "vm/driver.h"
#include "vm/libvirt-link.h"

static const struct caller anyone = { .uid = 1000, .bus_name = ":1.7" };

static void write_script(const char *path, const char *line) {
        struct cvm_error err = { 0 };
        char text[512];

        snprintf(text, sizeof text, "#!/bin/sh\n%s\n", line);
        assert_int_equal(cvm_write_file(path, text, strlen(text), 0755, &err), 0);
}

/* A worker of one line; "$0.go" is a fifo beside it. */
static void use_worker(const struct scene *s, const char *line) {
        static char path[128];
        char fifo[160];

        snprintf(path, sizeof path, "%s/worker", s->dir);
        snprintf(fifo, sizeof fifo, "%s.go", path);
        (void)mkfifo(fifo, 0600);
        write_script(path, line);
        worker_run_set_program(path);
}

/* Likewise for who asks libvirt; NULL: he is not installed. */
static void use_libvirt(const struct scene *s, const char *line) {
        static char path[128];

        snprintf(path, sizeof path, "%s/libvirt", s->dir);
        unlink(path);
        if (line)
                write_script(path, line);
        libvirt_link_set_program(path);
}

static void begin(struct scene *s) {
        scene_begin(s);
        use_libvirt(s, NULL);
}

static struct operation *ask(struct scene *s) {
        struct operation *operation = NULL;
        struct cvm_error err = { 0 };

        if (manager_check_host(s->manager, &anyone, &operation, &err) < 0)
                fail_msg("%s", err.text);
        return operation;
}

static void test_this_machine(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        struct operation_view view;

        begin(&s);
        view = scene_wait(&s, ask(&s));
        assert_int_equal(view.state, OPERATION_DONE);
        assert_non_null(strstr(view.result, "{\"checks\":[{\"id\":\"qemu\""));
}

static void test_the_configured_root_is_looked_at(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        struct operation_view view;

        begin(&s);
        scene_close(&s);
        s.config.host_root = s.dir;
        scene_open(&s);
        use_libvirt(&s, "kill -9 $$"); /* it is of this host, not of a recorded one */
        view = scene_wait(&s, ask(&s));
        assert_non_null(strstr(view.result, "QEMU is not installed"));
        assert_null(strstr(view.result, "libvirt"));
}

/* The loop turns while a worker is at it, and all who ask meanwhile share its answer. */
static void test_one_look_serves_all(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        struct operation *first, *second;
        struct operation_view view;
        char fifo[160];
        int fd;

        begin(&s);
        use_worker(&s, "read word <$0.go; echo '{\"checks\":[]}'");
        first = ask(&s);
        for (int i = 0; i < 8; i++) /* more than one user may have under way */
                assert_ptr_equal(ask(&s), first);
        assert_true(sd_event_run(s.event, 0) >= 0);
        operation_look(first, &view);
        assert_int_equal(view.state, OPERATION_RUNNING);
        snprintf(fifo, sizeof fifo, "%s/worker.go", s.dir);
        fd = open(fifo, O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(fd, "go\n", 3), 3);
        cvm_close(fd);
        assert_string_equal(scene_wait(&s, first).result, "{\"checks\":[]}");
        use_worker(&s, "echo '{\"checks\":[1]}'");
        second = ask(&s);
        assert_ptr_not_equal(second, first);
        assert_string_equal(scene_wait(&s, second).result, "{\"checks\":[1]}");
}

static void test_workers_that_give_no_answer(void **state) {
        static const char *const lines[] = { "exit 1", "kill -9 $$", "echo checks" };
        CVM_CLEANUP(scene_end) struct scene s;

        begin(&s);
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                struct operation_view view;

                use_worker(&s, lines[i]);
                view = scene_wait(&s, ask(&s));
                assert_int_equal(view.state, OPERATION_FAILED);
                assert_ptr_equal(view.code, &CVM_CODE_WORKER);
        }
}

/* What libvirt says is asked first, and stands once in the answer. */
static void test_libvirt_is_asked_too(void **state) {
        static const struct {
                const struct driver *driver; /* the default */
                const char *line, *expected; /* of the row */
        } cases[] = {
                { &driver_qemu, NULL, "\"verdict\":\"PASS\",\"sentence\":\"libvirt is not used" },
                { &driver_libvirt, NULL,
                  "\"verdict\":\"FAIL\",\"sentence\":\"libvirt is the default driver" },
                { &driver_qemu, "echo '{\"version\":\"9.0.0\",\"platforms\":{}}'",
                  "\"verdict\":\"PASS\",\"sentence\":\"libvirt 9.0.0 answers\"" },
                { &driver_qemu,
                  "echo '{\"error\":{\"code\":\"CVM-LIBVIRT-CONNECTION\",\"text\":\"nobody is there\"}}'",
                  "\"verdict\":\"WARN\",\"sentence\":\"nobody is there\"" },
                { &driver_libvirt,
                  "echo '{\"error\":{\"code\":\"CVM-LIBVIRT-CONNECTION\",\"text\":\"nobody is there\"}}'",
                  "\"verdict\":\"FAIL\",\"sentence\":\"nobody is there\"" },
                { &driver_qemu, "kill -9 $$", "\"verdict\":\"WARN\",\"sentence\":\"the worker was killed" },
                { &driver_qemu, "echo '[]'",
                  "\"verdict\":\"WARN\",\"sentence\":\"the worker gave no proper answer" },
        };
        CVM_CLEANUP(scene_end) struct scene s;

        begin(&s);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct operation_view view;
                const char *row;

                scene_close(&s);
                s.config.driver = cases[i].driver;
                scene_open(&s);
                use_libvirt(&s, cases[i].line);
                view = scene_wait(&s, ask(&s));
                assert_int_equal(view.state, OPERATION_DONE);
                row = strstr(view.result, "{\"id\":\"libvirt\"");
                assert_non_null(row);
                assert_null(strstr(row + 1, "{\"id\":\"libvirt\""));
                if (!strstr(row, cases[i].expected))
                        fail_msg("no %s in %s", cases[i].expected, row);
        }
}

static void test_a_daemon_ends_while_it_looks(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        begin(&s);
        use_worker(&s, "read word <$0.go");
        (void)ask(&s);
        scene_close(&s);
        scene_open(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_this_machine),
                cmocka_unit_test(test_the_configured_root_is_looked_at),
                cmocka_unit_test(test_one_look_serves_all),
                cmocka_unit_test(test_workers_that_give_no_answer),
                cmocka_unit_test(test_libvirt_is_asked_too),
                cmocka_unit_test(test_a_daemon_ends_while_it_looks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
