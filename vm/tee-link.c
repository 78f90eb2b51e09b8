/*
 * The simulated secure processor's end of its channel. The guest speaks first; each request is answered
 * before the next one is read, so that what waits to be written is never more than one report. A guest that
 * asks too often, or sends what is no request, is read again only after a pause: it fills its own buffers.
 */
#include "vm/tee-link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "attest/message.h"
#include "base/fd.h"
#include "vm/unix-socket.h"

#define CONNECT_USEC 50000ull
#define CONNECT_MAX_USEC 5000000ull
#define PAUSE_USEC 1000000ull
#define REPORTS_PER_PAUSE 32
#define GARBAGE_MAX (256u << 10) /* bytes without a request in them */

struct tee_link {
        sd_event *event; /* borrowed */
        char *path;
        const struct sim_root *root; /* borrowed */
        struct sim_guest *guest;     /* borrowed */
        int fd;
        sd_event_source *io, *timer;
        uint64_t wait_usec, window_usec;
        unsigned reports; /* in this window */
        uint64_t garbage;
        struct cvm_frame_reader in;
        struct cvm_bytes waiting; /* read, not yet fed: it waits until the answer before it is written */
        struct cvm_bytes out;
        size_t out_done;
        tee_link_keep_fn keep; /* may be NULL */
        void *ctx;
        bool unkept; /* what the store has may not be durable */
        bool holds;  /* `out` waits until it is */
};

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(struct tee_link *link, uint64_t usec) {
        link->timer = sd_event_source_disable_unref(link->timer);
        (void)sd_event_add_time_relative(link->event, &link->timer, CLOCK_MONOTONIC, usec, usec / 10,
                                         on_timer, link);
}

static void leave(struct tee_link *link) {
        link->io = sd_event_source_disable_unref(link->io);
        link->fd = cvm_close(link->fd);
        cvm_frame_reader_reset(&link->in);
        cvm_bytes_done(&link->waiting);
        cvm_bytes_done(&link->out);
        link->out_done = 0;
        link->holds = false;
}

static void lost(struct tee_link *link) {
        leave(link);
        arm(link, link->wait_usec);
        link->wait_usec = link->wait_usec * 2 > CONNECT_MAX_USEC ? CONNECT_MAX_USEC : link->wait_usec * 2;
}

/* Nothing is read until the timer. */
static void pause_reading(struct tee_link *link) {
        cvm_frame_reader_reset(&link->in);
        cvm_bytes_done(&link->waiting);
        (void)sd_event_source_set_io_events(link->io, 0);
        arm(link, PAUSE_USEC);
}

static void wait_io(struct tee_link *link) {
        (void)sd_event_source_set_io_events(link->io, link->holds ? 0 : link->out.data ? EPOLLOUT : EPOLLIN);
}

/* --- what must be durable first --- */

static void drop_answer(struct tee_link *link) {
        cvm_bytes_done(&link->out);
        link->holds = false;
        pause_reading(link);
}

void tee_link_set_keeper(struct tee_link *link, tee_link_keep_fn keep, void *ctx) {
        link->keep = keep;
        link->ctx = ctx;
}

void tee_link_kept(struct tee_link *link, bool durable) {
        if (!link->holds)
                return;
        link->holds = false;
        link->unkept = !durable;
        if (durable)
                wait_io(link);
        else
                drop_answer(link);
}

/* Negative: the answer is not to be given. */
static int hold(struct tee_link *link) {
        if (!link->unkept || !link->keep)
                return 0;
        link->holds = true;
        return link->keep(link->ctx);
}

/* --- answers --- */

static int refuse(struct tee_link *link, uint64_t session, const struct cvm_error *err) {
        struct msg_refused refused = { .code = (char *)cvm_error_code(err)->id, .text = (char *)err->text };

        return cvm_message_make(CVM_MSG_REPORT_REFUSED, session, &refused, &link->out, NULL);
}

static int answer_report(struct tee_link *link, uint64_t session, const void *message) {
        const struct msg_report_request *request = message;
        CVM_CLEANUP(sim_answer_done) struct sim_answer said = { 0 };
        struct sim_question question = { .request = request->request, .own_events = request->own_events };
        struct cvm_error err = { 0 };

        memcpy(question.report_data, request->report_data, sizeof question.report_data);
        if (sim_report(link->root, link->guest, &question, &said, &err) < 0)
                return refuse(link, session, &err);
        struct msg_report report = { said.report, said.certificates, said.event_log };

        return cvm_message_make(CVM_MSG_REPORT, session, &report, &link->out, NULL);
}

/* r: what the platform made of a request of its store. */
static int tell_stored(struct tee_link *link, uint64_t session, int r, char *words,
                       const struct cvm_error *err) {
        struct msg_stored stored = { .taken = r == 0, .words = words };

        link->unkept |= r == 0;
        return r < 0 ? refuse(link, session, err)
                     : cvm_message_make(CVM_MSG_STORED, session, &stored, &link->out, NULL);
}

static int answer_store(struct tee_link *link, uint64_t session, const void *message) {
        const struct msg_store_request *request = message;
        char words[SIM_WORDS_MAX];
        struct cvm_error err = { 0 };
        int r = sim_keep(link->root, link->guest, &request->request, words, &err);

        return tell_stored(link, session, r, words, &err);
}

static int answer_lock(struct tee_link *link, uint64_t session, const void *message) {
        char words[SIM_WORDS_MAX];
        struct cvm_error err = { 0 };
        int r = sim_lock(link->root, link->guest, words, &err);

        return tell_stored(link, session, r, words, &err);
}

