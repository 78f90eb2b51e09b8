#include "vm/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

#define RETRY_USEC (1000ull * 1000)
#define PENDING_MAX \
        4096 /* rows and events that wait while the disk is full; events beyond it are not kept */

struct line { /* an event or an audit row that waits for its commit */
        struct line *next;
        uint64_t seq;
        bool audit;
        uint8_t hash[CVM_SHA256_SIZE];
        char text[];
};

struct then {
        struct then *next;
        journal_then_fn fn;
        void *ctx;
};

struct journal {
        struct journal_config config;
        sd_event_source *turn, *retry;
        struct line *lines, **last_line;
        size_t n_lines;
        struct then *thens, **last_then;
        uint64_t event_seq, audit_seq;
        uint8_t audit_hash[CVM_SHA256_SIZE];
};

static int write_lines(struct journal *j, struct cvm_error *err) {
        int r = 0;

        for (struct line *l = j->lines; r >= 0 && l; l = l->next)
                r = l->audit ? store_add_audit(j->config.store, l->seq, l->text, l->hash, err)
                             : store_add_event(j->config.store, l->seq, l->text, err);
        return r;
}

static void drop_lines(struct journal *j, bool tell) {
        struct line *l = j->lines;

        j->lines = NULL;
        j->last_line = &j->lines;
        j->n_lines = 0;
        while (l) {
                struct line *next = l->next;

                if (tell && !l->audit && j->config.on_event)
                        j->config.on_event(j->config.ctx, l->seq, l->text);
                free(l);
                l = next;
        }
}

int journal_commit(struct journal *j, struct cvm_error *err) {
        int r = j->config.save(j->config.ctx, j->config.store, err);

        if (r >= 0)
                r = write_lines(j, err);
        if (r >= 0)
                r = store_commit(j->config.store, err);
        if (r < 0) {
                store_rollback(j->config.store);
                sd_event_source_set_time_relative(j->retry, RETRY_USEC);
                sd_event_source_set_enabled(j->retry, SD_EVENT_ONESHOT);
                return r;
        }
        sd_event_source_set_enabled(j->turn, SD_EVENT_OFF);
        sd_event_source_set_enabled(j->retry, SD_EVENT_OFF);
        if (j->config.saved)
                j->config.saved(j->config.ctx);
        drop_lines(j, true);
        if (j->thens)
                journal_touch(j); /* they run from the loop, never from inside a request */
        return 0;
}

/* Side effects may note new changes and ask for new side effects: those belong to the next turn. */
static void run_thens(struct journal *j, struct cvm_error *err) {
        struct then *end = NULL;

        for (struct then *t = j->thens; t; t = t->next)
                end = t;
        while (end && j->thens) {
                struct then *t = j->thens;
                struct cvm_error copy = { 0 };
                bool last = t == end;

                j->thens = t->next;
                if (!j->thens)
                        j->last_then = &j->thens;
                if (err)
                        copy = *err;
                t->fn(t->ctx, err ? &copy : NULL);
                free(t);
                if (last)
                        break;
        }
}

static int on_turn(sd_event_source *source, void *userdata) {
        struct journal *j = userdata;
        struct cvm_error err = { 0 };
        int r;

        sd_event_source_set_enabled(j->turn, SD_EVENT_OFF);
        r = journal_commit(j, &err);
        sd_event_source_set_enabled(j->turn, SD_EVENT_OFF);
        run_thens(j, r < 0 ? &err : NULL);
        return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        journal_touch(userdata);
        return 0;
}

