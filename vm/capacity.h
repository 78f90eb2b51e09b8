/*
 * Places on the host: identifiers of encrypted guests, which the hardware has few of. One is asked for when
 * a guest on hardware starts, and kept from its making on where its definition says so. When the last one
 * has ended, what is taken must be what was taken before the first: the rest has leaked, unless other
 * programs started encrypted guests meanwhile. A daemon that finds guests again does not know that count.
 */
#pragma once

#include "vm/model.h"

/* Does it fit beside all that runs, starts or has its place, but for `except`? A simulated guest always
 * does. CVM_CODE_GUEST_KEYS. */
int capacity_check(const struct vm *vm, const struct vm *except, struct cvm_error *err);
/* The same at its start, unless it takes the place that it had a moment ago; remembers what was taken before
 * the first one. */
int capacity_take(struct vm *vm, struct cvm_error *err);
/* Its process has ended, or it was not started after all. */
void capacity_leave(struct vm *vm);
