/* A real driver, lent to a scripted guest: its QEMU lives and dies as ever, but whoever calls the channel of
 * the agent reaches the test. It counts as the scripted driver does. */
#pragma once

#include "tests/vm/driver-of-test.h"
#include "tests/vm/fake-driver.h"

static struct {
        const struct driver *real;
        struct driver driver;       /* the real one, but for what is done here */
        struct driver_guest *guest; /* of a VM; borrowed */
        driver_event_fn on_event;
        char channel[4200]; /* to be listened to when QEMU is up; empty: that is done */
} lent;

static void lent_event(void *ctx, enum driver_event event, struct cvm_error *why) {
        if (event == DRIVER_UP && *lent.channel) {
                guest_listen(fake.guest, lent.channel);
                *lent.channel = 0;
        }
        lent.on_event(ctx, event, why);
}

static struct driver_start lent_start(const struct driver_start *start) {
        struct driver_start s = *start;

        lent.on_event = start->on_event;
        fake.guest->event = start->event;
        s.on_event = lent_event;
        return s;
}

static int lent_spawn(const struct driver_start *start, struct driver_guest **ret, struct cvm_error *err) {
        const struct driver_start s = lent_start(start);
        int r;

        assert_int_equal(driver_channel_path(s.runtime_dir, PLAN_CHANNEL_AGENT, lent.channel,
                                             sizeof lent.channel),
                         0);
        r = lent.real->spawn(&s, ret, err);
        if (r >= 0)
                lent.guest = *ret;
        fake.starts++;
        return r;
}

static int lent_adopt(const struct driver_start *start, const struct driver_trace *trace,
                      struct driver_guest **ret, struct cvm_error *err) {
        const struct driver_start s = lent_start(start);
        int r = lent.real->adopt(&s, trace, ret, err);

        if (r > 0)
                lent.guest = *ret;
        return r;
}

static int lent_command(struct driver_guest *guest, enum driver_command command, driver_done_fn done,
                        void *ctx, struct cvm_error *err) {
        if (command == DRIVER_POWERDOWN)
                fake.powerdowns++;
        return lent.real->command(guest, command, done, ctx, err);
}

static void lent_kill(struct driver_guest *guest) {
        fake.kills++;
        lent.real->kill(guest);
}

static const struct driver *driver_lend(const struct driver *real) {
        lent.real = real;
        lent.driver = *real;
        lent.driver.spawn = lent_spawn;
        lent.driver.adopt = lent_adopt;
        lent.driver.command = lent_command;
        lent.driver.kill = lent_kill;
        return &lent.driver;
}
