/*
 * One thing at a time: messages are handed out from one function (process), which stops as soon as a handler
 * has freed the client. Every failure goes through client_die(), which runs from the loop, never from inside
 * a call of ours, so that callers see failures only as callbacks.
 */
#include "qmp/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "qmp/stream.h"

enum phase { PHASE_GREETING, PHASE_CAPABILITIES, PHASE_READY, PHASE_DEAD };

struct qmp_call {
        struct qmp_client *client; /* borrowed */
        struct qmp_call *next;
        uint64_t id;
        qmp_answer_fn done; /* NULL: cancelled */
        void *ctx;
        char name[64];
        sd_event_source *deadline;
};

struct qmp_client {
        unsigned references; /* the owner's, and one while handlers run */
        bool freed;
        sd_event *event;
        int fd;
        struct qmp_stream stream;
        const struct qmp_handlers *handlers; /* borrowed */
        void *ctx;
        enum phase phase;
        struct qmp_call *calls; /* owned, oldest first */
        uint64_t last_id;
        sd_event_source *io, *defer, *deadline;
        struct cvm_error why;
};

static struct qmp_call *call_free(struct qmp_call *call) {
        sd_event_source_disable_unref(call->deadline);
        free(call);
        return NULL;
}

static void unref(struct qmp_client *c) {
        if (--c->references > 0)
                return;
        free(c);
}

struct qmp_client *qmp_client_free(struct qmp_client *c) {
        if (!c)
                return NULL;
        c->freed = true;
        while (c->calls) {
                struct qmp_call *call = c->calls;

                c->calls = call->next;
                call_free(call);
        }
        c->io = sd_event_source_disable_unref(c->io);
        c->defer = sd_event_source_disable_unref(c->defer);
        c->deadline = sd_event_source_disable_unref(c->deadline);
        qmp_stream_done(&c->stream);
        c->fd = cvm_close(c->fd);
        c->event = sd_event_unref(c->event);
        unref(c);
        return NULL;
}

static void call_unlink(struct qmp_call *call) {
        struct qmp_call **p = &call->client->calls;

        while (*p && *p != call)
                p = &(*p)->next;
        if (*p)
                *p = call->next;
}

static void call_end(struct qmp_call *call, json_object *result, struct cvm_error *err) {
        qmp_answer_fn done = call->done;
        void *ctx = call->ctx;

        call_unlink(call);
        call_free(call);
        if (done)
                done(ctx, result, err);
}

/* All calls fail, then the owner hears of it, once. The caller holds a reference. */
static void bury(struct qmp_client *c) {
        struct cvm_error why = c->why;

        if (c->freed)
                return;
        c->phase = PHASE_DEAD;
        sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
        c->deadline = sd_event_source_disable_unref(c->deadline);
        while (!c->freed && c->calls) {
                struct cvm_error copy = why;

                call_end(c->calls, NULL, &copy);
        }
        if (!c->freed)
                c->handlers->gone(c->ctx, &why);
}

static int on_defer(sd_event_source *source, void *userdata) {
        struct qmp_client *c = userdata;

        c->references++;
        bury(c);
        unref(c);
        return 0;
}

static void die(struct qmp_client *c, const struct cvm_error *why) {
        if (c->phase == PHASE_DEAD || c->freed)
                return;
        c->phase = PHASE_DEAD;
        c->why = *why;
        sd_event_source_set_enabled(c->defer, SD_EVENT_ONESHOT);
}

static int flush(struct qmp_client *c, struct cvm_error *err) {
        bool more;
        int r = qmp_stream_flush(&c->stream, &more, err);

        if (r >= 0)
                sd_event_source_set_io_events(c->io, EPOLLIN | (more ? EPOLLOUT : 0));
        return r;
}

static struct qmp_call *find_call(struct qmp_client *c, json_object *id) {
        for (struct qmp_call *call = c->calls; call; call = call->next)
                if (json_object_is_type(id, json_type_int) && json_object_get_uint64(id) == call->id)
                        return call;
        return NULL;
}

static void on_ready(void *ctx, json_object *result, struct cvm_error *err) {
        struct qmp_client *c = ctx;

        if (err) {
                die(c, err);
                return;
        }
        c->phase = PHASE_READY;
        c->deadline = sd_event_source_disable_unref(c->deadline);
        if (c->handlers->ready)
                c->handlers->ready(c->ctx);
}

static int take_greeting(struct qmp_client *c, json_object *message, struct cvm_error *err) {
        json_object *qmp;

        if (!json_object_object_get_ex(message, "QMP", &qmp) || !json_object_is_type(qmp, json_type_object))
                return cvm_fail(err, &CVM_CODE_QMP, EPROTO,
                                "the peer does not greet as QEMU's monitor does");
        c->phase = PHASE_CAPABILITIES;
        return qmp_client_call(c, "qmp_capabilities", NULL, -EBADF, 0, on_ready, c, NULL, err);
}

static void take_error(struct qmp_call *call, json_object *error) {
        struct cvm_error err = { 0 };
        struct cvm_json place = cvm_json_root(error, "QEMU's answer");
        const char *words = "no description";

        (void)cvm_json_get_text(&place, "desc", &words, NULL);
        cvm_fail(&err, &CVM_CODE_QMP, EIO, "QEMU refused '%s': %.300s", call->name, words);
        call_end(call, NULL, &err);
}

