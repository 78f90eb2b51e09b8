/*
 * The VM's life as data (design section 6): state x event and trust x event, pure tables without pointers,
 * so that tests can walk them and prove the promises of the product.
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

const char *vm_state_text(enum vm_state state); /* "awaiting-approval" */
const char *vm_trust_text(enum vm_trust trust);
