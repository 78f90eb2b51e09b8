/* The link against a scripted guest on a listening socket, in the same loop: what a good guest gets, and
 * what each way of misbehaving costs it. */
#include "vm/agent-link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/names.h"
#include "tests/vm/scripted-guest.h"

#define UUID "11111111-2222-3333-4444-555555555555"
struct answer {
        unsigned times;
        bool good;
        struct cvm_error why;
        struct agent_link **free_link; /* the callback frees the link */
};

struct fixture {
        char dir[64], path[96];
        sd_event *event;
        struct agent_link *link;
        struct scripted_guest guest;

        unsigned welcomes, statuses, byes, breaches, refused_bindings;
        struct cvm_keyset welcomed;
        struct cvm_error why;
        char waits_for[64];
};

static void on_welcome(void *ctx, const struct cvm_keyset *keyset, const struct msg_welcome *welcome) {
        struct fixture *f = ctx;

        f->welcomes++;
        f->welcomed = *keyset;
}

static void on_status(void *ctx, const struct msg_status *status) {
        struct fixture *f = ctx;

        f->statuses++;
        snprintf(f->waits_for, sizeof f->waits_for, "%s", status->waits_for);
}

static void on_bye(void *ctx, const char *envelope, const struct bye *bye) {
        struct fixture *f = ctx;

        f->byes++;
        agent_link_ack_bye(f->link);
}

static void on_broken(void *ctx, struct cvm_error *why) {
        struct fixture *f = ctx;

        f->breaches++;
        f->why = *why;
}

static void on_binding_refused(void *ctx, struct cvm_error *why) {
        struct fixture *f = ctx;

        f->refused_bindings++;
        f->why = *why;
}

static const struct agent_link_handlers handlers = { on_welcome, on_status, on_bye, on_broken,
                                                     on_binding_refused };

static void on_answer(void *ctx, const void *message, struct cvm_error *err) {
        struct answer *a = ctx;

        a->times++;
        a->good = message;
        if (err)
                a->why = *err;
        if (a->free_link)
                *a->free_link = agent_link_free(*a->free_link);
}

static int set_up(void **state) {
        struct fixture *f = calloc(1, sizeof *f);
        struct cvm_error err = { 0 };

        *state = f;
        strcpy(f->dir, "/tmp/cvmd-link-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->path, sizeof f->path, "%s/agent", f->dir);
        assert_true(sd_event_new(&f->event) >= 0);
        guest_init(&f->guest, f->event);
        guest_listen(&f->guest, f->path);
        assert_int_equal(agent_link_new(f->event, f->path, &handlers, f, &f->link, &err), 0);
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;

        agent_link_free(f->link);
        guest_done(&f->guest);
        unlink(f->path);
        rmdir(f->dir);
        sd_event_unref(f->event);
        free(f);
        return 0;
}

static void meet(struct fixture *f) {
        unsigned before = f->welcomes;

        guest_next(&f->guest, CVM_MSG_HELLO);
        guest_welcome(&f->guest);
        UNTIL(f->event, f->welcomes > before);
}

static void ask(struct fixture *f, struct answer *a, uint64_t usec) {
        const struct msg_evidence_request question = { .nonce = { 7 } };
        struct cvm_error err = { 0 };

        if (agent_link_evidence(f->link, &question, usec, on_answer, a, &err) < 0)
                fail_msg("%s", err.text);
}

static void test_welcome_and_answer(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };
        uint64_t id;

        meet(f);
        assert_memory_equal(&f->welcomed, &f->guest.keyset, sizeof f->guest.keyset);
        ask(f, &a, 30 * SECOND);
        id = guest_next_id(&f->guest, CVM_MSG_EVIDENCE_REQUEST);
        guest_evidence(&f->guest, id, f->guest.session);
        UNTIL(f->event, a.times);
        assert_true(a.good);
        guest_say_text(&f->guest, CVM_MSG_STATUS,
                       "{\"waits_for\":\"binding\",\"secrets\":[],\"provisioned\":false,\"generation\":0}");
        UNTIL(f->event, f->statuses);
        assert_string_equal(f->waits_for, "binding");
        assert_int_equal(f->breaches, 0);
}

