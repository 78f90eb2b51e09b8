/* cvmd-libvirt: started by the daemon with their socket as descriptor 3; `cvmd-libvirt VERB` for one
 * question (worker/libvirt-ask.h), `cvmd-libvirt console UUID` for a console (libvirt-console.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/libvirt-ask.h"
#include "worker/libvirt-host.h"
#include "worker/wire.h"

static void on_request(int watch, int fd, int events, void *ctx) {
        struct libvirt_work *work = calloc(1, sizeof *work);
        struct libvirt_host *host = ctx;
        struct cvm_error err = { 0 };
        int r = work ? host_receive(host, work, &err) : -ENOMEM;

        if (r == 0)
                _exit(EXIT_SUCCESS); /* the daemon is gone; guests live on */
        if (r < 0) {
                fprintf(stderr, "cvmd-libvirt: the daemon's request: %s\n", cvm_error_text(&err, r));
                _exit(EXIT_FAILURE);
        }
        if (host_needs_libvirt(&work->request) && host_connect(host) && virConnectRef(host->connection) >= 0)
                work->connection = host->connection;
        host_queue(host, work);
}

/* The daemon says what failed, once; libvirt's own habit is to print it here. */
static void be_silent(void *ctx, virErrorPtr error) {
}

int main(int argc, char **argv) {
        struct libvirt_host host = { .socket = WORKER_FD_FIRST,
                                     .retry = -1,
                                     .qemu_event = -1,
                                     .looking = PTHREAD_MUTEX_INITIALIZER,
                                     .sending = PTHREAD_MUTEX_INITIALIZER };
        struct cvm_error err = { 0 };
        int r = host_confine(&err);

        umask(0077);
        virSetErrorFunc(NULL, be_silent);
        if (r < 0 || virEventRegisterDefaultImpl() < 0 || virInitialize() < 0) {
                fprintf(stderr, "cvmd-libvirt: %s\n", r < 0 ? err.text : "libvirt cannot be used");
                return EXIT_FAILURE;
        }
        if (argc > 1 && libvirt_has_ask(argv[1]))
                return libvirt_ask(argv[1]);
        if (argc > 2 && strcmp(argv[1], "console") == 0)
                return libvirt_console(argv[2]);
        (void)host_connect(&host);
        if (virEventAddHandle(host.socket, VIR_EVENT_HANDLE_READABLE | VIR_EVENT_HANDLE_HANGUP, on_request,
                              &host, NULL) < 0)
                return EXIT_FAILURE;
        while (virEventRunDefaultImpl() >= 0)
                ;
        return EXIT_FAILURE;
}
