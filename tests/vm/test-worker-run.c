/* Running a worker that answers, refuses, dies, hangs, babbles: scripts stand in for one that was taken
 * over. */
#include "vm/worker-run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

struct fixture {
        char dir[64], program[128];
        sd_event *event;
        bool done;
        char answer[256];
        struct cvm_error why;
};

static void on_done(void *ctx, json_object *answer, struct cvm_error *err) {
        struct fixture *f = ctx;

        assert_false(f->done);
        assert_true(!answer != !err);
        f->done = true;
        if (answer)
                snprintf(f->answer, sizeof f->answer, "%s", json_object_to_json_string(answer));
        else
                f->why = *err;
}

static struct worker_run *start(struct fixture *f, const char *script, uint64_t deadline_usec) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        struct worker_run *run = NULL;
        struct cvm_error err = { 0 };
        char text[512];

        *f = (struct fixture){ .dir = "/tmp/cvmd-worker-XXXXXX" };
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->program, sizeof f->program, "%s/worker", f->dir);
        snprintf(text, sizeof text, "#!/bin/sh\n%s\n", script);
        assert_int_equal(cvm_write_file(f->program, text, strlen(text), 0755, &err), 0);
        assert_true(sd_event_new(&f->event) >= 0);
        worker_run_set_program(f->program);
        json_object_object_add(request, "a", json_object_new_int(1));
        assert_int_equal(worker_run_start(f->event, "verb", request, NULL, 0, deadline_usec, on_done, f,
                                          &run, &err),
                         0);
        assert_false(f->done);
        return run;
}

static void end(struct fixture *f) {
        char command[128];

        sd_event_unref(f->event);
        snprintf(command, sizeof command, "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
}

static void run(struct fixture *f, const char *script, uint64_t deadline_usec) {
        (void)start(f, script, deadline_usec);
        while (!f->done)
                assert_true(sd_event_run(f->event, 60000000) > 0);
}

#define LONG (60ull * 1000000)

static void test_the_request_arrives_and_the_answer_returns(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        run(&f, "read x; echo \"{\\\"verb\\\":\\\"$1\\\",\\\"got\\\":$x}\"", LONG);
        assert_string_equal(f.answer, "{ \"verb\": \"verb\", \"got\": { \"a\": 1 } }");
}

static void test_what_is_no_answer(void **state) {
        static const struct {
                const char *script;
                const struct cvm_code *code;
                const char *words;
        } cases[] = {
                { "echo '{\"error\":{\"code\":\"CVM-VCPUS\",\"text\":\"no vCPU\"}}'; exit 2",
                  &CVM_CODE_VCPUS, "no vCPU" },
                { "echo '{\"error\":{\"code\":\"CVM-BEER\",\"text\":\"a\\u001bb\"}}'; exit 2",
                  &CVM_CODE_WORKER, "a?b" },
                { "echo '{\"error\":{\"code\":7}}'", &CVM_CODE_FIELD, "must be a text" },
                { "echo nonsense", &CVM_CODE_WORKER, "no proper answer" },
                { "echo '[]'", &CVM_CODE_WORKER, "no proper answer" },
                { "true", &CVM_CODE_WORKER, "no proper answer" },
                { "echo '{}'; exit 3", &CVM_CODE_WORKER, "ended with status 3" },
                { "kill -SEGV $$", &CVM_CODE_WORKER, "killed by signal 11" },
                { "head -c 5000000 /dev/zero | tr '\\0' ' '", &CVM_CODE_WORKER, "no proper answer" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(end) struct fixture f;

                run(&f, cases[i].script, LONG);
                if (f.why.code != cases[i].code || !strstr(f.why.text, cases[i].words))
                        fail_msg("%s: \"%s\"", cases[i].script, f.why.text);
        }
}

static void test_a_hanging_worker_is_killed(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        run(&f, "exec sleep 1000", 20000);
        assert_non_null(strstr(f.why.text, "took too long for 'verb'"));
}

static void test_a_missing_program(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        struct worker_run *again = NULL;
        struct cvm_error err = { 0 };

        run(&f, "echo '{}'", LONG);
        unlink(f.program);
        f.done = false;
        assert_int_equal(worker_run_start(f.event, "verb", request, NULL, 0, LONG, on_done, &f, &again,
                                          &err),
                         0);
        while (!f.done)
                assert_true(sd_event_run(f.event, 60000000) > 0);
        assert_ptr_equal(f.why.code, &CVM_CODE_WORKER);
}

static void test_a_cancelled_worker_is_not_heard(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct worker_run *worker = start(&f, "exec sleep 1000", LONG);

        worker_run_cancel(worker);
        while (sd_event_run(f.event, 10000) > 0)
                ;
        assert_false(f.done);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_request_arrives_and_the_answer_returns),
                cmocka_unit_test(test_what_is_no_answer),
                cmocka_unit_test(test_a_hanging_worker_is_killed),
                cmocka_unit_test(test_a_missing_program),
                cmocka_unit_test(test_a_cancelled_worker_is_not_heard),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