static void test_evidence_waits_for_welcome(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };
        struct cvm_error err = { 0 };

        ask(f, &a, 30 * SECOND);
        assert_int_equal(agent_link_secret(f->link, "{}", SECOND, on_answer, &a, &err), -ENOTCONN);
        assert_ptr_equal(err.code, &CVM_CODE_NO_AGENT);
        meet(f);
        guest_evidence(&f->guest, guest_next_id(&f->guest, CVM_MSG_EVIDENCE_REQUEST), f->guest.session);
        UNTIL(f->event, a.times);
        assert_true(a.good);
}

/* Also where it waits. */
static void test_the_verifiers_request_goes_with_it(void **state) {
        struct fixture *f = *state;
        uint8_t bytes[3] = { 1, 2, 3 };
        const struct msg_evidence_request question = { .nonce = { 7 }, .request = { bytes, sizeof bytes } };
        struct answer a = { 0 };

        assert_int_equal(agent_link_evidence(f->link, &question, 30 * SECOND, on_answer, &a, NULL), 0);
        memset(bytes, 0, sizeof bytes); /* it was copied */
        meet(f);
        assert_non_null(strstr(
                        guest_next(&f->guest, CVM_MSG_EVIDENCE_REQUEST).payload,
                        ",\"nonce\":\"0700000000000000000000000000000000000000000000000000000000000000\","
                        "\"request\":\"AQID\"}"));
        f->link = agent_link_free(f->link);
        assert_int_equal(a.times, 1);
}

static void test_a_guest_that_begins_to_listen_is_greeted_at_once(void **state) {
        struct fixture *f = *state;
        uint64_t session;

        guest_next(&f->guest, CVM_MSG_HELLO);
        session = f->guest.session;
        agent_link_wake(f->link);
        guest_next(&f->guest, CVM_MSG_HELLO);
        assert_true(f->guest.session != session);
        guest_welcome(&f->guest);
        UNTIL(f->event, f->welcomes);
        session = f->guest.session;
        agent_link_wake(f->link); /* it is there already */
        guest_say_text(&f->guest, CVM_MSG_STATUS,
                       "{\"waits_for\":\"\",\"secrets\":[],\"provisioned\":true,\"generation\":0}");
        UNTIL(f->event, f->statuses);
}

static void test_hello_is_repeated_until_welcome(void **state) {
        struct fixture *f = *state;
        struct cvm_frame frame;
        uint64_t session;

        guest_next(&f->guest, CVM_MSG_HELLO);
        session = f->guest.session;
        assert_true(session != 0);
        guest_next(&f->guest, CVM_MSG_HELLO);
        assert_true(f->guest.session == session);
        guest_welcome(&f->guest);
        UNTIL(f->event, f->welcomes);
        /* an idle link that was welcomed has nothing to do: no timer of its own */
        while (guest_has_frame(&f->guest, &frame))
                ;
        for (uint64_t end = after(SECOND); after(0) < end;)
                assert_int_equal(sd_event_run(f->event, 200000), 0);
}

static void test_silent_guest_times_out(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };
        uint64_t id;

        meet(f);
        ask(f, &a, 50000);
        id = guest_next_id(&f->guest, CVM_MSG_EVIDENCE_REQUEST);
        UNTIL(f->event, a.times);
        assert_ptr_equal(a.why.code, &CVM_CODE_TIMEOUT);
        guest_evidence(&f->guest, id, f->guest.session); /* slow, not hostile */
        assert_true(sd_event_run(f->event, 20000) >= 0);
        assert_true(sd_event_run(f->event, 20000) >= 0);
        assert_int_equal(a.times, 1);
        assert_int_equal(f->breaches, 0);
}

static void test_old_session_is_dropped(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };
        uint64_t id;

        meet(f);
        ask(f, &a, 30 * SECOND);
        id = guest_next_id(&f->guest, CVM_MSG_EVIDENCE_REQUEST);
        guest_evidence(&f->guest, id, f->guest.session ^ 1);
        guest_evidence(&f->guest, id, 0);
        for (int i = 0; i < 5; i++)
                assert_true(sd_event_run(f->event, 20000) >= 0);
        assert_int_equal(a.times, 0);
        guest_evidence(&f->guest, id, f->guest.session);
        UNTIL(f->event, a.times);
        assert_int_equal(f->breaches, 0);
}

