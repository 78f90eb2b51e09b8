#include "vm/table.h"

#include <string.h>

#define TO(state_, action_) \
        { .allowed = true, .next = state_, .action = action_ }

/* Rows that are alike wherever a process lives. */
#define PROCESS_ENDS [EV_ENDED] = TO(VM_STOPPED, DO_RELEASE), [EV_DIED] = TO(VM_FAILED, DO_RELEASE)

static const struct vm_edge state_table[VM_STATE_MAX_][VM_EVENT_MAX_] = {
        [VM_DEFINED] = { [EV_START] = TO(VM_STARTING, DO_SPAWN) },
        [VM_STARTING] = { [EV_HELD] = TO(VM_AWAITING_APPROVAL, DO_NOTHING),
                          [EV_RUNNING] = TO(VM_RUNNING, DO_NOTHING),
                          [EV_PAUSE] = TO(VM_PAUSED,
                                          DO_NOTHING), /* found so after a restart of the daemon */
                          [EV_STOP] = TO(VM_STOPPING, DO_SHUT_DOWN),
                          PROCESS_ENDS },
        [VM_AWAITING_APPROVAL] = { [EV_PERMIT] = TO(VM_STARTING, DO_CONTINUE),
                                   [EV_STOP] = TO(VM_STOPPING, DO_SHUT_DOWN),
                                   PROCESS_ENDS },
        [VM_RUNNING] = { [EV_STOP] = TO(VM_STOPPING, DO_SHUT_DOWN),
                         [EV_PAUSE] = TO(VM_PAUSED, DO_NOTHING), /* asked for, or for a dump */
                         [EV_MIGRATE] = TO(VM_MIGRATING, DO_NOTHING),
                         PROCESS_ENDS },
        [VM_PAUSED] = { [EV_RESUME] = TO(VM_RUNNING, DO_NOTHING),
                        [EV_STOP] = TO(VM_STOPPING, DO_SHUT_DOWN),
                        [EV_MIGRATE] = TO(VM_MIGRATING, DO_NOTHING),
                        PROCESS_ENDS },
        [VM_STOPPING] = { [EV_STOP_TIMEOUT] = TO(VM_RUNNING,
                                                 DO_NOTHING),     /* it runs on: nothing is killed unasked */
                          [EV_PAUSE] = TO(VM_PAUSED, DO_NOTHING), /* likewise, where it was paused */
                          PROCESS_ENDS },
        [VM_STOPPED] = { [EV_START] = TO(VM_STARTING, DO_SPAWN),
                         [EV_MIGRATE] = TO(VM_MIGRATING, DO_NOTHING) },
        [VM_MIGRATING] = { [EV_MOVED] = TO(VM_STOPPED, DO_RELEASE),
                           [EV_STAYED] = TO(VM_RUNNING, DO_NOTHING),
                           [EV_DOUBT] = TO(VM_IN_DOUBT, DO_NOTHING),
                           PROCESS_ENDS },
        [VM_IN_DOUBT] = { [EV_MOVED] = TO(VM_STOPPED, DO_RELEASE),
                          [EV_RECALL] = TO(VM_STOPPED, DO_RELEASE) },
        [VM_FAILED] = { [EV_START] = TO(VM_STARTING, DO_SPAWN) },
};

/* A verdict belongs to one boot: a new one ends whatever was known. A refusal stands until then. */
#define NEW_BOOT [EV_NEW_BOOT] = TO(TRUST_UNVERIFIED, DO_FORGET)
#define CHANGED [EV_CHANGED] = TO(TRUST_UNVERIFIED, DO_FORGET)
#define OWNER_DECIDES                                                                                   \
        [EV_VERDICT_ACCEPTED] = TO(TRUST_VERIFIED, DO_RELAY_SECRETS), [EV_VERDICT_REFUSED] =            \
                                                                                      TO(TRUST_REFUSED, \
                                                                                         DO_JUDGE_REFUSED)

