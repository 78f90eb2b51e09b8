#include "attest/published.h"

#include <stddef.h>

bool published_is_older(const struct published *found, const struct published *seen) {
        return found->made < seen->made || found->evaluation < seen->evaluation;
}

bool published_are_older(const struct published found[PUBLISHED_MAX],
                         const struct published seen[PUBLISHED_MAX], uint64_t now_msec) {
        for (size_t i = 0; i < PUBLISHED_MAX; i++)
                if (found[i].made && seen[i].made <= now_msec && published_is_older(&found[i], &seen[i]))
                        return true;
        return false;
}

uint64_t published_since(const struct published found[PUBLISHED_MAX]) {
        uint64_t since = 0;

        for (size_t i = 0; i < PUBLISHED_MAX; i++)
                if (found[i].made && (!since || found[i].made < since))
                        since = found[i].made;
        return since;
}
