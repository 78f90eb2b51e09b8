/*
 * The host's end of the agent's channel. Three things keep a hostile or unlucky guest from harming more than
 * itself.
 *
 * Sessions. Each HELLO after a connect, a reset or a breach has a fresh number, and what carries another is
 * dropped: bytes of an earlier boot that still lie in the channel say nothing about this one. A WELCOME with
 * another keyset inside a session is another boot too, and ends it.
 *
 * Sealed bytes are sent once. Whatever waits to be written is dropped when a session ends, and its requests
 * are answered; only the binding, which is no secret and belongs to every boot, is said again.
 *
 * A breach costs the guest time. Reading stops for a pause that doubles, so a guest that floods the channel
 * fills its own buffers. A link that was welcomed has no timer, nor has one that nobody answers after a
 * while: idle guests wake nobody.
 */
#include "vm/agent-link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/names.h"
#include "vm/unix-socket.h"

#define MSEC UINT64_C(1000)
#define CONNECT_FIRST_USEC (50 * MSEC)
#define HELLO_FIRST_USEC (500 * MSEC)
#define WAIT_MAX_USEC (5000 * MSEC)
#define HELLOS_MAX 16 /* one a wait, the last waits are WAIT_MAX_USEC */
#define REQUESTS_MAX 64
#define OUT_MAX (8u << 20)
/* Bytes that nobody asked for (garbage, old sessions, status) within one window. */
#define UNASKED_MAX (4u << 20)
#define UNASKED_WINDOW_USEC (10000 * MSEC)

enum phase {
        PHASE_APART,  /* no connection; the timer tries again */
        PHASE_HELLO,  /* the timer repeats HELLO */
        PHASE_PAUSED, /* after a breach: nothing is read until the timer ends it */
        PHASE_UP,     /* welcomed; no timer */
};

struct request {
        struct request *next;
        struct agent_link *link; /* borrowed */
        uint64_t id;
        uint8_t answer;          /* type of the message that answers it */
        struct cvm_bytes unsent; /* evidence request that waits for a WELCOME: nonce, verifier's request */
        sd_event_source *timer;
        agent_answer_fn done;
        void *ctx;
};

struct agent_link {
        sd_event *event; /* borrowed: the loop outlives its links */
        char *path;
        const struct agent_link_handlers *handlers; /* borrowed */
        void *ctx;

        enum phase phase;
        int fd;
        sd_event_source *io, *timer;
        uint64_t wait_usec, pause_usec;
        unsigned hellos; /* said in this session */
        uint64_t session, next_id;
        uint64_t unasked_bytes, window_usec;
        struct cvm_frame_reader in;
        struct cvm_writer out;
        size_t out_done;

        struct cvm_keyset keyset; /* announced in this session */
        char *binding;
        struct cvm_bytes owner, service;
        uint64_t binding_id, stop_id;
        struct request *requests;
        size_t n_requests;

        unsigned pins; /* callbacks that run within us */
        bool dead;     /* freed by a callback: goes with the last pin */
};

static struct request *request_free(struct request *request) {
        sd_event_source_disable_unref(request->timer);
        cvm_bytes_done(&request->unsent);
        free(request);
        return NULL;
}
CVM_DEFINE_CLEANUP(struct request, request_free);

static void link_destroy(struct agent_link *link) {
        free(link->binding);
        cvm_bytes_done(&link->owner);
        cvm_bytes_done(&link->service);
        cvm_frame_reader_done(&link->in);
        cvm_writer_done(&link->out);
        free(link->path);
        free(link);
}

static struct agent_link *pin(struct agent_link *link) {
        link->pins++;
        return link;
}

static void unpin(struct agent_link **link) {
        if (--(*link)->pins == 0 && (*link)->dead)
                link_destroy(*link);
}
#define PINNED(link) CVM_CLEANUP(unpin) struct agent_link *pinned_ __attribute__((unused)) = pin(link)

