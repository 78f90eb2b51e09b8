#include "vm/libvirt-link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "vm/libvirt-words.h"
#include "vm/pidfd.h"
#include "vm/spawn.h"

#define RESTART_USEC 1000000ull
#define AT_ONCE 64              /* messages in one turn of the loop */
#define LINGER_USEC 60000000ull /* while nobody watches */

static uint64_t patience_usec = 60 * 1000000ull;
static const char *program = "/usr/libexec/cvmd/cvmd-libvirt";

struct libvirt_watch {
        struct libvirt_watch *next;
        char uuid[CVM_UUID_TEXT];
        const struct libvirt_handlers *handlers;
        void *ctx;
        bool told; /* of this connection */
};

/* What was asked and is not answered; until it is sent it has its text and descriptors. */
struct call {
        struct call *next;
        uint64_t id;
        int verb;
        uint64_t due_usec;           /* CLOCK_MONOTONIC: then libvirt hangs; UINT64_MAX: never */
        struct libvirt_watch *watch; /* borrowed; NULL: nobody waits for it */
        libvirt_done_fn done;
        void *ctx;
        char *text; /* NULL: sent */
        int fds[LIBVIRT_FDS_MAX];
        size_t n_fds;
};

/* There is one: all who watch share it. */
static struct libvirt_link {
        sd_event *event; /* NULL: nobody watches */
        struct libvirt_process process;
        sd_event_source *end, *talk, *restart, *late, *linger;
        struct libvirt_watch *watches;
        struct call *calls; /* in the order of their ids */
        uint64_t last_id, seq;
        uint64_t due_usec;     /* of `late` */
        uint64_t started_usec; /* CLOCK_MONOTONIC */
} the_link = { .process = LIBVIRT_NO_PROCESS };

void libvirt_link_set_program(const char *path) {
        program = path;
}

const char *libvirt_link_program(void) {
        return program;
}

void libvirt_link_set_patience(uint64_t usec) {
        patience_usec = usec;
}

pid_t libvirt_link_pid(void) {
        return the_link.process.pid;
}

static struct call *call_free(struct call *call) {
        while (call->n_fds > 0)
                cvm_close(call->fds[--call->n_fds]);
        free(call->text);
        free(call);
        return NULL;
}

/* --- what comes in --- */

int libvirt_message_read(const void *data, size_t size, struct libvirt_message *ret, struct cvm_error *err) {
        CVM_CLEANUP(libvirt_message_done) struct libvirt_message m = { 0 };
        struct cvm_error why = { 0 };

        if (cvm_json_read_text(data, size, "cvmd-libvirt's message", libvirt_message_fields, &m, &why) < 0)
                return cvm_fail(err, &CVM_CODE_WORKER, EBADMSG, "%s", cvm_error_text(&why, -EBADMSG));
        if ((m.kind == LIBVIRT_ANSWER) != (m.id != 0))
                return cvm_fail(err, &CVM_CODE_WORKER, EBADMSG, "cvmd-libvirt's answer has no id");
        if (!m.uuid && (m.kind == LIBVIRT_DOMAIN || m.kind >= LIBVIRT_REBOOTED))
                return cvm_fail(err, &CVM_CODE_WORKER, EBADMSG, "cvmd-libvirt's news are of no domain");
        *ret = m;
        m = (struct libvirt_message){ 0 };
        return 0;
}

static struct libvirt_watch *find_watch(const char *uuid) {
        struct libvirt_watch *w = the_link.watches;

        while (w && strcmp(w->uuid, uuid) != 0)
                w = w->next;
        return w;
}

