/* Certificates of a simulation root: whatever technology they imitate, each is marked as simulated. */
#pragma once

#include <stdbool.h>

#include "base/clean-openssl.h"
#include "base/error.h"

/* What a simulation root publishes is valid for decades, so that tests and labs do not rot: seconds from its
 * making. */
#define SIM_VALID_FROM (-86400L)
#define SIM_VALID_UNTIL (25L * 365 * 86400)

struct sim_certificate {
        const char *name, *issuer; /* common names */
        EVP_PKEY *key;             /* subject's */
        EVP_PKEY *signer; /* issuer's: RSA signs by RSASSA-PSS with SHA-384, EC by ECDSA with SHA-384, on
                             P-256 with SHA-256 */
        bool is_ca;
        int (*extend)(X509 *x509, const void *ctx); /* more extensions; may be NULL */
        const void *ctx;
};

/* Owned. */
int sim_certificate_make(const struct sim_certificate *spec, X509 **ret, struct cvm_error *err);

/* One extension with this value (DER), by its OID in dots. -ENOMEM. */
int sim_extension_add(X509 *x509, const char *oid, bool critical, const void *value, size_t size);
