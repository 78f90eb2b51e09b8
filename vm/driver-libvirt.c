/*
 * QEMU under libvirt. cvmd-libvirt does the work; here is what it means. Two things tell the end, and both
 * must: libvirt says that the domain is shut off, and the process behind its pidfd is dead. What a domain is
 * comes as a state, again after each time that libvirt was away: events are made here by comparing it with
 * the last one, so none is lost and none comes twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "vm/confirm.h"
#include "vm/console-log.h"
#include "vm/libvirt-console.h"
#include "vm/libvirt-dump.h"
#include "vm/libvirt-link.h"
#include "vm/libvirt-monitor.h"
#include "vm/libvirt-removal.h"
#include "vm/libvirt-words.h"
#include "vm/libvirt-xml.h"
#include "vm/pidfd.h"
#include "vm/program.h"
#include "vm/stderr-words.h"

#define SILENCE_USEC 5000000ull

enum phase {
        DEFINING,
        DEFINED,  /* waits for go() */
        STARTING, /* waits for a process */
        FINDING,  /* after a restart of the daemon: it is not known yet whether it lives */
        LIVE,
};

struct pending {
        struct driver_guest *guest;
        driver_done_fn done; /* NULL: none */
        void *ctx;
};

struct driver_guest {
        sd_event *event;
        struct driver_start start; /* texts are borrowed from the VM, which outlives it */
        char dir[PATH_MAX];
        struct libvirt_watch *watch;
        enum phase phase;
        struct driver_trace trace;
        int files[LIBVIRT_FDS_MAX]; /* of the disks, until they are passed on */
        char groups[LIBVIRT_FDS_MAX][16];
        size_t n_files;
        int pidfd;
        sd_event_source *death, *silence;
        struct console_log *log;
        struct libvirt_console *console; /* NULL: nobody has been at it */
        struct confirm confirm;
        struct pending pending[DRIVER_QUIT + 1];
        struct libvirt_dump dump;
        bool runs;      /* DRIVER_RUNNING was told, and no DRIVER_PAUSED since */
        bool away;      /* libvirt was, since it was last told */
        bool started;   /* libvirt has done so */
        bool off;       /* libvirt says so */
        bool expected;  /* its end was asked for, or the guest's own */
        bool panicked;  /* likewise, for good: why has words */
        bool dead;      /* its process is; libvirt may not have seen it yet */
        bool killed;    /* it must end */
        bool changed;   /* that was told */
        bool reborn;    /* another process than the last one, and that was not told */
        bool *released; /* set when it goes while something is being told */
        struct cvm_error why;
        struct cvm_error said; /* by a QEMU that ended before it was up */
};

static struct driver_guest *guest_release(struct driver_guest *g) {
        if (!g)
                return NULL;
        if (g->released)
                *g->released = true;
        g->watch = libvirt_watch_free(g->watch);
        libvirt_dump_done(&g->dump);
        g->console = libvirt_console_free(g->console);
        g->log = console_log_free(g->log);
        g->death = sd_event_source_disable_unref(g->death);
        g->silence = sd_event_source_disable_unref(g->silence);
        g->pidfd = cvm_close(g->pidfd);
        while (g->n_files > 0)
                cvm_close(g->files[--g->n_files]);
        sd_event_unref(g->event);
        free(g);
        return NULL;
}

CVM_DEFINE_CLEANUP(struct driver_guest, guest_release);

/* false: its owner has let go of it, and of what stood in it. */
static bool tell(struct driver_guest *g, enum driver_event event, const struct cvm_error *why) {
        struct cvm_error words = why ? *why : (struct cvm_error){ 0 };
        bool released = false;

        g->released = &released;
        g->start.on_event(g->start.ctx, event, &words);
        if (!released)
                g->released = NULL;
        return !released;
}

static int ask(struct driver_guest *g, enum libvirt_verb verb, libvirt_done_fn done, void *ctx,
               struct cvm_error *err) {
        const struct libvirt_request request = { .verb = verb };

        return libvirt_watch_ask(g->watch, &request, NULL, 0, done, ctx, err);
}

/* --- its end --- */