static void test_reset_ends_requests(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };
        uint64_t session, id;

        meet(f);
        session = f->guest.session;
        ask(f, &a, 30 * SECOND);
        id = guest_next_id(&f->guest, CVM_MSG_EVIDENCE_REQUEST);
        agent_link_reset(f->link);
        assert_int_equal(a.times, 1);
        assert_ptr_equal(a.why.code, &CVM_CODE_BOOT_CHANGED);
        guest_evidence(&f->guest, id, session); /* the old boot's answer, still in the channel */
        guest_boot(&f->guest);
        meet(f);
        assert_true(f->guest.session != session);
        assert_memory_equal(&f->welcomed, &f->guest.keyset, sizeof f->guest.keyset);
        assert_int_equal(a.times, 1);
        assert_int_equal(f->breaches, 0);
}

static void test_sealed_bytes_are_not_sent_again(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };
        struct cvm_error err = { 0 };
        struct cvm_frame frame;

        meet(f);
        assert_int_equal(agent_link_secret(f->link, "{\n}\n", 30 * SECOND, on_answer, &a, &err), 0);
        agent_link_reset(f->link);
        assert_ptr_equal(a.why.code, &CVM_CODE_BOOT_CHANGED);
        meet(f);
        for (int i = 0; i < 5; i++) {
                assert_true(sd_event_run(f->event, 20000) >= 0);
                while (guest_has_frame(&f->guest, &frame))
                        assert_int_not_equal(frame.type, CVM_MSG_SECRET);
        }
}

static void test_another_keyset_in_a_session_is_another_boot(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };

        meet(f);
        ask(f, &a, 30 * SECOND);
        guest_next(&f->guest, CVM_MSG_EVIDENCE_REQUEST);
        guest_boot(&f->guest);
        guest_welcome(&f->guest);
        UNTIL(f->event, a.times);
        assert_ptr_equal(a.why.code, &CVM_CODE_BOOT_CHANGED);
        meet(f);
        assert_memory_equal(&f->welcomed, &f->guest.keyset, sizeof f->guest.keyset);
}

static void test_guest_dies_in_an_answer(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };

        meet(f);
        ask(f, &a, 30 * SECOND);
        guest_next(&f->guest, CVM_MSG_EVIDENCE_REQUEST);
        guest_say_bytes(&f->guest,
                        "\xff"
                        "CVM183",
                        7);
        f->guest.fd = cvm_close(f->guest.fd);
        UNTIL(f->event, a.times);
        assert_ptr_equal(a.why.code, &CVM_CODE_NO_AGENT);
        cvm_frame_reader_reset(&f->guest.in);
        f->guest.from = f->guest.to = 0;
        meet(f); /* the link comes back on its own */
        assert_int_equal(f->welcomes, 2);
}

static void test_garbage_before_a_frame_is_skipped(void **state) {
        struct fixture *f = *state;

        guest_next(&f->guest, CVM_MSG_HELLO);
        guest_say_bytes(&f->guest,
                        "noise\xffnoise\xff"
                        "CVM1zz",
                        18);
        guest_welcome(&f->guest);
        UNTIL(f->event, f->welcomes);
        assert_int_equal(f->breaches, 0);
}

static void test_flood_breaks_and_heals(void **state) {
        struct fixture *f = *state;
        CVM_CLEANUP(cvm_freep) char *noise = malloc(1 << 20);
        uint64_t session;

        memset(noise, 'x', 1 << 20);
        meet(f);
        session = f->guest.session;
        for (int i = 0; i < 64 && !f->breaches; i++)
                for (size_t at = 0; at < 1 << 20 && !f->breaches; at += 1 << 15)
                        guest_say_bytes(&f->guest, noise, 1 << 15);
        UNTIL(f->event, f->breaches);
        assert_ptr_equal(f->why.code, &CVM_CODE_FRAME);
        meet(f); /* after its pause */
        assert_true(f->guest.session != session);
}

/* One malformed frame, by type and payload: broken, requests answered, a new session. */
static void breaks(struct fixture *f, uint8_t type, const char *payload) {
        unsigned before = f->breaches;
        struct answer a = { 0 };
        uint64_t session;

        meet(f);
        session = f->guest.session;
        ask(f, &a, 30 * SECOND);
        guest_next(&f->guest, CVM_MSG_EVIDENCE_REQUEST);
        guest_say_text(&f->guest, type, payload);
        UNTIL(f->event, a.times);
        assert_false(a.good);
        assert_int_equal(f->breaches, before + 1);
        guest_next(&f->guest, CVM_MSG_HELLO);
        assert_true(f->guest.session != session);
}

