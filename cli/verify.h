/* Verifying a bundle on the owner's side: for `evidence verify`, `policy test` and `attest`. */
#pragma once

#include "cli/documents.h"

/* Appraise now (or at `now_msec` where it is not 0). owner: her public or private key; NULL: none. */
int verify_bundle(const struct policy *policy, const struct bundle *bundle,
                  const uint8_t nonce[CVM_NONCE_SIZE], uint64_t now_msec, EVP_PKEY *owner,
                  struct verdict *ret, struct cvm_error *err);
/* Sign it: the envelope, owned. */
int verify_sign(const struct verdict *verdict, EVP_PKEY *key, char **ret, struct cvm_error *err);
/* Its reasons as lines on standard error, marked where simulated. */
void verify_say_reasons(const struct verdict *verdict);
/* 0 accepted, 5 refused, 6 could not check. */
int verify_status(const struct verdict *verdict);
/* Print it, and what it means as an exit status: 0 accepted, 5 refused, 6 could not check. */
int verify_tell(const struct verdict *verdict);
