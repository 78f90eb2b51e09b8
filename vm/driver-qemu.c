/*
 * QEMU, started directly. Three things are watched: the pidfd (the only truth about death), the monitor, and
 * the console's log. The monitor's end is not the guest's end: it only means that a QEMU which does not die
 * by itself within DEATH_USEC is killed. DRIVER_GONE comes from the pidfd alone, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "qmp/client.h"
#include "vm/cgroup.h"
#include "vm/confirm.h"
#include "vm/console-log.h"
#include "vm/console-relay.h"
#include "vm/driver.h"
#include "vm/dump.h"
#include "vm/pidfd.h"
#include "vm/qemu-argv.h"
#include "vm/spawn.h"
#include "vm/stderr-words.h"
#include "vm/tap.h"
#include "vm/unix-socket.h"

#define GREETING_USEC (60ull * 1000000)
#define COMMAND_USEC (30ull * 1000000)
#define DUMP_USEC (300ull * 1000000) /* to stop the vCPUs, and write out what its disks have cached */
#define DEATH_USEC (10ull * 1000000)
#define FILES_MAX 64

/* A command under way: one of each kind at a time. */
struct pending {
        driver_done_fn done; /* NULL: none */
        void *ctx;
};

struct driver_guest {
        sd_event *event;
        char dir[PATH_MAX];
        driver_event_fn on_event;
        void *ctx;
        pid_t pid;
        uint64_t start_time;
        int pidfd, go;
        bool ours;     /* our child: to be reaped */
        bool expected; /* its end was asked for, or the guest's own */
        bool gave_up;  /* it is killed because of `why` */
        bool panicked; /* likewise, by itself */
        bool up;
        struct confirm confirm;
        struct qmp_client *qmp;
        struct console_relay *console; /* NULL: nobody has been at it */
        struct pending pending[DRIVER_QUIT + 1];
        struct dump dump;
        sd_event_source *death, *hurry;
        struct console_log *log;
        struct cvm_error why; /* of the monitor's failure */
};

static void path_in(const struct driver_guest *g, const char *name, char ret[PATH_MAX]) {
        snprintf(ret, PATH_MAX, "%.3500s/%s", g->dir, name);
}

static struct driver_guest *qemu_release(struct driver_guest *g) {
        if (!g)
                return NULL;
        g->qmp = qmp_client_free(g->qmp);
        dump_forget(&g->dump);
        g->console = console_relay_free(g->console);
        g->death = sd_event_source_disable_unref(g->death);
        g->hurry = sd_event_source_disable_unref(g->hurry);
        g->log = console_log_free(g->log);
        g->pidfd = cvm_close(g->pidfd);
        g->go = cvm_close(g->go);
        sd_event_unref(g->event);
        free(g);
        return NULL;
}

CVM_DEFINE_CLEANUP(struct driver_guest, qemu_release);

static void tell(struct driver_guest *g, enum driver_event event, struct cvm_error *why) {
        struct cvm_error none = { 0 };

        g->on_event(g->ctx, event, why ? why : &none);
}

static void qemu_kill(struct driver_guest *g) {
        g->expected = true;
        g->go = cvm_close(g->go);
        pidfd_kill(g->pidfd, SIGKILL);
}

static int on_death(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct driver_guest *g = userdata;
        struct cvm_error why = { 0 };
        char path[PATH_MAX];
        siginfo_t info;

        if (g->ours)
                (void)waitid(P_PIDFD, (id_t)g->pidfd, &info, WEXITED);
        g->pid = 0;
        g->death = sd_event_source_disable_unref(g->death);
        g->qmp = qmp_client_free(g->qmp);
        dump_forget(&g->dump);
        cgroup_leave(basename(g->dir));
        if (!g->expected) {
                CVM_CLEANUP(cvm_closep) int log = -EBADF;

                path_in(g, "stderr.log", path);
                log = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
                stderr_words(log, &why);
                if (g->why.code == &CVM_CODE_TIMEOUT || g->gave_up)
                        why = g->why;
        } else if (g->panicked)
                why = g->why;
        tell(g, DRIVER_GONE, &why);
        return 0;
}

static int on_hurry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct driver_guest *g = userdata;

        pidfd_kill(g->pidfd, SIGKILL);
        return 0;
}