static void tell_gone(void *ctx) {
        struct driver_guest *g = ctx;
        struct cvm_error none = { 0 };

        if (!g->off || g->pidfd >= 0 || libvirt_console_wait(g->console, tell_gone, g))
                return;
        (void)tell(g, DRIVER_GONE, g->expected && !g->panicked ? &none : &g->why);
}

static void say_nothing_known(struct driver_guest *g) {
        if (!g->expected && !g->why.code)
                cvm_fail(&g->why, &CVM_CODE_QEMU, EIO, "QEMU ended without a word");
}

/* Nobody is there to say that it is shut off. */
static void end_alone(struct driver_guest *g) {
        say_nothing_known(g);
        g->off = true;
        tell_gone(g);
}

/* libvirt says nothing of what died while it took up its domains again: it is told. */
static int on_silence(sd_event_source *source, uint64_t usec, void *userdata) {
        struct driver_guest *g = userdata;

        g->silence = sd_event_source_disable_unref(g->silence);
        say_nothing_known(g);
        (void)ask(g, LIBVIRT_DESTROY, NULL, NULL, NULL);
        return 0;
}

static int on_death(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct driver_guest *g = userdata;

        g->death = sd_event_source_disable_unref(g->death);
        g->pidfd = cvm_close(g->pidfd);
        g->dead = true;
        if (g->away)
                end_alone(g);
        else if (g->off)
                tell_gone(g);
        else /* libvirt's word is still to come */
                (void)sd_event_add_time_relative(g->event, &g->silence, CLOCK_MONOTONIC, SILENCE_USEC, 0,
                                                 on_silence, g);
        return 0;
}

/* There is no process, and none will come. */
static void end_without(struct driver_guest *g, const struct cvm_error *why) {
        if (!g->why.code)
                g->why = *why;
        g->off = true;
        tell_gone(g);
}

static void on_destroyed(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        const struct cvm_error none = { 0 };
        struct driver_guest *g = ctx;

        if (g->phase <= DEFINED) /* there was nothing to end; else the domain's state tells */
                end_without(g, &none);
}

static void destroy(struct driver_guest *g) {
        g->killed = true;
        if (g->pidfd >= 0) /* libvirt may be waiting for this very process */
                pidfd_kill(g->pidfd, SIGKILL);
        (void)ask(g, LIBVIRT_DESTROY, on_destroyed, g, NULL);
}

static void guest_kill(struct driver_guest *g) {
        g->expected = true;
        destroy(g);
}

/* It is not what it must be, or nobody can tell: it may not run. */
static void give_up(struct driver_guest *g, const struct cvm_error *why) {
        g->why = *why;
        destroy(g);
}

/* --- what it is --- */

static bool tell_waiting(struct driver_guest *g) {
        const struct confirm waiting = confirm_take(&g->confirm);
        bool there = true;

        for (size_t i = 0; there && i < waiting.n; i++)
                there = tell(g, waiting.events[i], NULL);
        return there;
}

static void on_confirmed(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *result = NULL;
        struct driver_guest *g = ctx;
        struct cvm_error why = { 0 };

        if (answer)
                result = libvirt_monitor_answer(answer, &why);
        else
                why = *err;
        if (why.code || !confirm_is_fine(&g->confirm, result, &why))
                give_up(g, &why);
        else
                (void)tell_waiting(g);
}

static bool tell_in_order(struct driver_guest *g, enum driver_event event) {
        enum confirm_how how = CONFIRM_WAIT;
        struct cvm_error why = { 0 };
        int r = confirm_event(&g->confirm, event, &how, &why);

        if (r >= 0 && how == CONFIRM_ASK)
                r = libvirt_monitor_ask(g->watch, g->confirm.plan->platform->state_query, on_confirmed, g,
                                        &why);
        if (r < 0)
                give_up(g, &why);
        return r < 0 || how != CONFIRM_TELL || tell(g, event, NULL);
}

static bool tell_changed(struct driver_guest *g, const char *words) {
        struct cvm_error why = { 0 };

        if (g->changed || g->off)
                return true;
        g->changed = true;
        cvm_fail(&why, &CVM_CODE_DOMAIN_CHANGED, ESTALE, "'%s' was changed in libvirt: %s", g->start.name,
                 words);
        if (g->phase < LIVE && g->phase != FINDING) { /* not one instruction of it */
                give_up(g, &why);
                return true;
        }
        return tell(g, DRIVER_CHANGED, &why);
}

