/*
 * `cvmd-libvirt console UUID`, started by the daemon with their socket as descriptor 3: one ANSWER to id 1
 * (wire-libvirt.h), then what the guest prints and what is typed, in packets.
 *
 * A process for each console that is open: libvirt's client waits in virStreamSend(), whatever it was told,
 * where a guest takes nothing of what is typed and libvirtd holds as much of it as it will; and what a
 * stream brings meanwhile it keeps without a bound. Here only that console waits, and an alarm ends it.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "worker/libvirt-host.h"
#include "worker/wire.h"

#define OPEN_SECONDS 20
#define SEND_SECONDS 10 /* behind the hundreds of KiB that libvirtd and the sockets take */
#define BUSY_TRIES \
        20 /* whoever was at it last may be about to go: libvirtd hears of it later than he does */
#define BUSY_USEC 50000
#define END_SECONDS 2 /* what was typed last is written first */
#define PIECE_MAX 4096

struct console {
        int socket, watch;
        virConnectPtr connection;
        virStreamPtr stream;
        char typed[64 << 10]; /* until all of it is sent no more is taken */
        size_t sent, size;
};

/* libvirtd sees that the connection is closed. */
static _Noreturn void end(void) {
        _exit(EXIT_SUCCESS);
}

/* That it sees when it has time; here it answers that the next one may come, and our end is seen behind it.
 */
static _Noreturn void give_back(struct console *c) {
        alarm(END_SECONDS);
        (void)virStreamFinish(c->stream);
        end();
}

/* A piece, then it is looked what the guest has printed. */
static void pass_typed(struct console *c) {
        size_t left = c->size - c->sent;
        bool waits;
        int n;

        alarm(SEND_SECONDS);
        n = virStreamSend(c->stream, c->typed + c->sent, left < PIECE_MAX ? left : PIECE_MAX);
        alarm(0);
        if (n == -1)
                end();
        c->sent += n > 0 ? (size_t)n : 0;
        waits = c->sent < c->size;
        virEventUpdateHandle(c->watch, waits ? 0 : VIR_EVENT_HANDLE_READABLE);
        if (virStreamEventUpdateCallback(c->stream,
                                         VIR_STREAM_EVENT_READABLE |
                                                         (waits ? VIR_STREAM_EVENT_WRITABLE : 0)) < 0)
                end();
}

static void on_typed(int watch, int fd, int events, void *ctx) {
        struct console *c = ctx;
        ssize_t n = recv(fd, c->typed, sizeof c->typed, MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                give_back(c);
        c->sent = 0;
        c->size = n > 0 ? (size_t)n : 0;
        if (c->size > 0)
                pass_typed(c);
}

/* Whether the daemon has room for it or not: libvirt would keep it here. */
static void pass_printed(struct console *c) {
        char text[PIECE_MAX];
        int n;

        while ((n = virStreamRecv(c->stream, text, sizeof text)) > 0)
                if (send(c->socket, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
                        end();
        if (n != -2)
                end();
}

static void on_stream(virStreamPtr stream, int events, void *ctx) {
        struct console *c = ctx;

        pass_printed(c);
        if (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP))
                end();
        if (c->sent < c->size)
                pass_typed(c);
}

static void on_close(virConnectPtr connection, int reason, void *ctx) {
        end();
}

static int open_stream(struct console *c, virDomainPtr domain) {
        for (int tries = 0;; tries++) {
                c->stream = virStreamNew(c->connection, VIR_STREAM_NONBLOCK);
                if (!c->stream)
                        return -EIO;
                if (virDomainOpenConsole(domain, NULL, c->stream, VIR_DOMAIN_CONSOLE_SAFE) >= 0)
                        return 0;
                if (virGetLastErrorCode() != VIR_ERR_OPERATION_FAILED || tries == BUSY_TRIES)
                        return -EIO;
                virStreamFree(TAKE_PTR(c->stream));
                usleep(BUSY_USEC);
        }
}

static int console_open(struct console *c, const char *uuid) {
        virDomainPtr domain;
        int r;

        c->connection = virConnectOpen(LIBVIRT_URI);
        if (!c->connection || virConnectRegisterCloseCallback(c->connection, on_close, NULL, NULL) < 0)
                return -EIO;
        domain = virDomainLookupByUUIDString(c->connection, uuid);
        r = domain ? open_stream(c, domain) : -EIO;
        if (r >= 0)
                r = virStreamEventAddCallback(c->stream, VIR_STREAM_EVENT_READABLE, on_stream, c, NULL);
        if (r < 0)
                return -EIO;
        c->watch = virEventAddHandle(c->socket, VIR_EVENT_HANDLE_READABLE, on_typed, c, NULL);
        return c->watch < 0 ? -EIO : 0;
}

int libvirt_console(const char *uuid) {
        static struct console console = { .socket = WORKER_FD_FIRST };
        struct libvirt_host host = { .socket = WORKER_FD_FIRST, .sending = PTHREAD_MUTEX_INITIALIZER };
        CVM_CLEANUP(libvirt_message_done)
        struct libvirt_message answer = { .kind = LIBVIRT_ANSWER, .id = 1 };
        int r;

        alarm(OPEN_SECONDS);
        r = console_open(&console, uuid);
        alarm(0);
        if (r < 0)
                host_describe_failure(&answer, r);
        host_send(&host, &answer, -EBADF);
        while (r >= 0 && virEventRunDefaultImpl() >= 0)
                ;
        return EXIT_FAILURE;
}
