/* The client against a scripted QEMU on a socket pair: each way in which the peer may misbehave. */
#include "qmp/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/fd.h"
#include "qmp/stream.h"

#define GREETING "{\"QMP\":{\"version\":{},\"capabilities\":[\"oob\"]}}\r\n"
#define OK "{\"return\":{},\"id\":1}\r\n"
#define SOON 5000000 /* a deadline that is not meant to pass */

struct fixture {
        sd_event *event;
        struct qmp_client *client;
        int peer;
        bool ready, gone, free_in_answer;
        unsigned answers, failures, events;
        char words[600], last_event[64];
};

static void on_ready(void *ctx) {
        struct fixture *f = ctx;

        f->ready = true;
}

static void on_event(void *ctx, const char *name, json_object *data) {
        struct fixture *f = ctx;

        f->events++;
        snprintf(f->last_event, sizeof f->last_event, "%s", name);
}

static void on_gone(void *ctx, struct cvm_error *why) {
        struct fixture *f = ctx;

        assert_false(f->gone);
        f->gone = true;
        snprintf(f->words, sizeof f->words, "%s", why->text);
}

static const struct qmp_handlers handlers = { on_ready, on_event, on_gone };

static void on_answer(void *ctx, json_object *result, struct cvm_error *err) {
        struct fixture *f = ctx;

        assert_true(!result != !err);
        assert_false(f->gone); /* calls end before the death is told */
        f->answers++;
        if (err) {
                f->failures++;
                snprintf(f->words, sizeof f->words, "%s", err->text);
        }
        if (f->free_in_answer)
                f->client = qmp_client_free(f->client);
}

static void begin(struct fixture *f, uint64_t deadline_usec) {
        struct cvm_error err = { 0 };
        int fds[2];

        *f = (struct fixture){ 0 };
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        assert_true(sd_event_new(&f->event) >= 0);
        assert_int_equal(qmp_client_new(f->event, fds[0], deadline_usec, &handlers, f, &f->client, &err), 0);
        f->peer = fds[1];
}

static void end(struct fixture *f) {
        qmp_client_free(f->client);
        f->peer = cvm_close(f->peer);
        sd_event_unref(f->event);
}

static void say(struct fixture *f, const char *text) {
        assert_int_equal(cvm_write_all(f->peer, text, strlen(text)), 0);
}

/* Turn the loop until nothing is pending any more. */
static void settle(struct fixture *f) {
        while (sd_event_run(f->event, 10000) > 0)
                ;
}

static void wait_for(struct fixture *f, const bool *flag) {
        while (!*flag)
                assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
}

static void begin_ready(struct fixture *f) {
        char request[256] = { 0 };

        begin(f, SOON);
        say(f, GREETING);
        settle(f);
        assert_true(read(f->peer, request, sizeof request - 1) > 0);
        assert_string_equal(request, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
        say(f, OK);
        wait_for(f, &f->ready);
}

static void call(struct fixture *f, const char *command, uint64_t deadline_usec) {
        struct cvm_error err = { 0 };

        assert_int_equal(qmp_client_call(f->client, command, NULL, -EBADF, deadline_usec, on_answer, f, NULL,
                                         &err),
                         0);
}

static void test_answers_in_any_order(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_ready(&f);
        call(&f, "stop", SOON);
        call(&f, "cont", SOON);
        say(&f,
            "{\"event\":\"STOP\",\"timestamp\":{},\"new-key\":1}\n{\"return\":{},\"id\":3}\n{\"return\":{},\"id\":2}\n");
        settle(&f);
        assert_int_equal(f.answers, 2);
        assert_int_equal(f.failures, 0);
        assert_string_equal(f.last_event, "STOP");
}

static void test_byte_by_byte(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        const char *text = "{\"return\":{\"a\":\"}\\n{\"},\"id\":2}\n";

        begin_ready(&f);
        call(&f, "query-status", SOON);
        for (; *text; text++) {
                char one[2] = { *text, 0 };

                say(&f, one);
                settle(&f);
        }
        assert_int_equal(f.answers, 1);
}

static void test_errors_have_qemus_words(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_ready(&f);
        call(&f, "cont", SOON);
        say(&f, "{\"error\":{\"class\":\"GenericError\",\"desc\":\"Resetting is required\"},\"id\":2}\n");
        settle(&f);
        assert_int_equal(f.failures, 1);
        assert_string_equal(f.words, "QEMU refused 'cont': Resetting is required");
        assert_false(f.gone);
}

static void test_death_fails_calls_then_is_told(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_ready(&f);
        call(&f, "stop", SOON);
        call(&f, "cont", SOON);
        say(&f, "{\"return\":{},\"id\":2}\n{\"retu");
        f.peer = cvm_close(f.peer);
        wait_for(&f, &f.gone);
        assert_int_equal(f.answers, 2);
        assert_int_equal(f.failures, 1);
        assert_string_equal(f.words, "QEMU's monitor was closed");
}

static void test_client_freed_in_an_answer(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_ready(&f);
        f.free_in_answer = true;
        call(&f, "stop", SOON);
        call(&f, "cont", SOON);
        say(&f, "{\"return\":{},\"id\":2}\n{\"return\":{},\"id\":3}\n");
        settle(&f);
        assert_int_equal(f.answers, 1);
        assert_null(f.client);
        assert_false(f.gone);
}

static void test_client_freed_when_its_peer_dies(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_ready(&f);
        f.free_in_answer = true;
        call(&f, "stop", SOON);
        f.peer = cvm_close(f.peer);
        settle(&f);
        assert_int_equal(f.failures, 1);
        assert_false(f.gone);
}

static void test_cancelled_calls_stay_silent(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        struct qmp_call *slot;

        begin_ready(&f);
        assert_int_equal(qmp_client_call(f.client, "stop", NULL, -EBADF, SOON, on_answer, &f, &slot, &err),
                         0);
        qmp_call_cancel(slot);
        call(&f, "cont", SOON);
        say(&f, "{\"return\":{},\"id\":2}\n{\"return\":{},\"id\":3}\n");
        settle(&f);
        assert_int_equal(f.answers, 1);
        assert_false(f.gone);
}

static void test_late_answer_is_dropped(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_ready(&f);
        call(&f, "stop", 1000);
        while (!f.answers)
                sd_event_run(f.event, UINT64_MAX);
        assert_string_equal(f.words, "QEMU did not answer 'stop' in time");
        say(&f, "{\"return\":{},\"id\":2}\n");
        settle(&f);
        assert_int_equal(f.answers, 1);
        assert_false(f.gone);
}

static void test_silent_peer(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, 1000);
        wait_for(&f, &f.gone);
        assert_string_equal(f.words, "QEMU's monitor did not greet in time");
}