static void on_gone(void *ctx, struct cvm_error *why) {
        struct driver_guest *g = ctx;

        if (!g->why.code)
                g->why = *why;
        g->qmp = qmp_client_free(g->qmp);
        if (sd_event_add_time_relative(g->event, &g->hurry, CLOCK_MONOTONIC, DEATH_USEC, 0, on_hurry, g) < 0)
                pidfd_kill(g->pidfd, SIGKILL);
}

/* A call failed: QEMU is ending, and its own last words tell more, or it does not answer in time. */
static void end_unheard(struct driver_guest *g, const struct cvm_error *why) {
        if (!g->panicked)
                g->why = *why;
        pidfd_kill(g->pidfd, SIGKILL);
}

/* It is not what it must be, or does not tell: it may not run. DRIVER_GONE has the words. */
static void give_up(struct driver_guest *g, const struct cvm_error *why) {
        g->gave_up = true;
        end_unheard(g, why);
}

static void on_state(void *ctx, json_object *result, struct cvm_error *err) {
        struct driver_guest *g = ctx;
        struct cvm_error why = { 0 };

        if (err) {
                end_unheard(g, err);
                return;
        }
        if (!confirm_is_fine(&g->confirm, result, &why)) {
                give_up(g, &why);
                return;
        }
        const struct driver_guest told = *g; /* the owner may let go of the guest */
        const struct confirm events = confirm_take(&g->confirm);

        for (size_t i = 0; i < events.n; i++)
                told.on_event(told.ctx, events.events[i], &why);
}

static void tell_in_order(struct driver_guest *g, enum driver_event event) {
        enum confirm_how how = CONFIRM_WAIT;
        struct cvm_error why = { 0 };
        int r = confirm_event(&g->confirm, event, &how, &why);

        if (r >= 0 && how == CONFIRM_ASK)
                r = qmp_client_call(g->qmp, g->confirm.plan->platform->state_query, NULL, -EBADF,
                                    COMMAND_USEC, on_state, g, NULL, &why);
        if (r < 0)
                give_up(g, &why);
        else if (how == CONFIRM_TELL)
                tell(g, event, NULL);
}

static void on_shutdown(struct driver_guest *g, json_object *data) {
        struct cvm_json place = cvm_json_root(data, "SHUTDOWN");
        const char *reason = "";
        bool guest = false;

        (void)cvm_json_get_bool(&place, "guest", &guest, NULL);
        (void)cvm_json_get_text(&place, "reason", &reason, NULL);
        g->expected = true;
        if (strcmp(reason, "guest-reset") == 0 || strcmp(reason, "host-qmp-system-reset") == 0)
                tell(g, DRIVER_RELAUNCH, NULL);
        else if (!guest)
                return; /* we asked for it, or a signal did: GONE follows */
        else if (strcmp(reason, "guest-panic") == 0) {
                g->panicked = true;
                driver_explain_panic(g->confirm.plan, g->dir, &g->why);
                tell(g, DRIVER_SHUTDOWN, &g->why);
        } else
                tell(g, DRIVER_SHUTDOWN, NULL);
}

static void on_port(struct driver_guest *g, json_object *data) {
        struct cvm_json place = cvm_json_root(data, "VSERPORT_CHANGE");
        const char *id = "";
        bool open = false;

        (void)cvm_json_get_text(&place, "id", &id, NULL);
        (void)cvm_json_get_bool(&place, "open", &open, NULL);
        if (g->up && open && strcmp(id, QEMU_AGENT_PORT_ID) == 0)
                tell(g, DRIVER_LISTENS, NULL);
}

static void on_dumped(struct driver_guest *g, json_object *data) {
        struct cvm_json place = cvm_json_root(data, "DUMP_COMPLETED");
        const char *words = NULL;

        (void)cvm_json_get_text(&place, "error", &words, NULL);
        dump_event(&g->dump, words);
}

static void on_event(void *ctx, const char *name, json_object *data) {
        static const struct {
                const char *name;
                enum driver_event event;
        } events[] = { { "RESUME", DRIVER_RUNNING }, { "STOP", DRIVER_PAUSED }, { "RESET", DRIVER_RESET } };
        struct driver_guest *g = ctx;

        if (strcmp(name, "SHUTDOWN") == 0) {
                on_shutdown(g, data);
                return;
        }
        if (strcmp(name, "VSERPORT_CHANGE") == 0) {
                on_port(g, data);
                return;
        }
        if (strcmp(name, "DUMP_COMPLETED") == 0) {
                on_dumped(g, data);
                return;
        }
        for (size_t i = 0; g->up && i < ARRAY_SIZE(events); i++)
                if (strcmp(name, events[i].name) == 0) {
                        tell_in_order(g, events[i].event);
                        return;
                }
}

