/* The directories of cache and marks, and waiting for who else uses them. */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* With all that is above it, for the caller's user only. CVM_CODE_FILE. */
int directory_make(const char *path, struct cvm_error *err);

/* An owned descriptor that holds the one lock of this directory until it is closed; waits for others. */
int directory_lock(const char *path, struct cvm_error *err);

/* The same for one name in it, at most until that time of CLOCK_MONOTONIC: CVM_CODE_COLLATERAL_TIMEOUT. */
int directory_lock_name(const char *path, const char *name, uint64_t deadline_usec, struct cvm_error *err);

/* Time as these deadlines count it. */
uint64_t monotonic_usec(void);
void sleep_msec(uint64_t msec);
