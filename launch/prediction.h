/*
 * The prediction of a plan as a document, the same wherever it is made (`measure predict`, a dry run, the
 * daemon for its own VMs): the launch measurement, what it covers, and where the platform has registers
 * their values and events. And what is read from it again.
 */
#pragma once

#include "attest/policy.h"
#include "launch/plan.h"

/* Measures the plan (plan->measurement too) and writes it down; owned. */
int prediction_make(struct plan *plan, const struct plan_contents *contents, json_object **ret,
                    struct cvm_error *err);

/* What a policy made from it covers; the root, no measurement does. CVM_CODE_FIELD. */
int prediction_read_covers(const struct cvm_json *prediction, struct verdict_covers *ret,
                           struct cvm_error *err);

/* The registers that such a policy demands: those that are known and cover something; what the guest itself
 * extends is its own affair. ret has room for POLICY_REGISTERS_MAX. CVM_CODE_FIELD. */
int prediction_read_registers(const struct cvm_json *prediction, const struct platform *platform,
                              struct policy_register *ret, size_t *ret_n, struct cvm_error *err);

/* The parts of an image's measurement, one behind the other; *ret_size 0 where it has none. CVM_CODE_FIELD.
 */
int prediction_read_parts(const struct cvm_json *prediction, uint8_t *ret, size_t room, size_t *ret_size,
                          struct cvm_error *err);

/* Whether an image has that flag. CVM_CODE_FIELD. */
int prediction_read_flag(const struct cvm_json *prediction, const char *name, bool *ret,
                         struct cvm_error *err);

/* The event log that a simulated guest has; owned, empty where the platform has no registers.
 * CVM_CODE_FIELD.
 */
int prediction_simulate_log(const struct cvm_json *prediction, const struct platform *platform,
                            struct cvm_bytes *ret, struct cvm_error *err);