static void test_what_ends_the_connection(void **state) {
        static const struct {
                bool ready;
                const char *text, *words;
        } peers[] = {
                { false, "{\"hello\":1}\n", "does not greet" },
                { false, "{\"QMP\":1}\n", "does not greet" },
                { false, "SSH-2.0\n", "no JSON object" },
                { false, GREETING "{\"error\":{\"desc\":\"no\"},\"id\":1}\n",
                  "refused 'qmp_capabilities': no" },
                { true, "[]\n", "no JSON object" },
                { true, "{\"return\":{},\"id\":77}\n", "answered what was not asked" },
                { true, "{\"return\":{},\"id\":\"2\"}\n", "answered what was not asked" },
                { true, "{\"return\":{}}\n", "answered what was not asked" },
                { true, "{\"id\":2}\n", "without content" },
                { true, "\n", "no JSON object" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
                CVM_CLEANUP(end) struct fixture f;

                if (peers[i].ready) {
                        begin_ready(&f);
                        call(&f, "stop", SOON);
                } else
                        begin(&f, SOON);
                say(&f, peers[i].text);
                wait_for(&f, &f.gone);
                if (!strstr(f.words, peers[i].words))
                        fail_msg("%s: \"%s\"", peers[i].text, f.words);
        }
}

static void test_an_endless_message(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        char junk[65536];

        begin(&f, SOON);
        memset(junk, ' ', sizeof junk);
        for (size_t sent = 0; !f.gone && sent < 2 * (size_t)QMP_MESSAGE_MAX;) {
                ssize_t n = send(f.peer, junk, sizeof junk, MSG_DONTWAIT | MSG_NOSIGNAL);

                sent += n > 0 ? (size_t)n : 0;
                sd_event_run(f.event, 0);
        }
        assert_true(f.gone);
        assert_non_null(strstr(f.words, "a message of more than"));
}

static void test_a_peer_that_does_not_read(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        int r = 0;

        begin_ready(&f);
        for (int i = 0; r >= 0 && i < 100000; i++)
                r = qmp_client_call(f.client, "query-status", NULL, -EBADF, 0, on_answer, &f, NULL, &err);
        assert_true(r < 0);
        assert_string_equal(err.text, "QEMU does not read its monitor");
}

static void test_descriptors_travel(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        char space[CMSG_SPACE(sizeof(int))], text[256];
        struct iovec iov = { text, sizeof text };
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space
        };
        struct cvm_error err = { 0 };

        begin_ready(&f);
        assert_int_equal(qmp_client_call(f.client, "getfd", NULL, cvm_memfd("x", "y", 1), SOON, on_answer,
                                         &f, NULL, &err),
                         0);
        assert_true(recvmsg(f.peer, &message, 0) > 0);
        assert_non_null(CMSG_FIRSTHDR(&message));
        close(*(int *)(void *)CMSG_DATA(CMSG_FIRSTHDR(&message)));
}

static void test_no_call_before_ready(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };

        begin(&f, SOON);
        assert_true(qmp_client_call(f.client, "stop", NULL, -EBADF, 0, on_answer, &f, NULL, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_QMP);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers_in_any_order),
                cmocka_unit_test(test_byte_by_byte),
                cmocka_unit_test(test_errors_have_qemus_words),
                cmocka_unit_test(test_death_fails_calls_then_is_told),
                cmocka_unit_test(test_client_freed_in_an_answer),
                cmocka_unit_test(test_client_freed_when_its_peer_dies),
                cmocka_unit_test(test_cancelled_calls_stay_silent),
                cmocka_unit_test(test_late_answer_is_dropped),
                cmocka_unit_test(test_silent_peer),
                cmocka_unit_test(test_what_ends_the_connection),
                cmocka_unit_test(test_an_endless_message),
                cmocka_unit_test(test_a_peer_that_does_not_read),
                cmocka_unit_test(test_descriptors_travel),
                cmocka_unit_test(test_no_call_before_ready),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
