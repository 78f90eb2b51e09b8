/*
 * Chains of certificates that held once, by the digest of their bytes: a verifier of many reports from few
 * machines makes one of these and passes it with each appraisal. Only what does not change is kept; dates
 * are judged at each use, and whose root it is, by the appraisal. For one thread.
 */
#pragma once

#include "base/digest.h"

struct chain_cache;

/* NULL: no memory. */
struct chain_cache *chain_cache_new(void);
struct chain_cache *chain_cache_free(struct chain_cache *cache);
CVM_DEFINE_CLEANUP(struct chain_cache, chain_cache_free);

/* Lets one user's hold of a chain go; also tells the technologies' own chains apart. */
typedef void chain_release(void *chain);

/* The chain of that digest which is released so; borrowed until the next chain_cache_keep. NULL: there is
 * none. */
void *chain_cache_find(const struct chain_cache *cache, const uint8_t digest[CVM_SHA256_SIZE],
                       chain_release *release);
/* Keep a verified chain, from now on the cache's to release; the one that has been there longest makes room.
 */
void chain_cache_keep(struct chain_cache *cache, const uint8_t digest[CVM_SHA256_SIZE], void *chain,
                      chain_release *release);
