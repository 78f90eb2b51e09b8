/*
 * Secret bytes: in locked pages that stay out of core dumps and of children, wiped when freed. There is no
 * printer, and none may be written.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct cvm_secret {
        uint8_t *data;
        size_t size;
};

/* Room for size bytes, zeros; -ENOMEM. Where the pages cannot be locked (limits), they are still wiped. */
int cvm_secret_new(size_t size, struct cvm_secret *ret);
void cvm_secret_done(struct cvm_secret *secret);