/* What libvirt would start it by must be what was defined. */
static bool compare_definition(struct driver_guest *g, const struct libvirt_message *m) {
        if (g->phase == DEFINING || !m->has_sha256 ||
            memcmp(m->sha256, g->trace.kept, sizeof g->trace.kept) == 0)
                return true;
        return tell_changed(g, "its definition there is not the one that cvmd made");
}

static int watch_process(struct driver_guest *g, int *fd) {
        g->death = sd_event_source_disable_unref(g->death);
        g->silence = sd_event_source_disable_unref(g->silence);
        cvm_close(g->pidfd);
        g->pidfd = TAKE_FD(*fd);
        g->dead = false;
        return sd_event_add_io(g->event, &g->death, g->pidfd, EPOLLIN, on_death, g);
}

static void take_process(struct driver_guest *g, const struct libvirt_message *m, int *fd) {
        pid_t last = g->trace.pid;

        if (*fd < 0 || (g->pidfd >= 0 && (pid_t)m->pid == last))
                return;
        g->reborn = last > 0 && (pid_t)m->pid != last; /* somebody else had libvirt do so */
        g->trace.pid = (pid_t)m->pid;
        (void)process_start_time(g->trace.pid, &g->trace.start_time);
        if (watch_process(g, fd) < 0)
                destroy(g); /* it cannot be watched */
}

/* They are in its memory now. The firmware stays: a confidential guest that is reset is built anew from it.
 */
static void remove_boot_files(const struct driver_guest *g) {
        for (size_t role = PLAN_FIRMWARE + 1; role < PLAN_DISK; role++) {
                char path[PATH_MAX];

                snprintf(path, sizeof path, "%.3500s/%s", g->dir, driver_boot_files[role]);
                unlink(path);
        }
}

/* Another process is another boot. */
static bool tell_reborn(struct driver_guest *g) {
        bool reborn = g->reborn;

        g->reborn = false;
        return !reborn || tell_in_order(g, DRIVER_RESET);
}

static bool tell_up(struct driver_guest *g) {
        g->phase = LIVE;
        g->why = (struct cvm_error){ 0 };
        remove_boot_files(g);
        return tell(g, DRIVER_UP, NULL) && tell_reborn(g);
}

static void find_paused(struct driver_guest *g) {
        if (tell_up(g))
                (void)tell_in_order(g, DRIVER_PAUSED);
}

/* Paused, or not yet begun? libvirt has one word for both. */
static void on_status(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *result = NULL;
        struct driver_guest *g = ctx;
        struct cvm_error why = { 0 };
        struct cvm_json place;
        const char *status = "";

        result = answer ? libvirt_monitor_answer(answer, &why) : NULL;
        place = cvm_json_root(result, "query-status");
        (void)cvm_json_get_text(&place, "status", &status, &why);
        if (strcmp(status, "prelaunch") != 0 && !g->runs && g->phase == FINDING)
                find_paused(g);
        else if (g->phase == FINDING)
                (void)tell_up(g);
}

static void find(struct driver_guest *g, const struct libvirt_message *m) {
        struct cvm_error why = { 0 };

        if (m->state == LIBVIRT_RUNNING) {
                g->runs = true;
                if (tell_up(g))
                        (void)tell_in_order(g, DRIVER_RUNNING);
        } else if (m->state == LIBVIRT_PAUSED && g->start.has_begun) {
                find_paused(g);
        } else if (m->state == LIBVIRT_PAUSED) {
                if (libvirt_monitor_ask(g->watch, "query-status", on_status, g, &why) < 0)
                        give_up(g, &why);
        } else {
                cvm_fail(&why, &CVM_CODE_ENDED_AWAY, ESRCH, "it ended while the daemon was away");
                end_without(g, &why);
        }
}

static bool compare_state(struct driver_guest *g, int state) {
        bool runs = state == LIBVIRT_RUNNING;

        if (g->expected || runs == g->runs)
                return true;
        g->runs = runs;
        return tell_in_order(g, runs ? DRIVER_RUNNING : DRIVER_PAUSED);
}

