/* The teardown record: what the host says of a VM that it has deleted, signed by the record key. */
#pragma once

#include "vm/steps.h"

/* The signed envelope, owned. */
int record_make(const struct vm *vm, char **ret, struct cvm_error *err);
