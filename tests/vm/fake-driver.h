/* A driver without QEMU, for tests in which the guest is scripted: its process is the test's own, its events
 * are those that the test tells. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/vm/scripted-guest.h"
#include "vm/driver.h"

struct driver_guest {
        sd_event *event;
        driver_event_fn on_event;
        void *ctx;
        enum driver_event pending[8];
        size_t n_pending;
        sd_event_source *defer;
};

/* The one guest of a test that speaks; without it there may be several. */
static struct {
        struct scripted_guest *guest; /* NULL: none listens */
        struct driver_guest *process;
        unsigned starts, powerdowns, kills;
} fake;

static int fake_turn(sd_event_source *source, void *userdata) {
        struct driver_guest *g = userdata;
        struct cvm_error why = { 0 };
        enum driver_event event = g->pending[0];

        if (event == DRIVER_CHANGED)
                cvm_fail(&why, &CVM_CODE_DOMAIN_CHANGED, ESTALE, "somebody was at it");
        memmove(g->pending, g->pending + 1, --g->n_pending * sizeof *g->pending);
        if (g->n_pending > 0)
                sd_event_source_set_enabled(g->defer, SD_EVENT_ONESHOT);
        g->on_event(g->ctx, event, &why); /* may free g */
        return 0;
}

static void fake_tell_of(struct driver_guest *g, enum driver_event event) {
        g->pending[g->n_pending++] = event;
        sd_event_source_set_enabled(g->defer, SD_EVENT_ONESHOT);
}

static void fake_tell(enum driver_event event) {
        fake_tell_of(fake.process, event);
}

static struct driver_guest *fake_new(const struct driver_start *start) {
        struct driver_guest *g = calloc(1, sizeof *g);

        g->event = start->event;
        g->on_event = start->on_event;
        g->ctx = start->ctx;
        assert_true(sd_event_add_defer(g->event, &g->defer, fake_turn, g) >= 0);
        sd_event_source_set_enabled(g->defer, SD_EVENT_OFF);
        if (fake.guest)
                fake.guest->event = g->event;
        return fake.process = g;
}

static int fake_spawn(const struct driver_start *start, struct driver_guest **ret, struct cvm_error *err) {
        char path[4200];

        assert_int_equal(driver_channel_path(start->runtime_dir, PLAN_CHANNEL_AGENT, path, sizeof path), 0);
        if (fake.guest)
                guest_listen(fake.guest, path);
        *ret = fake_new(start);
        fake.starts++;
        return 0;
}

static void fake_trace(const struct driver_guest *guest, struct driver_trace *ret) {
        *ret = (struct driver_trace){ .pid = getpid(), .start_time = 1 };
}

static int fake_go(struct driver_guest *guest, struct cvm_error *err) {
        fake_tell_of(guest, DRIVER_UP);
        return 0;
}

static int fake_adopt(const struct driver_start *start, const struct driver_trace *trace,
                      struct driver_guest **ret, struct cvm_error *err) {
        *ret = fake_new(start);
        fake_tell(DRIVER_UP);
        fake_tell(DRIVER_RUNNING);
        return 1;
}

static int fake_command(struct driver_guest *guest, enum driver_command command, driver_done_fn done,
                        void *ctx, struct cvm_error *err) {
        if (command == DRIVER_CONT)
                fake_tell_of(guest, DRIVER_RUNNING);
        else if (command == DRIVER_PAUSE)
                fake_tell_of(guest, DRIVER_PAUSED);
        else if (command == DRIVER_POWERDOWN)
                fake.powerdowns++;
        else if (command == DRIVER_RESET_GUEST)
                done(ctx, NULL);
        return 0;
}

static void fake_kill(struct driver_guest *guest) {
        fake.kills++;
        fake_tell_of(guest, DRIVER_GONE);
}

static int fake_console(struct driver_guest *guest, driver_console_fn done, void *ctx,
                        struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_CONSOLE, ENOTSUP, "a scripted guest has no console");
}

static struct driver_guest *fake_release(struct driver_guest *guest) {
        if (guest) {
                sd_event_source_disable_unref(guest->defer);
                free(guest);
        }
        fake.process = NULL;
        return NULL;
}

static const struct driver driver_fake = {
        .name = "fake",
        .check_plan = driver_check_plan,
        .probe = driver_probe,
        .spawn = fake_spawn,
        .trace = fake_trace,
        .go = fake_go,
        .adopt = fake_adopt,
        .command = fake_command,
        .kill = fake_kill,
        .console = fake_console,
        .release = fake_release,
};
