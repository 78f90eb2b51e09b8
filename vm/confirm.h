/*
 * A guest on hardware that has begun to run, or was built anew, must first be seen to be what was planned:
 * the driver asks QEMU, and what happens meanwhile is told behind the answer, in its order.
 */
#pragma once

#include "vm/driver.h"

struct confirm {
        const struct plan *plan; /* borrowed; NULL: not known after a restart of the daemon */
        bool asked;
        enum driver_event events[8];
        size_t n;
};

enum confirm_how {
        CONFIRM_TELL, /* at once */
        CONFIRM_WAIT, /* it is kept until confirm_take() */
        CONFIRM_ASK,  /* and plan->platform->state_query must be asked now */
};

/* CVM_CODE_QMP where more happens than can. */
int confirm_event(struct confirm *confirm, enum driver_event event, enum confirm_how *ret,
                  struct cvm_error *err);
/* The answer: is it what was planned? Words in err where it is not. */
bool confirm_is_fine(const struct confirm *confirm, json_object *answer, struct cvm_error *err);
/* What waited, taken: tell it in this order. */
struct confirm confirm_take(struct confirm *confirm);
