/* A real QEMU under a driver, with a guest of one boot sector in a directory of its own. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/guest/boot-sector.h"
#include "tests/vm/driver-of-test.h"
#include "vm/libvirt-link.h"
#include "vm/stderr-words.h"

#define DEFINITION                                                                                           \
        "{\"version\":1,\"name\":\"t\",\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"simulate\":true," \
        "\"memory\":\"256MiB\",\"vcpus\":1,"

static const struct driver *the_driver = &driver_qemu; /* a suite for several chooses it */

struct fixture {
        char dir[64], disk[128];
        sd_event *event;
        struct definition *definition;
        struct plan *plan;
        int files[4];
        struct driver_guest *guest;
        struct driver_trace trace;
        unsigned seen[DRIVER_GONE + 1];
        struct cvm_error why;
        bool answered, removed, use_kvm;
        unsigned progress; /* how often it was told */
        uint32_t percent;  /* the last time */
};

static inline void on_event(void *ctx, enum driver_event event, struct cvm_error *why) {
        struct fixture *f = ctx;

        f->seen[event]++;
        if (why->code)
                f->why = *why;
        if (event == DRIVER_GONE)
                f->guest = the_driver->release(f->guest);
        else if (event == DRIVER_UP)
                the_driver->trace(f->guest, &f->trace);
}

static inline void wait_for(struct fixture *f, enum driver_event event, unsigned times) {
        while (f->seen[event] < times) {
                if (event != DRIVER_GONE && f->seen[DRIVER_GONE])
                        fail_msg("QEMU ended: %s", f->why.text);
                assert_true(sd_event_run(f->event, 60000000) > 0);
        }
}

