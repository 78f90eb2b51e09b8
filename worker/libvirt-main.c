/* cvmd-libvirt: started by the daemon with their socket as descriptor 3; `cvmd-libvirt VERB` for one
 * question (worker/libvirt-ask.h). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "worker/libvirt-ask.h"
#include "worker/libvirt-host.h"
#include "worker/wire.h"

static void on_request(int watch, int fd, int events, void *ctx) {
        CVM_CLEANUP(libvirt_request_done) struct libvirt_request request = { 0 };
        struct libvirt_host *host = ctx;
        struct cvm_error err = { 0 };
        int fds[LIBVIRT_FDS_MAX], r;
        size_t n = 0;

        r = host_receive(host, &request, fds, &n, &err);
        if (r == 0)
                exit(EXIT_SUCCESS); /* the daemon is gone; guests live on */
        if (r < 0) {
                fprintf(stderr, "cvmd-libvirt: the daemon's request: %s\n", cvm_error_text(&err, r));
                exit(EXIT_FAILURE);
        }
        host_serve(host, &request, fds, n);
        while (n > 0)
                cvm_close(fds[--n]);
}

/* The daemon says what failed, once; libvirt's own habit is to print it here. */
static void be_silent(void *ctx, virErrorPtr error) {
}

int main(int argc, char **argv) {
        struct libvirt_host host = { .socket = WORKER_FD_FIRST, .retry = -1 };
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
        (void)host_connect(&host);
        if (virEventAddHandle(host.socket, VIR_EVENT_HANDLE_READABLE | VIR_EVENT_HANDLE_HANGUP, on_request,
                              &host, NULL) < 0)
                return EXIT_FAILURE;
        while (virEventRunDefaultImpl() >= 0)
                ;
        return EXIT_FAILURE;
}
