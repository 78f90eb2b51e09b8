/*
 * The cache: plain files, one for each object, below CACHE/PLATFORM/REALM. A realm is a set of roots: the
 * maker's ("hardware"), or one simulation root. Nothing enters unverified, no list replaces a newer one, and
 * what is read is verified again: a cache is as hostile as whoever may write to it.
 */
#pragma once

#include "collateral/source.h"

struct collateral_store {
        const struct collateral_source *source;
        char *cache, *marks; /* directories of this platform and realm, owned */
        uint8_t root[CVM_SHA256_SIZE];
        bool simulated; /* root counts, and no pinned one */
        uint64_t now_msec;
};

void collateral_store_done(struct collateral_store *store);

/* Below these directories (cache, state), for objects under that simulation root (NULL: the pinned ones),
 * with dates judged at now_msec. Nothing is made yet. CVM_CODE_EVIDENCE_PLATFORM. */
int collateral_store_open(const char *cache, const char *state, int platform, const uint8_t *simulation_root,
                          uint64_t now_msec, struct collateral_store *ret, struct cvm_error *err);

/* An object, verified now; owned. 1: it is there, 0: it is not. Otherwise what is there does not hold (the
 * codes of verify()) and *ret is untouched. ret_facts, ret_fetched (UTC milliseconds) may be NULL. */
int collateral_store_get(const struct collateral_store *store, const char *name, struct cvm_bytes *ret,
                         struct collateral_facts *ret_facts, uint64_t *ret_fetched, struct cvm_error *err);

/* Verify it with authorities (NULL: those of the store) and nothing else. The codes of verify();
 * CVM_CODE_CHAIN_MISSING: the authorities are not there; CVM_CODE_CRL_OLDER: older than the mark. */
int collateral_store_check(const struct collateral_store *store, const char *name,
                           const struct cvm_bytes *object, const struct cvm_bytes *authorities,
                           struct collateral_facts *ret, struct cvm_error *err);

/* Verify and keep it, durably; raises the mark of a list. As collateral_store_check(). */
int collateral_store_put(const struct collateral_store *store, const char *name,
                         const struct cvm_bytes *object, struct cvm_error *err);

/* All names, sorted; a NULL-terminated owned list (cvm_texts_free). */
int collateral_store_names(const struct collateral_store *store, char ***ret, struct cvm_error *err);