static void test_unknown_type(void **state) {
        breaks(*state, 0x99, "{}");
}

static void test_no_json(void **state) {
        breaks(*state, CVM_MSG_STATUS, "{\"waits_for\":");
}

static void test_unknown_field(void **state) {
        breaks(*state, CVM_MSG_APPROVED, "{\"id\":1,\"more\":2}");
}

static void test_answer_nobody_asked(void **state) {
        breaks(*state, CVM_MSG_APPROVED, "{\"id\":4000}");
}

static void test_answer_of_another_type(void **state) {
        breaks(*state, CVM_MSG_APPROVED, "{\"id\":1}");
}

static void test_oversized_report(void **state) {
        size_t size = 1 << 18;
        CVM_CLEANUP(cvm_freep) char *payload = malloc(size + 200);
        int n = sprintf(payload, "{\"id\":1,\"generation\":0,\"report\":\"");

        memset(payload + n, 'A', size);
        strcpy(payload + n + size, "\"}");
        breaks(*state, CVM_MSG_EVIDENCE, payload);
}

static void test_bad_keyset(void **state) {
        struct fixture *f = *state;

        memset(f->guest.keyset.kem, 0, sizeof f->guest.keyset.kem);
        guest_next(&f->guest, CVM_MSG_HELLO);
        guest_welcome(&f->guest);
        UNTIL(f->event, f->breaches);
        assert_ptr_equal(f->why.code, &CVM_CODE_KEY);
        assert_int_equal(f->welcomes, 0);
}

static void test_status_before_welcome(void **state) {
        struct fixture *f = *state;

        guest_next(&f->guest, CVM_MSG_HELLO);
        guest_say_text(&f->guest, CVM_MSG_STATUS,
                       "{\"waits_for\":\"\",\"secrets\":[],\"provisioned\":true,\"generation\":0}");
        UNTIL(f->event, f->breaches);
        assert_int_equal(f->statuses, 0);
}

static void test_binding_is_sent_and_refused(void **state) {
        struct fixture *f = *state;
        char text[128];
        uint8_t spki[CVM_SPKI_SIZE] = { 1 };
        const struct cvm_bytes owner = { spki, sizeof spki }, service = { 0 };

        assert_int_equal(agent_link_set_binding(f->link, "{\"payload\":\"\"}\n", &owner, &service), 0);
        meet(f);
        snprintf(text, sizeof text, "{\"id\":%llu,\"code\":\"CVM-BINDING-OWNER\",\"text\":\"no\"}",
                 (unsigned long long)guest_next_id(&f->guest, CVM_MSG_BINDING));
        guest_say_text(&f->guest, CVM_MSG_REFUSED, text);
        UNTIL(f->event, f->refused_bindings);
        assert_ptr_equal(f->why.code, &CVM_CODE_BINDING_OWNER);
        agent_link_reset(f->link);
        meet(f);
        guest_next(&f->guest, CVM_MSG_BINDING); /* again, for the new boot */
}

static void test_refusal_keeps_its_code(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };
        struct cvm_error err = { 0 };
        char text[128];

        meet(f);
        assert_int_equal(agent_link_secret(f->link, "{}", 30 * SECOND, on_answer, &a, &err), 0);
        snprintf(text, sizeof text, "{\"id\":%llu,\"code\":\"CVM-SIGNATURE\",\"text\":\"not hers\"}",
                 (unsigned long long)guest_next_id(&f->guest, CVM_MSG_SECRET));
        guest_say_text(&f->guest, CVM_MSG_REFUSED, text);
        UNTIL(f->event, a.times);
        assert_ptr_equal(a.why.code, &CVM_CODE_SIGNATURE);
        assert_non_null(strstr(a.why.text, "not hers"));
}

static void say_bye(struct fixture *f, EVP_PKEY *key, const uint8_t keyset[CVM_SHA384_SIZE]) {
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        struct bye bye = { .uuid = (char *)UUID, .generation = 3, .counter = 1 };
        struct cvm_error err = { 0 };

        memcpy(bye.keyset, keyset, sizeof bye.keyset);
        assert_int_equal(cvm_signed_make(CVM_ENVELOPE_BYE, bye_fields, &bye, key, &envelope, &err), 0);
        guest_say(&f->guest, CVM_MSG_BYE, f->guest.session, &(struct msg_envelope){ .envelope = envelope });
}

