/*
 * What makers publish and renew, revocation lists and judgements of TCBs: how new it is. An old issue is
 * valid until it expires, and silent on what was found since; who remembers what was seen before notices.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PUBLISHED_MAX 4 /* for one piece of evidence, each in its place in that technology's order */

struct published {
        uint64_t made;       /* since when it is valid, UTC milliseconds; 0: there is none */
        uint32_t evaluation; /* counts the maker's judgements; 0: this maker counts none */
};

/* Whether that is older than what was seen, by its date or its count. */
bool published_is_older(const struct published *found, const struct published *seen);

/* Whether any is; nothing that was seen counts where it is later than now_msec: the dates are judged at
 * another time. */
bool published_are_older(const struct published found[PUBLISHED_MAX],
                         const struct published seen[PUBLISHED_MAX], uint64_t now_msec);

/* Since when the oldest of them is valid; 0: there is none. */
uint64_t published_since(const struct published found[PUBLISHED_MAX]);
