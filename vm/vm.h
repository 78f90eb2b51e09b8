/*
 * One VM: what is known of it, and what can be asked of it. State and trust are written by one function each
 * (vm/vm.c); the tables are in vm/table.h.
 */
#pragma once

#include "attest/formula.h"
#include "attest/seal.h"
#include "vm/operation.h"
#include "vm/table.h"

struct vm;
struct caller;
struct create_options;

struct vm_view {        /* all borrowed, valid until the loop goes on; never NULL texts */
        const char *id; /* uuid */
        const char *name;
        const char *user; /* account that owns it, or its number */
        uint32_t user_uid;
        enum vm_state state;
        const char *state_reason; /* words, "" */
        const char *state_code;   /* "CVM-..." or "" */
        enum vm_trust trust;
        const char *trust_by; /* owner_id, "daemon", ...; "" */
        const char *platform;
        const char *driver; /* of the present process, or of the next */
        bool simulated, debug, has_owner;
        uint8_t measurement[64];
        size_t measurement_size; /* 0: not known yet */
        const char *image;       /* of a guest that is an image: the prediction, JSON; "" of others */
        uint64_t generation;
        const char *boot_id;
        const char *waits_for;
        uint8_t keyset[CVM_SHA384_SIZE]; /* digest announced by the present agent; zeros: none */
        const char *definition;          /* JSON text as stored */
        const char *binding;             /* envelope; "" */
        const char *operation;           /* id of the one that changes this VM; "" */
        char *const *labels;
        uint64_t created_msec, started_msec; /* UTC; 0: never */
        int32_t pid;                         /* 0: none */
        uint8_t start_nonce[32];             /* awaiting-approval: what a start permit must name */
};

void vm_look(const struct vm *vm, struct vm_view *ret);

/* What changes a VM's life, and whether it would be taken now: refused as the request itself would be. */
enum vm_verb {
        VERB_START,
        VERB_STOP,
        VERB_RESTART,
        VERB_KILL,
        VERB_PAUSE,
        VERB_RESUME,
        VERB_RESET,
        VERB_DUMP,
        VERB_DELETE,
        VERB_MAX_,
};
/* Would a dump be made of it, by all that its technology, its owner and the host say? CVM_CODE_DUMP_NONE,
 * CVM_CODE_DUMP_DENIED, CVM_CODE_DUMP_HOST. */
int vm_check_dump(const struct vm *vm, struct cvm_error *err);
int vm_check_verb(const struct vm *vm, enum vm_verb verb, struct cvm_error *err);

/* Each starts an operation (borrowed; it outlives the call) or refuses in words. */
int vm_start(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err);
int vm_stop(struct vm *vm, uint64_t timeout_usec, const struct caller *caller, struct operation **ret,
            struct cvm_error *err);
int vm_kill(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err);
int vm_pause(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err);
int vm_resume(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err);
int vm_restart(struct vm *vm, uint64_t timeout_usec, const struct caller *caller, struct operation **ret,
               struct cvm_error *err);
int vm_reset(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err);
/* Its memory into a file (borrowed): empty, regular, open for writing. CVM_CODE_DUMP_FILE, and those of
 * vm_check_dump(). It cannot be cancelled: QEMU has no way to. Result: {"encrypted":bool,"notes":[...]}. */
int vm_dump(struct vm *vm, int fd, const struct caller *caller, struct operation **ret,
            struct cvm_error *err);
/* New definition of a stopped VM (name and uuid stay; request_id and start do not count). dry_run applies
 * nothing. Result: {"old_measurement":hex,"new_measurement":hex,"changed":bool,"applied":bool}. */
int vm_update(struct vm *vm, const struct create_options *options, bool dry_run, const struct caller *caller,
              struct operation **ret, struct cvm_error *err);
/* Result: the signed teardown record. Only stopped, defined or failed VMs; disks are left alone. */
int vm_delete(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err);
/* request: the verifier's own, for platforms whose evidence answers one; empty: none. Result: the bundle's
 * JSON. */
int vm_evidence(struct vm *vm, const uint8_t nonce[CVM_NONCE_SIZE], const struct cvm_bytes *request,
                const struct caller *caller, struct operation **ret, struct cvm_error *err);
/* verdict may be NULL or "": then it waits for RecordVerdict. Result: the receipt's envelope. */
int vm_put_secret(struct vm *vm, const char *secret, const char *verdict, const struct caller *caller,
                  struct operation **ret, struct cvm_error *err);
/* Those that wait, then those that were released, the newest first, at most this many of them. */
#define VM_SECRETS_LISTED 1000
struct secret_view { /* borrowed, during the call */
        char digest[2 * CVM_SHA384_SIZE + 1];
        bool has_header; /* not kept by daemons before schema 2 */
        struct cvm_secret_header header;
        const char *status;     /* "waits for a verdict", "released", or the receipt's result */
        const char *receipt;    /* the guest's envelope; NULL: none came */
        uint64_t released_msec; /* 0: not yet */
};
int vm_each_secret(const struct vm *vm, void (*fn)(void *ctx, const struct secret_view *secret), void *ctx,
                   struct cvm_error *err);
int vm_record_verdict(struct vm *vm, const char *envelope, const struct caller *caller,
                      struct cvm_error *err);
/* An approval (for the agent) or a start permit (for the hold), by its type. */
int vm_approve(struct vm *vm, const char *envelope, const struct caller *caller, struct cvm_error *err);
/* fd, owned by whoever is told, or negative with words; as a driver's console() has it */
int vm_open_console(struct vm *vm, const struct caller *caller,
                    void (*done)(void *ctx, int fd, struct cvm_error *err), void *ctx,
                    struct cvm_error *err);
/* The tail of QEMU's stderr and, with console log, of the console: cleaned text, owned. */
int vm_logs(struct vm *vm, size_t max_bytes, char **ret, struct cvm_error *err);
/* What libvirt was given at the last start, owned. CVM_CODE_NO_XML where it was given nothing. */
int vm_xml(struct vm *vm, char **ret, struct cvm_error *err);
