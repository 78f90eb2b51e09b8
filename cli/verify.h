/* Verifying a bundle on the owner's side: for `evidence verify`, `policy test` and `attest`. */
#pragma once

#include "cli/collateral-use.h"
#include "cli/documents.h"

/* Appraise what verify_complete() completed. owner: her public or private key; NULL: none. */
int verify_bundle(const struct policy *policy, const struct bundle *bundle, const struct appraisal *with,
                  EVP_PKEY *owner, struct verdict *ret, struct cvm_error *err);

/* Options of the verbs that verify: what they take beside the evidence. */
#define BESIDE_OPTIONS \
        { "crl", OPTION_REPEAT, "FILE", "the maker's revocation list (DER or PEM)" }, COLLATERAL_OPTION
/*
 * Bring to the evidence what these options name, and to `with` the time (now where it is 0) and the mark of
 * the newest list that was seen. policy NULL: the maker's roots count.
 */
int verify_complete(const struct arguments *arguments, const struct policy *policy, struct bundle *bundle,
                    struct appraisal *with, struct cvm_error *err);
/* After the verdict: remember the newest list, so that an older one is known for one. */
int verify_remember(const struct policy *policy, const struct bundle *bundle, const struct verdict *verdict,
                    struct cvm_error *err);
/* Sign it: the envelope, owned. */
int verify_sign(const struct verdict *verdict, EVP_PKEY *key, char **ret, struct cvm_error *err);
/* Its reasons as lines on standard error, marked where simulated. */
void verify_say_reasons(const struct verdict *verdict);
/* 0 accepted, 5 refused, 6 could not check. */
int verify_status(const struct verdict *verdict);
/* Print it, and what it means as an exit status: 0 accepted, 5 refused, 6 could not check. */
int verify_tell(const struct verdict *verdict);