int journal_new(const struct journal_config *config, struct journal **ret, struct cvm_error *err) {
        CVM_CLEANUP(journal_freep) struct journal *j = calloc(1, sizeof *j);
        int r;

        if (!j)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening the journal");
        j->config = *config;
        j->last_line = &j->lines;
        j->last_then = &j->thens;
        r = store_last_event(config->store, &j->event_seq, err);
        if (r >= 0)
                r = store_last_audit(config->store, &j->audit_seq, j->audit_hash, err);
        if (r < 0)
                return r;
        r = sd_event_add_defer(config->event, &j->turn, on_turn, j);
        if (r >= 0)
                r = sd_event_source_set_enabled(j->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(config->event, &j->retry, CLOCK_MONOTONIC, RETRY_USEC, 0,
                                               on_retry, j);
        if (r >= 0)
                r = sd_event_source_set_enabled(j->retry, SD_EVENT_OFF);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, r, "opening the journal: %s", strerror(-r));
        *ret = TAKE_PTR(j);
        return 0;
}

struct journal *journal_free(struct journal *j) {
        if (!j)
                return NULL;
        if (j->turn && j->retry)
                (void)journal_commit(j, NULL);
        j->turn = sd_event_source_disable_unref(j->turn);
        j->retry = sd_event_source_disable_unref(j->retry);
        drop_lines(j, false);
        journal_forget(j, NULL);
        free(j);
        return NULL;
}

void journal_touch(struct journal *j) {
        sd_event_source_set_enabled(j->turn, SD_EVENT_ONESHOT);
}

static struct line *add_line(struct journal *j, const char *text, bool audit) {
        struct line *l = malloc(sizeof *l + strlen(text) + 1);

        if (!l)
                return NULL;
        *l = (struct line){ .audit = audit, .seq = audit ? ++j->audit_seq : ++j->event_seq };
        strcpy(l->text, text);
        *j->last_line = l;
        j->last_line = &l->next;
        j->n_lines++;
        journal_touch(j);
        return l;
}

void journal_event(struct journal *j, json_object *event) {
        CVM_CLEANUP(cvm_json_putp) json_object *owned = event;
        char time[CVM_TIME_TEXT];

        /* While the disk is full, events beyond the cap are not kept; the audit chain is, since it must have
         * no gap. */
        if (j->n_lines >= PENDING_MAX)
                return;
        cvm_time_format(cvm_time_now(), time);
        json_object_object_add(owned, "seq", json_object_new_uint64(j->event_seq + 1));
        json_object_object_add(owned, "time", json_object_new_string(time));
        (void)add_line(j, json_object_to_json_string_ext(owned, JSON_C_TO_STRING_PLAIN), false);
}

void journal_audit(struct journal *j, const char *kind, const char *actor, const char *object,
                   const char *what, const char *outcome) {
        struct audit_row row = { .seq = j->audit_seq + 1,
                                 .time = cvm_time_now(),
                                 .kind = (char *)kind,
                                 .actor = (char *)actor,
                                 .object = (char *)object,
                                 .what = (char *)what,
                                 .outcome = (char *)outcome };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct line *l;

        memcpy(row.prev, j->audit_hash, sizeof row.prev);
        text = cvm_json_write_text(audit_row_fields, &row);
        l = text ? add_line(j, text, true) : NULL;
        if (!l)
                return;
        audit_hash(j->audit_hash, text, strlen(text), j->audit_hash);
        memcpy(l->hash, j->audit_hash, sizeof l->hash);
}

int journal_then(struct journal *j, journal_then_fn fn, void *ctx) {
        struct then *t = malloc(sizeof *t);

        if (!t)
                return -ENOMEM;
        *t = (struct then){ .fn = fn, .ctx = ctx };
        *j->last_then = t;
        j->last_then = &t->next;
        journal_touch(j);
        return 0;
}

void journal_forget(struct journal *j, void *ctx) {
        struct then **p = &j->thens;

        while (*p) {
                struct then *t = *p;

                if (ctx && t->ctx != ctx) {
                        p = &t->next;
                        continue;
                }
                *p = t->next;
                free(t);
        }
        j->last_then = p;
}

void journal_head(const struct journal *j, struct audit_head *ret) {
        *ret = (struct audit_head){ .seq = j->audit_seq, .time = cvm_time_now() };
        memcpy(ret->hash, j->audit_hash, sizeof ret->hash);
}
