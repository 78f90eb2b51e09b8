#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "worker/libvirt-host.h"

void host_send(struct libvirt_host *host, struct libvirt_message *message, int fd) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        char control[CMSG_SPACE(sizeof(int))] = { 0 };
        struct iovec piece = { 0 };
        struct msghdr header = { .msg_iov = &piece, .msg_iovlen = 1 };

        pthread_mutex_lock(&host->sending);
        message->seq = host->seq + 1;
        text = cvm_json_write_text(libvirt_message_fields, message);
        if (!text || strlen(text) > LIBVIRT_MESSAGE_MAX)
                _exit(EXIT_FAILURE);
        piece = (struct iovec){ text, strlen(text) };
        if (fd >= 0) {
                struct cmsghdr *c;

                header.msg_control = control;
                header.msg_controllen = sizeof control;
                c = CMSG_FIRSTHDR(&header);
                *c = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
                memcpy(CMSG_DATA(c), &fd, sizeof fd);
        }
        if (sendmsg(host->socket, &header, MSG_NOSIGNAL) < 0)
                _exit(EXIT_FAILURE);
        host->seq++;
        pthread_mutex_unlock(&host->sending);
}

static size_t take_fds(struct msghdr *header, int ret[LIBVIRT_FDS_MAX]) {
        struct cmsghdr *c = CMSG_FIRSTHDR(header);
        size_t n;

        if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                return 0;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(ret, CMSG_DATA(c), n * sizeof(int));
        return n;
}

int host_receive(struct libvirt_host *host, struct libvirt_work *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = malloc(LIBVIRT_MESSAGE_MAX);
        char control[CMSG_SPACE(LIBVIRT_FDS_MAX * sizeof(int))];
        struct iovec piece = { text, LIBVIRT_MESSAGE_MAX };
        struct msghdr header = {
                .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
        };
        ssize_t n = text ? recvmsg(host->socket, &header, MSG_CMSG_CLOEXEC) : -1;
        int r;

        if (n <= 0)
                return n < 0 && errno != ECONNRESET ? -errno : 0; /* reset: it died, and had not read all */
        ret->n_fds = take_fds(&header, ret->fds);
        r = header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)
                            ? -EMSGSIZE
                            : cvm_json_read_text(text, (size_t)n, "request", libvirt_request_fields,
                                                 &ret->request, err);
        return r < 0 ? r : 1;
}
