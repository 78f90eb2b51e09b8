/* The simulated processor's end of its channel, against a guest that asks well, badly and too often. */
#include "vm/tee-link.h"

#include <errno.h>

#include "attest/hkd-se.h"
#include "base/names.h"
#include "tests/sim/make-secret-se.h"
#include "tests/vm/scripted-guest.h"

struct fixture {
        char dir[64], path[96];
        sd_event *event;
        struct scripted_guest guest;
        struct sim_guest described;
        struct tee_link *link;
};

static struct sim_root *root; /* made once: it takes seconds */

static int make_root(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };

        return sim_root_make(0, &pem, NULL) < 0 ? -1 : sim_root_read(pem.data, pem.size, &root, NULL);
}

static int drop_root(void **state) {
        root = sim_root_free(root);
        return 0;
}

static int set_up(void **state) {
        struct fixture *f = calloc(1, sizeof *f);
        struct cvm_error err = { 0 };

        *state = f;
        strcpy(f->dir, "/tmp/cvmd-tee-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->path, sizeof f->path, "%s/tee", f->dir);
        assert_true(sd_event_new(&f->event) >= 0);
        guest_init(&f->guest, f->event);
        guest_listen(&f->guest, f->path);
        f->described = (struct sim_guest){ .platform = CVM_PLATFORM_SEV_SNP };
        cvm_random(f->described.measurement, sizeof f->described.measurement);
        assert_int_equal(tee_link_new(f->event, f->path, root, &f->described, &f->link, &err), 0);
        UNTIL(f->event, guest_accepts(&f->guest));
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;

        tee_link_free(f->link);
        guest_done(&f->guest);
        unlink(f->path);
        rmdir(f->dir);
        sd_event_unref(f->event);
        free(f);
        return 0;
}

static void ask(struct fixture *f, uint64_t session, uint8_t first_byte) {
        struct msg_report_request request = { .report_data = { first_byte } };

        guest_say(&f->guest, CVM_MSG_REPORT_REQUEST, session, &request);
}

/* The next report: of that session, over that data, with that measurement. */
static void expect_report(struct fixture *f, uint64_t session, uint8_t first_byte) {
        struct cvm_frame frame = guest_next(&f->guest, CVM_MSG_REPORT);
        const struct cvm_message_kind *kind = cvm_message_kind(CVM_MSG_REPORT);
        struct msg_report report = { 0 };
        struct cvm_error err = { 0 };

        assert_true(frame.session == session);
        if (cvm_message_read(kind, &frame, &report, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(report.report.size, 1184);
        assert_int_equal(report.report.data[0x50], first_byte);
        assert_memory_equal(report.report.data + 0x90, f->described.measurement, 48);
        assert_true(report.certificates.size > 3000);
        kind->done(&report);
}

static void a_request_is_answered_in_its_session(void **state) {
        struct fixture *f = *state;

        ask(f, 7, 1);
        expect_report(f, 7, 1);
        ask(f, 8, 2);
        expect_report(f, 8, 2);
}

static void requests_in_one_piece_are_answered_in_order(void **state) {
        struct fixture *f = *state;

        for (uint8_t i = 0; i < 8; i++)
                ask(f, 100u + i, i);
        for (uint8_t i = 0; i < 8; i++)
                expect_report(f, 100u + i, i);
}

static void half_a_request_waits_for_its_other_half(void **state) {
        struct fixture *f = *state;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };
        struct msg_report_request request = { .report_data = { 9 } };

        assert_int_equal(cvm_message_make(CVM_MSG_REPORT_REQUEST, 5, &request, &frame, NULL), 0);
        guest_say_bytes(&f->guest, frame.data, 40);
        for (int i = 0; i < 5; i++)
                assert_true(sd_event_run(f->event, 5000) >= 0);
        guest_say_bytes(&f->guest, frame.data + 40, frame.size - 40);
        expect_report(f, 5, 9);
}

static void garbage_costs_a_pause_and_nothing_more(void **state) {
        struct fixture *f = *state;
        static uint8_t garbage[300 << 10];

        guest_say_text(&f->guest, CVM_MSG_REPORT_REQUEST, "{\"colour\":\"red\"}");
        guest_say_text(&f->guest, CVM_MSG_HELLO, "{}");
        memset(garbage, 'x', sizeof garbage);
        guest_say_bytes(&f->guest, garbage, sizeof garbage);
        for (uint64_t end = after(3 * SECOND); after(0) < end;)
                assert_true(sd_event_run(f->event, 200000) >= 0);
        ask(f, 11, 3);
        expect_report(f, 11, 3);
}

static void asking_too_often_is_slowed_down(void **state) {
        struct fixture *f = *state;
        unsigned answered = 0;
        struct cvm_frame frame;
        uint64_t end;

        for (int i = 0; i < 200; i++)
                ask(f, 1, 1);
        for (end = after(SECOND / 2); after(0) < end;) {
                assert_true(sd_event_run(f->event, 20000) >= 0);
                while (guest_has_frame(&f->guest, &frame))
                        answered++;
        }
        assert_true(answered >= 1 && answered <= 64);
        for (end = after(3 * SECOND); after(0) < end;) {
                assert_true(sd_event_run(f->event, 20000) >= 0);
                while (guest_has_frame(&f->guest, &frame))
                        ;
        }
        ask(f, 12, 4);
        UNTIL(f->event, guest_has_frame(&f->guest, &frame) && frame.session == 12);
}

static void a_guest_that_does_not_read_holds_one_report(void **state) {
        struct fixture *f = *state;

        for (int i = 0; i < 30; i++)
                ask(f, 1, 1);
        for (int i = 0; i < 50; i++)
                assert_true(sd_event_run(f->event, 2000) >= 0);
        guest_hang_up(&f->guest);
        UNTIL(f->event, guest_accepts(&f->guest));
        ask(f, 13, 5);
        expect_report(f, 13, 5);
}

static void a_platform_that_is_not_simulated_is_refused_in_words(void **state) {
        struct fixture *f = *state;
        struct cvm_frame frame;

        f->described.platform = CVM_PLATFORM_NONE;
        ask(f, 14, 1);
        frame = guest_next(&f->guest, CVM_MSG_REPORT_REFUSED);
        assert_non_null(strstr(frame.payload, "CVM-SIM-PLATFORM"));
}

static struct msg_stored keep(struct fixture *f, uint64_t session, const void *data, size_t size) {
        struct msg_store_request request = { .request = { (uint8_t *)data, size } };
        struct msg_stored stored = { 0 };
        struct cvm_frame frame;

        guest_say(&f->guest, CVM_MSG_STORE_REQUEST, session, &request);
        frame = guest_next(&f->guest, CVM_MSG_STORED);
        assert_true(frame.session == session);
        assert_int_equal(cvm_message_read(cvm_message_kind(CVM_MSG_STORED), &frame, &stored, NULL), 0);
        return stored;
}

static void a_store_answers_beside_reports(void **state) {
        struct fixture *f = *state;
        struct msg_stored stored;

        f->described.platform = CVM_PLATFORM_SECURE_EXECUTION;
        f->described.image_size = 208;
        stored = keep(f, 15, "no request", 10);
        assert_false(stored.taken);
        assert_non_null(strstr(stored.words, "did not add it: it is no request"));
        cvm_message_kind(CVM_MSG_STORED)->done(&stored);
        f->described.platform = CVM_PLATFORM_SEV_SNP;
        ask(f, 16, 6);
        expect_report(f, 16, 6);
}

/* What the daemon would do: called for each answer that must wait. */
struct keeper {
        struct tee_link *link;
        unsigned asked;
        int answer;
};

static int on_keep(void *ctx) {
        struct keeper *keeper = ctx;

        keeper->asked++;
        return keeper->answer;
}

/* A request that the store of this guest takes. */
static struct cvm_bytes make_request(struct fixture *f, const char *name) {
        CVM_CLEANUP(cvm_freep) char *documents = NULL;
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        struct make_secret secret = { .name = name, .boot_tags = f->described.image };
        struct cvm_bytes request;

        f->described.platform = CVM_PLATFORM_SECURE_EXECUTION;
        f->described.image_size = 208;
        assert_int_equal(sim_root_documents(root, &documents, NULL), 0);
        assert_int_equal(se_host_read(documents, strlen(documents), "document", &host, NULL), 0);
        secret.to = host.key;
        request = make_secret_request(&secret);
        assert_non_null(request.data);
        return request;
}

static void say_store(struct fixture *f, uint64_t session, const struct cvm_bytes *request) {
        guest_say(&f->guest, CVM_MSG_STORE_REQUEST, session, &(struct msg_store_request){ *request });
}

static bool has_nothing(struct fixture *f) {
        struct cvm_frame frame;

        for (int i = 0; i < 20; i++)
                assert_true(sd_event_run(f->event, 5000) >= 0);
        return !guest_has_frame(&f->guest, &frame);
}

static void what_was_added_is_told_when_it_is_durable(void **state) {
        struct fixture *f = *state;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = make_request(f, "db");
        struct keeper keeper = { .link = f->link };
        struct cvm_frame frame;

        tee_link_set_keeper(f->link, on_keep, &keeper);
        say_store(f, 1, &request);
        UNTIL(f->event, keeper.asked == 1);
        assert_int_equal(f->described.store.n, 1);
        assert_true(has_nothing(f));
        tee_link_kept(f->link, true);
        frame = guest_next(&f->guest, CVM_MSG_STORED);
        assert_true(frame.session == 1);
        assert_non_null(strstr(frame.payload, "has added it"));
        f->described.platform = CVM_PLATFORM_SEV_SNP; /* what changes nothing waits for nobody */
        ask(f, 2, 1);
        expect_report(f, 2, 1);
        assert_int_equal(keeper.asked, 1);
}

static void a_lock_is_told_when_it_is_durable(void **state) {
        struct fixture *f = *state;
        struct keeper keeper = { .link = f->link };
        struct cvm_frame frame;

        tee_link_set_keeper(f->link, on_keep, &keeper);
        guest_say(&f->guest, CVM_MSG_STORE_LOCK, 1, NULL); /* of a platform without a store */
        assert_true(guest_next(&f->guest, CVM_MSG_REPORT_REFUSED).session == 1);
        f->described.platform = CVM_PLATFORM_SECURE_EXECUTION;
        guest_say(&f->guest, CVM_MSG_STORE_LOCK, 2, NULL);
        UNTIL(f->event, keeper.asked == 1);
        assert_true(f->described.store.locked && has_nothing(f));
        tee_link_kept(f->link, true);
        assert_non_null(strstr(guest_next(&f->guest, CVM_MSG_STORED).payload, "has locked"));
        guest_say(&f->guest, CVM_MSG_STORE_LOCK, 3, NULL);
        frame = guest_next(&f->guest, CVM_MSG_STORED);
        assert_non_null(strstr(frame.payload, "locked already"));
        assert_int_equal(keeper.asked, 1);
}

static void a_list_waits_for_what_it_tells_of(void **state) {
        struct fixture *f = *state;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = make_request(f, "db");
        struct keeper keeper = { .link = f->link };
        struct msg_store_listed listed = { 0 };
        struct cvm_frame frame;

        tee_link_set_keeper(f->link, on_keep, &keeper);
        say_store(f, 1, &request);
        UNTIL(f->event, keeper.asked == 1);
        tee_link_kept(f->link, false);
        guest_say(&f->guest, CVM_MSG_STORE_LIST, 2, NULL);
        UNTIL(f->event, keeper.asked == 2);
        assert_true(has_nothing(f));
        tee_link_kept(f->link, true);
        frame = guest_next(&f->guest, CVM_MSG_STORE_LISTED);
        assert_true(frame.session == 2);
        assert_int_equal(cvm_message_read(cvm_message_kind(CVM_MSG_STORE_LISTED), &frame, &listed, NULL), 0);
        assert_int_equal(listed.list.data[1], 1);
        cvm_bytes_done(&listed.list);
        f->described.platform = CVM_PLATFORM_SEV_SNP; /* of a platform without a store */
        guest_say(&f->guest, CVM_MSG_STORE_LIST, 3, NULL);
        assert_true(guest_next(&f->guest, CVM_MSG_REPORT_REFUSED).session == 3);
}

/* The guest asks again: it hears of the store once that was kept, and of nothing before. */
static void what_could_not_be_kept_is_not_told(void **state) {
        struct fixture *f = *state;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = make_request(f, "db");
        struct keeper keeper = { .link = f->link };
        struct cvm_frame frame;

        tee_link_set_keeper(f->link, on_keep, &keeper);
        say_store(f, 1, &request);
        UNTIL(f->event, keeper.asked == 1);
        tee_link_kept(f->link, false);
        keeper.answer = -ENOMEM; /* nor can it be tried now */
        say_store(f, 2, &request);
        UNTIL(f->event, keeper.asked == 2);
        assert_true(has_nothing(f));
        keeper.answer = 0;
        f->described.platform = CVM_PLATFORM_SEV_SNP;
        ask(f, 3, 1); /* evidence would tell of it too */
        UNTIL(f->event, keeper.asked == 3);
        assert_true(has_nothing(f));
        tee_link_kept(f->link, true);
        expect_report(f, 3, 1);
        f->described.platform = CVM_PLATFORM_SECURE_EXECUTION;
        say_store(f, 4, &request);
        UNTIL(f->event, keeper.asked == 4);
        tee_link_kept(f->link, true);
        frame = guest_next(&f->guest, CVM_MSG_STORED);
        assert_true(frame.session == 4);
        assert_int_equal(f->described.store.n, 1);
}

static void a_guest_that_leaves_meanwhile_is_asked_nothing(void **state) {
        struct fixture *f = *state;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = make_request(f, "db");
        struct keeper keeper = { .link = f->link };

        tee_link_set_keeper(f->link, on_keep, &keeper);
        say_store(f, 1, &request);
        UNTIL(f->event, keeper.asked == 1);
        guest_hang_up(&f->guest);
        for (int i = 0; i < 20; i++)
                assert_true(sd_event_run(f->event, 5000) >= 0);
        tee_link_kept(f->link, true);
        UNTIL(f->event, guest_accepts(&f->guest));
        say_store(f, 2, &request);
        UNTIL(f->event, keeper.asked == 2);
        tee_link_kept(f->link, true);
        assert_true(guest_next(&f->guest, CVM_MSG_STORED).session == 2);
}

static void a_platform_without_a_store_says_so(void **state) {
        struct fixture *f = *state;
        struct msg_store_request request = { .request = { (uint8_t *)"x", 1 } };
        struct cvm_frame frame;

        guest_say(&f->guest, CVM_MSG_STORE_REQUEST, 17, &request);
        frame = guest_next(&f->guest, CVM_MSG_REPORT_REFUSED);
        assert_non_null(strstr(frame.payload, "has no store"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_request_is_answered_in_its_session),
                TEST(requests_in_one_piece_are_answered_in_order),
                TEST(half_a_request_waits_for_its_other_half),
                TEST(garbage_costs_a_pause_and_nothing_more),
                TEST(asking_too_often_is_slowed_down),
                TEST(a_guest_that_does_not_read_holds_one_report),
                TEST(a_platform_that_is_not_simulated_is_refused_in_words),
                TEST(a_store_answers_beside_reports),
                TEST(what_was_added_is_told_when_it_is_durable),
                TEST(a_lock_is_told_when_it_is_durable),
                TEST(a_list_waits_for_what_it_tells_of),
                TEST(what_could_not_be_kept_is_not_told),
                TEST(a_guest_that_leaves_meanwhile_is_asked_nothing),
                TEST(a_platform_without_a_store_says_so),
        };

        return cmocka_run_group_tests(tests, make_root, drop_root);
}
