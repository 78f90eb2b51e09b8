/*
 * The signed envelope (trust protocol, section 1a): DSSE with Ed25519 over the pre-authentication encoding
 * PAE = "DSSEv1" SP len(type) SP type SP len(payload) SP payload. Exactly one signature; `keyid` is a hint
 * that is never looked at; the signature is checked over the exact bytes before they are parsed. The caller
 * names the one type and the one key that it expects.
 */
#pragma once

#include "attest/keys.h"

#define CVM_ENVELOPE_MAX (1u << 20)

enum cvm_envelope_type {
        CVM_ENVELOPE_BINDING,
        CVM_ENVELOPE_POLICY,
        CVM_ENVELOPE_VERDICT,
        CVM_ENVELOPE_SECRET,
        CVM_ENVELOPE_APPROVAL,
        CVM_ENVELOPE_START_PERMIT,
        CVM_ENVELOPE_RECEIPT,
        CVM_ENVELOPE_BYE,
        CVM_ENVELOPE_MOVE,
        CVM_ENVELOPE_RECALL,
        CVM_ENVELOPE_RETIRE,
        CVM_ENVELOPE_HEAD,
        CVM_ENVELOPE_RECORD,
        CVM_ENVELOPE_MAX_,
};

/* "application/vnd.cvmd.NAME.v1+json" */
const char *cvm_envelope_type_text(enum cvm_envelope_type type);

/* Sign payload; ret is the envelope's JSON text, owned. */
int cvm_envelope_sign(enum cvm_envelope_type type, const void *payload, size_t size, EVP_PKEY *key,
                      char **ret, struct cvm_error *err);

/*
 * Check the envelope against this type and public key and give its exact payload bytes (owned, NUL behind).
 * ret_digest, if given, is SHA-384(PAE): the digest of a signed object. CVM_CODE_ENVELOPE when it is not
 * well-formed or of another type, CVM_CODE_SIGNATURE when the key did not sign it.
 */
int cvm_envelope_open(const char *envelope, size_t size, enum cvm_envelope_type type, EVP_PKEY *key,
                      struct cvm_bytes *ret_payload, uint8_t ret_digest[CVM_SHA384_SIZE],
                      struct cvm_error *err);

/*
 * The payload *without* checking the signature, for those who must look inside to learn whose key to ask for
 * (the daemon, `show`). Nothing may be decided on it.
 */
int cvm_envelope_peek(const char *envelope, size_t size, enum cvm_envelope_type type,
                      struct cvm_bytes *ret_payload, struct cvm_error *err);
