#include "attest/chain-cache.h"

#include <stdlib.h>
#include <string.h>

#define CHAINS_MAX 64

struct chain_cache {
        struct kept {
                uint8_t digest[CVM_SHA256_SIZE];
                void *chain; /* NULL: this place is free */
                chain_release *release;
        } kept[CHAINS_MAX];
        size_t next; /* where the next one goes */
};

struct chain_cache *chain_cache_new(void) {
        return calloc(1, sizeof(struct chain_cache));
}

struct chain_cache *chain_cache_free(struct chain_cache *cache) {
        for (size_t i = 0; cache && i < CHAINS_MAX; i++)
                if (cache->kept[i].chain)
                        cache->kept[i].release(cache->kept[i].chain);
        free(cache);
        return NULL;
}

void *chain_cache_find(const struct chain_cache *cache, const uint8_t digest[CVM_SHA256_SIZE],
                       chain_release *release) {
        for (size_t i = 0; i < CHAINS_MAX; i++) {
                const struct kept *kept = &cache->kept[i];

                if (kept->chain && kept->release == release &&
                    memcmp(kept->digest, digest, sizeof kept->digest) == 0)
                        return kept->chain;
        }
        return NULL;
}

void chain_cache_keep(struct chain_cache *cache, const uint8_t digest[CVM_SHA256_SIZE], void *chain,
                      chain_release *release) {
        struct kept *kept = &cache->kept[cache->next];

        cache->next = (cache->next + 1) % CHAINS_MAX;
        if (kept->chain)
                kept->release(kept->chain);
        memcpy(kept->digest, digest, sizeof kept->digest);
        kept->chain = chain;
        kept->release = release;
}
