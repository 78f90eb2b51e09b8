/*
 * Host-key documents of Secure Execution: the certificate of a key on P-521 that only one host's ultravisor
 * has. Images and requests are made for hosts by these keys, so whoever makes them believes a document that
 * this file has checked, and nothing else.
 */
#pragma once

#include "attest/crypto-se.h"
#include "attest/trust-se.h"

#define SE_HOSTS_MAX 95 /* in one image */
#define SE_DOCUMENT_MAX (64u << 10)

struct se_host {
        X509 *x509;                    /* owned */
        EVP_PKEY *key;                 /* borrowed from it */
        uint8_t hash[CVM_SHA256_SIZE]; /* of the key's coordinates: as key slots and hosts name it */
        bool simulated;
        bool has_more; /* the file has other hosts' documents, which were passed over */
};
void se_host_done(struct se_host *host);

/* A document in PEM or DER. Form, curve and critical extensions; nothing is believed of it yet. `name` is
 * for words. CVM_CODE_HOST_KEY. */
int se_host_read(const void *data, size_t size, const char *name, struct se_host *ret,
                 struct cvm_error *err);

/*
 * Whether IBM (or the simulation) says so at now_msec: dates, signature by the signing certificate of a
 * trust that was verified, and no revocation list of its lists it. CVM_CODE_HOST_KEY, CVM_CODE_REVOKED;
 * CVM_CODE_HOST_KEY_UNCHECKED: there is no list that is valid now.
 */
int se_host_check(const struct se_host *host, const struct se_trust *trust, uint64_t now_msec,
                  const char *name, struct cvm_error *err);

struct se_hosts {
        struct se_host items[SE_HOSTS_MAX];
        const char *names[SE_HOSTS_MAX]; /* borrowed */
        size_t n;
};
void se_hosts_done(struct se_hosts *hosts);

/* Read one more. CVM_CODE_HOST_KEYS: too many, one twice, or simulated and real ones together. */
int se_hosts_add(struct se_hosts *hosts, const void *data, size_t size, const char *name,
                 struct cvm_error *err);
