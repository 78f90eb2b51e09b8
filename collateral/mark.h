/*
 * High-water marks: since when the newest revocation list of each name is valid. A host, a mirror or a thief
 * of bundles can serve an old list that is still valid; who remembers the newest one sees that. One small
 * file for each, in a directory that is state, not cache.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* UTC milliseconds; 0: there is none yet. CVM_CODE_FILE also where the file holds no time: a mark that
 * cannot be read is not taken for none. */
int mark_read(const char *directory, const char *name, uint64_t *ret, struct cvm_error *err);

/* Durably, under a lock; a lower one changes nothing. */
int mark_raise(const char *directory, const char *name, uint64_t msec, struct cvm_error *err);
