/* Certificates of a simulation root: whatever technology they imitate, each is marked as simulated. */
#pragma once

#include <stdbool.h>

#include "base/clean-openssl.h"
#include "base/error.h"

struct sim_certificate {
        const char *name, *issuer; /* common names */
        EVP_PKEY *key;             /* subject's */
        EVP_PKEY *signer; /* issuer's: RSA signs by RSASSA-PSS with SHA-384, EC by ECDSA with SHA-384 */
        bool is_ca;
        int (*extend)(X509 *x509, const void *ctx); /* more extensions; may be NULL */
        const void *ctx;
};

/* Valid for decades, so that tests and labs do not rot. Owned. */
int sim_certificate_make(const struct sim_certificate *spec, X509 **ret, struct cvm_error *err);

/* One extension with this value (DER), by its OID in dots. -ENOMEM. */
int sim_extension_add(X509 *x509, const char *oid, bool critical, const void *value, size_t size);