static inline void begin(struct fixture *f, const char *members) {
        struct cvm_error err = { 0 };
        char text[1024];

        if (libvirt_link_pid() > 0) /* on the loop of a test that failed: this one would wait for nothing */
                fail_msg("a test before this one did not end");
        *f = (struct fixture){ .dir = "/tmp/cvmd-driver-XXXXXX" };
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->disk, sizeof f->disk, "%s/disk", f->dir);
        assert_int_equal(boot_sector_write(f->disk), 0);
        snprintf(text, sizeof text, "%s%s}", DEFINITION, members);
        if (definition_read(text, strlen(text), "test", &f->definition, &err) < 0 ||
            plan_make(f->definition, NULL, NULL, &f->plan, &err) < 0)
                fail_msg("%s", err.text);
        assert_true(sd_event_new(&f->event) >= 0);
        for (size_t i = 0; i < f->plan->n_files; i++)
                f->files[i] = open(f->disk, (f->plan->files[i].writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
}

static inline struct driver_start start_of(struct fixture *f) {
        return (struct driver_start){ .event = f->event,
                                      .plan = f->plan,
                                      .name = f->definition->name,
                                      .uuid = f->definition->uuid,
                                      .runtime_dir = f->dir,
                                      .files = f->files,
                                      .use_kvm = f->use_kvm,
                                      .on_event = on_event,
                                      .ctx = f };
}

/* Both steps; f->why has words where it ended in between. */
static inline void spawn_and_go(struct fixture *f, const struct driver_start *s) {
        struct cvm_error err = { 0 };
        int r = the_driver->spawn(s, &f->guest, &err);

        if (r < 0)
                fail_msg("%s", err.text);
        if (r > 0)
                wait_for(f, DRIVER_SPAWNED, 1);
        the_driver->trace(f->guest, &f->trace);
        if (the_driver->go(f->guest, &err) < 0)
                fail_msg("%s", err.text);
        for (size_t i = 0; i < f->plan->n_files; i++)
                f->files[i] = cvm_close(f->files[i]);
}

static inline void start(struct fixture *f) {
        const struct driver_start s = start_of(f);

        spawn_and_go(f, &s);
}

/* As a daemon that dies. */
static inline void forget(struct fixture *f) {
        f->guest = the_driver->release(f->guest);
        libvirt_link_end();
}

static inline void on_removed(void *ctx, const char *uuid) {
        *(bool *)ctx = true;
}

/* Until nothing is kept of it. */
static inline void wait_until_removed(struct fixture *f) {
        while (!f->removed)
                assert_true(sd_event_run(f->event, 60000000) > 0);
}

static inline void end(struct fixture *f) {
        char command[128];

        if (f->guest) {
                the_driver->kill(f->guest);
                wait_for(f, DRIVER_GONE, 1);
        }
        if (the_driver->remove) {
                f->removed = false;
                the_driver->remove(f->event, f->definition->uuid, on_removed, &f->removed);
                wait_until_removed(f);
        }
        libvirt_link_end(); /* the next loop is another one */
        plan_free(f->plan);
        definition_free(f->definition);
        sd_event_unref(f->event);
        for (size_t i = 0; i < ARRAY_SIZE(f->files); i++)
                f->files[i] = f->files[i] > 2 ? cvm_close(f->files[i]) : -1;
        snprintf(command, sizeof command, "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
}

static inline void on_answer(void *ctx, struct cvm_error *err) {
        struct fixture *f = ctx;

        f->answered = true;
        if (err)
                f->why = *err;
}

static inline void command(struct fixture *f, enum driver_command command) {
        struct cvm_error err = { 0 };

        f->answered = false;
        if (the_driver->command(f->guest, command, on_answer, f, &err) < 0)
                fail_msg("%s", err.text);
        while (!f->answered && !f->seen[DRIVER_GONE]) /* with it goes what was asked */
                assert_true(sd_event_run(f->event, 60000000) > 0);
}

static inline void on_progress(void *ctx, uint32_t percent) {
        struct fixture *f = ctx;

        assert_true(percent < 100);
        f->progress++;
        f->percent = percent;
}

/* It begins; f->answered and f->why when it has ended. */
static inline void dump(struct fixture *f, int fd) {
        struct cvm_error err = { 0 };

        f->answered = false;
        f->progress = f->percent = 0;
        if (the_driver->dump(f->guest, fd, on_progress, on_answer, f, &err) < 0)
                fail_msg("%s", err.text);
}

static inline void wait_for_answer(struct fixture *f) {
        while (!f->answered)
                assert_true(sd_event_run(f->event, 60000000) > 0);
}

static inline void wait_for_dump(struct fixture *f) {
        wait_for_answer(f);
        if (f->why.code)
                fail_msg("%s", f->why.text);
}

/* One that stands still, as nobody reads. */
static inline int dump_into_pipe(struct fixture *f) {
        unsigned paused = f->seen[DRIVER_PAUSED];
        int ends[2];

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        dump(f, ends[1]);
        wait_for(f, DRIVER_PAUSED, paused + 1);
        close(ends[1]);
        return ends[0];
}

/* A turn in which it goes on. */
static inline void drain(struct fixture *f, int fd) {
        char some[65536];

        while (read(fd, some, sizeof some) > 0)
                ;
        assert_true(sd_event_run(f->event, 1000) >= 0);
}

static inline int dump_file(const struct fixture *f) {
        int fd = open(f->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        return fd;
}

/* Until the guest has printed at least that many bytes on its console. */
static inline size_t wait_for_output(struct fixture *f, size_t bytes) {
        char path[128];
        size_t n = 0;

        snprintf(path, sizeof path, "%s/console.log", f->dir);
        for (int i = 0; i < 6000 && n < bytes; i++) {
                CVM_CLEANUP(cvm_freep) char *text = file_tail(path, 1 << 20);

                n = text ? strlen(text) : 0;
                if (n < bytes)
                        sd_event_run(f->event, 10000);
        }
        assert_true(n >= bytes);
        return n;
}

struct opening {
        int fd;
        bool done;
        struct cvm_error *err;
};

static inline void on_console(void *ctx, int fd, struct cvm_error *err) {
        struct opening *o = ctx;

        o->fd = fd;
        o->done = true;
        if (err)
                *o->err = *err;
}

/* Its descriptor, or negative with words. */
static inline int open_console(struct fixture *f, struct cvm_error *err) {
        struct opening o = { .fd = -EBADF, .err = err };

        if (the_driver->console(f->guest, on_console, &o, err) < 0)
                return -EBADF;
        while (!o.done)
                assert_true(sd_event_run(f->event, 60000000) > 0);
        return o.fd;
}

#define BOOT_DISK \
        "\"boot\":{\"disk\":\"root\"},\"disks\":[{\"path\":\"disk\",\"format\":\"raw\",\"serial\":\"root\"}]"

static inline void begin_running(struct fixture *f) {
        begin(f, BOOT_DISK);
        start(f);
        wait_for(f, DRIVER_UP, 1);
        command(f, DRIVER_CONT);
        wait_for(f, DRIVER_RUNNING, 1);
}

/* A guest whose boot sector is this, at whose console somebody is. */
static inline int begin_at_console(struct fixture *f, const uint8_t *code, size_t size) {
        struct cvm_error err = { 0 };
        int fd;

        begin(f, "\"console\":\"interactive\"," BOOT_DISK);
        if (size)
                assert_int_equal(pwrite(f->files[0], code, size, 0), size);
        start(f);
        wait_for(f, DRIVER_UP, 1);
        fd = open_console(f, &err);
        if (fd < 0)
                fail_msg("%s", err.text);
        command(f, DRIVER_CONT);
        return fd;
}

/* What there is now, after one more turn; 0: nothing, negative: it has ended. */
static inline ssize_t take_printed(struct fixture *f, int fd, void *ret, size_t size) {
        ssize_t n = recv(fd, ret, size, MSG_DONTWAIT);

        if (n == 0)
                return -EPIPE;
        if (n < 0)
                assert_true(sd_event_run(f->event, 10000) >= 0);
        return n < 0 ? 0 : n;
}
