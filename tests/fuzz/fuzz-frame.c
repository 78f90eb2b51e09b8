/* Any bytes on a channel: cut or whole they give the same frames, and a message that is read can be written,
 * as far as its frame is not too large then. */
#include <string.h>

#include "attest/message.h"
#include "tests/fuzz/fuzz.h"

static void take(const struct cvm_frame *frame) {
        const struct cvm_message_kind *kind = cvm_message_kind(frame->type);
        CVM_CLEANUP(cvm_freep) void *message = kind ? calloc(1, kind->size) : NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes again = { 0 };
        struct cvm_error err = { 0 };

        FUZZ_REQUIRE(frame->size <= CVM_FRAME_PAYLOAD_MAX && frame->payload[frame->size] == 0);
        if (!kind)
                return;
        if (cvm_message_read(kind, frame, message, &err) == 0)
                FUZZ_REQUIRE(cvm_message_make(kind->type, frame->session, message, &again, &err) == 0);
        kind->done(message);
}

/* How many frames come out when at most `piece` bytes are fed at once, and a sum over them. */
static uint64_t feed(const uint8_t *data, size_t size, size_t piece,
                     void (*each)(const struct cvm_frame *)) {
        struct cvm_frame_reader reader = { 0 };
        uint64_t sum = 0;

        while (size > 0) {
                struct cvm_frame frame;
                size_t n = piece < size ? piece : size, used = 0;
                int r = cvm_frame_feed(&reader, data, n, &used, &frame);

                FUZZ_REQUIRE(r >= 0 && used > 0 && used <= n);
                if (r > 0) {
                        sum = sum * 31 + frame.type + frame.session + frame.size + 1;
                        if (each)
                                each(&frame);
                }
                data += used;
                size -= used;
        }
        cvm_frame_reader_done(&reader);
        return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t whole = feed(data, size, size ? size : 1, take);

        FUZZ_REQUIRE(feed(data, size, 1, NULL) == whole);
        FUZZ_REQUIRE(feed(data, size, 33, NULL) == whole);
        return 0;
}
