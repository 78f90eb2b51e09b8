/* Requests to the ultravisor of Secure Execution: one line of the table in request-platform.c. */
#pragma once

#include "cli/request-platform.h"

extern const struct request_platform request_platform_se;

/* `policy make --platform se` (policy-se.c). */
int policy_se(const struct arguments *arguments, struct request_policy *ret, struct cvm_error *err);
int measure_se(const struct arguments *arguments, uint8_t ret[CVM_SHA384_SIZE], struct cvm_error *err);

/* `secret seal --platform se` (secret-se.c). */
int secret_seal_se(const struct arguments *arguments, struct cvm_error *err);
