#include "vm/libvirt-dump.h"

#include <errno.h>

#include "vm/dump.h"

static void ask_for_progress(struct libvirt_dump *dump);

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        ask_for_progress(userdata);
        return 0;
}

static void on_progress(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        struct libvirt_dump *dump = ctx;

        if (!dump->done)
                return;
        if (answer && answer->percent > 0)
                dump->progress(dump->ctx, answer->percent);
        (void)sd_event_add_time_relative(dump->event, &dump->timer, CLOCK_MONOTONIC, DUMP_POLL_USEC,
                                         DUMP_POLL_USEC / 10, on_timer, dump);
}

/* Its end is libvirt's to tell. */
static void ask_for_progress(struct libvirt_dump *dump) {
        const struct libvirt_request request = { .verb = LIBVIRT_PROGRESS };

        dump->timer = sd_event_source_disable_unref(dump->timer);
        (void)libvirt_watch_ask(dump->watch, &request, NULL, 0, on_progress, dump, NULL);
}

static void on_dumped(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        struct libvirt_dump *dump = ctx;
        driver_done_fn done = dump->done;
        struct cvm_error why = { 0 };

        dump->timer = sd_event_source_disable_unref(dump->timer);
        dump->done = NULL;
        dump->progress(dump->ctx, 99); /* libvirt may have stopped the vCPUs, whatever came of it */
        if (err && err->code == &CVM_CODE_LIBVIRT)
                cvm_fail(&why, &CVM_CODE_DUMP_FAILED, EIO, "QEMU did not write the whole dump: %s",
                         err->text);
        else if (err)
                why = *err;
        done(dump->ctx, err ? &why : NULL);
}

/* As a job of libvirt's: libvirt 9.0 dies of the event by which QEMU ends a dump that is none. */
int libvirt_dump_begin(struct libvirt_dump *dump, sd_event *event, struct libvirt_watch *watch, int fd,
                       driver_progress_fn progress, driver_done_fn done, void *ctx, struct cvm_error *err) {
        const struct libvirt_request request = { .verb = LIBVIRT_DUMP };
        int r;

        if (dump->done)
                return cvm_fail(err, &CVM_CODE_WRONG_STATE, EBUSY, "QEMU has a dump under way");
        r = libvirt_watch_ask(watch, &request, &fd, 1, on_dumped, dump, err);
        if (r < 0)
                return r;
        *dump = (struct libvirt_dump){ event, watch, done, progress, ctx, NULL };
        ask_for_progress(dump);
        return 0;
}

void libvirt_dump_done(struct libvirt_dump *dump) {
        dump->timer = sd_event_source_disable_unref(dump->timer);
}
