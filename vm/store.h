/*
 * The daemon's database: every SQL statement of the model, one function per question. It knows rows, not
 * meaning. Writing functions open a transaction when none is open; store_commit() ends it. The model decides
 * when (vm/journal.h), so that all changes of one turn of the loop are one transaction and one fsync.
 */
#pragma once

#include <sys/types.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"

struct store;

/* One VM as it is kept. Texts are owned, NULL where absent. */
struct vm_row {
        char *id, *name, *definition, *binding, *platform;
        uint32_t user_uid;   /* who owns it */
        bool may_name_paths; /* its definition's paths are an operator's */
        char *state, *state_code, *state_reason, *trust, *trust_by;
        uint64_t generation;
        char *boot_id;
        uint8_t keyset[CVM_SHA384_SIZE]; /* of the present boot; zeros: not announced */
        pid_t pid;                       /* 0: no process */
        uint64_t start_time;
        char *driver;                  /* that it was started with last; NULL: never was */
        uint8_t kept[CVM_SHA256_SIZE]; /* driver_trace's */
        uint32_t uid;                  /* the process runs as; 0: ours */
        uint8_t measurement[64];
        size_t measurement_size;
        char *prediction;                 /* JSON (launch/prediction.h) of which that is the measurement */
        uint64_t policy;                  /* guest policy in the evidence */
        uint8_t pins[4][CVM_SHA256_SIZE]; /* by enum plan_file_role: firmware, kernel, initrd, shim */
        bool pinned[4];
        struct cvm_bytes sim_store; /* sim_store_write() of the present boot */
        char *bye;                  /* envelope of the last boot */
        char *verdict;              /* envelope of the last verdict on the present boot */
        uint64_t created_msec, started_msec, verdict_msec;
};

void vm_row_done(struct vm_row *row);

/* CVM_CODE_STORE, CVM_CODE_STORE_NEWER, CVM_CODE_STORE_FULL. */
int store_open(const char *path, struct store **ret, struct cvm_error *err);
struct store *store_free(struct store *store);
CVM_DEFINE_CLEANUP(struct store, store_free);

/* Nothing is durable before this returns 0; after a failure nothing of the transaction is kept. */
int store_commit(struct store *store, struct cvm_error *err);
void store_rollback(struct store *store);

int store_save_vm(struct store *store, const struct vm_row *row, struct cvm_error *err);
int store_remove_vm(struct store *store, const char *id, struct cvm_error *err);
/* fn takes the row's contents (and zeroes it) or leaves it; a negative return ends the walk. */
int store_each_vm(struct store *store, int (*fn)(void *ctx, struct vm_row *row), void *ctx,
                  struct cvm_error *err);

int store_add_event(struct store *store, uint64_t seq, const char *json, struct cvm_error *err);
int store_last_event(struct store *store, uint64_t *ret_seq, struct cvm_error *err);
int store_each_event(struct store *store, uint64_t since, size_t max,
                     void (*fn)(void *ctx, uint64_t seq, const char *json), void *ctx,
                     struct cvm_error *err);

/* The audit chain: row 1 is the first. */
int store_add_audit(struct store *store, uint64_t seq, const char *row, const uint8_t hash[CVM_SHA256_SIZE],
                    struct cvm_error *err);
/* seq 0 and zeros where the chain is empty. */
int store_last_audit(struct store *store, uint64_t *ret_seq, uint8_t ret_hash[CVM_SHA256_SIZE],
                     struct cvm_error *err);
int store_each_audit(struct store *store, uint64_t since, size_t max,
                     void (*fn)(void *ctx, uint64_t seq, const char *row), void *ctx, struct cvm_error *err);

/* Requests that may come twice: the same id and definition of the same caller name the same VM. */
int store_add_request(struct store *store, uint32_t uid, const char *request_id,
                      const uint8_t definition[CVM_SHA256_SIZE], const char *vm_id, struct cvm_error *err);
/* The VM was never made: the request may come again. */
int store_forget_request(struct store *store, const char *vm_id, struct cvm_error *err);
/* 1 and the VM's id (owned), 0: not known. definition is that of the first time. */
int store_find_request(struct store *store, uint32_t uid, const char *request_id,
                       uint8_t ret_definition[CVM_SHA256_SIZE], char **ret_vm_id, struct cvm_error *err);

/* What a driver keeps outside of a VM that is gone or has left it: owed until the driver says that it is
 * removed. All borrowed by fn. */
int store_owe_removal(struct store *store, const char *vm_id, const char *driver, struct cvm_error *err);
int store_forget_removal(struct store *store, const char *vm_id, struct cvm_error *err);
int store_each_removal(struct store *store, void (*fn)(void *ctx, const char *vm_id, const char *driver),
                       void *ctx, struct cvm_error *err);

/* Teardown records, by uuid or name (the newest of a name). 1 and an owned envelope, 0: none. */
int store_add_record(struct store *store, const char *id, const char *name, const char *envelope,
                     struct cvm_error *err);
int store_find_record(struct store *store, const char *name_or_id, char **ret, struct cvm_error *err);

/* Why each secret was released: its digest (hex), its header as the protocol has it and the verdict that
 * allowed it. What the guest answered is a row of its own. */
int store_add_release(struct store *store, const char *vm_id, const char *secret,
                      const struct cvm_bytes *header, const char *verdict, struct cvm_error *err);
int store_add_receipt(struct store *store, const char *vm_id, const char *secret, const char *receipt,
                      struct cvm_error *err);

/* One secret that was released, once however often it was sent; all borrowed. */
struct release_row {
        uint64_t time_msec; /* the last time */
        const char *secret;
        struct cvm_bytes header; /* empty: released before headers were kept */
        const char *receipt;     /* the last; NULL: none came */
};
/* The newest first, at most max. */
int store_each_release(struct store *store, const char *vm_id, size_t max,
                       void (*fn)(void *ctx, const struct release_row *row), void *ctx,
                       struct cvm_error *err);
