/* Sealing a secret on the owner's side: for `secret seal` and the short path of `secret put`. */
#pragma once

#include "base/secret.h"
#include "attest/seal.h"
#include "attest/signed.h"
#include "cli/documents.h"

struct seal_inputs {
        const char *name;
        int kind; /* enum cvm_secret_kind */
        const struct bundle *bundle;
        const struct verdict *verdict; /* accepted, about this bundle */
        uint64_t after;                /* last sequence number that is known; 0: none */
};

/* To whom: the boot of --bundle, which --verdict accepted, by --owner-key. */
struct seal_target {
        EVP_PKEY *key; /* private */
        struct bundle bundle;
        struct verdict verdict;
        struct seal_inputs inputs; /* of these; kind is the caller's */
};
int seal_target_read(const struct arguments *arguments, struct seal_target *ret, struct cvm_error *err);
void seal_target_done(struct seal_target *target);
/* What is to be known of such a guest, as lines on standard error. */
void seal_target_say(const struct seal_target *target);

/* A file's bytes in locked memory ("-": standard input), 1 to CVM_SECRET_MAX. */
int seal_read(const char *path, struct cvm_secret *ret, struct cvm_error *err);
/* Sealed to the bundle's keyset and signed by key: the envelope, owned. */
int seal_secret(const struct seal_inputs *in, const struct cvm_secret *plaintext, EVP_PKEY *key, char **ret,
                struct cvm_error *err);
/* The guest's receipt, by the bundle's boot key; secret (may be NULL): the envelope that it must be for. */
int seal_check_receipt(const char *text, const struct bundle *bundle, const char *secret, EVP_PKEY *signer,
                       struct receipt *ret, struct cvm_error *err);
/* The exit status: 0 installed, 5 stale or refused. */
int seal_receipt_status(const struct receipt *receipt);
/* Print it; the same status. */
int seal_tell_receipt(const struct receipt *receipt);
