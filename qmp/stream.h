/*
 * Messages of QEMU's monitor over a connected, non-blocking descriptor: JSON objects, one per line. What
 * arrives is hostile: at most QMP_MESSAGE_MAX bytes wait for their newline, at most QMP_QUEUE_MAX wait to be
 * written.
 */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"

#define QMP_MESSAGE_MAX (16u << 20)
#define QMP_QUEUE_MAX (1u << 20)

struct qmp_stream {
        int fd; /* borrowed */
        struct cvm_bytes in;
        size_t in_room, in_scanned;
        struct cvm_writer out;
        size_t out_done;
        int pass_fd; /* owned: goes with the first byte of the queue; -EBADF: none */
};

void qmp_stream_init(struct qmp_stream *s, int fd);
void qmp_stream_done(struct qmp_stream *s);

/* Read what is there. 0, or negative: -ECONNRESET at the peer's end, CVM_CODE_QMP past the cap. */
int qmp_stream_fill(struct qmp_stream *s, struct cvm_error *err);
/* Take the next whole message out; 1 with an owned object, 0 when there is none, CVM_CODE_QMP when it is no
 * object. */
int qmp_stream_take(struct qmp_stream *s, json_object **ret, struct cvm_error *err);
/* Queue a message; pass_fd (taken, -EBADF: none) travels with it. CVM_CODE_QMP when the peer does not read.
 */
int qmp_stream_put(struct qmp_stream *s, json_object *message, int pass_fd, struct cvm_error *err);
/* Write what the descriptor takes; *ret_more: something is left. */
int qmp_stream_flush(struct qmp_stream *s, bool *ret_more, struct cvm_error *err);
