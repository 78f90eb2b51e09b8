#include "vm/console-relay.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "vm/unix-socket.h"

/* What one end has not taken yet. */
struct stock {
        char data[64 << 10];
        size_t n;
};

struct console_relay {
        int qemu, client;
        sd_event_source *of_qemu, *of_client;
        bool is_typed;      /* no more will come of the client, which waits for the end */
        struct stock typed; /* where it is not empty, nothing more is read from the client */
        struct stock printed;
};

static void hang_up(struct console_relay *r) {
        r->of_qemu = sd_event_source_disable_unref(r->of_qemu);
        r->of_client = sd_event_source_disable_unref(r->of_client);
        r->qemu = cvm_close(r->qemu);
        r->client = cvm_close(r->client);
}

struct console_relay *console_relay_free(struct console_relay *r) {
        if (!r)
                return NULL;
        hang_up(r);
        free(r);
        return NULL;
}

bool console_relay_is_over(const struct console_relay *r) {
        return r->client < 0;
}

static bool is_broken(ssize_t n) {
        return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static bool pass(struct stock *stock, int to) {
        ssize_t n = stock->n ? send(to, stock->data, stock->n, MSG_NOSIGNAL) : 0;

        if (n > 0) {
                stock->n -= (size_t)n;
                memmove(stock->data, stock->data + n, stock->n);
        }
        return n >= 0 || !is_broken(n);
}

/* From QEMU, whether there is room or not. */
static bool take_output(struct console_relay *r) {
        char text[4096];
        ssize_t n = read(r->qemu, text, sizeof text);
        size_t room = sizeof r->printed.data - r->printed.n, taken = n < 0 ? 0 : (size_t)n;

        if (taken > room)
                taken = room;
        memcpy(r->printed.data + r->printed.n, text, taken);
        r->printed.n += taken;
        return !is_broken(n);
}

static bool take_input(struct console_relay *r, bool is_gone) {
        ssize_t n = read(r->client, r->typed.data, sizeof r->typed.data);

        r->typed.n = n > 0 ? (size_t)n : 0;
        r->is_typed = n == 0 && !is_gone && shutdown(r->qemu, SHUT_WR) == 0;
        return r->is_typed || !is_broken(n);
}

/* Pass on what there is, and wait for what is left. */
static void go_on(struct console_relay *r, bool fine) {
        bool passed = pass(&r->printed, r->client) && pass(&r->typed, r->qemu); /* last words too */
        int of_qemu = EPOLLIN | (r->typed.n ? EPOLLOUT : 0);
        int of_client = (r->typed.n || r->is_typed ? 0 : EPOLLIN) | (r->printed.n ? EPOLLOUT : 0);

        if (!fine || !passed || sd_event_source_set_io_events(r->of_qemu, (uint32_t)of_qemu) < 0 ||
            sd_event_source_set_io_events(r->of_client, (uint32_t)of_client) < 0)
                hang_up(r);
}

static int on_qemu(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct console_relay *r = userdata;

        go_on(r, !(revents & ~EPOLLOUT) || take_output(r));
        return 0;
}

static int on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct console_relay *r = userdata;

        bool is_gone = revents & (EPOLLHUP | EPOLLERR);

        go_on(r, revents & EPOLLIN ? take_input(r, is_gone) : !is_gone);
        return 0;
}

int console_relay_new(sd_event *event, int qemu, struct console_relay **ret, int *ret_fd,
                      struct cvm_error *err) {
        CVM_CLEANUP(console_relay_freep) struct console_relay *relay = calloc(1, sizeof *relay);
        CVM_CLEANUP(cvm_closep) int taken = qemu;
        CVM_CLEANUP(cvm_closep) int end = -EBADF;
        int ends[2], r;

        if (!relay)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening the console");
        relay->client = -EBADF;
        relay->qemu = TAKE_FD(taken);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "opening the console: %s", strerror(errno));
        relay->client = ends[0];
        end = ends[1];
        r = sd_event_add_io(event, &relay->of_qemu, relay->qemu, EPOLLIN, on_qemu, relay);
        if (r >= 0)
                r = sd_event_add_io(event, &relay->of_client, relay->client, EPOLLIN, on_client, relay);
        if (r >= 0)
                r = sd_event_source_set_priority(relay->of_qemu, CONSOLE_RELAY_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_priority(relay->of_client, CONSOLE_RELAY_PRIORITY);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, r, "opening the console: %s", strerror(-r));
        *ret_fd = TAKE_FD(end);
        *ret = TAKE_PTR(relay);
        return 0;
}

int console_open(sd_event *event, const char *runtime_dir, struct console_relay **relay, int *ret_fd,
                 struct cvm_error *err) {
        char path[PATH_MAX];
        int fd;

        if (*relay && !console_relay_is_over(*relay))
                return cvm_fail(err, &CVM_CODE_CONSOLE_BUSY, EBUSY, "somebody else is at the VM's console");
        *relay = console_relay_free(*relay);
        snprintf(path, sizeof path, "%.3500s/" CONSOLE_SOCKET, runtime_dir);
        fd = unix_connect(path);
        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_CONSOLE, fd, "the VM has no interactive console");
        return console_relay_new(event, fd, relay, ret_fd, err);
}
