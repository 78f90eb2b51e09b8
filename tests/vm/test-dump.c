/* What a dump asks of QEMU, and what it makes of the answers: QEMU is the test. */
#include "vm/dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

struct driver_guest {
        struct dump dump;
        char asked[32]; /* the command that waits for its answer; "": none */
        int fd;
        unsigned answers, progress;
        uint32_t percent;
        struct cvm_error why;
        bool refuses; /* the monitor is gone */
};

static int ask(struct driver_guest *g, const char *command, json_object *arguments, int fd,
               struct cvm_error *err) {
        assert_string_equal(g->asked, ""); /* one at a time */
        json_object_put(arguments);
        if (g->refuses)
                return cvm_fail(err, &CVM_CODE_QMP, ENOTCONN, "gone");
        strcpy(g->asked, command);
        g->fd = fd;
        return 0;
}

static void on_progress(void *ctx, uint32_t percent) {
        struct driver_guest *g = ctx;

        g->progress++;
        g->percent = percent;
}

static void on_done(void *ctx, struct cvm_error *err) {
        struct driver_guest *g = ctx;

        g->answers++;
        g->why = err ? *err : (struct cvm_error){ 0 };
}

/* Answers what was asked, which is `command`; text NULL: refused. */
static void answer(struct driver_guest *g, const char *command, const char *text) {
        CVM_CLEANUP(cvm_json_putp) json_object *result = text ? json_tokener_parse(text) : NULL;
        struct cvm_error err = { 0 };

        assert_string_equal(g->asked, command);
        *g->asked = 0;
        if (!text)
                cvm_fail(&err, &CVM_CODE_QMP, EIO, "QEMU refused it");
        dump_answer(&g->dump, result, text ? NULL : &err);
}

static void begin(struct driver_guest *g) {
        struct cvm_error err = { 0 };

        *g = (struct driver_guest){ .fd = -1 };
        g->dump.guest = g;
        g->dump.ask = ask;
        assert_true(sd_event_new(&g->dump.event) >= 0);
        assert_int_equal(dump_begin(&g->dump, 7, on_progress, on_done, g, &err), 0);
        assert_int_equal(g->fd, 7);
}

static void end(struct driver_guest *g) {
        dump_forget(&g->dump);
        sd_event_unref(g->dump.event);
}

static void begin_writing(struct driver_guest *g) {
        begin(g);
        answer(g, "getfd", "{}");
        answer(g, "dump-guest-memory", "{}");
}

/* The next question, when its time has come. */
static void turn(struct driver_guest *g) {
        while (!*g->asked && !g->answers)
                assert_true(sd_event_run(g->dump.event, 10000000) > 0);
}

#define ACTIVE(completed) "{\"status\":\"active\",\"completed\":" #completed ",\"total\":200}"
#define COMPLETED "{\"status\":\"completed\",\"completed\":200,\"total\":200}"
#define FAILED "{\"status\":\"failed\",\"completed\":10,\"total\":200}"

static void expect_failed(const struct driver_guest *g, const struct cvm_code *code, const char *words) {
        assert_int_equal(g->answers, 1);
        assert_ptr_equal(g->why.code, code);
        if (!strstr(g->why.text, words))
                fail_msg("%s", g->why.text);
}

