/* What a guest extended into its registers, by its evidence and its own log, beside what was expected. */
#pragma once

#include "attest/evidence.h"
#include "launch/platform.h"

/* The guest's own log, which must give the registers of its evidence. CVM_CODE_EVENT_LOG; CVM_CODE_USAGE
 * where the platform has no registers. ret is owned. */
int measured_boot_log(const struct platform *platform, const struct cvm_bytes *bytes,
                      const struct evidence_claims *claims, struct boot_log *ret, struct cvm_error *err);
int measured_boot_log_file(const struct platform *platform, const char *file,
                           const struct evidence_claims *claims, struct boot_log *ret,
                           struct cvm_error *err);

/*
 * Adds "registers" ("equal", "different", "unknown" for each) to the node and, with the guest's log (NULL:
 * it was not given), "events" that differ; says both. ret_equal: no register differs.
 */
int measured_boot_compare(const struct platform *platform, const struct boot_log *expected,
                          const struct evidence_claims *claims, const struct boot_log *log,
                          json_object *node, bool *ret_equal, struct cvm_error *err);
