/* QEMU's end of the monitor says anything: each message is an object, what is left waits for its newline. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "qmp/stream.h"
#include "tests/fuzz/fuzz.h"

/* What has arrived, message after message; false at the first that is no object. */
static bool take_all(struct qmp_stream *stream) {
        struct cvm_error err = { 0 };
        json_object *message;
        int r;

        while ((r = qmp_stream_take(stream, &message, &err)) > 0) {
                FUZZ_REQUIRE(json_object_is_type(message, json_type_object));
                json_object_put(message);
        }
        FUZZ_REQUIRE(r == 0 || err.text[0]);
        return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct cvm_error err = { 0 };
        struct qmp_stream stream;
        int pair[2];
        bool well = true;

        FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        qmp_stream_init(&stream, pair[0]);
        while (well && size > 0) {
                ssize_t n = write(pair[1], data, size < 4096 ? size : 4096);

                FUZZ_REQUIRE(n > 0 || errno == EAGAIN); /* the reader has room for less than is written */
                data += n > 0 ? n : 0;
                size -= n > 0 ? (size_t)n : 0;
                FUZZ_REQUIRE(qmp_stream_fill(&stream, &err) == 0);
                well = take_all(&stream);
        }
        cvm_close(pair[1]);
        for (int r = 0; well && r == 0; well = r == 0 && take_all(&stream))
                r = qmp_stream_fill(&stream, &err);
        qmp_stream_done(&stream);
        cvm_close(pair[0]);
        return 0;
}