/* Each watch once, whatever its handler does to the list. */
static void each_watch(void (*fn)(struct libvirt_watch *watch)) {
        char(*uuids)[CVM_UUID_TEXT] = NULL;
        size_t n = 0;

        for (struct libvirt_watch *w = the_link.watches; w; w = w->next)
                n++;
        uuids = calloc(n ? n : 1, sizeof *uuids);
        n = 0;
        for (struct libvirt_watch *w = the_link.watches; uuids && w; w = w->next)
                memcpy(uuids[n++], w->uuid, sizeof w->uuid);
        for (size_t i = 0; i < n; i++) {
                struct libvirt_watch *w = find_watch(uuids[i]);

                if (w)
                        fn(w);
        }
        free(uuids);
}

static void tell_away(struct libvirt_watch *w) {
        w->told = false;
        w->handlers->away(w->ctx);
}

static void tell_absent(struct libvirt_watch *w) {
        const struct libvirt_message absent = { .kind = LIBVIRT_DOMAIN, .state = LIBVIRT_ABSENT };
        int none = -EBADF;

        if (!w->told)
                w->handlers->domain(w->ctx, &absent, &none);
}

static void answer_call(const struct libvirt_message *m) {
        struct call **place = &the_link.calls, *call;
        CVM_CLEANUP(cvm_freep) char *words = NULL;
        struct cvm_error err = { 0 };

        while (*place && (*place)->id != m->id)
                place = &(*place)->next;
        call = *place;
        if (!call)
                return;
        *place = call->next;
        if (m->error_code) {
                words = strndup(m->text.data ? (const char *)m->text.data : "", m->text.size);
                (void)libvirt_words((int)m->error_domain, (int)m->error_code, words ? words : "", &err);
        }
        if (call->watch && call->done)
                call->done(call->ctx, m->error_code ? NULL : m, m->error_code ? &err : NULL);
        call_free(call);
}

static void take_message(const struct libvirt_message *m, int *fd) {
        struct libvirt_watch *w = m->uuid ? find_watch(m->uuid) : NULL;

        if (m->kind == LIBVIRT_ANSWER)
                answer_call(m);
        else if (m->kind == LIBVIRT_DISCONNECTED)
                each_watch(tell_away);
        else if (m->kind == LIBVIRT_CONNECTED)
                each_watch(tell_absent);
        else if (w && m->kind == LIBVIRT_DOMAIN) {
                w->told = true;
                w->handlers->domain(w->ctx, m, fd);
        } else if (w)
                w->handlers->news(w->ctx, m);
}