/* A cause that QEMU names is closer than what was seen of it from here. */
static void take_last_words(struct driver_guest *g, const struct libvirt_message *m, struct cvm_error *ret) {
        CVM_CLEANUP(cvm_freep) char *text = libvirt_log_text(m->text.data, m->text.size);
        struct cvm_error words = { 0 };
        char path[PATH_MAX];

        if (!text || !*text)
                return;
        snprintf(path, sizeof path, "%.3500s/stderr.log", g->dir);
        (void)cvm_write_file(path, (const uint8_t *)text, strlen(text), 0600, NULL); /* for cvmctl logs */
        if (g->panicked)
                driver_explain_panic(g->confirm.plan, g->dir, &words);
        else
                stderr_text_words(text, &words);
        if (words.code != &CVM_CODE_QEMU || !ret->code)
                *ret = words;
}

static void shut_off(struct driver_guest *g, const struct libvirt_message *m) {
        if (!g->expected || g->panicked)
                take_last_words(g, m, &g->why);
        if (!g->expected && !g->why.code && m->destroyed)
                cvm_fail(&g->why, &CVM_CODE_DOMAIN_ENDED, ECANCELED,
                         "'%s' was ended in libvirt, and not by cvmd", g->start.name);
        say_nothing_known(g);
        g->off = true;
        tell_gone(g);
}

static void on_domain(void *ctx, const struct libvirt_message *m, int *fd) {
        struct driver_guest *g = ctx;
        bool was_away = g->away, lives = m->state > LIBVIRT_OFF;

        g->away = false;
        if (g->phase > DEFINED) /* what runs before that is not ours */
                take_process(g, m, fd);
        if (lives && was_away && g->killed)
                destroy(g); /* it may not have been heard */
        if (!compare_definition(g, m) || g->off)
                return;
        if (lives && g->pidfd < 0)
                return; /* its process is dead, or not there yet: libvirt will see it */
        if (g->phase == FINDING)
                find(g, m);
        else if (g->phase == STARTING && lives && !g->killed && (g->started || was_away))
                (void)tell_up(g); /* before that it is not our run */
        else if (g->phase == STARTING && !lives && !g->started && was_away && g->why.code)
                end_without(g, &g->why); /* it never began */
        else if (g->phase == STARTING && !lives && !g->started)
                take_last_words(g, m, &g->said);
        else if (!lives && (g->phase == LIVE || (g->phase == STARTING && g->started)))
                shut_off(g, m);
        else if (g->phase == LIVE && (!was_away || tell(g, DRIVER_FOUND, NULL)) && tell_reborn(g))
                (void)compare_state(g, m->state);
}

static void on_ends(struct driver_guest *g, const struct libvirt_message *m) {
        CVM_CLEANUP(cvm_freep)
        char *reason = strndup(m->text.data ? (const char *)m->text.data : "", m->text.size);

        if (g->expected || !reason)
                return;
        if (strcmp(reason, "guest-reset") == 0 || strcmp(reason, "host-qmp-system-reset") == 0) {
                g->expected = true;
                (void)tell(g, DRIVER_RELAUNCH, NULL);
        } else if (m->by_guest) {
                g->expected = true;
                g->panicked = strcmp(reason, "guest-panic") == 0;
                if (g->panicked)
                        driver_explain_panic(g->confirm.plan, g->dir, &g->why);
                (void)tell(g, DRIVER_SHUTDOWN, g->panicked ? &g->why : NULL);
        }
}

static void on_news(void *ctx, const struct libvirt_message *m) {
        struct driver_guest *g = ctx;

        if (g->phase != LIVE || g->off)
                return;
        if (m->kind == LIBVIRT_REBOOTED)
                (void)tell_in_order(g, DRIVER_RESET);
        else if (m->kind == LIBVIRT_ENDS)
                on_ends(g, m);
        else if (m->kind == LIBVIRT_PORT && m->text.size == strlen(LIBVIRT_AGENT_ALIAS) &&
                 memcmp(m->text.data, LIBVIRT_AGENT_ALIAS, m->text.size) == 0)
                (void)tell(g, DRIVER_LISTENS, NULL);
        else if (m->kind == LIBVIRT_DEVICES)
                (void)tell_changed(g, "a device was added or removed");
}