/* UP, then what an adopted guest is doing. The owner may let go of the guest in between. */
static void on_status(void *ctx, json_object *result, struct cvm_error *err) {
        struct driver_guest *g = ctx;
        struct cvm_json place = cvm_json_root(result, "query-status");
        const char *status = "";

        if (err) {
                end_unheard(g, err);
                return;
        }
        (void)cvm_json_get_text(&place, "status", &status, NULL);
        g->up = true;
        if (strcmp(status, "prelaunch") == 0)
                tell(g, DRIVER_UP, NULL);
        else {
                bool running = strcmp(status, "running") == 0;

                tell(g, DRIVER_UP, NULL);
                tell_in_order(g, running ? DRIVER_RUNNING : DRIVER_PAUSED);
        }
}

static void on_ready(void *ctx) {
        struct driver_guest *g = ctx;
        struct cvm_error err = { 0 };

        if (qmp_client_call(g->qmp, "query-status", NULL, -EBADF, COMMAND_USEC, on_status, g, NULL, &err) <
            0)
                pidfd_kill(g->pidfd, SIGKILL);
}

static const struct qmp_handlers handlers = { on_ready, on_event, on_gone };

static int connect_monitor(struct driver_guest *g, struct cvm_error *err) {
        char path[PATH_MAX];
        int fd;

        path_in(g, "qmp.sock", path);
        fd = unix_connect(path);
        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_QMP, fd, "QEMU's monitor cannot be reached: %s",
                                strerror(-fd));
        return qmp_client_new(g->event, fd, GREETING_USEC, &handlers, g, &g->qmp, err);
}

static int watch(struct driver_guest *g, struct cvm_error *err) {
        int r = sd_event_add_io(g->event, &g->death, g->pidfd, EPOLLIN, on_death, g);

        if (r >= 0) /* behind what it said on its monitor before, and on its console */
                r = sd_event_source_set_priority(g->death, CONSOLE_RELAY_PRIORITY + 1);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, r, "watching QEMU: %s", strerror(-r));
        return console_log_new(g->event, g->dir, &g->log, err);
}

static struct driver_guest *guest_new(const struct driver_start *start) {
        struct driver_guest *g = calloc(1, sizeof *g);

        if (!g)
                return NULL;
        *g = (struct driver_guest){ .event = sd_event_ref(start->event),
                                    .on_event = start->on_event,
                                    .ctx = start->ctx,
                                    .confirm.plan = start->plan,
                                    .pidfd = -EBADF,
                                    .go = -EBADF };
        snprintf(g->dir, sizeof g->dir, "%s", start->runtime_dir);
        return g;
}

/* What the process inherits, in the order of its descriptors; the ones opened here are closed after the
 * fork. */
struct inheritance {
        int fds[FILES_MAX];
        size_t n, first_owned;
};

static void inheritance_done(struct inheritance *in) {
        for (size_t i = in->first_owned; i < in->n; i++)
                in->fds[i] = cvm_close(in->fds[i]);
}

/* Takes fd; returns the number that the process will see. */
static int inherit(struct inheritance *in, int fd) {
        in->fds[in->n++] = fd;
        return 3 + (int)in->n - 1;
}

static int inherit_listener(struct inheritance *in, const char *path, int *ret, struct cvm_error *err) {
        int fd, r = unix_listen(path, &fd, err);

        if (r >= 0)
                *ret = inherit(in, fd);
        return r;
}

static int inherit_socket(struct inheritance *in, const struct driver_guest *g, const char *name, int *ret,
                          struct cvm_error *err) {
        char path[PATH_MAX];

        path_in(g, name, path);
        return inherit_listener(in, path, ret, err);
}

static int inherit_channel(struct inheritance *in, const struct driver_guest *g, enum plan_channel channel,
                           int *ret, struct cvm_error *err) {
        char path[PATH_MAX];
        int r = driver_channel_path(g->dir, channel, path, sizeof path);

        return r < 0 ? r : inherit_listener(in, path, ret, err);
}

