/* Verifying a bundle on the owner's side: for `evidence verify`, `policy test` and `attest`. */
#pragma once

#include "cli/documents.h"

/* Appraise with this nonce, now where now_msec is 0. owner: her public or private key; NULL: none. */
int verify_bundle(const struct policy *policy, const struct bundle *bundle, const struct appraisal *with,
                  EVP_PKEY *owner, struct verdict *ret, struct cvm_error *err);

/* Revocation lists, for the verbs that verify. */
#define CRL_OPTION \
        { "crl", OPTION_REPEAT, "FILE", "the maker's revocation list (DER or PEM)" }
/* Those of --crl, beside what the evidence brought itself. */
int verify_add_lists(const struct arguments *arguments, struct bundle *bundle, struct cvm_error *err);
/* Sign it: the envelope, owned. */
int verify_sign(const struct verdict *verdict, EVP_PKEY *key, char **ret, struct cvm_error *err);
/* Its reasons as lines on standard error, marked where simulated. */
void verify_say_reasons(const struct verdict *verdict);
/* 0 accepted, 5 refused, 6 could not check. */
int verify_status(const struct verdict *verdict);
/* Print it, and what it means as an exit status: 0 accepted, 5 refused, 6 could not check. */
int verify_tell(const struct verdict *verdict);
