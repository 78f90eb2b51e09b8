/* Reports of the simulated platform: asked for over a second channel, whose other end signs what it knows.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attest/message.h"
#include "base/fd.h"
#include "base/names.h"
#include "guest-agent/channel.h"
#include "guest-agent/tee.h"

#define REPEAT_MSEC 2000
#define DEADLINE_MSEC 10000
#define IDLE_MSEC 50 /* between looks at a port whose host is away: it is readable all the time */

static int64_t now_msec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_for(int fd, short events, int msec) {
        struct pollfd p = { .fd = fd, .events = events };

        /* a port without a host hangs up all the time: then only time passes */
        if (poll(&p, 1, msec) > 0 && p.revents & (POLLHUP | POLLERR))
                poll(NULL, 0, msec < IDLE_MSEC ? msec : IDLE_MSEC);
}

static int write_frame(int fd, const struct cvm_bytes *frame, int64_t until) {
        size_t done = 0;

        while (done < frame->size) {
                ssize_t n = write(fd, frame->data + done, frame->size - done);

                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                done += n > 0 ? (size_t)n : 0;
                if (done < frame->size && now_msec() >= until)
                        return -ETIMEDOUT;
                if (done < frame->size)
                        wait_for(fd, POLLOUT, IDLE_MSEC);
        }
        return 0;
}

static int take_refusal(const struct cvm_frame *frame, struct cvm_error *err) {
        const struct cvm_message_kind *kind = cvm_message_kind(CVM_MSG_REPORT_REFUSED);
        struct msg_refused refused = { 0 };
        int r = cvm_message_read(kind, frame, &refused, err);

        if (r >= 0)
                r = cvm_fail(err,
                             strcmp(refused.code, CVM_CODE_EVIDENCE_REQUEST.id) == 0
                                             ? &CVM_CODE_EVIDENCE_REQUEST
                                             : &CVM_CODE_AGENT_REPORT,
                             EACCES, "refused: %s", refused.text);
        kind->done(&refused);
        return r;
}

/* 1: the report, 0: a frame of no interest. */
static int take_frame(const struct cvm_frame *frame, uint64_t session, struct tee_report *ret,
                      struct cvm_error *err) {
        const struct cvm_message_kind *kind = cvm_message_kind(CVM_MSG_REPORT);
        struct msg_report message = { 0 };
        int r;

        if (frame->session != session)
                return 0; /* for an earlier boot, or an earlier question */
        if (frame->type == CVM_MSG_REPORT_REFUSED)
                return take_refusal(frame, err);
        if (frame->type != CVM_MSG_REPORT)
                return 0;
        r = cvm_message_read(kind, frame, &message, err);
        if (r >= 0) {
                ret->report = cvm_bytes_take(&message.report);
                ret->certificates = cvm_bytes_take(&message.certificates);
                ret->event_log = cvm_bytes_take(&message.event_log);
        }
        kind->done(&message);
        return r < 0 ? r : 1;
}

/* Read until the report is there or the time is over (0). */
static int read_answer(int fd, struct cvm_frame_reader *in, uint64_t session, int64_t until,
                       struct tee_report *ret, struct cvm_error *err) {
        uint8_t data[16 << 10];

        for (;;) {
                ssize_t n = read(fd, data, sizeof data);
                const uint8_t *next = data;
                int r = 0;

                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                for (size_t left = n > 0 ? (size_t)n : 0; left > 0 && r == 0;) {
                        struct cvm_frame frame;
                        size_t used;

                        r = cvm_frame_feed(in, next, left, &used, &frame);
                        if (r > 0)
                                r = take_frame(&frame, session, ret, err);
                        next += used;
                        left -= used;
                }
                if (r != 0 || now_msec() >= until)
                        return r;
                if (n <= 0)
                        wait_for(fd, POLLIN, (int)(until - now_msec()));
        }
}

static void reader_done(struct cvm_frame_reader *in) {
        cvm_frame_reader_done(in);
}

static int ask(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
               struct cvm_error *err) {
        CVM_CLEANUP(reader_done) struct cvm_frame_reader in = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };
        struct msg_report_request request = { .request = question->request,
                                              .own_events = tee->own_events.bytes };
        int64_t deadline = now_msec() + DEADLINE_MSEC;
        uint64_t session = 0;
        int r = 0;

        cvm_random(&session, sizeof session);
        memcpy(request.report_data, question->report_data, sizeof request.report_data);
        if (tee->fd < 0)
                r = channel_open(tee->where, &tee->fd, err);
        if (r >= 0)
                r = cvm_message_make(CVM_MSG_REPORT_REQUEST, session, &request, &frame, err);
        if (r < 0)
                return r;
        while (now_msec() < deadline) {
                int64_t until = now_msec() + REPEAT_MSEC < deadline ? now_msec() + REPEAT_MSEC : deadline;

                r = write_frame(tee->fd, &frame, until);
                if (r >= 0)
                        r = read_answer(tee->fd, &in, session, until, ret, err);
                if (r > 0)
                        return 0;
                if (r < 0 && r != -ETIMEDOUT)
                        break;
        }
        if (r < 0 && r != -ETIMEDOUT)
                tee->fd = cvm_close(tee->fd); /* a socket whose other end is gone: anew next time */
        return err && err->code ? r
                                : cvm_fail(err, &CVM_CODE_AGENT_REPORT, ETIMEDOUT,
                                           "nobody answered within %d seconds", DEADLINE_MSEC / 1000);
}

static bool is_there(const struct tee *tee) {
        return channel_has_port(tee->root, tee->where);
}

const struct tee_provider tee_simulated = {
        .name = "simulated",
        .where = CVM_TEE_PORT,
        .simulated = true,
        .is_there = is_there,
        .ask = ask,
};
