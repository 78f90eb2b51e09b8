/* The journal: one commit a turn, side effects only behind it, in order; and what a full disk does to them.
 */
#include "vm/journal.h"

#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
        char dir[64];
        sd_event *event;
        struct store *store;
        struct journal *journal;
        unsigned saves, events;
        char order[64];
        bool fail;
        struct cvm_error why;
};

static int save(void *ctx, struct store *store, struct cvm_error *err) {
        struct fixture *f = ctx;

        f->saves++;
        return f->fail ? cvm_fail(err, &CVM_CODE_STORE_FULL, ENOSPC, "the disk is full") : 0;
}

static void on_event(void *ctx, uint64_t seq, const char *json) {
        struct fixture *f = ctx;

        f->events++;
        assert_non_null(strstr(json, "\"time\":"));
}

static void begin(struct fixture *f) {
        struct cvm_error err = { 0 };
        char path[128];

        *f = (struct fixture){ .dir = "/tmp/cvmd-journal-XXXXXX" };
        assert_non_null(mkdtemp(f->dir));
        snprintf(path, sizeof path, "%s/db", f->dir);
        assert_int_equal(store_open(path, &f->store, &err), 0);
        assert_true(sd_event_new(&f->event) >= 0);
        const struct journal_config config = {
                .event = f->event, .store = f->store, .save = save, .on_event = on_event, .ctx = f
        };
        assert_int_equal(journal_new(&config, &f->journal, &err), 0);
}

static void end(struct fixture *f) {
        char command[128];

        journal_free(f->journal);
        store_free(f->store);
        sd_event_unref(f->event);
        snprintf(command, sizeof command, "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
}

static void settle(struct fixture *f) {
        while (sd_event_run(f->event, 0) > 0)
                ;
}

static void then_a(void *ctx, struct cvm_error *err) {
        struct fixture *f = ctx;
        uint64_t seq;

        strcat(f->order, err ? "!a" : "a");
        if (err)
                f->why = *err;
        else {
                assert_int_equal(store_last_event(f->store, &seq, NULL), 0);
                assert_true(seq >= 1); /* durable before the side effect */
        }
}

static void then_b(void *ctx, struct cvm_error *err) {
        struct fixture *f = ctx;

        strcat(f->order, err ? "!b" : "b");
        if (strlen(f->order) < 4)
                journal_then(f->journal, then_b, f);
}

static void test_one_commit_then_side_effects_in_order(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f);
        journal_event(f.journal, json_object_new_object());
        journal_audit(f.journal, "request", "uid 0", "manager", "Launch", "ok");
        journal_then(f.journal, then_a, &f);
        journal_event(f.journal, json_object_new_object());
        assert_string_equal(f.order, "");
        assert_int_equal(f.events, 0);
        settle(&f);
        assert_int_equal(f.saves, 1);
        assert_string_equal(f.order, "a");
        assert_int_equal(f.events, 2);
}

static void test_side_effects_of_side_effects_wait_for_their_own_commit(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f);
        journal_then(f.journal, then_b, &f);
        settle(&f);
        assert_string_equal(f.order, "bbbb");
        assert_int_equal(f.saves, 4);
}

static void test_a_full_disk_tells_and_keeps(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        uint64_t seq = 0;

        begin(&f);
        f.fail = true;
        journal_event(f.journal, json_object_new_object());
        journal_then(f.journal, then_a, &f);
        settle(&f);
        assert_string_equal(f.order, "!a");
        assert_ptr_equal(f.why.code, &CVM_CODE_STORE_FULL);
        assert_int_equal(f.events, 0);
        f.fail = false;
        while (f.events == 0) /* by the retry's timer */
                assert_true(sd_event_run(f.event, 10000000) > 0);
        assert_string_equal(f.order, "!a");
        assert_int_equal(store_last_event(f.store, &seq, NULL), 0);
        assert_int_equal(seq, 1);
}

static void test_forgotten_side_effects_do_not_run(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        int other;

        begin(&f);
        journal_then(f.journal, then_a, &f);
        journal_then(f.journal, then_a, &other);
        journal_forget(f.journal, &other);
        journal_event(f.journal, json_object_new_object());
        settle(&f);
        assert_string_equal(f.order, "a");
}

static void test_the_chain_goes_on_after_a_restart(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct audit_head before, after;
        struct cvm_error err = { 0 };

        begin(&f);
        journal_audit(f.journal, "request", "uid 0", "manager", "Launch", "ok");
        journal_audit(f.journal, "transition", "cvmd", "x", "state running", "ok");
        journal_head(f.journal, &before);
        assert_int_equal(before.seq, 2);
        f.journal = journal_free(f.journal);
        const struct journal_config config = {
                .event = f.event, .store = f.store, .save = save, .on_event = on_event, .ctx = &f
        };
        assert_int_equal(journal_new(&config, &f.journal, &err), 0);
        journal_head(f.journal, &after);
        assert_int_equal(after.seq, 2);
        assert_memory_equal(before.hash, after.hash, sizeof before.hash);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_commit_then_side_effects_in_order),
                cmocka_unit_test(test_side_effects_of_side_effects_wait_for_their_own_commit),
                cmocka_unit_test(test_a_full_disk_tells_and_keeps),
                cmocka_unit_test(test_forgotten_side_effects_do_not_run),
                cmocka_unit_test(test_the_chain_goes_on_after_a_restart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
