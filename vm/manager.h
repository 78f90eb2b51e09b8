/*
 * The whole model behind one door: what dbus/ calls and what it hears. The manager owns the VMs, operations,
 * store, image store, audit chain and simulation root. Calls check, store and return at once; long work
 * returns an operation. Every call says who asked; whether they may is decided before, in dbus/.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/error.h"
#include "vm/operation.h"
#include "vm/vm.h"

struct driver;

struct manager_config {
        const char *state_dir;   /* /var/lib/cvmd */
        const char *runtime_dir; /* /run/cvmd */
        char *const *image_dirs; /* where named paths may point; NULL-terminated */
        char *const *bridges;    /* allow-lists for NICs */
        char *const *taps;
        const char *host_root;         /* whose files tell what the host offers; NULL: "/" */
        uint32_t uid_first, uid_count; /* numeric range of the VMs' users; count 0: do not change user */
        uint32_t vms_per_user, operations_per_user; /* quotas; root has none */
        const struct driver *driver;                /* NULL: QEMU, started directly */
        uint64_t settle_usec; /* from the last end of a guest on hardware until leaks are looked for; 0: 10 s
                               */
        uint64_t agent_deadline_usec; /* until a guest without an answering agent is `unverifiable` */
};

struct caller { /* who asked: for audit, ownership and quotas */
        uint32_t uid;
        uint32_t pid;
        const char *bus_name;
};

/* Observers, called from the loop after the change is durable. */
struct manager_observer {
        void (*vm_added)(void *ctx, struct vm *vm);
        void (*vm_changed)(void *ctx, struct vm *vm); /* once per turn of the loop, with all that changed */
        void (*vm_removed)(void *ctx, const char *id);
        void (*operation_added)(void *ctx, struct operation *operation);
        void (*operation_changed)(void *ctx, struct operation *operation);
        void (*operation_removed)(void *ctx, const char *id);
        void (*event)(void *ctx, uint64_t seq, const char *json);
        void *ctx;
};

struct manager;

/* Opens the stores and reconciles with what runs; observers hear of nothing before this returns. */
int manager_new(sd_event *event, const struct manager_config *config,
                const struct manager_observer *observer, struct manager **ret, struct cvm_error *err);
/* Guests live on. */
struct manager *manager_free(struct manager *manager);
CVM_DEFINE_CLEANUP(struct manager, manager_free);

/* A descriptor that the caller passed under the name that the definition uses for it. */
struct named_fd {
        const char *name;
        int fd; /* borrowed */
};

struct create_options {
        const char *definition; /* JSON text */
        size_t definition_size;
        const char *request_id; /* NULL: none; the same id and definition give the same objects */
        const char *binding;    /* signed envelope; NULL: unowned */
        const struct named_fd *files;
        size_t n_files;
        bool start;          /* Launch rather than Create */
        bool may_name_paths; /* root and operators */
};

/* The VM exists durably when this returns; pinning and starting go on in the operation (always given). */
int manager_create(struct manager *manager, const struct create_options *options,
                   const struct caller *caller, struct vm **ret_vm, struct operation **ret_operation,
                   struct cvm_error *err);

/* By name or uuid; NULL: none. Borrowed. */
struct vm *manager_vm(struct manager *manager, const char *name_or_id);
struct vm *manager_vm_at(struct manager *manager, size_t i);
struct operation *manager_operation(struct manager *manager, const char *id);
struct operation *manager_operation_at(struct manager *manager, size_t i);

/* Events since a sequence number, oldest first, at most max; fn is called for each. */
int manager_events(struct manager *manager, uint64_t since, size_t max,
                   void (*fn)(void *ctx, uint64_t seq, const char *json), void *ctx, struct cvm_error *err);

/* Predict without creating: an operation whose result is the measurement's JSON. */
int manager_measure(struct manager *manager, const struct create_options *options,
                    const struct caller *caller, struct operation **ret, struct cvm_error *err);

/* Look at the host as `cvmctl host check` does: an operation whose result is {"checks":[...]}. One look
 * serves all who ask while it is under way: it may be another caller's. */
int manager_check_host(struct manager *manager, const struct caller *caller, struct operation **ret,
                       struct cvm_error *err);

/* How many guests fit, as host_capacity() counts them (NULL: nothing is counted; owned), and how many
 * identifiers were missed after the last guest on hardware had ended. */
json_object *manager_capacity(const struct manager *manager, uint64_t *ret_leaked);

/* The teardown record (signed envelope) of a deleted or present VM; owned text. CVM_CODE_NO_VM. */
int manager_record(struct manager *manager, const char *name_or_id, char **ret, struct cvm_error *err);

/* The audit chain as JSON lines of the rows after `since`, at most max of them, and last the signed head of
 * the last row among them (so that each part verifies by itself); owned text. */
int manager_audit(struct manager *manager, uint64_t since, size_t max, char **ret, struct cvm_error *err);
/* One row for a request that was decided outside (dbus/): every request leaves one, refused ones too. */
void manager_audit_request(struct manager *manager, const struct caller *caller, const char *method,
                           const char *object, const char *outcome);

/* Platform number i that this host runs on hardware, by name; NULL past the last. */
const char *manager_platform_at(const struct manager *manager, size_t i);
/* Certificate (PEM) of the simulation root; "" before its first use. Borrowed. */
const char *manager_simulation_root(struct manager *manager);
/* The name of the driver that runs VMs whose definitions name none. */
const char *manager_default_driver(const struct manager *manager);
/* PEM of the simulated hosts' documents and of what vouches for them; "" before there are any. Borrowed. */
const char *manager_simulation_hosts(struct manager *manager);
/* Make what is missing of the simulation root, so that owners can build for its hosts: an operation, which
 * may be another caller's and may have ended already. */
int manager_simulate(struct manager *manager, const struct caller *caller, struct operation **ret,
                     struct cvm_error *err);
/* PEM of the record key's public half. Borrowed. */
const char *manager_record_key(struct manager *manager);
