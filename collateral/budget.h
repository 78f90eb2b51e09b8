/*
 * How often a service may be asked, remembered across runs: a burst, then one request for each interval, and
 * never before the time that the service itself named. Several processes share one file under a lock.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct budget_rate {
        uint32_t burst, interval_msec;
};

struct budget {              /* UTC milliseconds */
        uint64_t paid_until; /* each request pays for one interval from here on */
        uint64_t not_before; /* what the service demanded */
};

/* How long to wait before the next request, in milliseconds; 0: it may be made now. A clock that was set
 * back never costs more than a full burst, nor more than BUDGET_DEMAND_MAX_MSEC of what was demanded. */
uint64_t budget_wait(const struct budget *budget, const struct budget_rate *rate, uint64_t now_msec);
void budget_take(struct budget *budget, const struct budget_rate *rate, uint64_t now_msec);
#define BUDGET_DEMAND_MAX_MSEC (3600u * 1000)

/* Take one request from the budget in that file: *ret_wait_msec 0, or how long to wait before trying again,
 * and nothing was taken. CVM_CODE_FILE. */
int budget_file_take(const char *path, const struct budget_rate *rate, uint64_t now_msec,
                     uint64_t *ret_wait_msec, struct cvm_error *err);
/* The service does not want to be asked before that time. */
int budget_file_demand(const char *path, uint64_t not_before_msec, struct cvm_error *err);
