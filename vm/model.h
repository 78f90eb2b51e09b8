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

struct release; /* vm-secret.c */

/* A step of long work inside a VM: called once, from the loop; err NULL: done. */
typedef void (*vm_then_fn)(struct vm *vm, struct cvm_error *err);

/* vm/capacity.c: of the guests on hardware that run at one time */
struct capacity {
        bool is_known; /* the count before the first of them */
        enum cvm_platform_id platform;
        uint64_t before;
        uint64_t leaked;           /* as was noticed last */
        sd_event_source *settling; /* the last has ended; what is taken is counted soon */
};

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
        char *record_pem;           /* public half */
        struct sim_root *sim_root;  /* NULL before its first use */
        char *sim_pem;              /* its certificate */
        char *sim_documents;        /* what owners need of its hosts */
        struct worker_run *sim_run; /* makes it */
        struct operation *sim_made; /* borrowed: for whoever asked for it; NULL: nobody did */
        struct capacity capacity;
        struct worker_run *host_run;  /* looks at the host, */
        struct operation *host_check; /* borrowed: for this one and whoever joined it */
        struct vm **vms;
        size_t n_vms;
        struct vm *drafts;            /* owned: definitions that are being measured, no VMs yet */
        struct operation *operations; /* owned, newest first */
        uint64_t last_operation;
};

struct vm {
        struct manager *manager; /* borrowed */
        struct vm_row row;
        enum vm_state state;
        enum vm_trust trust;
        struct definition *definition;
        struct cvm_bytes binding;    /* payload; empty when unowned */
        struct plan *plan;           /* of the present process */
        struct operation *operation; /* borrowed: the one that changes this VM */
        const struct driver *driver; /* of the present process, or of the last */
        struct driver_guest *guest;
        struct agent_link *agent;
        struct tee_link *tee;
        struct sim_guest sim;         /* owns its event log */
        vm_then_fn wants_sim_root;    /* its start waits for it */
        sd_event_source *timer;       /* of a stop; of a pause before the next start */
        sd_event_source *agent_timer; /* until an agent has answered */
        uint8_t start_nonce[32];      /* awaiting-approval */
        char *waits_for;
        bool dirty, changed, use_kvm;
        /* what the agent of the present boot says */
        struct cvm_keyset keyset;
        bool heard; /* it has announced that keyset */
        char *agent_name;
        bool agent_provisioned, has_receipt;
        struct worker_run *check; /* the daemon's own */
        struct release *releases; /* owned: secrets that wait or are on their way */
        struct vm *next;          /* of manager->drafts */
        struct vm *draft_of;      /* borrowed: what a draft is to become; NULL: only measured */
        bool dry_run;             /* of a draft */
        bool refused;             /* it is killed because it was refused */
        bool wants_restart;
        unsigned failures; /* in a row, for the pause before it is started again */
        bool adopted;      /* found again, nothing has been heard from the agent yet */
        bool meddled;      /* somebody else changed what runs: it is not verified before its next start */
        bool expected;     /* its end was asked for, or the guest ended itself */
        bool wants_stop;
        bool up;                     /* QEMU's monitor answers */
        bool stands;                 /* its vCPUs do, as the driver told last */
        int deferred;                /* 1 + enum driver_command that waits for it; 0: none */
        struct operation *commanded; /* borrowed: whose command is under way, NULL once it has ended */
        struct {
                bool under_way; /* it is the operation */
                bool stops;     /* the guest ran, and stands still for it */
                bool began;     /* QEMU has begun */
                bool back;      /* the guest has run again since */
                bool ended;     /* why: as what */
                struct cvm_error why;
                unsigned tries; /* to make it run again */
        } dump;
        bool resets; /* that command is a reset: its operation ends with the new boot */
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