/* Answer all requests with these words. The list is detached first: a callback may ask anew. */
static void drop_requests(struct agent_link *link, const struct cvm_error *why) {
        struct request *all = TAKE_PTR(link->requests);

        link->n_requests = 0;
        while (all) {
                CVM_CLEANUP(request_freep) struct request *request = all;
                struct cvm_error err = *why;

                all = request->next;
                request->done(request->ctx, NULL, &err);
        }
}

static void drop_as_other_boot(struct agent_link *link) {
        struct cvm_error err = { 0 };

        (void)cvm_fail(&err, &CVM_CODE_BOOT_CHANGED, ECONNRESET,
                       "the guest began a new boot before it answered");
        drop_requests(link, &err);
}

/* Questions that still wait for a WELCOME were put to no boot yet: the next one that answers is asked. */
static struct request *set_unsent_apart(struct agent_link *link) {
        struct request *unsent = NULL;

        for (struct request **p = &link->requests; *p;) {
                struct request *request = *p;

                if (!request->unsent.data) {
                        p = &request->next;
                        continue;
                }
                *p = request->next;
                link->n_requests--;
                request->next = unsent;
                unsent = request;
        }
        return unsent;
}

static void put_back(struct agent_link *link, struct request *unsent) {
        while (unsent) {
                struct request *request = unsent;

                unsent = request->next;
                request->next = link->requests;
                link->requests = request;
                link->n_requests++;
        }
}

static void want_write(struct agent_link *link) {
        uint32_t events = link->out_done < link->out.bytes.size ? EPOLLIN | EPOLLOUT : EPOLLIN;

        if (link->io)
                (void)sd_event_source_set_io_events(link->io, events);
}

/* Queue one frame; the loop writes it. */
static int put(struct agent_link *link, uint8_t type, const void *message, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes frame = { 0 };
        int r = cvm_message_make(type, link->session, message, &frame, err);

        if (r < 0)
                return r;
        if (link->out.bytes.size - link->out_done + frame.size > OUT_MAX)
                return cvm_fail(err, &CVM_CODE_NO_AGENT, ENOBUFS,
                                "the guest agent does not read its channel");
        cvm_write_copy(&link->out, frame.data, frame.size);
        if (link->out.failed)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing to the guest agent");
        want_write(link);
        return 0;
}

