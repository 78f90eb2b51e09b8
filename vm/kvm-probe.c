/*
 * Is KVM usable? A device that opens proves nothing: on some hosts QEMU then aborts, on others no
 * instruction is ever executed, or each one as slowly as a system call. So a probe guest is run, which works
 * a little and then ends QEMU in a way of its own (vm/probe-guest.h); only that, within a second, is a yes.
 * The answer is kept for the QEMU binary, the kernel and the CPU model that it was given for; only "nothing
 * within a second", which a loaded host may say too, is asked anew after a while.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "vm/driver.h"
#include "vm/pidfd.h"
#include "vm/probe-guest.h"
#include "vm/program.h"
#include "vm/spawn.h"
#include "vm/stderr-words.h"

#define PROBE_USEC 1000000ull
#define LATE_KEPT_USEC (600ull * 1000000)
#define OUTPUT_MAX 4096
#define ARGUMENTS_MAX 32

struct waiter {
        struct waiter *next;
        driver_done_fn done;
        void *ctx;
};

struct probe {
        struct probe *next;
        char key[512];
        const struct probe_guest *guest;
        int pidfd; /* -EBADF: the answer is known */
        int words; /* what QEMU says */
        bool late;
        uint64_t late_until; /* CLOCK_MONOTONIC: a late answer is believed so long */
        sd_event_source *end, *deadline;
        struct waiter *waiters;
        struct cvm_error why; /* code NULL: it works */
};

static struct probe *probes; /* for the process's life: a few dozen bytes per CPU model */

static int make_key(const struct driver_probe *what, char ret[512], struct cvm_error *err) {
        char program[PROGRAM_IDENTITY_MAX];
        struct utsname host = { 0 };
        int r = program_identity(what->binary, program, err);

        if (r < 0)
                return r;
        (void)uname(&host);
        /* users other than the superuser are alike: they get the device's group (vm/spawn.h) */
        snprintf(ret, 512, "%s %.64s %s %.32s %d %.128s", program, host.release, what->accelerator,
                 what->machine, what->uid != 0, what->cpu);
        return 0;
}

/* Answer everybody. The list is detached first: a callback may ask anew, or forget others. */
static int on_known(sd_event_source *source, void *userdata) {
        struct probe *p = userdata;

        p->deadline = sd_event_source_disable_unref(p->deadline);
        while (p->waiters) {
                CVM_CLEANUP(cvm_freep) struct waiter *w = p->waiters;
                struct cvm_error why = p->why;

                p->waiters = w->next;
                if (w->done)
                        w->done(w->ctx, why.code ? &why : NULL);
        }
        return 0;
}

/* QEMU's own words, where it had any, with how it ended in front. */
static void explain(struct probe *p, const siginfo_t *info) {
        if (p->late) {
                cvm_fail(&p->why, &CVM_CODE_KVM, ETIMEDOUT,
                         "a probe guest under KVM was not through with a few milliseconds' work within a second");
                return;
        }
        stderr_words(p->words, &p->why);
        p->why.code = &CVM_CODE_KVM;
        (void)cvm_while(&p->why, -EIO, "a probe guest under KVM did not run (%s %d)",
                        info->si_code == CLD_EXITED ? "status" : "signal", info->si_status);
}

static bool has_run(const struct probe *p, const siginfo_t *info) {
        char output[OUTPUT_MAX];
        ssize_t n = pread(p->words, output, sizeof output - 1, 0);

        output[n > 0 ? n : 0] = 0;
        return info->si_code == CLD_EXITED && probe_guest_ran(p->guest, info->si_status, output);
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct probe *p = userdata;
        siginfo_t info = { 0 };

        (void)waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED);
        p->end = sd_event_source_disable_unref(p->end);
        p->pidfd = cvm_close(p->pidfd);
        if (!has_run(p, &info))
                explain(p, &info);
        p->words = cvm_close(p->words);
        return on_known(NULL, p);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata) {
        struct probe *p = userdata;

        p->late = true;
        p->late_until = usec + LATE_KEPT_USEC;
        pidfd_kill(p->pidfd, SIGKILL);
        return 0;
}

/* argv ends with NULL. */
static void make_argv(const struct probe_guest *guest, const struct driver_probe *what,
                      const char *argv[ARGUMENTS_MAX]) {
        const char *const all[] = { what->binary,  "-nodefaults", "-no-user-config", "-display",
                                    "none",        "-accel",      what->accelerator, "-machine",
                                    what->machine, "-cpu",        what->cpu,         "-m",
                                    "16",          "-no-reboot" };
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                argv[n++] = all[i];
        for (size_t i = 0; guest->arguments[i]; i++)
                argv[n++] = guest->arguments[i];
        argv[n] = NULL;
}

