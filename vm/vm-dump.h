/* What vm-start.c tells vm-dump.c. Nothing outside vm/ includes this. */
#pragma once

#include "vm/model.h"

/* The guest runs again: false where no dump is under way. */
bool vm_dump_runs(struct vm *vm);
/* It is killed, or has ended: nothing will be told of a dump any more. */
void vm_dump_lost(struct vm *vm);
/* Why it stands still; NULL: not for a dump. Borrowed, static. */
const struct cvm_error *vm_dump_reason(const struct vm *vm);
