/*
 * A dump takes as long as it likes, while its domain is asked for other things: it has a thread and a
 * connection of its own. libvirt opens a path and would give a regular file to another user; it gets the end
 * of a pipe, and what comes out of it is written into the daemon's file here. So a dump ends with this
 * process: QEMU finds the pipe broken, and libvirt lets its guest go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "worker/libvirt-host.h"

#define PIECE (1u << 20)

struct dump {
        struct libvirt_host *host; /* borrowed, as long as the process lives */
        char uuid[CVM_UUID_TEXT];
        struct libvirt_message answer;
        int file, pipe[2];
        int stop;        /* eventfd: nothing more is wanted of the pipe */
        int write_error; /* negative errno; 0: none */
};

static void dump_free(struct dump *d) {
        int *const fds[] = { &d->file, &d->pipe[0], &d->pipe[1], &d->stop };

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                *fds[i] = cvm_close(*fds[i]);
        libvirt_message_done(&d->answer);
        free(d);
}

static void *copy(void *ctx) {
        struct dump *d = ctx;
        uint8_t *piece = malloc(PIECE);
        struct pollfd fds[] = { { .fd = d->pipe[0], .events = POLLIN },
                                { .fd = d->stop, .events = POLLIN } };
        int r = piece ? 0 : -ENOMEM;

        while (r >= 0) {
                ssize_t n;

                if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
                        continue;
                n = fds[1].revents ? 0 : read(d->pipe[0], piece, PIECE);
                if (n <= 0)
                        break;
                r = cvm_write_all(d->file, piece, (size_t)n);
        }
        d->write_error = r;
        d->pipe[0] = cvm_close(d->pipe[0]); /* QEMU waits for nobody */
        free(piece);
        return NULL;
}

static int dump_to(struct dump *d, const char *path) {
        virConnectPtr connection = virConnectOpen(LIBVIRT_URI);
        virDomainPtr domain = connection ? virDomainLookupByUUIDString(connection, d->uuid) : NULL;
        int r = domain ? virDomainCoreDumpWithFormat(domain, path, VIR_DOMAIN_CORE_DUMP_FORMAT_RAW,
                                                     VIR_DUMP_MEMORY_ONLY)
                       : -1;

        if (r < 0)
                host_describe_failure(&d->answer, -EIO);
        if (domain)
                virDomainFree(domain);
        if (connection)
                virConnectClose(connection);
        return r;
}

static void *run(void *ctx) {
        struct dump *d = ctx;
        pthread_t copier;
        char path[64];
        int r = pthread_create(&copier, NULL, copy, d);
        bool copies = r == 0;

        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), d->pipe[1]);
        virResetLastError();
        if (!copies)
                host_describe_failure(&d->answer, -r);
        else if (dump_to(d, path) < 0)
                (void)eventfd_write(d->stop, 1);
        d->pipe[1] = cvm_close(d->pipe[1]);
        if (copies)
                (void)pthread_join(copier, NULL);
        if (d->write_error < 0) { /* nearer than what became of it */
                virResetLastError();
                cvm_bytes_done(&d->answer.text);
                host_describe_failure(&d->answer, d->write_error);
        }
        host_send(d->host, &d->answer, -EBADF);
        dump_free(d);
        return NULL;
}

int host_dump(struct libvirt_host *host, const struct libvirt_request *request, int fd) {
        struct dump *d = calloc(1, sizeof *d);
        pthread_t thread;
        int r = -ENOMEM;

        if (!d)
                return r;
        *d = (struct dump){ .host = host,
                            .answer = { .kind = LIBVIRT_ANSWER, .id = request->id },
                            .file = fcntl(fd, F_DUPFD_CLOEXEC, 3),
                            .pipe = { -EBADF, -EBADF },
                            .stop = eventfd(0, EFD_CLOEXEC) };
        snprintf(d->uuid, sizeof d->uuid, "%s", request->uuid);
        if (d->file >= 0 && d->stop >= 0 && pipe2(d->pipe, O_CLOEXEC) >= 0)
                r = -pthread_create(&thread, NULL, run, d);
        if (r == 0)
                (void)pthread_detach(thread);
        else
                dump_free(d);
        return r;
}
