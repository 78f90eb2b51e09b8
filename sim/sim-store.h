/*
 * The secret store that a platform's hardware keeps for one guest in one boot, as far as the simulation has
 * it: what was added, and what that means for what comes later. The secrets themselves are not kept: nothing
 * in a simulated guest can ask for them.
 */
#pragma once

#include "base/bytes.h"
#include "base/digest.h"

#define SIM_STORE_MAX 64

struct sim_kept {
        uint16_t type, size; /* the platform's number; of the secret */
        uint8_t id[32];
};

struct sim_store {
        uint8_t tags[SIM_STORE_MAX][16]; /* of the requests, in their order */
        struct sim_kept kept[SIM_STORE_MAX];
        size_t n;                           /* of both */
        uint8_t extension[CVM_SHA256_SIZE]; /* digest of what all of them must share; zeros: the first says
                                             */
        bool image_extends;                 /* that is the image's own, for all its boots */
        bool image_takes_key;               /* likewise: a request may change the image's customer key */
        bool locked;                        /* nothing is added any more */
        bool forbids_dump;                  /* the host may take no dump any more */
};

/* Another boot: it is empty. */
void sim_store_clear(struct sim_store *store);

/* As it is kept, so that it outlives who simulates it: no bytes for one of which there is nothing to tell.
 * -ENOMEM; -EBADMSG: bytes that none was written as (ret untouched). */
int sim_store_write(const struct sim_store *store, struct cvm_bytes *ret);
int sim_store_read(const struct cvm_bytes *bytes, struct sim_store *ret);
