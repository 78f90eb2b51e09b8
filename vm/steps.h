/*
 * What the model's files (manager*.c, vm*.c, operation.c) ask of one another, by the file that answers.
 * Nothing outside vm/ includes this.
 */
#pragma once

#include "vm/model.h"

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
/* The row has what the simulated hardware keeps of this boot as it is now. -ENOMEM: it has nothing. */
int vm_keep_sim_store(struct vm *vm);
/* Why it is in this state, without another one. */
void vm_set_reason(struct vm *vm, const struct cvm_error *why);
void vm_set_waits_for(struct vm *vm, const char *what);
/* An event for `cvmctl events`: {"event":WHAT,...,WHAT:VALUE} and, with why, its code and reason. */
void vm_note(struct vm *vm, const char *what, const char *value, const struct cvm_error *why);
/* From its next start on. */
int vm_use_driver(struct vm *vm, const struct driver *driver);
/* Is something under way that changes this VM? CVM_CODE_WRONG_STATE. */
int vm_check_idle(const struct vm *vm, struct cvm_error *err);
int vm_runtime_dir(const struct vm *vm, char *ret, size_t size);
/* Those of these files (NULL-terminated) that are in it. */
void vm_remove_files(const struct vm *vm, const char *const *names);

/* --- vm-prepare.c: files --- */
/* Pin the boot files, check the disks and measure; then(), never before this returns. One such work at a
 * time. */
int vm_prepare(struct vm *vm, vm_then_fn then, struct cvm_error *err);
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
/* After an end that nobody asked for: start again where the definition says so, ever more slowly. */
void vm_plan_restart(struct vm *vm, bool died);
/* Find the process of a stored VM again, or note its end. */
void vm_adopt(struct vm *vm);

/* --- vm-agent.c --- */
/* The agent has announced this boot's keyset: it can be compared. CVM_CODE_NO_AGENT: not yet. */
int vm_require_heard(const struct vm *vm, struct cvm_error *err);
/* Links to the guest's agent and, for a simulated guest, to what stands for its hardware. */
void vm_links_open(struct vm *vm);
void vm_links_close(struct vm *vm);
/* A boot begins: the agent has this long to answer. */
void vm_expect_agent(struct vm *vm);

/* --- vm-evidence.c --- */
/* The daemon's own check of the present boot: `checked` or `refused`, and releases nothing. */
void vm_check(struct vm *vm);

/* --- vm-secret.c --- */
void vm_do_relay_secrets(void *ctx, struct cvm_error *err);
/* Secrets that wait end with this; sealed bytes are dropped. NULL: the VM goes, and all are dropped. */
void vm_forget_secrets(struct vm *vm, const struct cvm_error *why);
/* The guest confirmed what it needs, by a receipt and in its own status. */
void vm_note_provisioned(struct vm *vm);

/* --- vm-verdict.c --- */
void vm_do_judge_refused(void *ctx, struct cvm_error *err);
/* The key that must have signed an approval. CVM_CODE_UNOWNED. Owned. */
int vm_owner_key(const struct vm *vm, EVP_PKEY **ret, struct cvm_error *err);
/* What the owner has signed, or the service that the definition names: payload (owned), the envelope's
 * digest (may be NULL) and the signer's id. CVM_CODE_UNOWNED, and those of cvm_envelope_open(). */
int vm_open_signed(const struct vm *vm, const char *envelope, enum cvm_envelope_type type,
                   struct cvm_bytes *ret_payload, uint8_t ret_digest[CVM_SHA384_SIZE],
                   uint8_t ret_signer[CVM_SHA384_SIZE], struct cvm_error *err);
/* Digest of the binding's payload as the formulas have it. */
void vm_binding_digest(const struct vm *vm, uint8_t ret[CVM_SHA384_SIZE]);

/* --- manager-create.c --- */
/* A VM that stands in no list yet, with its plan. like: the one whose name, uuid and user it takes where it
 * names none. predict_only: it will not be started, so neither this host nor a binding matters. */
int vm_make(struct manager *manager, const struct create_options *options, const struct caller *caller,
            const struct vm *like, bool predict_only, struct vm **ret, struct cvm_error *err);
/* Its writable disks are no other VM's (but for except's), its network is allowed, and there is a place
 * where it wants one kept. */
int vm_check_resources(const struct vm *vm, const struct vm *except, struct cvm_error *err);

/* After a restart of the daemon: prepare what was interrupted before its files were kept. */
void manager_finish_creates(struct manager *manager);

/* --- manager-draft.c --- */
void manager_free_drafts(struct manager *manager);

/* --- manager-sim.c --- */
/* Read the simulation root where there is one. */
int manager_sim_open(struct manager *manager, struct cvm_error *err);
/* Make sure that there is a simulation root; then(). It is made at its first use. */
void manager_need_sim_root(struct vm *vm, vm_then_fn then);
/* Its file, to be read; the caller's to close. CVM_CODE_FILE. */
int manager_sim_file(const struct manager *manager, struct cvm_error *err);
/* then() is not called any more. */
void manager_forget_sim_root(struct vm *vm);

/* --- vm-request.c --- */
/* An operation that becomes the VM's own, if nothing else is under way. */
int vm_begin(struct vm *vm, const char *kind, const struct caller *caller, struct operation **ret,
             struct cvm_error *err);
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
/* The VM goes; what concerns it has ended, or ends without it. */
void operation_forget_vm(struct manager *manager, const struct vm *vm);
size_t operation_count(const struct manager *manager, uint32_t uid);
/* Its cancel: NULL past the commit point. */
void operation_set_cancel(struct operation *operation, void (*cancel)(struct vm *vm));

/* --- manager.c --- */
/* Whose files tell what the host offers: "/". */
const char *manager_host_root(const struct manager *manager);
void manager_audit_transition(struct manager *manager, const struct vm *vm, const char *what,
                              const char *outcome);
/* The one of that name; the default where it is NULL or not known. */
const struct driver *manager_driver(const struct manager *manager, const char *name);
void manager_remove_vm(struct manager *manager, struct vm *vm);
/* What its driver keeps outside: owed in this transaction, paid behind it or by the next daemon. */
int manager_owe_removal(const struct vm *vm, struct cvm_error *err);
void manager_pay_removal(struct manager *manager, const char *id, const char *name);
void manager_pay_removals(struct manager *manager);
