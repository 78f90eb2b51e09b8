#include "qmp/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

void qmp_stream_init(struct qmp_stream *s, int fd) {
        *s = (struct qmp_stream){ .fd = fd, .pass_fd = -EBADF };
}

void qmp_stream_done(struct qmp_stream *s) {
        cvm_bytes_done(&s->in);
        cvm_writer_done(&s->out);
        s->pass_fd = cvm_close(s->pass_fd);
}

static int grow(struct qmp_stream *s, struct cvm_error *err) {
        size_t room = s->in_room ? 2 * s->in_room : 4096;
        uint8_t *grown;

        if (s->in.size >= QMP_MESSAGE_MAX)
                return cvm_fail(err, &CVM_CODE_QMP, EMSGSIZE,
                                "QEMU's monitor sent a message of more than %u bytes", QMP_MESSAGE_MAX);
        grown = realloc(s->in.data, room + 1);
        if (!grown)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading QEMU's monitor");
        s->in.data = grown;
        s->in_room = room;
        return 0;
}

int qmp_stream_fill(struct qmp_stream *s, struct cvm_error *err) {
        ssize_t n;
        int r = s->in.size == s->in_room ? grow(s, err) : 0;

        if (r < 0)
                return r;
        n = recv(s->fd, s->in.data + s->in.size, s->in_room - s->in.size, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n < 0 && errno != ECONNRESET)
                return cvm_fail(err, &CVM_CODE_QMP, errno, "QEMU's monitor: %s", strerror(errno));
        if (n <= 0)
                return cvm_fail(err, &CVM_CODE_QMP, ECONNRESET, "QEMU's monitor was closed");
        s->in.size += (size_t)n;
        return 0;
}

int qmp_stream_take(struct qmp_stream *s, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(json_tokener_freep) json_tokener *tokener = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *message = NULL;
        uint8_t *end = s->in.size > s->in_scanned
                                       ? memchr(s->in.data + s->in_scanned, '\n', s->in.size - s->in_scanned)
                                       : NULL;
        size_t length;

        if (!end) {
                s->in_scanned = s->in.size;
                return 0;
        }
        length = (size_t)(end - s->in.data) + 1;
        tokener = json_tokener_new_ex(CVM_JSON_DEPTH_MAX);
        message = tokener ? json_tokener_parse_ex(tokener, (char *)s->in.data, (int)length) : NULL;
        memmove(s->in.data, s->in.data + length, s->in.size - length);
        s->in.size -= length;
        s->in_scanned = 0;
        if (!json_object_is_type(message, json_type_object))
                return cvm_fail(err, &CVM_CODE_QMP, EBADMSG, "QEMU's monitor sent what is no JSON object");
        *ret = TAKE_PTR(message);
        return 1;
}

int qmp_stream_put(struct qmp_stream *s, json_object *message, int pass_fd, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = pass_fd;
        const char *text = json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN);

        if (s->out.bytes.size - s->out_done + strlen(text) > QMP_QUEUE_MAX || (fd >= 0 && s->pass_fd >= 0))
                return cvm_fail(err, &CVM_CODE_QMP, ENOBUFS, "QEMU does not read its monitor");
        /* A descriptor goes with the first byte that is written next: it must be of its own message. */
        if (fd >= 0 && s->out.bytes.size > s->out_done)
                return cvm_fail(err, &CVM_CODE_QMP, EBUSY,
                                "QEMU's monitor is busy: no descriptor can be passed now");
        cvm_write_copy(&s->out, text, strlen(text));
        cvm_write_copy(&s->out, "\n", 1);
        if (s->out.failed)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing to QEMU's monitor");
        if (fd >= 0)
                s->pass_fd = TAKE_FD(fd);
        return 0;
}

static ssize_t send_some(struct qmp_stream *s, const uint8_t *data, size_t size) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec iov = { (void *)data, size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (s->pass_fd >= 0) {
                message.msg_control = &control;
                message.msg_controllen = sizeof control.space;
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &s->pass_fd, sizeof(int));
        }
        return sendmsg(s->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int qmp_stream_flush(struct qmp_stream *s, bool *ret_more, struct cvm_error *err) {
        while (s->out_done < s->out.bytes.size) {
                ssize_t n = send_some(s, s->out.bytes.data + s->out_done, s->out.bytes.size - s->out_done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        break;
                if (n < 0 && errno == EPIPE) /* its end is seen by who reads, behind what it said before */
                        n = (ssize_t)(s->out.bytes.size - s->out_done);
                if (n < 0)
                        return cvm_fail(err, &CVM_CODE_QMP, errno, "QEMU's monitor: %s", strerror(errno));
                s->pass_fd = cvm_close(s->pass_fd);
                s->out_done += (size_t)n;
        }
        *ret_more = s->out_done < s->out.bytes.size;
        if (!*ret_more) {
                s->out.bytes.size = 0;
                s->out_done = 0;
        }
        return 0;
}
