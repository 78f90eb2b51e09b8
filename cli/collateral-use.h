/* Collateral for the verbs that verify: taken from a cache that the user names, never fetched. */
#pragma once

#include "cli/collateral-open.h"

#define COLLATERAL_OPTION                                                                                 \
        {                                                                                                 \
                "collateral", OPTION_TEXT, "DIR",                                                         \
                                "a cache of `collateral fetch`: what the evidence lacks is taken from it" \
        }

/*
 * Add to the bundle what it lacks and that cache has: certificates, and in any case what ages. Objects under
 * this simulation root (NULL: the maker's). Where the platform has none that is fetched, or takes files and
 * the directory is no such cache, all its files are added, as the maker served them. A certificate that does
 * not hold is left out, and said; a list or a judgement that does not hold is a failure, and what refuses
 * goes before what could not be checked.
 */
int collateral_use(const char *cache, const uint8_t *simulation_root, uint64_t now_msec,
                   struct bundle *bundle, struct cvm_error *err);

/* The marks of what this evidence is checked with: how new the newest is that was seen. */
int collateral_marks(const uint8_t *simulation_root, const struct bundle *bundle,
                     struct published ret[PUBLISHED_MAX], struct cvm_error *err);
int collateral_raise_marks(const uint8_t *simulation_root, const struct bundle *bundle,
                           const struct published seen[PUBLISHED_MAX], struct cvm_error *err);
