/* Reports of the simulated platform: asked for over a second channel, whose other end signs what it knows.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
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

/* What is waited for: the answer of a type, or a refusal, which is a failure of this code. */
struct waiting {
        uint64_t session;
        uint8_t type;
        void *message; /* read into */
        const struct cvm_code *code;
};

static int take_refusal(const struct cvm_frame *frame, const struct cvm_code *code, struct cvm_error *err) {
        const struct cvm_message_kind *kind = cvm_message_kind(CVM_MSG_REPORT_REFUSED);
        struct msg_refused refused = { 0 };
        int r = cvm_message_read(kind, frame, &refused, err);

        if (r >= 0)
                r = cvm_fail(err,
                             strcmp(refused.code, CVM_CODE_EVIDENCE_REQUEST.id) == 0
                                             ? &CVM_CODE_EVIDENCE_REQUEST
                                             : code,
                             EACCES, "refused: %s", refused.text);
        kind->done(&refused);
        return r;
}

/* 1: the answer, 0: a frame of no interest. */
static int take_frame(const struct cvm_frame *frame, const struct waiting *w, struct cvm_error *err) {
        int r;

        if (frame->session != w->session)
                return 0; /* for an earlier boot, or an earlier question */
        if (frame->type == CVM_MSG_REPORT_REFUSED)
                return take_refusal(frame, w->code, err);
        if (frame->type != w->type)
                return 0;
        r = cvm_message_read(cvm_message_kind(w->type), frame, w->message, err);
        return r < 0 ? r : 1;
}

/* Read until the answer is there or the time is over (0). */
static int read_answer(int fd, struct cvm_frame_reader *in, const struct waiting *w, int64_t until,
                       struct cvm_error *err) {
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
                                r = take_frame(&frame, w, err);
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

static int exchange(struct tee *tee, uint8_t type, const void *message, struct waiting *w,
                    struct cvm_error *err) {
        CVM_CLEANUP(reader_done) struct cvm_frame_reader in = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };
        int64_t deadline = now_msec() + DEADLINE_MSEC;
        int r = 0;

        cvm_random(&w->session, sizeof w->session);
        if (tee->fd < 0)
                r = channel_open(tee->where, &tee->fd, err);
        if (r >= 0)
                r = cvm_message_make(type, w->session, message, &frame, err);
        if (r < 0)
                return r;
        while (now_msec() < deadline) {
                int64_t until = now_msec() + REPEAT_MSEC < deadline ? now_msec() + REPEAT_MSEC : deadline;

                r = write_frame(tee->fd, &frame, until);
                if (r >= 0)
                        r = read_answer(tee->fd, &in, w, until, err);
                if (r > 0)
                        return 0;
                if (r < 0 && r != -ETIMEDOUT)
                        break;
        }
        if (r < 0 && r != -ETIMEDOUT)
                tee->fd = cvm_close(tee->fd); /* a socket whose other end is gone: anew next time */
        return err && err->code ? r
                                : cvm_fail(err, w->code, ETIMEDOUT, "nobody answered within %d seconds",
                                           DEADLINE_MSEC / 1000);
}

static int ask(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
               struct cvm_error *err) {
        struct msg_report_request request = { .request = question->request,
                                              .own_events = tee->own_events.bytes };
        struct msg_report report = { 0 };
        struct waiting w = { .type = CVM_MSG_REPORT, .message = &report, .code = &CVM_CODE_AGENT_REPORT };
        int r;

        memcpy(request.report_data, question->report_data, sizeof request.report_data);
        r = exchange(tee, CVM_MSG_REPORT_REQUEST, &request, &w, err);
        if (r >= 0)
                *ret = (struct tee_report){ cvm_bytes_take(&report.report),
                                            cvm_bytes_take(&report.certificates),
                                            cvm_bytes_take(&report.event_log) };
        cvm_message_kind(CVM_MSG_REPORT)->done(&report);
        return r;
}

static int ask_store(struct tee *tee, uint8_t type, const void *message, char ret_words[TEE_WORDS_MAX],
                     struct cvm_error *err) {
        struct msg_stored stored = { 0 };
        struct waiting w = { .type = CVM_MSG_STORED, .message = &stored, .code = &CVM_CODE_AGENT_STORE };
        int r = exchange(tee, type, message, &w, err);

        if (r >= 0) {
                snprintf(ret_words, TEE_WORDS_MAX, "%s", stored.words);
                r = !stored.taken;
        }
        cvm_message_kind(CVM_MSG_STORED)->done(&stored);
        return r;
}

/* The host's end answers the very same again without doing it twice: that it may be repeated. */
static int keep_secret(struct tee *tee, const void *request, size_t size, char ret_words[TEE_WORDS_MAX],
                       struct cvm_error *err) {
        const struct msg_store_request message = { .request = { (uint8_t *)request, size } };

        return size <= CVM_ATTESTATION_REQUEST_MAX
                               ? ask_store(tee, CVM_MSG_STORE_REQUEST, &message, ret_words, err)
                               : cvm_fail(err, &CVM_CODE_AGENT_STORE, EFBIG,
                                          "a simulated store takes requests of at most %u bytes",
                                          CVM_ATTESTATION_REQUEST_MAX);
}

static int lock_store(struct tee *tee, char ret_words[TEE_WORDS_MAX], struct cvm_error *err) {
        return ask_store(tee, CVM_MSG_STORE_LOCK, NULL, ret_words, err);
}

static int list_store(struct tee *tee, struct cvm_bytes *ret, struct cvm_error *err) {
        struct msg_store_listed listed = { 0 };
        struct waiting w = { .type = CVM_MSG_STORE_LISTED,
                             .message = &listed,
                             .code = &CVM_CODE_AGENT_STORE };
        int r = exchange(tee, CVM_MSG_STORE_LIST, NULL, &w, err);

        if (r >= 0)
                *ret = cvm_bytes_take(&listed.list);
        cvm_message_kind(CVM_MSG_STORE_LISTED)->done(&listed);
        return r;
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
        .keep_secret = keep_secret,
        .lock_store = lock_store,
        .list_store = list_store,
};
