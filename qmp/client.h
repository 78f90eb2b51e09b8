/*
 * A client of QEMU's monitor on an event loop. Calls are slots: each ends exactly once, by its answer, its
 * deadline, its cancellation or the peer's death. Death is told in one way: all calls fail, then gone() is
 * called, last. The transport is exchangeable: a connected stream socket, from wherever it comes.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/error.h"
#include "base/json.h"

struct qmp_client;
struct qmp_call;

/* Exactly one of result and err is given; both are borrowed. May free the client. */
typedef void (*qmp_answer_fn)(void *ctx, json_object *result, struct cvm_error *err);

struct qmp_handlers {
        void (*ready)(void *ctx); /* greeting and capabilities are done: calls may be made from now on */
        void (*event)(void *ctx, const char *name, json_object *data); /* data may be NULL; borrowed */
        void (*gone)(void *ctx, struct cvm_error *why);                /* last call; may free the client */
};

/* Takes fd. The greeting must come within deadline_usec. Nothing is called back before this returns. */
int qmp_client_new(sd_event *event, int fd, uint64_t deadline_usec, const struct qmp_handlers *handlers,
                   void *ctx, struct qmp_client **ret, struct cvm_error *err);
/* Calls under way are forgotten without an answer. Accepts NULL, returns NULL. */
struct qmp_client *qmp_client_free(struct qmp_client *client);

/*
 * Execute a command; arguments (may be NULL) is taken, pass_fd too (-EBADF: none). ret_call, if given, is
 * borrowed and valid until done() or qmp_call_cancel(). A call that cannot be queued fails here, and done()
 * is not called.
 */
int qmp_client_call(struct qmp_client *client, const char *command, json_object *arguments, int pass_fd,
                    uint64_t deadline_usec, qmp_answer_fn done, void *ctx, struct qmp_call **ret_call,
                    struct cvm_error *err);
/* The answer, when it comes, is dropped. */
void qmp_call_cancel(struct qmp_call *call);
