/* Predictions on the owner's side: from files of this machine. */
#pragma once

#include "launch/plan.h"

/* Digest the files that the plan's definition names (paths) and fill in plan->measurement. */
int predict(struct plan *plan, struct cvm_error *err);
