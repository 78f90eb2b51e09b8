#include "collateral/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/fd.h"
#include "base/time.h"
#include "collateral/budget.h"
#include "collateral/directory.h"

#define REQUEST_MSEC 30000
#define BACK_OFF_MSEC 1000
#define TRIES_IN_TROUBLE 3 /* without an answer, or with one that blames the service itself */

/* 1: it is there and fresh, 0: it is to be asked for. What is there and does not hold is asked for. */
static int is_fresh(const struct collateral_fetch *f, const char *name) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        enum collateral_kind kind = (enum collateral_kind)f->store->source->kind(name);
        uint64_t fetched;

        if (collateral_store_get(f->store, name, &object, NULL, &fetched, NULL) <= 0)
                return 0;
        if (f->refresh || (f->early && kind == COLLATERAL_JUDGEMENT) ||
            (collateral_ages(kind) && fetched + f->max_age_msec < f->began_msec))
                return fetched >= f->began_msec;
        return 1;
}

static uint64_t left_msec(const struct collateral_fetch *f) {
        uint64_t now = monotonic_usec();

        return now < f->deadline_usec ? (f->deadline_usec - now) / 1000 : 0;
}

/* Only as long as the caller waits: otherwise it fails now, not then. */
static int wait_for(const struct collateral_fetch *f, uint64_t msec, const char *why,
                    struct cvm_error *err) {
        char sentence[256];

        if (msec == 0)
                return 0;
        if (msec >= left_msec(f))
                return cvm_fail(err, &CVM_CODE_COLLATERAL_TIMEOUT, ETIMEDOUT,
                                "'%s' %s: it is to be asked again in %llu s, which is longer than was to be "
                                "waited for",
                                f->service.base, why, (unsigned long long)(msec + 999) / 1000);
        snprintf(sentence, sizeof sentence, "'%.100s' %.80s: waiting for %llu s", f->service.base, why,
                 (unsigned long long)(msec + 999) / 1000);
        if (f->say)
                f->say(sentence);
        sleep_msec(msec);
        return 0;
}

