/*
 * Revocation lists of any maker: form, dates, and what they say of a certificate. A list that cannot be
 * believed says nothing, neither for a certificate nor against it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clean-openssl.h"
#include "base/error.h"

#define CRL_MAX (64u << 10)

struct crl {
        X509_CRL *crl;                 /* owned */
        uint64_t this_msec, next_msec; /* UTC milliseconds */
};

void crl_done(struct crl *crl);

/* What a maker signs its lists with. */
struct crl_profile {
        bool (*algorithm_is_known)(const X509_ALGOR *algorithm);
        const char *algorithm; /* in words */
};

/* DER or PEM: form, algorithm, dates, no critical extension. CVM_CODE_CRL. */
int crl_read(const void *data, size_t size, const struct crl_profile *profile, struct crl *ret,
             struct cvm_error *err);

/* Whether the list names that certificate's subject as its issuer; nothing is verified. */
bool crl_is_of(const struct crl *crl, const X509 *issuer);

/* Whether it is to be believed. CVM_CODE_CRL: not this issuer's, or not signed by it; CVM_CODE_CRL_STALE:
 * not valid at now_msec. */
int crl_verify(const struct crl *crl, X509 *issuer, uint64_t now_msec, struct cvm_error *err);

/* Whether a verified list names the certificate. */
bool crl_has(const struct crl *crl, X509 *certificate);
