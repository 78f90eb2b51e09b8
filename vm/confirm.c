#include "vm/confirm.h"

#include <errno.h>

int confirm_event(struct confirm *c, enum driver_event event, enum confirm_how *ret, struct cvm_error *err) {
        bool is_new = (event == DRIVER_RUNNING || event == DRIVER_RESET) && c->plan && c->plan->guest.type &&
                      c->plan->platform->state_query;

        if (!is_new && !c->asked) {
                *ret = CONFIRM_TELL;
                return 0;
        }
        if (c->n == ARRAY_SIZE(c->events))
                return cvm_fail(err, &CVM_CODE_QMP, EPROTO, "QEMU tells of more than can have happened");
        c->events[c->n++] = event;
        *ret = c->asked ? CONFIRM_WAIT : CONFIRM_ASK;
        c->asked = true;
        return 0;
}

bool confirm_is_fine(const struct confirm *c, json_object *answer, struct cvm_error *err) {
        (void)c->plan->platform->check_state(answer, c->plan->policy, err);
        return !err->code;
}

struct confirm confirm_take(struct confirm *c) {
        const struct confirm taken = *c;

        c->asked = false;
        c->n = 0;
        return taken;
}