static void test_bye(void **state) {
        struct fixture *f = *state;
        uint8_t keyset[CVM_SHA384_SIZE];

        meet(f);
        agent_link_stop(f->link, false);
        guest_next(&f->guest, CVM_MSG_STOP);
        cvm_keyset_digest(&f->guest.keyset, keyset);
        say_bye(f, f->guest.sig, keyset);
        UNTIL(f->event, f->byes);
        guest_next(&f->guest, CVM_MSG_BYE_ACK);
        assert_int_equal(f->breaches, 0);
}

static void test_forged_bye(void **state) {
        struct fixture *f = *state;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *other = NULL;
        struct cvm_error err = { 0 };
        uint8_t keyset[CVM_SHA384_SIZE];

        assert_int_equal(cvm_key_make(CVM_KEY_SIGN, &other, &err), 0);
        meet(f);
        cvm_keyset_digest(&f->guest.keyset, keyset);
        say_bye(f, other, keyset);
        UNTIL(f->event, f->breaches);
        assert_ptr_equal(f->why.code, &CVM_CODE_SIGNATURE);
        assert_int_equal(f->byes, 0);
}

static void test_bye_of_another_boot(void **state) {
        struct fixture *f = *state;
        uint8_t keyset[CVM_SHA384_SIZE] = { 9 };

        meet(f);
        say_bye(f, f->guest.sig, keyset);
        UNTIL(f->event, f->breaches);
        assert_ptr_equal(f->why.code, &CVM_CODE_VERDICT_OTHER_BOOT);
        assert_int_equal(f->byes, 0);
}

static void test_too_many_requests(void **state) {
        struct fixture *f = *state;
        struct answer a = { 0 };
        struct cvm_error err = { 0 };
        const struct msg_evidence_request question = { 0 };

        for (int i = 0; i < 64; i++)
                ask(f, &a, 30 * SECOND);
        assert_true(agent_link_evidence(f->link, &question, SECOND, on_answer, &a, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_QUOTA);
        f->link = agent_link_free(f->link);
        assert_int_equal(a.times, 64);
        assert_ptr_equal(a.why.code, &CVM_CODE_BOOT_CHANGED);
}

static void test_answer_may_free_the_link(void **state) {
        struct fixture *f = *state;
        struct answer a = { .free_link = &f->link };

        meet(f);
        ask(f, &a, 30 * SECOND);
        guest_evidence(&f->guest, guest_next_id(&f->guest, CVM_MSG_EVIDENCE_REQUEST), f->guest.session);
        UNTIL(f->event, a.times);
        assert_null(f->link);
}

static void test_host_waits_for_its_guest(void **state) {
        struct fixture *f = *state;
        struct cvm_error err = { 0 };

        f->link = agent_link_free(f->link);
        f->guest.listener = cvm_close(f->guest.listener);
        assert_int_equal(agent_link_new(f->event, f->path, &handlers, f, &f->link, &err), 0);
        assert_true(sd_event_run(f->event, 20000) >= 0);
        assert_int_equal(unix_listen(f->path, &f->guest.listener, &err), 0);
        meet(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_welcome_and_answer),
                TEST(test_evidence_waits_for_welcome),
                TEST(test_the_verifiers_request_goes_with_it),
                TEST(test_hello_is_repeated_until_welcome),
                TEST(test_a_guest_that_begins_to_listen_is_greeted_at_once),
                TEST(test_silent_guest_times_out),
                TEST(test_old_session_is_dropped),
                TEST(test_reset_ends_requests),
                TEST(test_sealed_bytes_are_not_sent_again),
                TEST(test_another_keyset_in_a_session_is_another_boot),
                TEST(test_guest_dies_in_an_answer),
                TEST(test_garbage_before_a_frame_is_skipped),
                TEST(test_flood_breaks_and_heals),
                TEST(test_unknown_type),
                TEST(test_no_json),
                TEST(test_unknown_field),
                TEST(test_answer_nobody_asked),
                TEST(test_answer_of_another_type),
                TEST(test_oversized_report),
                TEST(test_bad_keyset),
                TEST(test_status_before_welcome),
                TEST(test_binding_is_sent_and_refused),
                TEST(test_refusal_keeps_its_code),
                TEST(test_bye),
                TEST(test_forged_bye),
                TEST(test_bye_of_another_boot),
                TEST(test_too_many_requests),
                TEST(test_answer_may_free_the_link),
                TEST(test_host_waits_for_its_guest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
