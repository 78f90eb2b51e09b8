/*
 * The link to one VM's guest agent: the host's end of org.cvmd.agent.0. It connects to the channel's socket
 * and stays with it over reconnects and resets, says HELLO until it is answered, and matches answers to
 * requests. All from the guest is hostile: capped, typed, and dropped unless it carries the present session.
 */
#pragma once

#include <systemd/sd-event.h>

#include "attest/message.h"
#include "attest/signed.h"

struct agent_link;

/* Each may be NULL. A handler may free the link. */
struct agent_link_handlers {
        /* the agent of a boot announced its keyset: after HELLO, and again with another keyset after a reset
         */
        void (*welcome)(void *ctx, const struct cvm_keyset *keyset, const struct msg_welcome *welcome);
        void (*status)(void *ctx, const struct msg_status *status);
        /* a BYE whose signature is that of the announced boot key; call agent_link_ack_bye() once it is
         * durable */
        void (*bye)(void *ctx, const char *envelope, const struct bye *bye);
        /* the guest broke the protocol; the link goes on with a new session */
        void (*broken)(void *ctx, struct cvm_error *why);
        /* the agent does not take the binding, with its own code and words */
        void (*binding_refused)(void *ctx, struct cvm_error *why);
};

/*
 * Answer to a request, exactly once, never from within the function that asked: message is the answer's
 * struct (struct msg_evidence, msg_envelope, msg_ack) or NULL with err (refused by the agent with its own
 * code, CVM_CODE_TIMEOUT, CVM_CODE_BOOT_CHANGED, CVM_CODE_NO_AGENT when the channel was closed,
 * CVM_CODE_FRAME when the guest broke the protocol).
 */
typedef void (*agent_answer_fn)(void *ctx, const void *message, struct cvm_error *err);

int agent_link_new(sd_event *event, const char *socket_path, const struct agent_link_handlers *handlers,
                   void *ctx, struct agent_link **ret, struct cvm_error *err);
/* Pending requests are answered with CVM_CODE_BOOT_CHANGED from within. Accepts NULL, returns NULL. */
struct agent_link *agent_link_free(struct agent_link *link);

/* The guest has opened its end of the channel: HELLO is said again. Where nobody answers it is repeated for
 * a minute, ever more slowly, and then only after this: guests without an agent wake nobody. */
void agent_link_wake(struct agent_link *link);

/* A new boot began: every request that was sent ends with CVM_CODE_BOOT_CHANGED, nothing is sent again, a
 * new session begins. Evidence that nobody was asked for yet is asked of whoever answers next. */
void agent_link_reset(struct agent_link *link);

/* Sent after each WELCOME from now on (and at once if there was one). SPKIs of the owner and of her service
 * (size 0: none); copied. */
int agent_link_set_binding(struct agent_link *link, const char *envelope, const struct cvm_bytes *owner,
                           const struct cvm_bytes *service);

/* Deadlines count from now. Evidence may be asked for before there is a WELCOME: it is sent
 * then; the link gives the question its id, and copies it. */
int agent_link_evidence(struct agent_link *link, const struct msg_evidence_request *question,
                        uint64_t deadline_usec, agent_answer_fn done, void *ctx, struct cvm_error *err);
/* Only to an agent that is there (CVM_CODE_NO_AGENT otherwise). Never sent again by the link: the caller
 * decides after an answer. The answer is a receipt's envelope. */
int agent_link_secret(struct agent_link *link, const char *envelope, uint64_t deadline_usec,
                      agent_answer_fn done, void *ctx, struct cvm_error *err);
int agent_link_approve(struct agent_link *link, const char *envelope, uint64_t deadline_usec,
                       agent_answer_fn done, void *ctx, struct cvm_error *err);
/* Ask the guest to end; the BYE comes by its handler. Best effort: no answer. */
void agent_link_stop(struct agent_link *link, bool reboot);
void agent_link_ack_bye(struct agent_link *link);
