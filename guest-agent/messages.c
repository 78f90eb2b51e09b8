/* Frames to the host: queued whole, never half; a host that does not read loses them and asks again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/agent.h"

#define OUT_MAX (4u << 20)

void outbox_clear(struct outbox *out) {
        cvm_writer_done(&out->bytes);
        *out = (struct outbox){ 0 };
}

void agent_send(struct agent *a, uint8_t type, const void *message) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };

        if (a->session == 0 || cvm_message_make(type, a->session, message, &frame, NULL) < 0)
                return;
        if (a->out.bytes.bytes.size - a->out.done + frame.size <= OUT_MAX)
                cvm_write_copy(&a->out.bytes, frame.data, frame.size);
}

void agent_refuse(struct agent *a, uint64_t id, struct cvm_error *why) {
        struct msg_refused message = {
                .id = id,
                .code = (char *)cvm_error_code(why)->id,
                .text = (char *)cvm_error_text(why, -EIO),
        };

        agent_send(a, CVM_MSG_REFUSED, &message);
}
