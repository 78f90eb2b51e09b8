/* The host is looked at beside the loop: scripts stand in for the worker that takes its time, dies, babbles.
 */
#include "tests/vm/scene.h"

#include <fcntl.h>

static const struct caller anyone = { .uid = 1000, .bus_name = ":1.7" };

/* A worker of one line; "$0.go" is a fifo beside it. */
static void use_worker(const struct scene *s, const char *line) {
        struct cvm_error err = { 0 };
        static char path[128];
        char text[512], fifo[160];

        snprintf(path, sizeof path, "%s/worker", s->dir);
        snprintf(fifo, sizeof fifo, "%s.go", path);
        (void)mkfifo(fifo, 0600);
        snprintf(text, sizeof text, "#!/bin/sh\n%s\n", line);
        assert_int_equal(cvm_write_file(path, text, strlen(text), 0755, &err), 0);
        worker_run_set_program(path);
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

        scene_begin(&s);
        view = scene_wait(&s, ask(&s));
        assert_int_equal(view.state, OPERATION_DONE);
        assert_non_null(strstr(view.result, "{\"checks\":[{\"id\":\"qemu\""));
}

static void test_the_configured_root_is_looked_at(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        scene_begin(&s);
        scene_close(&s);
        s.config.host_root = s.dir;
        scene_open(&s);
        assert_non_null(strstr(scene_wait(&s, ask(&s)).result, "QEMU is not installed"));
}

/* The loop turns while a worker is at it, and all who ask meanwhile share its answer. */
static void test_one_look_serves_all(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;
        struct operation *first, *second;
        struct operation_view view;
        char fifo[160];
        int fd;

        scene_begin(&s);
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

        scene_begin(&s);
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                struct operation_view view;

                use_worker(&s, lines[i]);
                view = scene_wait(&s, ask(&s));
                assert_int_equal(view.state, OPERATION_FAILED);
                assert_ptr_equal(view.code, &CVM_CODE_WORKER);
        }
}

static void test_a_daemon_ends_while_it_looks(void **state) {
        CVM_CLEANUP(scene_end) struct scene s;

        scene_begin(&s);
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
                cmocka_unit_test(test_a_daemon_ends_while_it_looks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
