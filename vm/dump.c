#include "vm/dump.h"

#include <errno.h>
#include <string.h>

#define FD_NAME "cvmd-dump"

void dump_forget(struct dump *d) {
        d->timer = sd_event_source_disable_unref(d->timer);
        d->step = DUMP_NONE;
}

static void end(struct dump *d, const struct cvm_error *why) {
        struct cvm_error words = why ? *why : (struct cvm_error){ 0 };

        dump_forget(d);
        d->done(d->ctx, why ? &words : NULL);
}

static int ask(struct dump *d, const char *command, json_object *arguments, int fd, struct cvm_error *err) {
        int r = d->ask(d->guest, command, arguments, fd, err);

        d->asked = r >= 0;
        return r;
}

static json_object *named(const char *key, const char *value) {
        json_object *arguments = json_object_new_object();

        json_object_object_add(arguments, key, json_object_new_string(value));
        return arguments;
}

static void poll_now(struct dump *d);

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        poll_now(userdata);
        return 0;
}

static void poll_later(struct dump *d) {
        struct cvm_error why = { 0 };
        int r = sd_event_add_time_relative(d->event, &d->timer, CLOCK_MONOTONIC, DUMP_POLL_USEC,
                                           DUMP_POLL_USEC / 10, on_timer, d);

        if (r >= 0)
                return;
        cvm_fail(&why, &CVM_CODE_INTERNAL, r, "watching a dump: %s", strerror(-r));
        end(d, &why);
}

static void poll_now(struct dump *d) {
        struct cvm_error why = { 0 };

        d->timer = sd_event_source_disable_unref(d->timer);
        d->again = d->asked;
        if (!d->asked && ask(d, "query-dump", NULL, -EBADF, &why) < 0)
                end(d, &why);
}

/* --- the steps' answers --- */

static void on_given(struct dump *d, json_object *result, struct cvm_error *err) {
        struct cvm_error why = { 0 };
        json_object *arguments;

        if (err) {
                end(d, err);
                return;
        }
        arguments = named("protocol", "fd:" FD_NAME);
        json_object_object_add(arguments, "paging", json_object_new_boolean(false));
        json_object_object_add(arguments, "detach", json_object_new_boolean(true));
        d->step = DUMP_BEGINNING;
        if (ask(d, "dump-guest-memory", arguments, -EBADF, &why) < 0)
                end(d, &why);
}

/* A dump that does not begin may leave the file with QEMU. */
static void on_begun(struct dump *d, json_object *result, struct cvm_error *err) {
        struct cvm_error none = { 0 };

        if (!err) {
                d->step = DUMP_WRITING;
                d->progress(d->ctx, 0);
                poll_now(d);
                return;
        }
        d->why = *err;
        d->step = DUMP_TAKING_BACK;
        if (ask(d, "closefd", named("fdname", FD_NAME), -EBADF, &none) < 0)
                end(d, &d->why);
}

static void on_taken_back(struct dump *d, json_object *result, struct cvm_error *err) {
        end(d, &d->why);
}

static void failed(struct dump *d) {
        if (!d->ended && !d->waited) { /* its words are on their way */
                d->waited = true;
                poll_later(d);
                return;
        }
        if (!d->why.code)
                cvm_fail(&d->why, &CVM_CODE_DUMP_FAILED, EIO, "QEMU did not write the whole dump");
        end(d, &d->why);
}

int dump_progress_read(json_object *answer, struct dump_progress *ret, struct cvm_error *err) {
        static const char *const texts[] = { "active", "completed", "failed" };
        const struct cvm_json place = cvm_json_root(answer, "query-dump");
        uint64_t completed = 0, total = 0;
        const char *status = "";
        size_t i = 0;

        if (cvm_json_get_text(&place, "status", &status, err) < 0 ||
            cvm_json_get_u64(&place, "completed", &completed, err) < 0 ||
            cvm_json_get_u64(&place, "total", &total, err) < 0)
                return -EBADMSG;
        while (i < ARRAY_SIZE(texts) && strcmp(status, texts[i]) != 0)
                i++;
        if (i == ARRAY_SIZE(texts))
                return cvm_fail(err, &CVM_CODE_QMP, EPROTO, "QEMU says '%.32s' of a dump that it has begun",
                                status);
        ret->status = (enum dump_status)i;
        ret->percent = completed < total ? (uint32_t)((double)completed / (double)total * 100) : 99;
        if (ret->percent > 99)
                ret->percent = 99;
        return 0;
}

static void on_asked(struct dump *d, json_object *result, struct cvm_error *err) {
        struct dump_progress progress;
        struct cvm_error why = { 0 };

        if (err)
                end(d, err);
        else if (dump_progress_read(result, &progress, &why) < 0)
                end(d, &why);
        else if (progress.status == DUMP_COMPLETED)
                end(d, NULL);
        else if (progress.status == DUMP_FAILED)
                failed(d);
        else {
                d->progress(d->ctx, progress.percent);
                if (d->again)
                        poll_now(d);
                else
                        poll_later(d);
        }
}

void dump_answer(struct dump *d, json_object *result, struct cvm_error *err) {
        static void (*const answers[])(struct dump * d, json_object * result, struct cvm_error * err) = {
                [DUMP_GIVING] = on_given,
                [DUMP_BEGINNING] = on_begun,
                [DUMP_WRITING] = on_asked,
                [DUMP_TAKING_BACK] = on_taken_back,
        };

        d->asked = false;
        if (d->step != DUMP_NONE)
                answers[d->step](d, result, err);
}

void dump_event(struct dump *d, const char *words) {
        if (d->step == DUMP_NONE)
                return;
        d->ended = true;
        if (words)
                cvm_fail(&d->why, &CVM_CODE_DUMP_FAILED, EIO, "QEMU did not write the whole dump: %.300s",
                         words);
        if (d->step == DUMP_WRITING)
                poll_now(d);
}

int dump_begin(struct dump *d, int fd, driver_progress_fn progress, driver_done_fn done, void *ctx,
               struct cvm_error *err) {
        int r = d->step == DUMP_NONE
                                ? 0
                                : cvm_fail(err, &CVM_CODE_WRONG_STATE, EBUSY, "QEMU has a dump under way");

        if (r >= 0)
                r = ask(d, "getfd", named("fdname", FD_NAME), fd, err);
        if (r < 0)
                return r;
        *d = (struct dump){ .step = DUMP_GIVING,
                            .guest = d->guest,
                            .event = d->event,
                            .ask = d->ask,
                            .progress = progress,
                            .done = done,
                            .ctx = ctx,
                            .asked = true };
        return 0;
}