static void on_away(void *ctx) {
        struct driver_guest *g = ctx;

        g->away = true;
        if (g->killed && g->pidfd >= 0)
                pidfd_kill(g->pidfd, SIGKILL);
        if (g->dead && !g->off)
                end_alone(g);
}

static const struct libvirt_handlers handlers = { on_domain, on_news, on_away };

/* --- its beginning --- */

/* A file that only its user may read, filled by cvmd-libvirt from the sealed copy that was measured. */
static int copy_boot_file(struct driver_guest *g, int source, const char *path, struct cvm_error *err) {
        const struct libvirt_request request = { .verb = LIBVIRT_COPY };
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        uid_t uid = g->start.uid;

        unlink(path);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
        if (fd < 0 || (uid && fchown(fd, uid, uid) < 0))
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", path,
                                strerror(errno));
        return libvirt_watch_ask(g->watch, &request, (const int[]){ source, fd }, 2, NULL, NULL, err);
}

/* A disk goes as a descriptor; its path is for people, and never opened. */
static int keep_disk(struct driver_guest *g, size_t disk, int source, struct cvm_error *err) {
        int fd = g->n_files < LIBVIRT_FDS_MAX ? fcntl(source, F_DUPFD_CLOEXEC, 3) : -1;

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, EMFILE, "too many disks");
        snprintf(g->groups[g->n_files], sizeof g->groups[0], "disk%zu", disk);
        g->files[g->n_files++] = fd;
        return 0;
}

static int place_files(struct driver_guest *g, char **ret_sources, const char **ret_groups,
                       struct cvm_error *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < g->start.plan->n_files; i++) {
                const struct plan_file *file = &g->start.plan->files[i];
                bool is_disk = file->role == PLAN_DISK, is_path = is_disk && file->source[0] == '/';

                if (asprintf(&ret_sources[i], "%s/%s", is_path ? "" : g->dir,
                             is_path   ? file->source + 1
                             : is_disk ? file->source
                                       : driver_boot_files[file->role]) < 0) {
                        ret_sources[i] = NULL;
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "starting a domain");
                }
                if (is_disk) {
                        r = keep_disk(g, file->disk, g->start.files[i], err);
                        ret_groups[i] = r < 0 ? NULL : g->groups[g->n_files - 1];
                } else if (plan_boots_with(g->start.plan, file))
                        r = copy_boot_file(g, g->start.files[i], ret_sources[i], err);
        }
        return r;
}

static void on_defined(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        struct driver_guest *g = ctx;

        if (!answer || !answer->has_sha256) {
                end_without(g, err ? err : &g->why);
                return;
        }
        memcpy(g->trace.kept, answer->sha256, sizeof g->trace.kept);
        g->phase = DEFINED;
        if (!g->killed)
                (void)tell(g, DRIVER_SPAWNED, NULL);
}

static int define(struct driver_guest *g, const char *const *sources, const char *const *groups,
                  struct cvm_error *err) {
        struct libvirt_request request = { .verb = LIBVIRT_DEFINE };
        CVM_CLEANUP(cvm_freep) char *xml = NULL;
        char name[CVM_NAME_MAX + sizeof LIBVIRT_NAME_PREFIX], emulator[PATH_MAX], log[PATH_MAX],
                        kept[PATH_MAX];
        int r = program_path(g->start.plan->platform->binary, emulator, err);

        snprintf(name, sizeof name, LIBVIRT_NAME_PREFIX "%s", g->start.name);
        snprintf(log, sizeof log, "%.3500s/console.log", g->dir);
        snprintf(kept, sizeof kept, "%.3500s/" DRIVER_DOMAIN_FILE, g->dir);
        const struct libvirt_domain domain = { .plan = g->start.plan,
                                               .name = name,
                                               .uuid = g->start.uuid,
                                               .sources = sources,
                                               .fd_groups = groups,
                                               .runtime_dir = g->dir,
                                               .uid = g->start.uid,
                                               .use_kvm = g->start.use_kvm,
                                               .emulator = emulator,
                                               .console_log = log };

        if (r >= 0)
                r = libvirt_xml(&domain, &xml, err);
        if (r >= 0)
                r = cvm_write_file(kept, xml, strlen(xml), 0600, err);
        if (r < 0)
                return r;
        request.text = (struct cvm_bytes){ (uint8_t *)xml, strlen(xml) };
        return libvirt_watch_ask(g->watch, &request, NULL, 0, on_defined, g, err);
}

