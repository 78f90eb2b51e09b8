/*
 * Who may sign host-key documents of Secure Execution: one certificate of IBM's Key Signing Service, with a
 * chain to a root that the caller names. That certificate is no CA, so that OpenSSL verifies the chain up to
 * it only; documents and the lists that revoke them are checked by hand (hkd-se.h).
 */
#pragma once

#include <stdbool.h>

#include "base/clean-openssl.h"
#include "base/digest.h"

#define SE_TRUST_FILE_MAX (1u << 20) /* one file of certificates or revocation lists */

enum se_trust_kind {
        SE_TRUST_CERTIFICATES, /* PEM with any number of certificates and revocation lists, or one in DER */
        SE_TRUST_LISTS,        /* the same; one revocation list at least */
        SE_TRUST_ROOTS,        /* the same; its certificates are believed */
};

struct se_trust {
        STACK_OF(X509) * certificates, *roots; /* owned */
        STACK_OF(X509_CRL) * lists;            /* owned */
        /* What se_trust_verify() found: */
        X509 *signer; /* borrowed from certificates */
        bool simulated;
        uint8_t root[CVM_SHA256_SIZE]; /* of its SubjectPublicKeyInfo: whose it is, the caller judges */
};
void se_trust_done(struct se_trust *trust);

/* Add a file; `name` is for words. CVM_CODE_HOST_KEY_SIGNER: there is nothing of that kind in it. */
int se_trust_add(struct se_trust *trust, enum se_trust_kind kind, const void *data, size_t size,
                 const char *name, struct cvm_error *err);

/*
 * Pick the signing certificate (exactly one by its subject) and verify its chain of three and their
 * revocation lists at now_msec (UTC). The simulation extension stands in all of them or in none.
 * CVM_CODE_HOST_KEY_SIGNER; CVM_CODE_REVOKED; CVM_CODE_HOST_KEY_UNCHECKED: a list or an issuer is missing or
 * of no use. The words have OpenSSL's number.
 */
int se_trust_verify(struct se_trust *trust, uint64_t now_msec, struct cvm_error *err);

/* Whether a certificate is of a simulation; -EINVAL where it has a critical extension that is unknown, or
 * that of simulations otherwise than critical. */
int se_certificate_class(const X509 *x509, bool *ret_simulated);
