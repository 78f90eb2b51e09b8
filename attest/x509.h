/* What OpenSSL is asked about certificates of any maker whose chain is all there. */
#pragma once

#include "base/clean-openssl.h"
#include "base/digest.h"

#define X509_LINKS_MAX 3

/*
 * Signatures and dates at now_msec (UTC) of exactly these links, leaf first. The last one is trusted as far
 * as its own signature, so that OpenSSL has an anchor; critical extensions are for the reader of the
 * certificates to judge. -EBADMSG: *ret_why (static) says what does not hold; -ENOMEM.
 */
int x509_verify_links(X509 *const *links, size_t n, uint64_t now_msec, const char **ret_why);

/* SHA-256 of its SubjectPublicKeyInfo; -EBADMSG. */
int x509_key_digest(const X509 *x509, uint8_t ret[CVM_SHA256_SIZE]);

/* UTC milliseconds; -EINVAL: not there, malformed, or before 1970. */
int x509_read_time(const ASN1_TIME *time, uint64_t *ret_msec);