static void forget_output(struct agent_link *link) {
        if (link->out.bytes.data) /* may hold sealed bytes: not secret, but not for anybody else */
                explicit_bzero(link->out.bytes.data, link->out.bytes.size);
        cvm_writer_done(&link->out);
        link->out = (struct cvm_writer){ 0 };
        link->out_done = 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(struct agent_link *link, uint64_t usec) {
        link->timer = sd_event_source_disable_unref(link->timer);
        (void)sd_event_add_time_relative(link->event, &link->timer, CLOCK_MONOTONIC, usec, usec / 10,
                                         on_timer, link);
}

/* HELLO again and again, ever more slowly, until nobody seems to be there; not on top of one that the guest
 * has not read yet. */
static void say_hello(struct agent_link *link) {
        struct msg_hello hello = { CVM_AGENT_PROTOCOL, CVM_AGENT_PROTOCOL };

        if (link->out_done == link->out.bytes.size)
                (void)put(link, CVM_MSG_HELLO, &hello, NULL);
        if (++link->hellos < HELLOS_MAX)
                arm(link, link->wait_usec);
        link->wait_usec = link->wait_usec * 2 > WAIT_MAX_USEC ? WAIT_MAX_USEC : link->wait_usec * 2;
}

static void begin_session(struct agent_link *link) {
        do
                cvm_random(&link->session, sizeof link->session);
        while (link->session == 0);
        cvm_frame_reader_reset(&link->in);
        forget_output(link);
        link->phase = PHASE_HELLO;
        link->wait_usec = HELLO_FIRST_USEC;
        link->hellos = 0;
        say_hello(link);
}

static void leave_connection(struct agent_link *link) {
        link->io = sd_event_source_disable_unref(link->io);
        link->fd = cvm_close(link->fd);
        cvm_frame_reader_reset(&link->in);
        forget_output(link);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata);

static void try_connect(struct agent_link *link) {
        link->fd = unix_connect(link->path);
        if (link->fd >= 0 && sd_event_add_io(link->event, &link->io, link->fd, EPOLLIN, on_io, link) >= 0) {
                begin_session(link);
                return;
        }
        link->fd = cvm_close(link->fd);
        arm(link, link->wait_usec);
        link->wait_usec = link->wait_usec * 2 > WAIT_MAX_USEC ? WAIT_MAX_USEC : link->wait_usec * 2;
}

/* The peer is gone (QEMU ended, or began anew): what was asked will not be answered. */
static void lost(struct agent_link *link) {
        struct cvm_error err = { 0 };

        leave_connection(link);
        link->phase = PHASE_APART;
        link->wait_usec = CONNECT_FIRST_USEC;
        arm(link, link->wait_usec);
        (void)cvm_fail(&err, &CVM_CODE_NO_AGENT, ECONNRESET, "the channel to the guest agent was closed");
        drop_requests(link, &err);
}

static void breach(struct agent_link *link, struct cvm_error *why) {
        link->phase = PHASE_PAUSED;
        cvm_frame_reader_reset(&link->in);
        forget_output(link);
        (void)sd_event_source_set_enabled(link->io, SD_EVENT_OFF);
        arm(link, link->pause_usec);
        link->pause_usec = link->pause_usec * 2 > WAIT_MAX_USEC ? WAIT_MAX_USEC : link->pause_usec * 2;
        drop_requests(link, why);
        if (!link->dead && link->handlers->broken)
                link->handlers->broken(link->ctx, why);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct agent_link *link = userdata;

        if (link->phase == PHASE_APART)
                try_connect(link);
        else if (link->phase == PHASE_HELLO)
                say_hello(link);
        else if (link->phase == PHASE_PAUSED) {
                (void)sd_event_source_set_enabled(link->io, SD_EVENT_ON);
                link->unasked_bytes = 0;
                begin_session(link);
        }
        return 0;
}

static struct request *take_request(struct agent_link *link, uint64_t id) {
        for (struct request **p = &link->requests; *p; p = &(*p)->next)
                if ((*p)->id == id) {
                        struct request *request = *p;

                        *p = request->next;
                        link->n_requests--;
                        return request;
                }
        return NULL;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct request *request = userdata;
        PINNED(request->link);
        CVM_CLEANUP(request_freep) struct request *owned = take_request(request->link, request->id);
        struct cvm_error err = { 0 };

        if (!owned)
                return 0;
        (void)cvm_fail(&err, &CVM_CODE_TIMEOUT, ETIMEDOUT, "the guest agent did not answer in time");
        owned->done(owned->ctx, NULL, &err);
        return 0;
}

/* A request in the list, its deadline running; the caller sends it. */
static int add_request(struct agent_link *link, uint8_t answer, uint64_t deadline_usec, agent_answer_fn done,
                       void *ctx, struct request **ret, struct cvm_error *err) {
        CVM_CLEANUP(request_freep) struct request *request = NULL;
        int r;

        if (link->n_requests >= REQUESTS_MAX)
                return cvm_fail(err, &CVM_CODE_QUOTA, EBUSY, "%d requests to the guest agent wait already",
                                REQUESTS_MAX);
        request = calloc(1, sizeof *request);
        if (!request)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking the guest agent");
        *request = (struct request){
                .link = link, .id = link->next_id++, .answer = answer, .done = done, .ctx = ctx
        };
        r = sd_event_add_time_relative(link->event, &request->timer, CLOCK_MONOTONIC, deadline_usec,
                                       10 * MSEC, on_deadline, request);
        if (r < 0)
                return cvm_while(err, r, "asking the guest agent");
        request->next = link->requests;
        *ret = link->requests = TAKE_PTR(request);
        link->n_requests++;
        return 0;
}

/* An envelope as one line: it may come from a file that somebody indented or that ends in a newline. */
static int flatten(const char *envelope, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        int r = cvm_json_parse(envelope, strlen(envelope), "envelope", &node, err);

        if (r < 0)
                return r;
        *ret = cvm_json_text(node);
        return *ret ? 0 : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing to the guest agent");
}

static int ask_envelope(struct agent_link *link, uint8_t type, uint8_t answer, const char *envelope,
                        uint64_t deadline_usec, agent_answer_fn done, void *ctx, struct cvm_error *err) {
        struct request *request;
        CVM_CLEANUP(cvm_freep) char *line = NULL;
        struct msg_envelope message;
        int r;

        if (link->phase != PHASE_UP)
                return cvm_fail(err, &CVM_CODE_NO_AGENT, ENOTCONN, "no guest agent has answered yet");
        r = flatten(envelope, &line, err);
        if (r >= 0)
                r = add_request(link, answer, deadline_usec, done, ctx, &request, err);
        if (r < 0)
                return r;
        message = (struct msg_envelope){ .id = request->id, .envelope = line };
        r = put(link, type, &message, err);
        if (r < 0)
                request_free(take_request(link, message.id));
        return r;
}

int agent_link_secret(struct agent_link *link, const char *envelope, uint64_t deadline_usec,
                      agent_answer_fn done, void *ctx, struct cvm_error *err) {
        return ask_envelope(link, CVM_MSG_SECRET, CVM_MSG_RECEIPT, envelope, deadline_usec, done, ctx, err);
}

int agent_link_approve(struct agent_link *link, const char *envelope, uint64_t deadline_usec,
                       agent_answer_fn done, void *ctx, struct cvm_error *err) {
        return ask_envelope(link, CVM_MSG_APPROVAL, CVM_MSG_APPROVED, envelope, deadline_usec, done, ctx,
                            err);
}

static int send_evidence_request(struct agent_link *link, struct request *request, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes unsent = cvm_bytes_take(&request->unsent);
        struct msg_evidence_request message = {
                .id = request->id,
                .request = { unsent.data + CVM_NONCE_SIZE, unsent.size - CVM_NONCE_SIZE },
        };

        memcpy(message.nonce, unsent.data, sizeof message.nonce);
        return put(link, CVM_MSG_EVIDENCE_REQUEST, &message, err);
}

int agent_link_evidence(struct agent_link *link, const struct msg_evidence_request *question,
                        uint64_t deadline_usec, agent_answer_fn done, void *ctx, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer unsent = { 0 };
        struct request *request;
        int r = add_request(link, CVM_MSG_EVIDENCE, deadline_usec, done, ctx, &request, err);

        if (r < 0)
                return r;
        cvm_write_copy(&unsent, question->nonce, sizeof question->nonce);
        cvm_write_copy(&unsent, question->request.data, question->request.size);
        r = cvm_writer_take(&unsent, &request->unsent);
        if (r >= 0 && link->phase == PHASE_UP)
                r = send_evidence_request(link, request, err);
        if (r < 0)
                request_free(take_request(link, request->id));
        return r;
}

static int send_binding(struct agent_link *link, struct cvm_error *err) {
        struct msg_binding message = { .envelope = link->binding,
                                       .owner = link->owner,
                                       .service = link->service };

        link->binding_id = message.id = link->next_id++;
        return put(link, CVM_MSG_BINDING, &message, err);
}

int agent_link_set_binding(struct agent_link *link, const char *envelope, const struct cvm_bytes *owner,
                           const struct cvm_bytes *service) {
        CVM_CLEANUP(cvm_freep) char *copy = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes owner_copy = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes service_copy = { 0 };
        int r = flatten(envelope, &copy, NULL);

        if (r >= 0)
                r = cvm_bytes_copy(owner->data, owner->size, &owner_copy);
        if (r >= 0 && service->size)
                r = cvm_bytes_copy(service->data, service->size, &service_copy);
        if (r < 0)
                return r;
        free(link->binding);
        cvm_bytes_done(&link->owner);
        cvm_bytes_done(&link->service);
        link->binding = TAKE_PTR(copy);
        link->owner = cvm_bytes_take(&owner_copy);
        link->service = cvm_bytes_take(&service_copy);
        return link->phase == PHASE_UP ? send_binding(link, NULL) : 0;
}

void agent_link_stop(struct agent_link *link, bool reboot) {
        struct msg_stop stop = { .reboot = reboot };

        if (link->phase != PHASE_UP)
                return;
        link->stop_id = stop.id = link->next_id++;
        (void)put(link, CVM_MSG_STOP, &stop, NULL);
}

void agent_link_ack_bye(struct agent_link *link) {
        struct msg_ack ack = { .id = link->stop_id };

        if (link->phase == PHASE_UP)
                (void)put(link, CVM_MSG_BYE_ACK, &ack, NULL);
}

/*
 * What the guest says. Each function gets a whole message of its type in the present session, and returns a
 * refusal where it breaks the protocol.
 */
static int check_welcome(const struct msg_welcome *m, struct cvm_keyset *ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *kem = NULL;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *sig = NULL;
        int r = cvm_key_from_spki(CVM_KEY_SEAL, m->kem.data, m->kem.size, &kem, err);

        if (r >= 0)
                r = cvm_key_from_spki(CVM_KEY_SIGN, m->sig.data, m->sig.size, &sig, err);
        if (r < 0)
                return cvm_while(err, r, "the guest's keyset");
        if (m->protocol != CVM_AGENT_PROTOCOL || m->suite != CVM_SUITE)
                return cvm_fail(err, &CVM_CODE_FRAME, EPROTO, "the guest speaks protocol %u with suite %u",
                                m->protocol, m->suite);
        memcpy(ret->kem, m->kem.data, sizeof ret->kem);
        memcpy(ret->sig, m->sig.data, sizeof ret->sig);
        return 0;
}

static int send_waiting(struct agent_link *link, struct cvm_error *err) {
        int r = link->binding ? send_binding(link, err) : 0;

        for (struct request *q = link->requests; r >= 0 && q; q = q->next)
                if (q->unsent.data)
                        r = send_evidence_request(link, q, err);
        return r;
}

static int take_welcome(struct agent_link *link, const void *message, struct cvm_error *err) {
        const struct msg_welcome *m = message;
        struct cvm_keyset keyset;
        int r = check_welcome(m, &keyset, err);

        if (r < 0)
                return r;
        if (link->phase == PHASE_UP) { /* the answer to a repeated HELLO, or another boot that read it */
                if (memcmp(&keyset, &link->keyset, sizeof keyset) != 0)
                        agent_link_reset(link);
                return 0;
        }
        link->timer = sd_event_source_disable_unref(link->timer);
        link->phase = PHASE_UP;
        link->keyset = keyset;
        r = send_waiting(link, err);
        if (r >= 0 && link->handlers->welcome)
                link->handlers->welcome(link->ctx, &link->keyset, m);
        return r;
}

static int take_status(struct agent_link *link, const void *message, struct cvm_error *err) {
        if (link->handlers->status)
                link->handlers->status(link->ctx, message);
        return 0;
}

/* Nobody outside the guest can make a BYE: it is checked before anybody hears of it. */
static int take_bye(struct agent_link *link, const void *message, struct cvm_error *err) {
        const struct msg_envelope *m = message;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *sig = NULL;
        CVM_CLEANUP(bye_done) struct bye bye = { 0 };
        uint8_t keyset[CVM_SHA384_SIZE];
        int r = cvm_key_from_spki(CVM_KEY_SIGN, link->keyset.sig, sizeof link->keyset.sig, &sig, err);

        if (r >= 0)
                r = cvm_signed_open(m->envelope, strlen(m->envelope), CVM_ENVELOPE_BYE, bye_fields, sig,
                                    &bye, NULL, err);
        if (r < 0)
                return cvm_while(err, r, "the guest's BYE");
        cvm_keyset_digest(&link->keyset, keyset);
        if (!cvm_equal(keyset, sizeof keyset, bye.keyset, sizeof bye.keyset))
                return cvm_fail(err, &CVM_CODE_VERDICT_OTHER_BOOT, EBADMSG,
                                "the guest's BYE is for another boot");
        if (link->handlers->bye)
                link->handlers->bye(link->ctx, m->envelope, &bye);
        return 0;
}

static void read_refusal(const struct msg_refused *m, struct cvm_error *ret) {
        const struct cvm_code *code = cvm_code_find(m->code);

        (void)cvm_fail(ret, code ? code : &CVM_CODE_FRAME, EPROTO, "the guest agent refused: %s", m->text);
}

static int unasked_answer(struct agent_link *link, uint64_t id, struct cvm_error *err) {
        if (id == 0 || id >= link->next_id)
                return cvm_fail(err, &CVM_CODE_FRAME, EPROTO, "the guest answered what nobody asked");
        return 0; /* it comes after its deadline */
}

/* All answers begin with their id. */
static int take_answer(struct agent_link *link, uint8_t type, const void *message, struct cvm_error *err) {
        uint64_t id = *(const uint64_t *)message;
        CVM_CLEANUP(request_freep) struct request *request = take_request(link, id);

        if (!request)
                return unasked_answer(link, id, err);
        if (request->answer != type) {
                struct cvm_error why = { 0 };
                int r = cvm_fail(&why, &CVM_CODE_FRAME, EPROTO, "the guest gave an answer of another type");

                *err = why;
                request->done(request->ctx, NULL, &why);
                return r;
        }
        request->done(request->ctx, message, NULL);
        return 0;
}

static int take_evidence(struct agent_link *link, const void *message, struct cvm_error *err) {
        return take_answer(link, CVM_MSG_EVIDENCE, message, err);
}

static int take_receipt(struct agent_link *link, const void *message, struct cvm_error *err) {
        return take_answer(link, CVM_MSG_RECEIPT, message, err);
}

static int take_approved(struct agent_link *link, const void *message, struct cvm_error *err) {
        return take_answer(link, CVM_MSG_APPROVED, message, err);
}

static int take_refused(struct agent_link *link, const void *message, struct cvm_error *err) {
        const struct msg_refused *m = message;
        CVM_CLEANUP(request_freep) struct request *request = take_request(link, m->id);
        struct cvm_error why = { 0 };

        read_refusal(m, &why);
        if (request)
                request->done(request->ctx, NULL, &why);
        else if (m->id == link->binding_id && m->id != 0) {
                if (link->handlers->binding_refused)
                        link->handlers->binding_refused(link->ctx, &why);
        } else
                return unasked_answer(link, m->id, err);
        return 0;
}

static const struct {
        uint8_t type;
        int (*take)(struct agent_link *link, const void *message, struct cvm_error *err);
} takers[] = {
        { CVM_MSG_WELCOME, take_welcome },   { CVM_MSG_STATUS, take_status },
        { CVM_MSG_EVIDENCE, take_evidence }, { CVM_MSG_RECEIPT, take_receipt },
        { CVM_MSG_APPROVED, take_approved }, { CVM_MSG_BYE, take_bye },
        { CVM_MSG_REFUSED, take_refused },
};

union message {
        struct msg_welcome welcome;
        struct msg_status status;
        struct msg_evidence evidence;
        struct msg_envelope envelope;
        struct msg_refused refused;
};

static int take_message(struct agent_link *link, size_t row, const struct cvm_frame *frame,
                        struct cvm_error *err) {
        const struct cvm_message_kind *kind = cvm_message_kind(frame->type);
        union message message = { 0 };
        int r;

        if (link->phase != PHASE_UP && frame->type != CVM_MSG_WELCOME && frame->type != CVM_MSG_REFUSED)
                return cvm_fail(err, &CVM_CODE_FRAME, EPROTO, "the guest sent a '%s' before its welcome",
                                kind->name);
        r = cvm_message_read(kind, frame, &message, err);
        if (r >= 0 && link->phase != PHASE_UP && frame->type == CVM_MSG_REFUSED) {
                read_refusal(&message.refused, err); /* it serves nobody, and says why */
                r = -EPROTO;
        } else if (r >= 0)
                r = takers[row].take(link, &message, err);
        kind->done(&message);
        return r;
}

static int take_frame(struct agent_link *link, const struct cvm_frame *frame, struct cvm_error *err) {
        if (frame->session != link->session)
                return 0; /* of an earlier boot or session */
        for (size_t i = 0; i < ARRAY_SIZE(takers); i++)
                if (takers[i].type == frame->type)
                        return take_message(link, i, frame, err);
        return cvm_fail(err, &CVM_CODE_FRAME, EPROTO, "the guest sent a message of unknown type %02x",
                        frame->type);
}

/* All that comes in counts; answers that were waited for are taken off again. */
static int count_unasked(struct agent_link *link, size_t size, struct cvm_error *err) {
        uint64_t now = 0;

        (void)sd_event_now(link->event, CLOCK_MONOTONIC, &now);
        if (now - link->window_usec > UNASKED_WINDOW_USEC) {
                link->window_usec = now;
                link->unasked_bytes = 0;
        }
        link->unasked_bytes += size;
        if (link->unasked_bytes > UNASKED_MAX)
                return cvm_fail(err, &CVM_CODE_FRAME, EMSGSIZE,
                                "the guest sent %u bytes that nobody asked for", UNASKED_MAX);
        return 0;
}

static void take_bytes(struct agent_link *link, const uint8_t *data, size_t size) {
        struct cvm_error err = { 0 };
        int r = count_unasked(link, size, &err);

        while (r >= 0 && size > 0) {
                struct cvm_frame frame;
                size_t used, waiting = link->n_requests;

                r = cvm_frame_feed(&link->in, data, size, &used, &frame);
                if (r <= 0)
                        break;
                r = take_frame(link, &frame, &err);
                if (link->dead)
                        return;
                if (link->n_requests < waiting)
                        link->unasked_bytes -=
                                        frame.size < link->unasked_bytes ? frame.size : link->unasked_bytes;
                data += used;
                size -= used;
        }
        if (r < 0) {
                (void)cvm_while(&err, r, "the channel of the guest agent");
                breach(link, &err);
        }
}

static int write_some(struct agent_link *link) {
        while (link->out_done < link->out.bytes.size) {
                ssize_t n = send(link->fd, link->out.bytes.data + link->out_done,
                                 link->out.bytes.size - link->out_done, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                link->out_done += (size_t)n;
        }
        forget_output(link);
        return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct agent_link *link = userdata;
        PINNED(link);
        uint8_t data[32 << 10];
        ssize_t n;

        if (events & EPOLLOUT && write_some(link) < 0) {
                lost(link);
                return 0;
        }
        want_write(link);
        n = recv(link->fd, data, sizeof data, MSG_DONTWAIT);
        if (n > 0)
                take_bytes(link, data, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                lost(link);
        return 0;
}

void agent_link_wake(struct agent_link *link) {
        if (link->phase == PHASE_HELLO)
                begin_session(link);
}

void agent_link_reset(struct agent_link *link) {
        PINNED(link);

        struct request *unsent;

        if (link->phase == PHASE_HELLO || link->phase == PHASE_UP)
                begin_session(link);
        unsent = set_unsent_apart(link);
        drop_as_other_boot(link);
        put_back(link, unsent);
        if (link->dead) /* by an answer */
                drop_as_other_boot(link);
}

int agent_link_new(sd_event *event, const char *socket_path, const struct agent_link_handlers *handlers,
                   void *ctx, struct agent_link **ret, struct cvm_error *err) {
        struct agent_link *link = calloc(1, sizeof *link);

        if (link)
                link->path = strdup(socket_path);
        if (!link || !link->path) {
                free(link);
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "linking to a guest agent");
        }
        link->event = event;
        link->handlers = handlers;
        link->ctx = ctx;
        link->fd = -EBADF;
        link->next_id = 1;
        link->wait_usec = CONNECT_FIRST_USEC;
        link->pause_usec = HELLO_FIRST_USEC;
        try_connect(link);
        *ret = link;
        return 0;
}

struct agent_link *agent_link_free(struct agent_link *link) {
        if (!link)
                return NULL;
        PINNED(link);
        link->dead = true;
        leave_connection(link);
        link->timer = sd_event_source_disable_unref(link->timer);
        link->phase = PHASE_APART;
        drop_as_other_boot(link);
        return NULL;
}