/* One file for each service: a mirror's patience is not the maker's. */
static int budget_path(const struct collateral_fetch *f, char **ret, struct cvm_error *err) {
        uint8_t digest[CVM_SHA256_SIZE];
        char hex[17];

        cvm_sha256(f->service.base, strlen(f->service.base), digest);
        cvm_hex(digest, 8, hex);
        if (asprintf(ret, "%s/.budget-%s", f->store->cache, hex) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking '%s'", f->service.base);
        return 0;
}

static int take_turn(const struct collateral_fetch *f, const char *budget, struct cvm_error *err) {
        const struct budget_rate rate = { f->store->source->burst, f->store->source->interval_msec };
        uint64_t wait;
        int r;

        do {
                r = budget_file_take(budget, &rate, cvm_time_now(), &wait, err);
                if (r >= 0)
                        r = wait_for(f, wait, "is not asked more often", err);
        } while (r >= 0 && wait);
        return r;
}

/* What an answer means: 1 the object, 0 to be asked again. */
static int judge(const struct collateral_fetch *f, const struct http_answer *answer, struct cvm_error *err) {
        static const unsigned later[] = { 0, 429, 500, 502, 503, 504 };

        if (answer->status == 200)
                return 1;
        for (size_t i = 0; i < ARRAY_SIZE(later); i++)
                if (answer->status == later[i])
                        return 0;
        if (answer->status == 404)
                return cvm_fail(err, &CVM_CODE_COLLATERAL_UNKNOWN, ENOENT, "'%s' does not have it",
                                f->service.base);
        if (answer->status / 100 == 3)
                return cvm_fail(err, &CVM_CODE_COLLATERAL_SERVICE, ELOOP,
                                "'%s' answers with a redirect, which is not followed", f->service.base);
        return cvm_fail(err, &CVM_CODE_COLLATERAL_SERVICE, EPROTO, "'%s' answers with status %u",
                        f->service.base, answer->status);
}

static int give_up(const struct collateral_fetch *f, const struct http_answer *answer,
                   struct cvm_error *err) {
        if (answer->timed_out)
                return cvm_fail(err, &CVM_CODE_COLLATERAL_TIMEOUT, ETIMEDOUT, "'%s' did not answer in time",
                                f->service.base);
        if (answer->status)
                return cvm_fail(err, &CVM_CODE_COLLATERAL_SERVICE, EPROTO, "'%s' answers with status %u",
                                f->service.base, answer->status);
        return cvm_fail(err, &CVM_CODE_COLLATERAL_SERVICE, EPROTO, "'%s' gave no whole answer: %s",
                        f->service.base, answer->trouble);
}

/* Between two tries: what the service demands, else twice as long each time. A demand outlives this run. */
static int back_off(const struct collateral_fetch *f, const struct http_answer *answer, unsigned tries,
                    const char *budget, struct cvm_error *err) {
        bool busy = answer->status == 429;
        uint64_t wait = answer->retry_after_msec;
        int r = 0;

        if (answer->timed_out && left_msec(f) == 0)
                return give_up(f, answer, err);
        if (!busy && tries >= TRIES_IN_TROUBLE)
                return give_up(f, answer, err);
        if (!wait)
                wait = (uint64_t)BACK_OFF_MSEC << (tries < 7 ? tries - 1 : 6);
        if (busy)
                r = budget_file_demand(budget, cvm_time_now() + wait, err);
        return r < 0 ? r : wait_for(f, wait, busy ? "asks for patience" : "gave no whole answer", err);
}

static int take(const struct collateral_source *source, const char *name, struct http_answer *answer,
                struct cvm_bytes *ret, struct cvm_error *err) {
        if (source->take)
                return source->take(name, &answer->body, answer->header, ret, err);
        *ret = cvm_bytes_take(&answer->body);
        return 0;
}

static int ask(const struct collateral_fetch *f, const char *name, const struct collateral_place *place,
               struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *budget = NULL;
        int r = budget_path(f, &budget, err);

        for (unsigned tries = 1; r >= 0; tries++) {
                CVM_CLEANUP(http_answer_done) struct http_answer answer = { 0 };
                uint64_t left;

                r = take_turn(f, budget, err);
                left = left_msec(f);
                if (r >= 0 && left == 0)
                        r = give_up(f, &(struct http_answer){ .timed_out = true }, err);
                if (r >= 0)
                        r = http_get(&f->service, place->path, place->headers, COLLATERAL_OBJECT_MAX,
                                     left < REQUEST_MSEC ? left : REQUEST_MSEC, &answer, err);
                if (r >= 0)
                        r = judge(f, &answer, err);
                if (r > 0)
                        return take(f->store->source, name, &answer, ret, err);
                if (r == 0)
                        r = back_off(f, &answer, tries, budget, err);
        }
        return r;
}

/* Of its place, which may be another of the maker's services. */
static int ask_where_it_is(const struct collateral_fetch *f, const char *name, struct cvm_bytes *ret,
                           struct cvm_error *err) {
        const struct collateral_asked asked = { f->service.is_mirror, f->early };
        struct collateral_fetch there = *f;
        struct collateral_place place;

        f->store->source->place(name, &asked, &place);
        if (place.service && !f->service.is_mirror)
                there.service.base = place.service;
        return ask(&there, name, &place, ret, err);
}

int collateral_fetch(const struct collateral_fetch *f, const char *name, bool *ret_asked,
                     struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int lock = -EBADF;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        int r;

        *ret_asked = false;
        if (is_fresh(f, name))
                return 0;
        r = directory_make(f->store->cache, err);
        if (r >= 0)
                r = lock = directory_lock_name(f->store->cache, name, f->deadline_usec, err);
        if (r >= 0 && is_fresh(f, name))
                return 0; /* somebody else fetched it meanwhile */
        if (r >= 0)
                r = ask_where_it_is(f, name, &object, err);
        if (r < 0)
                return cvm_while(err, r, "'%s'", name);
        *ret_asked = true;
        return collateral_store_put(f->store, name, &object, err);
}
