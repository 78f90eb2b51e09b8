/*
 * High-water marks: how new the newest object of each name is that was seen, revocation list or judgement of
 * TCBs. A host, a mirror or a thief of bundles can serve an old one that is still valid; who remembers the
 * newest sees that. One small file for each, in a directory that is state, not cache: its date, and behind
 * it the maker's count where there is one.
 */
#pragma once

#include "attest/published.h"
#include "base/error.h"

/* Zeros: there is none yet. CVM_CODE_FILE also where the file holds no mark: one that cannot be read is not
 * taken for none. */
int mark_read(const char *directory, const char *name, struct published *ret, struct cvm_error *err);

/* Durably, under a lock; date and count by themselves, and a lower one changes nothing. */
int mark_raise(const char *directory, const char *name, const struct published *seen, struct cvm_error *err);