static int open_log(const struct driver_guest *g, const char *name, int *ret, struct cvm_error *err) {
        char path[PATH_MAX];

        path_in(g, name, path);
        *ret = open(path, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*ret < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "'%s' cannot be made: %s", path,
                                strerror(errno));
        return 0;
}

static int inherit_taps(struct inheritance *in, const struct definition *d, int taps[],
                        struct cvm_error *err) {
        int fd, r = 0;

        for (size_t i = 0; r >= 0 && i < d->n_nics; i++) {
                taps[i] = -EBADF;
                if (d->nics[i].type < NIC_TAP)
                        continue;
                r = (d->nics[i].type == NIC_TAP ? tap_open : tap_open_in_bridge)(d->nics[i].name, &fd, err);
                if (r >= 0)
                        taps[i] = inherit(in, fd);
        }
        return r;
}

static int inherit_all(struct inheritance *in, struct driver_guest *g, const struct driver_start *start,
                       struct qemu_fds *ret, int files[], int taps[], struct cvm_error *err) {
        const struct plan *plan = start->plan;
        int log, r;

        if (plan->n_files + plan->definition->n_nics + PLAN_CHANNEL_MAX_ + 3 > FILES_MAX)
                return cvm_fail(err, &CVM_CODE_INTERNAL, E2BIG, "too many files");
        for (size_t i = 0; i < plan->n_files; i++)
                files[i] = inherit(in, start->files[i]);
        in->first_owned = in->n;
        ret->files = files;
        ret->taps = taps;
        r = inherit_socket(in, g, "qmp.sock", &ret->qmp, err);
        for (int c = 0; r >= 0 && c < PLAN_CHANNEL_MAX_; c++)
                if (plan->channels[c])
                        r = inherit_channel(in, g, c, &ret->channels[c], err);
        if (r >= 0 && plan->definition->console == CONSOLE_INTERACTIVE)
                r = inherit_socket(in, g, CONSOLE_SOCKET, &ret->console, err);
        if (r >= 0)
                r = open_log(g, "console.log", &log, err);
        if (r >= 0)
                ret->console_log = inherit(in, log);
        return r < 0 ? r : inherit_taps(in, plan->definition, taps, err);
}

static int start_process(struct driver_guest *g, const struct driver_start *start, struct cvm_error *err) {
        CVM_CLEANUP(inheritance_done) struct inheritance in = { 0 };
        CVM_CLEANUP(cvm_texts_freep) char **argv = NULL;
        CVM_CLEANUP(cvm_closep) int stderr_fd = -EBADF;
        int files[FILES_MAX], taps[DEFINITION_NICS_MAX];
        struct qemu_fds fds = { 0 };
        int r = inherit_all(&in, g, start, &fds, files, taps, err);

        if (r >= 0)
                r = open_log(g, "stderr.log", &stderr_fd, err);
        if (r >= 0)
                r = qemu_argv(start->plan, &fds, start->use_kvm, &argv, err);
        if (r < 0)
                return r;
        const struct spawn spawn = { .argv = argv,
                                     .fds = in.fds,
                                     .n_fds = in.n,
                                     .out_fd = stderr_fd,
                                     .err_fd = stderr_fd,
                                     .uid = start->uid,
                                     .devices = start->use_kvm ? start->plan->devices : NULL };
        r = spawn_begin(&spawn, &g->pid, &g->go, err);
        if (r < 0)
                return r;
        g->ours = true;
        (void)cgroup_enter(basename(g->dir), g->pid); /* without one it runs as well */
        g->pidfd = pidfd_of(g->pid);
        return 0;
}

static int qemu_spawn(const struct driver_start *start, struct driver_guest **ret, struct cvm_error *err) {
        CVM_CLEANUP(qemu_releasep) struct driver_guest *g = guest_new(start);
        int r;

        if (!g)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "starting QEMU");
        r = start_process(g, start, err);
        if (r < 0)
                return r;
        if (g->pidfd < 0 || process_start_time(g->pid, &g->start_time) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, ESRCH, "QEMU's process was lost at its start");
        r = watch(g, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(g);
        return 0;
}

static void qemu_trace(const struct driver_guest *g, struct driver_trace *ret) {
        *ret = (struct driver_trace){ .pid = g->pid, .start_time = g->start_time };
}

static int qemu_go(struct driver_guest *g, struct cvm_error *err) {
        spawn_go(TAKE_FD(g->go));
        /* The socket has listened since before the fork: connecting does not wait for QEMU. */
        return connect_monitor(g, err);
}

