/* A host as documents: what it shows to its operator, and what an owner and a prediction need to know of it.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"

/* host_json() and, under "facts", what the technology of its processor adds where it can be told; under
 * "untold" what it never tells; owned. */
int host_describe(const char *root, json_object **ret, struct cvm_error *err);

/*
 * {"version":1,"platform":"sev-snp","product":"Milan","cpu_signature":"00a00f11","cbitpos":51,
 *  "reduced_phys_bits":5,"guest_features":"221","policy_bits":"3fbffff","chip_ids":["..."],
 *  "firmware":"1.55.18","reported_tcb":{"bootloader":4,...},...}; owned. The host's word: it proves nothing.
 * CVM_CODE_PLATFORM_HARDWARE where its processor has no technology that is known here.
 */
int host_document(const char *root, json_object **ret, struct cvm_error *err);
