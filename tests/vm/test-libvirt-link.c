/* A cvmd-libvirt that misbehaves: it dies at once, again and again, or never answers. */
#include "vm/libvirt-link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

#define UUID "11111111-2222-4333-8444-555555555555"

struct scene {
        char program[64];
        sd_event *event;
        struct libvirt_watch *watch;
        unsigned away, answered;
        const struct cvm_code *code;
};

static void on_domain(void *ctx, const struct libvirt_message *m, int *fd) {
}

static void on_news(void *ctx, const struct libvirt_message *m) {
}

static void on_away(void *ctx) {
        struct scene *s = ctx;

        s->away++;
}

static void on_answer(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        struct scene *s = ctx;

        s->answered++;
        s->code = err ? err->code : NULL;
}

static const struct libvirt_handlers handlers = { on_domain, on_news, on_away };

static void pass(struct scene *s) {
        assert_true(sd_event_run(s->event, 60000000) > 0);
}

/* body: what it does when it has said that it is connected. */
static void begin(struct scene *s, const char *body) {
        char text[512];
        struct cvm_error err = { 0 };

        *s = (struct scene){ .program = "/tmp/cvmd-link-XXXXXX" };
        cvm_close(mkstemp(s->program));
        snprintf(text, sizeof text,
                 "#!/usr/bin/python3\nimport socket, time\ns = socket.socket(fileno=3)\n"
                 "s.send(b'{\"seq\":1,\"kind\":\"connected\"}')\n%s\n",
                 body);
        assert_int_equal(cvm_write_file(s->program, text, strlen(text), 0700, NULL), 0);
        libvirt_link_set_program(s->program);
        assert_true(sd_event_new(&s->event) >= 0);
        assert_int_equal(libvirt_watch_new(s->event, UUID, &handlers, s, &s->watch, &err), 0);
}

static void end(struct scene *s) {
        libvirt_watch_free(s->watch);
        libvirt_link_end();
        sd_event_unref(s->event);
        unlink(s->program);
}

static void ask_for(struct scene *s, enum libvirt_verb verb) {
        const struct libvirt_request request = { .verb = verb };
        struct cvm_error err = { 0 };

        assert_int_equal(libvirt_watch_ask(s->watch, &request, NULL, 0, on_answer, s, &err), 0);
}

static void ask(struct scene *s) {
        ask_for(s, LIBVIRT_RESUME);
}

/* It is started again, but not as fast as it can die. */
static void test_it_dies_at_once(void **state) {
        CVM_CLEANUP(end) struct scene s;

        begin(&s, "");
        while (libvirt_link_pid() > 0)
                pass(&s);
        for (int i = 0; i < 3; i++)
                assert_true(sd_event_run(s.event, 0) >= 0);
        assert_int_equal(libvirt_link_pid(), 0);
        while (s.away < 2)
                pass(&s);
}

static void test_what_it_was_asked_when_it_died(void **state) {
        CVM_CLEANUP(end) struct scene s;

        begin(&s, "s.recv(4096)");
        ask(&s);
        while (!s.answered)
                pass(&s);
        assert_ptr_equal(s.code, &CVM_CODE_LIBVIRT_CONNECTION);
        assert_int_equal(s.away, 1);
}

/* Whoever asked is told, and another one is asked from then on. */
static void test_it_never_answers(void **state) {
        CVM_CLEANUP(end) struct scene s;
        pid_t first;

        libvirt_link_set_patience(1000);
        begin(&s, "time.sleep(1000)");
        first = libvirt_link_pid();
        ask(&s);
        while (!s.answered)
                pass(&s);
        assert_ptr_equal(s.code, &CVM_CODE_TIMEOUT);
        assert_int_equal(s.away, 1);
        while (libvirt_link_pid() == 0)
                pass(&s);
        assert_int_not_equal(libvirt_link_pid(), first);
        ask(&s);
        while (s.answered < 2)
                pass(&s);
        libvirt_link_set_patience(60000000);
}

/* It takes as long as it takes. */
static void test_a_dump_is_never_late(void **state) {
        CVM_CLEANUP(end) struct scene s;

        libvirt_link_set_patience(1000);
        begin(&s, "import json\nid = json.loads(s.recv(65536))['id']\ntime.sleep(0.1)\n"
                  "s.send(json.dumps({'seq': 2, 'kind': 'answer', 'id': id}).encode())\ns.recv(1)");
        ask_for(&s, LIBVIRT_DUMP);
        while (!s.answered)
                pass(&s);
        assert_null(s.code);
        assert_int_equal(s.away, 0);
        libvirt_link_set_patience(60000000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_dies_at_once),
                cmocka_unit_test(test_what_it_was_asked_when_it_died),
                cmocka_unit_test(test_it_never_answers),
                cmocka_unit_test(test_a_dump_is_never_late),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