static int start_guest(struct probe *p, sd_event *event, const struct driver_probe *what,
                       struct cvm_error *err) {
        static const char *const devices[] = { "/dev/kvm", NULL };
        CVM_CLEANUP(cvm_closep) int image = probe_guest_image(p->guest);
        const char *argv[ARGUMENTS_MAX];
        const struct spawn spawn = { .argv = (char *const *)argv,
                                     .fds = &image,
                                     .n_fds = 1,
                                     .out_fd = p->words,
                                     .err_fd = p->words,
                                     .ends_with_us = true,
                                     .uid = what->uid,
                                     .devices = devices };
        int go, r;
        pid_t pid;

        make_argv(p->guest, what, argv);
        if (image < 0 || p->words < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a probe guest");
        r = spawn_begin(&spawn, &pid, &go, err);
        if (r < 0)
                return r;
        p->pidfd = pidfd_of(pid);
        r = sd_event_add_io(event, &p->end, p->pidfd, EPOLLIN, on_end, p);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &p->deadline, CLOCK_MONOTONIC, PROBE_USEC, 0, on_late,
                                               p);
        if (r < 0) {
                close(go); /* it ends without having done anything */
                return cvm_fail(err, &CVM_CODE_INTERNAL, r, "watching a probe guest: %s", strerror(-r));
        }
        spawn_go(go);
        return 0;
}

static struct probe *probe_free(struct probe *p) {
        if (!p)
                return NULL;
        p->end = sd_event_source_disable_unref(p->end);
        p->deadline = sd_event_source_disable_unref(p->deadline);
        p->pidfd = cvm_close(p->pidfd);
        p->words = cvm_close(p->words);
        free(p);
        return NULL;
}

CVM_DEFINE_CLEANUP(struct probe, probe_free);

static int start(sd_event *event, const char *key, const struct driver_probe *what, struct probe **ret,
                 struct cvm_error *err) {
        CVM_CLEANUP(probe_freep) struct probe *p = calloc(1, sizeof *p);
        int r;

        if (!p)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "probing KVM");
        p->guest = probe_guest_find(what->machine);
        p->pidfd = p->words = -EBADF;
        if (!p->guest)
                return cvm_fail(err, &CVM_CODE_KVM, EOPNOTSUPP,
                                "there is no probe guest for the machine '%s'", what->machine);
        p->words = memfd_create("kvm-probe-words", MFD_CLOEXEC);
        snprintf(p->key, sizeof p->key, "%s", key);
        r = start_guest(p, event, what, err);
        if (r < 0)
                return r;
        p->next = probes;
        probes = *ret = TAKE_PTR(p);
        return 0;
}

static bool is_outdated(const struct probe *p) {
        struct timespec now;

        if (p->pidfd >= 0 || !p->late || p->deadline)
                return false;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 >= p->late_until;
}

/* NULL: it must be asked. */
static struct probe *find(const char *key) {
        struct probe **p = &probes, *found;

        while (*p && strcmp((*p)->key, key) != 0)
                p = &(*p)->next;
        found = *p;
        if (!found || !is_outdated(found))
                return found;
        *p = found->next;
        return probe_free(found);
}

int driver_probe(sd_event *event, const struct driver_probe *what, driver_done_fn done, void *ctx,
                 struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) struct waiter *w = calloc(1, sizeof *w);
        char key[512];
        struct probe *p;
        int r = make_key(what, key, err);

        if (r < 0)
                return r;
        if (!w)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "probing KVM");
        p = find(key);
        if (!p)
                r = start(event, key, what, &p, err);
        else if (p->pidfd < 0 && !p->deadline) { /* known: told from the loop, never from here */
                r = sd_event_add_defer(event, &p->deadline, on_known, p);
                if (r < 0)
                        return cvm_fail(err, &CVM_CODE_INTERNAL, r, "probing KVM: %s", strerror(-r));
        }
        if (r < 0)
                return r;
        *w = (struct waiter){ p->waiters, done, ctx };
        p->waiters = TAKE_PTR(w);
        return 0;
}

void driver_probe_forget(void *ctx) {
        for (struct probe *p = probes; p; p = p->next)
                for (struct waiter *w = p->waiters; w; w = w->next)
                        if (w->ctx == ctx)
                                w->done = NULL;
}
