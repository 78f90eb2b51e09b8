/*
 * From the service into the cache: what is there and holds is not asked for again, two runs that want the
 * same object make one request, and the service is asked no oftener than it bears.
 */
#pragma once

#include "collateral/http.h"
#include "collateral/store.h"

struct collateral_fetch {
        const struct collateral_store *store;
        struct http_service service;
        uint64_t deadline_usec;            /* CLOCK_MONOTONIC */
        uint64_t max_age_msec;             /* a list that was fetched longer ago is asked for again */
        bool refresh;                      /* ask for everything again */
        bool early;                        /* and for judgements, for those that are not standard yet */
        uint64_t began_msec;               /* UTC; what was fetched since then is fresh in any case */
        void (*say)(const char *sentence); /* of waiting; NULL: nobody listens */
};

/*
 * *ret_asked: whether the service was (otherwise the object was in the cache). CVM_CODE_COLLATERAL_SERVICE,
 * CVM_CODE_COLLATERAL_ADDRESS, CVM_CODE_COLLATERAL_UNKNOWN (it does not have it),
 * CVM_CODE_COLLATERAL_TIMEOUT; what came and does not verify: as collateral_store_put(), and that is never
 * asked for again.
 */
int collateral_fetch(const struct collateral_fetch *fetch, const char *name, bool *ret_asked,
                     struct cvm_error *err);