static int prepare(struct driver_guest *g, struct cvm_error *err) {
        char *sources[LIBVIRT_FDS_MAX] = { 0 };
        const char *groups[LIBVIRT_FDS_MAX] = { 0 };
        int r;

        if (g->start.plan->n_files > LIBVIRT_FDS_MAX)
                return cvm_fail(err, &CVM_CODE_INTERNAL, E2BIG, "too many files");
        r = place_files(g, sources, groups, err);
        if (r >= 0)
                r = define(g, (const char *const *)sources, groups, err);
        for (size_t i = 0; i < g->start.plan->n_files; i++)
                free(sources[i]);
        return r;
}

/* Its user, and nobody else, comes to its files; the sockets in it are the superuser's. */
static int open_directory(const struct driver_guest *g, struct cvm_error *err) {
        if (g->start.uid && (chown(g->dir, 0, g->start.uid) < 0 || chmod(g->dir, 0710) < 0))
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be given to the VM's user: %s",
                                g->dir, strerror(errno));
        return 0;
}

/* Nothing of an earlier boot explains this one; and the console's log is watched from its beginning on. */
static int begin_log(const struct driver_guest *g, const char *name, struct cvm_error *err) {
        char path[PATH_MAX];
        int fd;

        snprintf(path, sizeof path, "%.3500s/%s", g->dir, name);
        unlink(path);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", path,
                                strerror(errno));
        cvm_close(fd);
        return 0;
}

static struct driver_guest *guest_new(const struct driver_start *start, enum phase phase,
                                      struct cvm_error *err) {
        CVM_CLEANUP(guest_releasep) struct driver_guest *g = calloc(1, sizeof *g);

        if (!g) {
                cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "starting a domain");
                return NULL;
        }
        *g = (struct driver_guest){ .event = sd_event_ref(start->event),
                                    .start = *start,
                                    .phase = phase,
                                    .confirm.plan = start->plan,
                                    .pidfd = -EBADF };
        snprintf(g->dir, sizeof g->dir, "%s", start->runtime_dir);
        g->start.runtime_dir = NULL;
        if (libvirt_watch_new(g->event, start->uuid, &handlers, g, &g->watch, err) < 0)
                return NULL;
        return TAKE_PTR(g);
}

static int guest_spawn(const struct driver_start *start, struct driver_guest **ret, struct cvm_error *err) {
        CVM_CLEANUP(guest_releasep) struct driver_guest *g = guest_new(start, DEFINING, err);
        int r = g ? open_directory(g, err) : -ENOMEM;

        if (r >= 0)
                r = begin_log(g, "stderr.log", err);
        if (r >= 0)
                r = begin_log(g, "console.log", err);
        if (r >= 0)
                r = console_log_new(g->event, g->dir, &g->log, err);
        if (r >= 0)
                r = prepare(g, err);
        if (r < 0)
                return r;
        g->start.files = NULL;
        *ret = TAKE_PTR(g);
        return 1;
}

static void guest_trace(const struct driver_guest *g, struct driver_trace *ret) {
        *ret = g->trace;
}

static void on_started(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        struct driver_guest *g = ctx;

        g->started = answer != NULL;
        if (g->phase != STARTING || answer)
                return;   /* it is told what the domain is */
        if (!g->why.code) /* libvirt may have seen no more of QEMU than that it ended */
                g->why = err->code == &CVM_CODE_QEMU && g->said.code ? g->said : *err;
        if (!g->away) /* else nobody knows yet */
                end_without(g, &g->why);
}