static int answer_list(struct tee_link *link, uint64_t session, const void *message) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes list = { 0 };
        struct cvm_error err = { 0 };

        if (sim_list(link->root, link->guest, &list, &err) < 0)
                return refuse(link, session, &err);
        return cvm_message_make(CVM_MSG_STORE_LISTED, session, &(struct msg_store_listed){ list },
                                &link->out, NULL);
}

/* 0, or negative where it is no request. */
static int take_frame(struct tee_link *link, const struct cvm_frame *frame) {
        static const struct {
                uint8_t type;
                int (*answer)(struct tee_link *link, uint64_t session, const void *message);
        } rows[] = { { CVM_MSG_REPORT_REQUEST, answer_report },
                     { CVM_MSG_STORE_REQUEST, answer_store },
                     { CVM_MSG_STORE_LOCK, answer_lock },
                     { CVM_MSG_STORE_LIST, answer_list } };
        const struct cvm_message_kind *kind = cvm_message_kind(frame->type);
        union {
                struct msg_report_request report;
                struct msg_store_request store;
        } request = { 0 };
        size_t i = 0;
        int r;

        while (i < ARRAY_SIZE(rows) && rows[i].type != frame->type)
                i++;
        if (i == ARRAY_SIZE(rows))
                return -EPROTO;
        r = cvm_message_read(kind, frame, &request, NULL);
        if (r >= 0)
                r = rows[i].answer(link, frame->session, &request);
        kind->done(&request);
        if (r >= 0)
                r = hold(link);
        if (r >= 0)
                link->garbage = 0;
        return r;
}

static bool is_too_often(struct tee_link *link) {
        uint64_t now = 0;

        (void)sd_event_now(link->event, CLOCK_MONOTONIC, &now);
        if (now - link->window_usec > PAUSE_USEC) {
                link->window_usec = now;
                link->reports = 0;
        }
        return ++link->reports > REPORTS_PER_PAUSE;
}

/* Feed what was read, until there is something to be written first. Negative: the guest is to be left alone.
 */
static int feed(struct tee_link *link) {
        const uint8_t *next = link->waiting.data;
        size_t left = link->waiting.size;
        int r = 0;

        while (r >= 0 && left > 0 && !link->out.data) {
                struct cvm_frame frame;
                size_t used;

                r = cvm_frame_feed(&link->in, next, left, &used, &frame);
                if (r > 0)
                        r = is_too_often(link) ? -EBUSY : take_frame(link, &frame);
                next += used;
                left -= used;
        }
        memmove(link->waiting.data, next, left);
        link->waiting.size = left;
        return r < 0 || link->garbage > GARBAGE_MAX ? -EPROTO : 0;
}

static int write_some(struct tee_link *link) {
        while (link->out_done < link->out.size) {
                ssize_t n = send(link->fd, link->out.data + link->out_done, link->out.size - link->out_done,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                link->out_done += (size_t)n;
        }
        cvm_bytes_done(&link->out);
        link->out_done = 0;
        return 0;
}

static int read_some(struct tee_link *link) {
        uint8_t data[16 << 10];
        ssize_t n = recv(link->fd, data, sizeof data, MSG_DONTWAIT);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        link->garbage += (uint64_t)n;
        return n == 0 ? -ECONNRESET : cvm_bytes_copy(data, (size_t)n, &link->waiting);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct tee_link *link = userdata;
        int r = link->holds      ? -ECONNRESET /* nothing else is told meanwhile */
                : link->out.data ? write_some(link)
                                 : read_some(link);

        /* answer, write, answer the next one, until the channel is full or nothing is left */
        while (r >= 0 && !link->out.data && link->waiting.size > 0) {
                if (feed(link) < 0) {
                        drop_answer(link);
                        return 0;
                }
                r = link->out.data && !link->holds ? write_some(link) : 0;
                if (link->waiting.size == 0)
                        cvm_bytes_done(&link->waiting);
        }
        if (r < 0)
                lost(link);
        else
                wait_io(link);
        return 0;
}

static void try_connect(struct tee_link *link) {
        link->fd = unix_connect(link->path);
        if (link->fd < 0 || sd_event_add_io(link->event, &link->io, link->fd, EPOLLIN, on_io, link) < 0)
                lost(link);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct tee_link *link = userdata;

        link->timer = sd_event_source_disable_unref(link->timer);
        link->garbage = 0;
        if (link->fd < 0)
                try_connect(link);
        else
                wait_io(link);
        return 0;
}

int tee_link_new(sd_event *event, const char *socket_path, const struct sim_root *root,
                 struct sim_guest *guest, struct tee_link **ret, struct cvm_error *err) {
        struct tee_link *link = calloc(1, sizeof *link);

        if (link)
                link->path = strdup(socket_path);
        if (!link || !link->path) {
                free(link);
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "linking to a simulated guest");
        }
        link->event = event;
        link->root = root;
        link->guest = guest;
        link->fd = -EBADF;
        link->wait_usec = CONNECT_USEC;
        try_connect(link);
        *ret = link;
        return 0;
}

struct tee_link *tee_link_free(struct tee_link *link) {
        if (!link)
                return NULL;
        leave(link);
        link->timer = sd_event_source_disable_unref(link->timer);
        cvm_frame_reader_done(&link->in);
        free(link->path);
        free(link);
        return NULL;
}