static int qemu_adopt(const struct driver_start *start, const struct driver_trace *trace,
                      struct driver_guest **ret, struct cvm_error *err) {
        CVM_CLEANUP(qemu_releasep) struct driver_guest *g = guest_new(start);
        int r;

        if (!g)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "finding QEMU");
        /* The descriptor first: from then on the pid cannot come to name another process unseen. */
        g->pidfd = pidfd_of(trace->pid);
        if (g->pidfd < 0 || process_start_time(trace->pid, &g->start_time) < 0 ||
            g->start_time != trace->start_time || !pidfd_is_alive(g->pidfd))
                return 0;
        g->pid = trace->pid;
        r = watch(g, err);
        if (r >= 0 && connect_monitor(g, NULL) < 0) {
                /* It lives but cannot be spoken to: it may not run on unwatched. */
                cvm_fail(&g->why, &CVM_CODE_QMP, ENOTCONN, "QEMU's monitor could not be reached again");
                pidfd_kill(g->pidfd, SIGKILL);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(g);
        return 1;
}

static void on_answer(void *ctx, json_object *result, struct cvm_error *err) {
        struct pending *pending = ctx;
        driver_done_fn done = pending->done;

        pending->done = NULL;
        done(pending->ctx, err);
}

static int qemu_command(struct driver_guest *g, enum driver_command command, driver_done_fn done, void *ctx,
                        struct cvm_error *err) {
        static const char *const names[] = {
                [DRIVER_CONT] = "cont",
                [DRIVER_PAUSE] = "stop",
                [DRIVER_POWERDOWN] = "system_powerdown",
                [DRIVER_RESET_GUEST] = "system_reset",
                [DRIVER_QUIT] = "quit",
        };
        struct pending *pending = &g->pending[command];
        int r;

        if (!g->qmp || !g->up)
                return cvm_fail(err, &CVM_CODE_QMP, ENOTCONN, "QEMU's monitor is not there");
        if (pending->done)
                return cvm_fail(err, &CVM_CODE_QMP, EALREADY, "QEMU has not answered the last '%s' yet",
                                names[command]);
        *pending = (struct pending){ done, ctx };
        g->expected |= command == DRIVER_QUIT;
        r = qmp_client_call(g->qmp, names[command], NULL, -EBADF, COMMAND_USEC, on_answer, pending, NULL,
                            err);
        if (r < 0)
                pending->done = NULL;
        return r;
}

static void on_dump_answer(void *ctx, json_object *result, struct cvm_error *err) {
        struct driver_guest *g = ctx;

        dump_answer(&g->dump, result, err);
}

static int ask_for_dump(struct driver_guest *g, const char *command, json_object *arguments, int fd,
                        struct cvm_error *err) {
        int passed = fd < 0 ? -EBADF : fcntl(fd, F_DUPFD_CLOEXEC, 3);

        if (g->qmp && (fd < 0 || passed >= 0))
                return qmp_client_call(g->qmp, command, arguments, passed, DUMP_USEC, on_dump_answer, g,
                                       NULL, err);
        json_object_put(arguments);
        cvm_close(passed);
        return cvm_fail(err, &CVM_CODE_QMP, ENOTCONN, "QEMU's monitor is not there");
}

static int qemu_dump(struct driver_guest *g, int fd, driver_progress_fn progress, driver_done_fn done,
                     void *ctx, struct cvm_error *err) {
        g->dump.guest = g;
        g->dump.event = g->event;
        g->dump.ask = ask_for_dump;
        return dump_begin(&g->dump, fd, progress, done, ctx, err);
}

static int qemu_console(struct driver_guest *g, driver_console_fn done, void *ctx, struct cvm_error *err) {
        int fd, r = console_open(g->event, g->dir, &g->console, &fd, err);

        if (r >= 0)
                done(ctx, fd, NULL);
        return r;
}

const struct driver driver_qemu = {
        .name = "qemu",
        .check_plan = driver_check_plan,
        .probe = driver_probe,
        .spawn = qemu_spawn,
        .trace = qemu_trace,
        .go = qemu_go,
        .adopt = qemu_adopt,
        .command = qemu_command,
        .dump = qemu_dump,
        .kill = qemu_kill,
        .console = qemu_console,
        .release = qemu_release,
};