static void test_it_is_followed_to_its_end(void **state) {
        CVM_CLEANUP(end) struct driver_guest g;
        struct cvm_error err = { 0 };

        begin_writing(&g);
        assert_int_equal(g.progress, 1);
        assert_true(dump_begin(&g.dump, 7, on_progress, on_done, &g, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_WRONG_STATE);
        answer(&g, "query-dump", ACTIVE(50));
        assert_int_equal(g.percent, 25);
        turn(&g);
        answer(&g, "query-dump", ACTIVE(300)); /* more than all */
        assert_int_equal(g.percent, 99);
        dump_event(&g.dump, NULL); /* it is asked at once */
        answer(&g, "query-dump", COMPLETED);
        assert_int_equal(g.answers, 1);
        assert_null(g.why.code);
        dump_event(&g.dump, "late"); /* of nothing */
        assert_int_equal(dump_begin(&g.dump, 8, on_progress, on_done, &g, &err), 0);
        assert_int_equal(g.fd, 8);
}

/* Its event while a question is under way, whose answer is older: it is asked again at once. */
static void test_an_event_between_question_and_answer(void **state) {
        CVM_CLEANUP(end) struct driver_guest g;

        begin_writing(&g);
        dump_event(&g.dump, NULL);
        answer(&g, "query-dump", ACTIVE(1));
        answer(&g, "query-dump", COMPLETED);
        assert_int_equal(g.answers, 1);
        assert_null(g.why.code);
}

static void test_the_words_of_a_failure(void **state) {
        CVM_CLEANUP(end) struct driver_guest g;

        begin_writing(&g);
        dump_event(&g.dump, "No space left on device");
        answer(&g, "query-dump", FAILED);
        expect_failed(&g, &CVM_CODE_DUMP_FAILED, "No space left on device");
}

/* They may come behind the status, or never. */
static void test_words_that_are_late(void **state) {
        for (int come = 0; come < 2; come++) {
                CVM_CLEANUP(end) struct driver_guest g;

                begin_writing(&g);
                answer(&g, "query-dump", FAILED);
                assert_int_equal(g.answers, 0);
                if (come)
                        dump_event(&g.dump, "Broken pipe");
                turn(&g);
                answer(&g, "query-dump", FAILED);
                expect_failed(&g, &CVM_CODE_DUMP_FAILED, come ? "Broken pipe" : "the whole dump");
        }
}

static void test_steps_that_are_refused(void **state) {
        CVM_CLEANUP(end) struct driver_guest g, h, i;

        begin(&g);
        answer(&g, "getfd", NULL);
        expect_failed(&g, &CVM_CODE_QMP, "refused");
        begin(&h);
        answer(&h, "getfd", "{}");
        answer(&h, "dump-guest-memory", NULL);
        assert_int_equal(h.answers, 0);
        answer(&h, "closefd", NULL); /* it had taken the file already */
        expect_failed(&h, &CVM_CODE_QMP, "refused");
        assert_int_equal(h.progress, 0);
        begin_writing(&i);
        answer(&i, "query-dump", NULL);
        expect_failed(&i, &CVM_CODE_QMP, "refused");
}

static void test_the_monitor_goes(void **state) {
        CVM_CLEANUP(end) struct driver_guest g, h;

        begin(&g);
        g.refuses = true;
        answer(&g, "getfd", "{}");
        expect_failed(&g, &CVM_CODE_QMP, "gone");
        begin_writing(&h);
        h.refuses = true;
        answer(&h, "query-dump", ACTIVE(1));
        turn(&h);
        expect_failed(&h, &CVM_CODE_QMP, "gone");
}

static void test_nonsense(void **state) {
        static const char *const answers[] = {
                "{}",
                "{\"status\":\"none\",\"completed\":0,\"total\":0}",
                "{\"status\":7,\"completed\":0,\"total\":0}",
                "{\"status\":\"active\",\"completed\":-1,\"total\":0}",
                "{\"status\":\"active\",\"completed\":\"1\",\"total\":0}",
                "[]",
        };

        for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
                CVM_CLEANUP(end) struct driver_guest g;

                begin_writing(&g);
                answer(&g, "query-dump", answers[i]);
                assert_int_equal(g.answers, 1);
                assert_non_null(g.why.code);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_is_followed_to_its_end),
                cmocka_unit_test(test_an_event_between_question_and_answer),
                cmocka_unit_test(test_the_words_of_a_failure),
                cmocka_unit_test(test_words_that_are_late),
                cmocka_unit_test(test_steps_that_are_refused),
                cmocka_unit_test(test_the_monitor_goes),
                cmocka_unit_test(test_nonsense),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
