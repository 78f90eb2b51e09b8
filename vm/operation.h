/*
 * Long work for a waiting caller: progress, deadline, cancel, and a result that outlives the caller and the
 * end by ten minutes. One operation at a time changes one VM; reading ones (evidence) may run beside it.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"

struct vm;
struct operation;
struct manager;

enum operation_state { OPERATION_RUNNING, OPERATION_DONE, OPERATION_FAILED, OPERATION_CANCELLED };
extern const char *const operation_state_texts[];

struct operation_view {     /* all borrowed, valid until the loop goes on */
        const char *id;     /* decimal */
        const char *kind;   /* "launch", "start", "stop", "evidence", "put-secret", ... */
        const char *vm_id;  /* uuid */
        uint32_t owner_uid; /* who asked */
        const char *phase;  /* "measuring", "starting", "waiting for the guest agent", ... */
        uint32_t progress;  /* percent */
        enum operation_state state;
        const char *result;          /* JSON text, "" until done */
        const struct cvm_code *code; /* NULL unless failed */
        const char *text;            /* the sentence of the failure */
};

void operation_look(const struct operation *operation, struct operation_view *ret);
/* CVM_CODE_WRONG_STATE where it has ended, CVM_CODE_NOT_CANCELLABLE past its commit point. */
int operation_cancel(struct operation *operation, struct cvm_error *err);
