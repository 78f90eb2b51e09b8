/*
 * What must be durable, and what may happen only then. All changes of one turn of the event loop are one
 * transaction; side effects and signals follow its commit, in the order in which they were asked for. A
 * commit that fails keeps everything pending and is tried again, each side effect is told of it first (r <
 * 0) and is then forgotten: whoever asked decides what that means.
 */
#pragma once

#include <systemd/sd-event.h>

#include "attest/audit-chain.h"
#include "vm/store.h"

struct journal;

/* Called in the transaction: writes what is dirty (VM rows). */
typedef int (*journal_save_fn)(void *ctx, struct store *store, struct cvm_error *err);
/* After the commit (err NULL), or when it failed (err has the words). */
typedef void (*journal_then_fn)(void *ctx, struct cvm_error *err);
/* An event that is durable now. */
typedef void (*journal_event_fn)(void *ctx, uint64_t seq, const char *json);

struct journal_config {
        sd_event *event;
        struct store *store; /* borrowed */
        journal_save_fn save;
        void (*saved)(void *ctx); /* the commit succeeded: what was dirty is clean; may be NULL */
        journal_event_fn on_event;
        void *ctx;
};

int journal_new(const struct journal_config *config, struct journal **ret, struct cvm_error *err);
/* What is pending is committed if it can be; side effects are forgotten. */
struct journal *journal_free(struct journal *journal);
CVM_DEFINE_CLEANUP(struct journal, journal_free);

/* Something is dirty: a commit comes. */
void journal_touch(struct journal *journal);
/* Add an event; json is an object (taken) that gets "seq" and "time". */
void journal_event(struct journal *journal, json_object *event);
/* Add a row to the audit chain. */
void journal_audit(struct journal *journal, const char *kind, const char *actor, const char *object,
                   const char *what, const char *outcome);
/* Run fn once all that was noted so far is durable. ctx must live until then, or journal_forget() it. */
int journal_then(struct journal *journal, journal_then_fn fn, void *ctx);
void journal_forget(struct journal *journal, void *ctx);

/* Commit now instead of at the end of the turn: for requests whose answer must wait for it. */
int journal_commit(struct journal *journal, struct cvm_error *err);

/* Sequence number and hash of the last row, pending ones included. */
void journal_head(const struct journal *journal, struct audit_head *ret);
