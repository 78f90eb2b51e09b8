/*
 * Frames of the channels to the guest (doc/protocol.md, section "Frames"): a 32-byte header in 7-bit ASCII
 * behind one byte 0xff, then a payload of UTF-8 text (JSON).
 *
 *      off  size
 *        0     1  0xff, which occurs nowhere else: not in the header, not in UTF-8
 *        1     4  "CVM1"
 *        5     2  type, lower-case hex
 *        7    16  session, lower-case hex: chosen by the host's hello; 0 before the guest knows it
 *       23     8  length of the payload in bytes, lower-case hex
 *       31     1  newline
 *
 * So a reader finds the next frame after any cut, reset or garbage by looking for 0xff: whatever was
 * unfinished is dropped there, and nothing else is lost.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define CVM_FRAME_HEADER_SIZE 32
#define CVM_FRAME_PAYLOAD_MAX (2u << 20)

struct cvm_frame {
        uint8_t type;
        uint64_t session;
        const char *payload; /* followed by a NUL */
        size_t size;
};

struct cvm_frame_reader {
        struct cvm_bytes buffer; /* header and payload of the frame that is coming in */
        size_t room;
        uint64_t dropped_bytes; /* that belonged to no whole frame: for logs and tests */
};

void cvm_frame_reader_done(struct cvm_frame_reader *r);
/* Forget the unfinished frame: the peer began anew. */
void cvm_frame_reader_reset(struct cvm_frame_reader *r);

/*
 * Feed bytes. Returns 1 and a frame when one is complete (valid until the next call), 0 when all bytes are
 * used up without one, -ENOMEM. *used says how many bytes were taken: call again with the rest after a
 * frame. Memory grows with what has arrived, never with what a header promises.
 */
int cvm_frame_feed(struct cvm_frame_reader *r, const void *data, size_t size, size_t *used,
                   struct cvm_frame *ret);

/* Header and payload of one frame; -EMSGSIZE past the cap, -EINVAL where the payload has a byte 0xff. */
int cvm_frame_make(uint8_t type, uint64_t session, const char *payload, struct cvm_bytes *ret);