/* What is no answer to a call of ours and no event is a peer that does not speak the protocol. */
static int take_message(struct qmp_client *c, json_object *message, struct cvm_error *err) {
        json_object *name, *id = NULL, *value;
        struct qmp_call *call;

        if (c->phase == PHASE_GREETING)
                return take_greeting(c, message, err);
        if (json_object_object_get_ex(message, "event", &name)) {
                if (json_object_is_type(name, json_type_string) && c->phase == PHASE_READY &&
                    c->handlers->event)
                        c->handlers->event(c->ctx, json_object_get_string(name),
                                           json_object_object_get(message, "data"));
                return 0;
        }
        json_object_object_get_ex(message, "id", &id);
        call = find_call(c, id);
        if (!call)
                return cvm_fail(err, &CVM_CODE_QMP, EPROTO, "QEMU's monitor answered what was not asked");
        if (json_object_object_get_ex(message, "return", &value))
                call_end(call, value, NULL);
        else if (json_object_object_get_ex(message, "error", &value))
                take_error(call, value);
        else
                return cvm_fail(err, &CVM_CODE_QMP, EPROTO, "QEMU's monitor sent an answer without content");
        return 0;
}

static int process(struct qmp_client *c, struct cvm_error *err) {
        int r = qmp_stream_fill(&c->stream, err);
        int ended = r;

        /* The last words of a dying QEMU are read before its end counts. */
        while (!c->freed && c->phase != PHASE_DEAD) {
                CVM_CLEANUP(cvm_json_putp) json_object *message = NULL;

                r = qmp_stream_take(&c->stream, &message, err);
                if (r == 0)
                        return ended;
                if (r > 0)
                        r = take_message(c, message, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct qmp_client *c = userdata;
        struct cvm_error err = { 0 };
        int r = 0;

        c->references++;
        if (revents & EPOLLOUT)
                r = flush(c, &err);
        if (r >= 0 && revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                r = process(c, &err);
        if (r < 0)
                die(c, &err);
        unref(c);
        return 0;
}

static int on_greeting_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct qmp_client *c = userdata;
        struct cvm_error err = { 0 };

        cvm_fail(&err, &CVM_CODE_QMP, ETIMEDOUT, "QEMU's monitor did not greet in time");
        die(c, &err);
        return 0;
}

static int on_call_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct qmp_call *call = userdata;
        struct qmp_client *c = call->client;
        struct cvm_error err = { 0 };
        qmp_answer_fn done = call->done;

        /* The slot stays, so that a late answer is known and dropped. */
        call->done = NULL;
        cvm_fail(&err, &CVM_CODE_TIMEOUT, ETIMEDOUT, "QEMU did not answer '%s' in time", call->name);
        c->references++;
        if (done)
                done(call->ctx, NULL, &err);
        unref(c);
        return 0;
}

int qmp_client_new(sd_event *event, int fd, uint64_t deadline_usec, const struct qmp_handlers *handlers,
                   void *ctx, struct qmp_client **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int owned = fd;
        struct qmp_client *c = calloc(1, sizeof *c);
        int r;

        if (!c)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening QEMU's monitor");
        *c = (struct qmp_client){ .references = 1,
                                  .event = sd_event_ref(event),
                                  .fd = TAKE_FD(owned),
                                  .handlers = handlers,
                                  .ctx = ctx };
        qmp_stream_init(&c->stream, c->fd);
        r = sd_event_add_io(event, &c->io, c->fd, EPOLLIN, on_io, c);
        if (r >= 0)
                r = sd_event_add_defer(event, &c->defer, on_defer, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->defer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &c->deadline, CLOCK_MONOTONIC, deadline_usec, 0,
                                               on_greeting_deadline, c);
        if (r < 0) {
                qmp_client_free(c);
                return cvm_fail(err, &CVM_CODE_INTERNAL, r, "opening QEMU's monitor: %s", strerror(-r));
        }
        *ret = c;
        return 0;
}

static json_object *make_request(const char *command, json_object *arguments, uint64_t id) {
        json_object *request = json_object_new_object();

        json_object_object_add(request, "execute", json_object_new_string(command));
        if (arguments)
                json_object_object_add(request, "arguments", arguments);
        json_object_object_add(request, "id", json_object_new_uint64(id));
        return request;
}

static void append(struct qmp_client *c, struct qmp_call *call) {
        struct qmp_call **p = &c->calls;

        while (*p)
                p = &(*p)->next;
        *p = call;
}

int qmp_client_call(struct qmp_client *c, const char *command, json_object *arguments, int pass_fd,
                    uint64_t deadline_usec, qmp_answer_fn done, void *ctx, struct qmp_call **ret_call,
                    struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = make_request(command, arguments, c->last_id + 1);
        CVM_CLEANUP(cvm_closep) int fd = pass_fd;
        struct qmp_call *call;
        int r;

        if (c->phase != PHASE_READY && c->phase != PHASE_CAPABILITIES)
                return cvm_fail(err, &CVM_CODE_QMP, ENOTCONN, "QEMU's monitor is not ready for '%s'",
                                command);
        call = calloc(1, sizeof *call);
        if (!call)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "calling '%s'", command);
        *call = (struct qmp_call){ .client = c, .id = ++c->last_id, .done = done, .ctx = ctx };
        strncpy(call->name, command, sizeof call->name - 1);
        r = qmp_stream_put(&c->stream, request, TAKE_FD(fd), err);
        if (r >= 0 && deadline_usec)
                r = sd_event_add_time_relative(c->event, &call->deadline, CLOCK_MONOTONIC, deadline_usec, 0,
                                               on_call_deadline, call);
        if (r < 0) {
                call_free(call);
                return r;
        }
        append(c, call);
        if (ret_call)
                *ret_call = call;
        r = flush(c, err);
        if (r < 0) {
                struct cvm_error why = *err;

                die(c, &why); /* the call ends with all the others */
                *err = (struct cvm_error){ 0 };
        }
        return 0;
}

void qmp_call_cancel(struct qmp_call *call) {
        call->done = NULL;
        call->deadline = sd_event_source_disable_unref(call->deadline);
}