static const struct trust_edge trust_table[VM_TRUST_MAX_][VM_EVENT_MAX_] = {
        [TRUST_UNVERIFIED] = { NEW_BOOT, CHANGED,
                               OWNER_DECIDES, [EV_CHECKED] = TO(TRUST_CHECKED, DO_NOTHING),
                               [EV_CHECK_REFUSED] = TO(TRUST_REFUSED, DO_JUDGE_REFUSED),
                               [EV_NO_AGENT] = TO(TRUST_UNVERIFIABLE, DO_NOTHING) },
        [TRUST_CHECKED] = { NEW_BOOT, CHANGED,
                            OWNER_DECIDES, [EV_CHECK_REFUSED] = TO(TRUST_REFUSED, DO_JUDGE_REFUSED) },
        [TRUST_VERIFIED] = { NEW_BOOT, CHANGED,
                             OWNER_DECIDES, [EV_RECEIPTS] = TO(TRUST_PROVISIONED, DO_NOTHING) },
        [TRUST_PROVISIONED] = { NEW_BOOT, CHANGED,
                                /* a newer verdict of the same boot keeps what the guest has confirmed */
                                [EV_VERDICT_ACCEPTED] = TO(TRUST_PROVISIONED, DO_RELAY_SECRETS),
                                [EV_VERDICT_REFUSED] = TO(TRUST_REFUSED, DO_JUDGE_REFUSED) },
        [TRUST_REFUSED] = { NEW_BOOT, OWNER_DECIDES },
        [TRUST_UNVERIFIABLE] = { NEW_BOOT, CHANGED,
                                 OWNER_DECIDES, [EV_CHECKED] = TO(TRUST_CHECKED, DO_NOTHING),
                                 [EV_CHECK_REFUSED] = TO(TRUST_REFUSED, DO_JUDGE_REFUSED) },
};

static const char *const state_texts[VM_STATE_MAX_] = {
        [VM_DEFINED] = "defined",   [VM_AWAITING_APPROVAL] = "awaiting-approval",
        [VM_STARTING] = "starting", [VM_RUNNING] = "running",
        [VM_PAUSED] = "paused",     [VM_STOPPING] = "stopping",
        [VM_STOPPED] = "stopped",   [VM_MIGRATING] = "migrating",
        [VM_IN_DOUBT] = "in-doubt", [VM_FAILED] = "failed",
};

static const char *const trust_texts[VM_TRUST_MAX_] = {
        [TRUST_UNVERIFIED] = "unverified", [TRUST_CHECKED] = "checked",
        [TRUST_VERIFIED] = "verified",     [TRUST_PROVISIONED] = "provisioned",
        [TRUST_REFUSED] = "refused",       [TRUST_UNVERIFIABLE] = "unverifiable",
};

static const char *const event_texts[VM_EVENT_MAX_] = {
        [EV_START] = "be started",
        [EV_STOP] = "be stopped",
        [EV_PAUSE] = "be paused",
        [EV_RESUME] = "be resumed",
        [EV_MIGRATE] = "be moved",
        [EV_HELD] = "be held",
        [EV_PERMIT] = "take a start permit",
        [EV_RUNNING] = "begin to run",
        [EV_ENDED] = "end",
        [EV_DIED] = "die",
        [EV_STOP_TIMEOUT] = "go on running",
        [EV_MOVED] = "have moved",
        [EV_STAYED] = "have stayed",
        [EV_DOUBT] = "be in doubt",
        [EV_RECALL] = "be recalled",
        [EV_NEW_BOOT] = "boot anew",
        [EV_CHECKED] = "be checked",
        [EV_VERDICT_ACCEPTED] = "take a verdict",
        [EV_VERDICT_REFUSED] = "take a verdict",
        [EV_CHECK_REFUSED] = "be checked",
        [EV_RECEIPTS] = "confirm secrets",
        [EV_NO_AGENT] = "be without an agent",
        [EV_CHANGED] = "be changed",
};

struct vm_edge vm_next(enum vm_state state, enum vm_event event) {
        return state_table[state][event];
}

struct trust_edge trust_next(enum vm_trust trust, enum vm_event event) {
        return trust_table[trust][event];
}

bool vm_state_is_fenced(enum vm_state state) {
        return state == VM_MIGRATING || state == VM_IN_DOUBT;
}

bool vm_state_has_process(enum vm_state state) {
        return state_table[state][EV_DIED].allowed;
}

const char *vm_state_text(enum vm_state state) {
        return state_texts[state];
}

const char *vm_trust_text(enum vm_trust trust) {
        return trust_texts[trust];
}

const char *vm_event_text(enum vm_event event) {
        return event_texts[event];
}

enum vm_state vm_state_of(const char *text) {
        int state = 0;

        while (state < VM_STATE_MAX_ && strcmp(text, state_texts[state]) != 0)
                state++;
        return (enum vm_state)state;
}

enum vm_trust vm_trust_of(const char *text) {
        int trust = 0;

        while (trust < VM_TRUST_MAX_ && strcmp(text, trust_texts[trust]) != 0)
                trust++;
        return (enum vm_trust)trust;
}
