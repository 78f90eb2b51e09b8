/*
 * The VM's life as data (design section 6): state x event and trust x event. Pure tables without pointers,
 * so that tests can walk them and prove the promises of the product. What is being done (an operation) is a
 * third thing.
 */
#pragma once

#include <stdbool.h>

enum vm_state {
        VM_DEFINED,           /* stored, never started */
        VM_AWAITING_APPROVAL, /* the daemon's hold: waits for a start permit before the first instruction */
        VM_STARTING,
        VM_RUNNING,
        VM_PAUSED,
        VM_STOPPING,
        VM_STOPPED,
        VM_MIGRATING, /* fenced: the migration agent has it */
        VM_IN_DOUBT,  /* fenced: nobody here can know which copy lives */
        VM_FAILED,
        VM_STATE_MAX_,
};

enum vm_trust {
        TRUST_UNVERIFIED,
        TRUST_CHECKED,     /* the daemon's own check: releases nothing */
        TRUST_VERIFIED,    /* accepted verdict signed by the owner or her service */
        TRUST_PROVISIONED, /* verified, and the guest confirmed the required secrets */
        TRUST_REFUSED,
        TRUST_UNVERIFIABLE, /* no agent answered in time */
        VM_TRUST_MAX_,
};

enum vm_event {
        /* asked for */
        EV_START,   /* the one way to begin: start, restart, autostart and relaunch all come here */
        EV_STOP,    /* ask the guest to end */
        EV_PAUSE,   /* QEMU has stopped the vCPUs */
        EV_RESUME,  /* QEMU runs them again */
        EV_MIGRATE, /* handed over to the migration agent */
        /* from the driver */
        EV_HELD,    /* up, and the definition holds it before its first instruction */
        EV_PERMIT,  /* a start permit of the owner */
        EV_RUNNING, /* vCPUs run */
        EV_ENDED,   /* the process is gone, as asked for or by the guest itself */
        EV_DIED,    /* the process is gone and nobody asked */
        EV_STOP_TIMEOUT,
        /* from the migration agent and the owner */
        EV_MOVED,  /* it lives elsewhere now */
        EV_STAYED, /* the move was called off before its commit */
        EV_DOUBT,  /* nobody can tell */
        EV_RECALL, /* the owner ended the doubt */
        /* trust */
        EV_NEW_BOOT, /* start, reset, another keyset, arrival */
        EV_CHECKED,  /* the daemon's own check accepted the evidence */
        EV_VERDICT_ACCEPTED,
        EV_VERDICT_REFUSED,
        EV_CHECK_REFUSED,
        EV_RECEIPTS, /* the guest confirmed all required secrets */
        EV_NO_AGENT, /* none answered in time */
        EV_CHANGED,  /* somebody else changed what runs */
        VM_EVENT_MAX_,
};

/* What an edge sets off, after it is durable. */
enum vm_action {
        DO_NOTHING,
        DO_SPAWN,         /* start QEMU */
        DO_CONTINUE,      /* let the first instruction run */
        DO_SHUT_DOWN,     /* ask the guest */
        DO_RELEASE,       /* links, runtime files, uid */
        DO_FORGET,        /* pending requests of the old boot end, sealed bytes are dropped */
        DO_RELAY_SECRETS, /* secrets that wait for this verdict go to the guest */
        DO_JUDGE_REFUSED, /* on_refused decides */
};

struct vm_edge {
        bool allowed;
        enum vm_state next;
        enum vm_action action;
};

struct trust_edge {
        bool allowed;
        enum vm_trust next;
        enum vm_action action;
};

/* allowed is false where there is no such edge. */
struct vm_edge vm_next(enum vm_state state, enum vm_event event);
struct trust_edge trust_next(enum vm_trust trust, enum vm_event event);

/* A VM that is moving or in doubt may not run here, by no path. */
bool vm_state_is_fenced(enum vm_state state);
/* A process may live in this state: reconciling looks for it. */
bool vm_state_has_process(enum vm_state state);

const char *vm_state_text(enum vm_state state); /* "awaiting-approval" */
const char *vm_trust_text(enum vm_trust trust); /* "unverified" */
const char *vm_event_text(enum vm_event event); /* "be started": fits behind "cannot" */
/* From texts of the store; VM_STATE_MAX_ and VM_TRUST_MAX_ where it is none. */
enum vm_state vm_state_of(const char *text);
enum vm_trust vm_trust_of(const char *text);