static int guest_go(struct driver_guest *g, struct cvm_error *err) {
        struct libvirt_request request = { .verb = LIBVIRT_START, .has_sha256 = true };
        CVM_CLEANUP(cvm_texts_freep) char **groups = NULL;
        int r = g->phase == DEFINED ? 0
                                    : cvm_fail(err, &CVM_CODE_INTERNAL, EINVAL, "the domain is not defined");

        for (size_t i = 0; r >= 0 && i < g->n_files; i++)
                r = cvm_texts_add(&groups, g->groups[i]);
        if (r < 0)
                return r;
        request.groups = groups;
        memcpy(request.sha256, g->trace.kept, sizeof request.sha256);
        r = libvirt_watch_ask(g->watch, &request, g->files, g->n_files, on_started, g, err);
        if (r < 0)
                return r;
        g->phase = STARTING;
        while (g->n_files > 0)
                cvm_close(g->files[--g->n_files]);
        return 0;
}

/* Where its process lives it can be ended, and is seen to end, before libvirt is heard. */
static int find_process(struct driver_guest *g, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = g->trace.pid > 0 ? pidfd_of(g->trace.pid) : -ESRCH;
        uint64_t start_time = 0;
        int r = 0;

        if (fd >= 0 && process_start_time(g->trace.pid, &start_time) >= 0 &&
            start_time == g->trace.start_time && pidfd_is_alive(fd))
                r = watch_process(g, &fd);
        return r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "watching QEMU: %s", strerror(-r)) : 0;
}

static int guest_adopt(const struct driver_start *start, const struct driver_trace *trace,
                       struct driver_guest **ret, struct cvm_error *err) {
        CVM_CLEANUP(guest_releasep) struct driver_guest *g = guest_new(start, FINDING, err);
        int r = g ? console_log_new(g->event, g->dir, &g->log, err) : -ENOMEM;

        if (r < 0)
                return r;
        g->away = true;
        g->trace = *trace;
        r = find_process(g, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(g);
        return 1;
}

/* --- what is asked of it --- */

static void on_answer(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        struct pending *pending = ctx;
        driver_done_fn done = pending->done;

        pending->done = NULL;
        done(pending->ctx, err);
}

static int guest_command(struct driver_guest *g, enum driver_command command, driver_done_fn done, void *ctx,
                         struct cvm_error *err) {
        static const enum libvirt_verb verbs[] = {
                [DRIVER_CONT] = LIBVIRT_RESUME,        [DRIVER_PAUSE] = LIBVIRT_SUSPEND,
                [DRIVER_POWERDOWN] = LIBVIRT_SHUTDOWN, [DRIVER_RESET_GUEST] = LIBVIRT_RESET,
                [DRIVER_QUIT] = LIBVIRT_DESTROY,
        };
        struct pending *pending = &g->pending[command];
        int r;

        if (g->phase != LIVE || g->off)
                return cvm_fail(err, &CVM_CODE_QMP, ENOTCONN, "the domain is not there");
        if (pending->done)
                return cvm_fail(err, &CVM_CODE_QMP, EALREADY, "libvirt has not answered the last '%s' yet",
                                libvirt_verbs[verbs[command]]);
        *pending = (struct pending){ g, done, ctx };
        g->expected |= command == DRIVER_QUIT;
        r = ask(g, verbs[command], on_answer, pending, err);
        if (r < 0)
                pending->done = NULL;
        return r;
}

static int guest_dump(struct driver_guest *g, int fd, driver_progress_fn progress, driver_done_fn done,
                      void *ctx, struct cvm_error *err) {
        if (g->phase != LIVE || g->off)
                return cvm_fail(err, &CVM_CODE_QMP, ENOTCONN, "the domain is not there yet");
        return libvirt_dump_begin(&g->dump, g->event, g->watch, fd, progress, done, ctx, err);
}

static int guest_console(struct driver_guest *g, driver_console_fn done, void *ctx, struct cvm_error *err) {
        return libvirt_console_open(g->event, g->start.uuid, &g->console, done, ctx, err);
}

const struct driver driver_libvirt = {
        .name = "libvirt",
        .check_plan = driver_check_plan,
        .probe = driver_probe,
        .spawn = guest_spawn,
        .trace = guest_trace,
        .go = guest_go,
        .adopt = guest_adopt,
        .command = guest_command,
        .dump = guest_dump,
        .kill = guest_kill,
        .console = guest_console,
        .release = guest_release,
        .remove = libvirt_remove,
};
