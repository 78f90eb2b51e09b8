/*
 * The model's inside: what manager.c and the vm-*.c files share. Nothing outside vm/ includes this.
 *
 * A vm_row is what is durable; everything beside it belongs to the present process. Whoever changes a row
 * calls vm_touch(); the journal saves dirty rows once per turn, and observers hear of a VM once per turn
 * behind that.
 */
#pragma once

#include "launch/host.h"
#include "vm/agent-link.h"
#include "vm/driver.h"
#include "vm/image-store.h"
#include "vm/journal.h"
#include "vm/manager.h"
#include "vm/tee-link.h"
#include "vm/worker-run.h"

struct manager {
        sd_event *event;
        struct manager_config config; /* texts owned by the caller for the manager's life */
        struct manager_observer observer;
        const struct driver *driver;
        struct host_facts facts;
        struct store *store;
        struct journal *journal;
        struct image_store *images;
        EVP_PKEY *record_key;
        char *record_pem;          /* public half */
        struct sim_root *sim_root; /* NULL before its first use */
        char *sim_pem;             /* its certificate */
        struct vm **vms;
        size_t n_vms;
        struct operation *operations; /* owned, newest first */
        uint64_t last_operation;
};

/* A step of long work inside a VM: called once, from the loop; err NULL: done. */
typedef void (*vm_then_fn)(struct vm *vm, struct cvm_error *err);

struct vm {
        struct manager *manager; /* borrowed */
        struct vm_row row;
        enum vm_state state;
        enum vm_trust trust;
        struct definition *definition;
        struct cvm_bytes binding;    /* payload; empty when unowned */
        struct plan *plan;           /* of the present process */
        struct operation *operation; /* borrowed: the one that changes this VM */
        struct driver_guest *guest;
        struct agent_link *agent;
        struct tee_link *tee;
        struct sim_guest sim;
        sd_event_source *timer;  /* of a stop, or until an agent has answered */
        uint8_t start_nonce[32]; /* awaiting-approval */
        char *waits_for;
        bool dirty, changed;
        bool may_name_paths; /* its definition's paths are an operator's */
        bool adopted;        /* found again, nothing has been heard from the agent yet */
        bool expected;       /* its end was asked for, or the guest ended itself */
        bool wants_stop;
        bool up;                     /* QEMU's monitor answers */
        int deferred;                /* 1 + enum driver_command that waits for it; 0: none */
        struct operation *commanded; /* borrowed: whose command is under way, NULL once it has ended */
        /* under way: files that are kept or loaded, one after the other */
        struct {
                struct worker_run *run;
                size_t next;
                int files[64]; /* descriptors for the driver, owned until it has them */
                size_t n_files;
                int memory; /* sealed memory file that is being filled */
                vm_then_fn then;
        } work;
        struct named_fd *passed; /* owned copies (names and descriptors) of what the caller passed */
        size_t n_passed;
};

/* --- vm.c: the one writer of state and of trust --- */
int vm_new(struct manager *manager, struct vm_row *row, struct vm **ret,
           struct cvm_error *err); /* takes the row */
struct vm *vm_free(struct vm *vm);
CVM_DEFINE_CLEANUP(struct vm, vm_free);
void vm_touch(struct vm *vm);
/* Apply an event to the state; its action runs once the change is durable. CVM_CODE_WRONG_STATE. */
int vm_handle(struct vm *vm, enum vm_event event, const struct cvm_error *why, struct cvm_error *err);
/* The same for trust; `by` says whose word it is. Events without an edge are no failure: they change
 * nothing. */
void vm_handle_trust(struct vm *vm, enum vm_event event, const char *by);
/* A new boot began: label and trust change together. */
void vm_new_boot(struct vm *vm);
void vm_set_waits_for(struct vm *vm, const char *what);
/* Is something under way that changes this VM? CVM_CODE_WRONG_STATE. */
int vm_check_idle(const struct vm *vm, struct cvm_error *err);
int vm_runtime_dir(const struct vm *vm, char *ret, size_t size);

/* --- vm-prepare.c: files --- */
/* Pin the boot files, check the disks and measure; then(). One such work at a time. */
void vm_prepare(struct vm *vm, vm_then_fn then);
/* Open everything that the plan needs into vm->work.files; then(). */
void vm_load(struct vm *vm, vm_then_fn then);
void vm_work_cancel(struct vm *vm);

/* --- vm-start.c --- */
/* The one start: all fences are checked here. The operation (may be NULL) becomes the VM's. */
int vm_begin_start(struct vm *vm, struct operation *operation, struct cvm_error *err);
void vm_on_driver(void *ctx, enum driver_event event, struct cvm_error *why);
/* Actions of the table, run behind the commit. */
void vm_do_spawn(void *ctx, struct cvm_error *err);
void vm_do_continue(void *ctx, struct cvm_error *err);
void vm_do_shut_down(void *ctx, struct cvm_error *err);
void vm_do_release(void *ctx, struct cvm_error *err);
/* Find the process of a stored VM again, or note its end. */
void vm_adopt(struct vm *vm);

/* --- vm-request.c --- */
/* The monitor answers (again): what was asked for meanwhile is done now. */
void vm_command_deferred(struct vm *vm);

/* --- operation.c --- */
/* A new running operation, owned by the manager; vm may be NULL. CVM_CODE_QUOTA. */
int operation_new(struct manager *manager, const char *kind, struct vm *vm, const struct caller *caller,
                  struct operation **ret, struct cvm_error *err);
void operation_phase(struct operation *operation, const char *phase,
                     uint32_t percent); /* phase: static text */
/* End it; all accept NULL. result is taken (NULL: ""). */
void operation_done(struct operation *operation, char *result);
void operation_fail(struct operation *operation, const struct cvm_error *err);
void operation_free_all(struct manager *manager);
size_t operation_count(const struct manager *manager, uint32_t uid);
/* Its cancel: NULL past the commit point. */
void operation_set_cancel(struct operation *operation, void (*cancel)(struct vm *vm));

/* --- manager.c --- */
void manager_audit_transition(struct manager *manager, const struct vm *vm, const char *what,
                              const char *outcome);
void manager_remove_vm(struct manager *manager, struct vm *vm);