/* 1: a message; 0: none yet; negative: it is broken or gone. */
static int receive(struct libvirt_message *ret, int *ret_fd, struct cvm_error *err) {
        static char text[LIBVIRT_MESSAGE_MAX];
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec piece = { text, sizeof text };
        struct msghdr header = {
                .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
        };
        ssize_t n = recvmsg(the_link.process.socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        struct cmsghdr *c;
        int r;

        if (n <= 0)
                return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
        c = CMSG_FIRSTHDR(&header);
        if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
                memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
        if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return cvm_fail(err, &CVM_CODE_WORKER, EMSGSIZE, "cvmd-libvirt's message is too large");
        r = libvirt_message_read(text, (size_t)n, ret, err);
        if (r >= 0 && ret->seq != ++the_link.seq)
                r = cvm_fail(err, &CVM_CODE_WORKER, EBADMSG, "a message of cvmd-libvirt was lost");
        return r < 0 ? r : 1;
}

/* --- what goes out --- */

static bool send_call(struct call *call) {
        char control[CMSG_SPACE(LIBVIRT_FDS_MAX * sizeof(int))] = { 0 };
        struct iovec piece = { call->text, strlen(call->text) };
        struct msghdr header = { .msg_iov = &piece, .msg_iovlen = 1 };

        if (call->n_fds > 0) {
                struct cmsghdr *c;

                header.msg_control = control;
                header.msg_controllen = CMSG_SPACE(call->n_fds * sizeof(int));
                c = CMSG_FIRSTHDR(&header);
                *c = (struct cmsghdr){ CMSG_LEN(call->n_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
                memcpy(CMSG_DATA(c), call->fds, call->n_fds * sizeof(int));
        }
        if (sendmsg(the_link.process.socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return false; /* no room, or it dies: its end is told by itself */
        free(TAKE_PTR(call->text));
        while (call->n_fds > 0)
                cvm_close(call->fds[--call->n_fds]);
        return true;
}

static void send_all(void) {
        bool waits = false;

        for (struct call *c = the_link.calls; c && !waits && the_link.process.socket >= 0; c = c->next)
                waits = c->text && !send_call(c);
        if (the_link.talk)
                (void)sd_event_source_set_io_events(the_link.talk, EPOLLIN | (waits ? EPOLLOUT : 0));
}

/* --- the process --- */

int libvirt_process_start(const char *verb, const char *what, struct libvirt_process *ret,
                          struct cvm_error *err) {
        const char *const argv[] = { program, verb, what, NULL };
        int ends[2], go, r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "starting cvmd-libvirt: %s",
                                strerror(errno));
        CVM_CLEANUP(cvm_closep) int ours = ends[0];
        CVM_CLEANUP(cvm_closep) int theirs = ends[1];
        const struct spawn spawn = { .argv = (char *const *)argv,
                                     .fds = &theirs,
                                     .n_fds = 1,
                                     .out_fd = STDERR_FILENO,
                                     .err_fd = STDERR_FILENO,
                                     .ends_with_us = true };

        (void)fcntl(ours, F_SETFL, O_NONBLOCK);
        r = spawn_begin(&spawn, &pid, &go, err);
        if (r < 0)
                return r;
        *ret = (struct libvirt_process){ pid, pidfd_of(pid), TAKE_FD(ours) };
        spawn_go(go);
        return 0;
}

void libvirt_process_end(struct libvirt_process *process) {
        siginfo_t info;

        if (process->pid > 0) {
                pidfd_kill(process->pidfd, SIGKILL);
                (void)waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED);
        }
        process->pid = 0;
        process->pidfd = cvm_close(process->pidfd);
        process->socket = cvm_close(process->socket);
}

static void stop_process(void) {
        the_link.talk = sd_event_source_disable_unref(the_link.talk);
        the_link.end = sd_event_source_disable_unref(the_link.end);
        the_link.late = sd_event_source_disable_unref(the_link.late);
        libvirt_process_end(&the_link.process);
}

/* What it was asked, and nobody can know whether it was done: whoever asked looks at the domain. What is
 * asked meanwhile is for the next one. */
static void fail_calls(const struct cvm_error *why, uint64_t late_id) {
        uint64_t last = the_link.last_id;

        while (the_link.calls && the_link.calls->id <= last) {
                struct call *call = the_link.calls;
                struct cvm_error err = { 0 };

                the_link.calls = call->next;
                if (call->id == late_id)
                        err = *why;
                else
                        cvm_fail(&err, &CVM_CODE_LIBVIRT_CONNECTION, EPIPE, "cvmd-libvirt ended");
                if (call->watch && call->done)
                        call->done(call->ctx, NULL, &err);
                call_free(call);
        }
}

static int start_process(struct cvm_error *err);

static int on_restart(sd_event_source *source, uint64_t usec, void *userdata) {
        struct cvm_error err = { 0 };

        the_link.restart = sd_event_source_disable_unref(the_link.restart);
        if (start_process(&err) < 0)
                (void)sd_event_add_time_relative(the_link.event, &the_link.restart, CLOCK_MONOTONIC,
                                                 RESTART_USEC, 0, on_restart, NULL);
        return 0;
}

void libvirt_link_end(void) {
        struct call *next;

        if (the_link.watches)
                return;
        stop_process();
        the_link.linger = sd_event_source_disable_unref(the_link.linger);
        the_link.restart = sd_event_source_disable_unref(the_link.restart);
        for (; the_link.calls; the_link.calls = next) {
                next = the_link.calls->next;
                call_free(the_link.calls);
        }
        the_link.event = sd_event_unref(the_link.event);
}

/* It died, or may not go on; late_id: for the sake of that call, or 0. */
static void begin_anew(const struct cvm_error *why, uint64_t late_id) {
        if (why->code)
                fprintf(stderr, "cvmd: %s\n", why->text);
        if (!the_link.watches) {
                libvirt_link_end();
                return;
        }
        stop_process();
        (void)sd_event_add_time(the_link.event, &the_link.restart, CLOCK_MONOTONIC,
                                the_link.started_usec + RESTART_USEC, 0, on_restart, NULL);
        each_watch(tell_away);
        fail_calls(why, late_id); /* the handlers may have ended it all */
}

/* NULL: nothing is under way. */
static const struct call *first_due(void) {
        const struct call *first = the_link.calls;

        for (const struct call *c = first; c; c = c->next)
                if (c->due_usec < first->due_usec)
                        first = c;
        return first;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata) {
        const struct call *call = first_due();
        struct cvm_error why = { 0 };

        cvm_fail(&why, &CVM_CODE_TIMEOUT, ETIMEDOUT, "libvirt hangs: it has not answered '%s' in time",
                 libvirt_verbs[call->verb]);
        begin_anew(&why, call->id);
        return 0;
}

static void mind_calls(void) {
        const struct call *call = the_link.process.pid > 0 ? first_due() : NULL;

        if (call && the_link.late && call->due_usec == the_link.due_usec)
                return;
        the_link.late = sd_event_source_disable_unref(the_link.late);
        if (!call)
                return;
        the_link.due_usec = call->due_usec;
        (void)sd_event_add_time(the_link.event, &the_link.late, CLOCK_MONOTONIC, call->due_usec, 0, on_late,
                                NULL);
}

/* What is asked of one domain is done in its order; but for a dump, which takes as long as the guest's
 * memory is large, beside the rest. */
static uint64_t due_usec(const struct libvirt_watch *watch, int verb) {
        uint64_t begins = 0;

        if (verb == LIBVIRT_DUMP)
                return UINT64_MAX;
        (void)sd_event_now(the_link.event, CLOCK_MONOTONIC, &begins);
        for (const struct call *c = the_link.calls; c; c = c->next)
                if (c->watch == watch && c->verb != LIBVIRT_DUMP && c->due_usec > begins)
                        begins = c->due_usec;
        return begins + patience_usec * (verb == LIBVIRT_START ? 10 : 1);
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        const struct cvm_error none = { 0 };

        begin_anew(&none, 0);
        return 0;
}

/* true: there was one. Behind it there may be another process to talk to, or none. */
static bool take_next(void) {
        CVM_CLEANUP(libvirt_message_done) struct libvirt_message m = { 0 };
        CVM_CLEANUP(cvm_closep) int passed = -EBADF;
        struct cvm_error err = { 0 };
        int r = receive(&m, &passed, &err);

        if (r > 0)
                take_message(&m, &passed);
        else if (r < 0)
                begin_anew(&err, 0);
        return r > 0;
}

/* What has come is taken together: it is one commit of the store. */
static int on_talk(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        bool more = revents & ~EPOLLOUT;

        if (revents & EPOLLOUT)
                send_all();
        for (size_t n = 0; more && n < AT_ONCE && the_link.talk == source; n++)
                more = take_next();
        mind_calls();
        return 0;
}

static int start_process(struct cvm_error *err) {
        int r = libvirt_process_start(NULL, NULL, &the_link.process, err);

        if (r < 0)
                return r;
        the_link.seq = 0;
        (void)sd_event_now(the_link.event, CLOCK_MONOTONIC, &the_link.started_usec);
        r = sd_event_add_io(the_link.event, &the_link.end, the_link.process.pidfd, EPOLLIN, on_end, NULL);
        if (r >= 0)
                r = sd_event_add_io(the_link.event, &the_link.talk, the_link.process.socket, EPOLLIN,
                                    on_talk, NULL);
        if (r >= 0) {
                send_all();
                mind_calls();
                return 0;
        }
        stop_process();
        return cvm_fail(err, &CVM_CODE_INTERNAL, r, "starting cvmd-libvirt: %s", strerror(-r));
}

/* --- who watches --- */

int libvirt_watch_new(sd_event *event, const char *uuid, const struct libvirt_handlers *handlers, void *ctx,
                      struct libvirt_watch **ret, struct cvm_error *err) {
        struct libvirt_watch *w = calloc(1, sizeof *w);
        int r = 0;

        if (!w)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "watching a domain");
        *w = (struct libvirt_watch){ .next = the_link.watches, .handlers = handlers, .ctx = ctx };
        snprintf(w->uuid, sizeof w->uuid, "%s", uuid);
        the_link.linger = sd_event_source_disable_unref(the_link.linger);
        if (!the_link.event) {
                the_link.event = sd_event_ref(event);
                r = start_process(err);
        }
        the_link.watches = w;
        *ret = w;
        if (r < 0)
                *ret = libvirt_watch_free(w);
        return r;
}

static int on_linger(sd_event_source *source, uint64_t usec, void *userdata) {
        libvirt_link_end();
        return 0;
}

/* Its start and its connection are a part of what a start takes: the next one may come soon. */
static int linger(void) {
        return sd_event_add_time_relative(the_link.event, &the_link.linger, CLOCK_MONOTONIC, LINGER_USEC, 0,
                                          on_linger, NULL);
}

struct libvirt_watch *libvirt_watch_free(struct libvirt_watch *watch) {
        struct libvirt_watch **place = &the_link.watches;

        if (!watch)
                return NULL;
        while (*place != watch)
                place = &(*place)->next;
        *place = watch->next;
        for (struct call *c = the_link.calls; c; c = c->next)
                if (c->watch == watch)
                        c->watch = NULL;
        free(watch);
        if (!the_link.watches && (the_link.process.pid == 0 || linger() < 0))
                libvirt_link_end();
        return NULL;
}

static int make_call(const struct libvirt_request *request, const int *fds, size_t n_fds, struct call *call,
                     struct cvm_error *err) {
        call->text = cvm_json_write_text(libvirt_request_fields, request);
        if (!call->text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking libvirt");
        if (strlen(call->text) > LIBVIRT_MESSAGE_MAX || n_fds > LIBVIRT_FDS_MAX)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, E2BIG, "the domain is too large for cvmd-libvirt");
        for (; call->n_fds < n_fds; call->n_fds++) {
                call->fds[call->n_fds] = fcntl(fds[call->n_fds], F_DUPFD_CLOEXEC, 3);
                if (call->fds[call->n_fds] < 0)
                        return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "asking libvirt: %s",
                                        strerror(errno));
        }
        return 0;
}

int libvirt_watch_ask(struct libvirt_watch *watch, const struct libvirt_request *request, const int *fds,
                      size_t n_fds, libvirt_done_fn done, void *ctx, struct cvm_error *err) {
        struct libvirt_request whole = *request;
        struct call *call = calloc(1, sizeof *call), **last = &the_link.calls;
        int r;

        if (!call)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking libvirt");
        *call = (struct call){ .id = ++the_link.last_id,
                               .verb = request->verb,
                               .due_usec = due_usec(watch, request->verb),
                               .watch = watch,
                               .done = done,
                               .ctx = ctx };
        whole.id = call->id;
        whole.uuid = watch->uuid;
        r = make_call(&whole, fds, n_fds, call, err);
        if (r < 0) {
                call_free(call);
                return r;
        }
        while (*last)
                last = &(*last)->next;
        *last = call;
        send_all();
        mind_calls();
        return 0;
}
