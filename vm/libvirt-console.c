#include "vm/libvirt-console.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "vm/console-relay.h"
#include "vm/libvirt-link.h"
#include "vm/libvirt-words.h"
#include "vm/pidfd.h"

#define LAST_USEC 1000000ull

struct libvirt_console {
        sd_event *event;
        struct libvirt_process process;
        int socket; /* until the relay has it */
        sd_event_source *end, *answer;
        struct console_relay *relay; /* NULL: not open yet */
        driver_console_fn done;      /* NULL: was told */
        void *ctx;
        sd_event_source *deadline;
        void (*over)(void *ctx); /* NULL: nobody waits for it */
        void *over_ctx;
};

static void tell(struct libvirt_console *c, int fd, struct cvm_error *err) {
        driver_console_fn done = c->done;

        c->done = NULL;
        if (done)
                done(c->ctx, fd, err);
        else
                cvm_close(fd);
}

struct libvirt_console *libvirt_console_free(struct libvirt_console *c) {
        struct cvm_error err = { 0 };

        if (!c)
                return NULL;
        c->end = sd_event_source_disable_unref(c->end);
        c->answer = sd_event_source_disable_unref(c->answer);
        c->deadline = sd_event_source_disable_unref(c->deadline);
        libvirt_process_end(&c->process);
        c->socket = cvm_close(c->socket);
        c->relay = console_relay_free(c->relay);
        cvm_fail(&err, &CVM_CODE_CONSOLE, ECANCELED, "the VM ended before its console was open");
        tell(c, -EBADF, &err);
        sd_event_unref(c->event);
        free(c);
        return NULL;
}

CVM_DEFINE_CLEANUP(struct libvirt_console, libvirt_console_free);

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct libvirt_console *c = userdata;

        c->end = sd_event_source_disable_unref(c->end);
        libvirt_process_end(&c->process);
        if (c->over)
                c->over(c->over_ctx);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct libvirt_console *c = userdata;

        if (c->process.pid > 0)
                pidfd_kill(c->process.pidfd, SIGKILL); /* its end is told */
        return 0;
}

bool libvirt_console_wait(struct libvirt_console *c, void (*over)(void *ctx), void *ctx) {
        if (!c || c->process.pid == 0)
                return false;
        c->over = over;
        c->over_ctx = ctx;
        return c->deadline || sd_event_add_time_relative(c->event, &c->deadline, CLOCK_MONOTONIC, LAST_USEC,
                                                         0, on_deadline, c) >= 0;
}

/* 0: it is open. The words of what was answered, or of none. */
static int read_answer(const void *text, ssize_t size, struct cvm_error *err) {
        CVM_CLEANUP(libvirt_message_done) struct libvirt_message m = { 0 };
        CVM_CLEANUP(cvm_freep) char *words = NULL;
        int r;

        if (size <= 0)
                return cvm_fail(err, &CVM_CODE_LIBVIRT_CONNECTION, EPIPE,
                                "libvirt did not open the console in time");
        r = libvirt_message_read(text, (size_t)size, &m, err);
        if (r < 0 || !m.error_code)
                return r;
        words = strndup(m.text.data ? (const char *)m.text.data : "", m.text.size);
        return libvirt_words((int)m.error_domain, (int)m.error_code, words ? words : "", err);
}

static int on_answer(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct libvirt_console *c = userdata;
        struct cvm_error err = { 0 };
        char text[4096];
        ssize_t n = recv(fd, text, sizeof text, MSG_DONTWAIT);
        int client = -EBADF, r;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        c->answer = sd_event_source_disable_unref(c->answer);
        r = read_answer(text, n, &err);
        if (r >= 0)
                r = console_relay_new(c->event, TAKE_FD(c->socket), &c->relay, &client, &err);
        c->socket = cvm_close(c->socket);
        tell(c, client, r < 0 ? &err : NULL);
        return 0;
}

static int start(struct libvirt_console *c, const char *uuid, struct cvm_error *err) {
        int r = libvirt_process_start("console", uuid, &c->process, err);

        if (r < 0)
                return r;
        c->socket = TAKE_FD(c->process.socket);
        r = sd_event_add_io(c->event, &c->end, c->process.pidfd, EPOLLIN, on_end, c);
        if (r >= 0) /* what it passed on goes to the client first */
                r = sd_event_source_set_priority(c->end, CONSOLE_RELAY_PRIORITY + 1);
        if (r >= 0)
                r = sd_event_add_io(c->event, &c->answer, c->socket, EPOLLIN, on_answer, c);
        return r < 0 ? cvm_fail(err, &CVM_CODE_INTERNAL, r, "opening the console: %s", strerror(-r)) : 0;
}

int libvirt_console_open(sd_event *event, const char *uuid, struct libvirt_console **console,
                         driver_console_fn done, void *ctx, struct cvm_error *err) {
        struct libvirt_console *last = *console;
        CVM_CLEANUP(libvirt_console_freep) struct libvirt_console *c = NULL;
        int r;

        if (last && (last->done || (last->relay && !console_relay_is_over(last->relay))))
                return cvm_fail(err, &CVM_CODE_CONSOLE_BUSY, EBUSY, "somebody else is at the VM's console");
        *console = libvirt_console_free(last);
        c = calloc(1, sizeof *c);
        if (!c)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening the console");
        *c = (struct libvirt_console){ .event = sd_event_ref(event),
                                       .process = LIBVIRT_NO_PROCESS,
                                       .socket = -EBADF };
        r = start(c, uuid, err);
        if (r < 0)
                return r;
        c->done = done;
        c->ctx = ctx;
        *console = TAKE_PTR(c);
        return 0;
}
