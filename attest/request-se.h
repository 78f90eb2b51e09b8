/*
 * Requests to the ultravisor of Secure Execution, which only the hosts they were made for can open: what
 * attestation and add-secret requests share, and the attestation request with its measurement. The owner
 * makes them and keeps the protection key; between her and the ultravisor everybody carries opaque bytes.
 */
#pragma once

#include <stdbool.h>

#include "attest/crypto-se.h"
#include "base/bytes.h"
#include "base/secret.h"

#define SE_BOOT_TAGS_SIZE 208 /* PLD, ALD, TLD and tag of an image's header: which image */
#define SE_CUID_SIZE 16       /* configuration unique id: which run of it */
#define SE_NONCE_SIZE 16
#define SE_MEASUREMENT_SIZE 64
#define SE_USER_DATA_MAX 256
#define SE_REQUEST_MAX (1u << 20)

/* For whom, and with what: fresh for each request. */
struct se_recipients {
        EVP_PKEY *customer;
        EVP_PKEY *const *hosts; /* keys on P-521 */
        size_t n_hosts;         /* 1 to 95 */
        const uint8_t *key;     /* SE_KEY_SIZE: the protection key */
        const uint8_t *iv;      /* SE_IV_SIZE */
};

/* --- what all requests share --- */

struct se_request_head {
        uint8_t magic[8];
        uint8_t iv[SE_IV_SIZE];
        size_t n_slots, sealed_size;
};
/* The head of a request that is exactly as long as it says, its sealed part and tag within it. The reader
 * then stands behind the head. CVM_CODE_REQUEST_FORMAT. */
int se_request_head_read(struct cvm_reader *r, struct se_request_head *ret, struct cvm_error *err);

/* Front is everything up to the customer key; `between` what follows the slots in the clear. */
struct se_request_parts {
        uint8_t magic[8];
        const struct cvm_bytes *front; /* behind the head */
        const void *between;
        size_t between_size;
        const uint8_t *plain; /* what is sealed */
        size_t plain_size;
};
int se_request_seal(const struct se_request_parts *parts, const struct se_recipients *to,
                    struct cvm_bytes *ret, struct cvm_error *err);

/* What is sealed, into ret; CVM_CODE_REQUEST_FORMAT: by another key, or changed. */
int se_request_unseal(const uint8_t *bytes, size_t size, const struct se_request_head *head,
                      const uint8_t key[SE_KEY_SIZE], struct cvm_secret *ret, struct cvm_error *err);

/* --- attestation --- */

/* What the answer shall hold beside the measurement, in this order. */
#define SE_ATTEST_IMAGE_KEY (1ull << 61)   /* hash of the host key that opened the image */
#define SE_ATTEST_REQUEST_KEY (1ull << 60) /* and the request */
#define SE_ATTEST_SECRETS (1ull << 59)     /* hash of the secret store */
#define SE_ATTEST_FIRMWARE (1ull << 58)    /* state of the firmware */
#define SE_ATTEST_NONCE (1ull << 62)       /* set by the maker */

struct se_attestation {
        uint64_t flags;
        bool has_nonce;
        uint8_t measurement_key[SE_MEASUREMENT_SIZE], nonce[SE_NONCE_SIZE];
};

/* flags: what the answer shall hold. The nonce is always in it. */
int se_attestation_make(const struct se_attestation *attestation, const struct se_recipients *to,
                        struct cvm_bytes *ret, struct cvm_error *err);

/* What one asks for, as everybody can see. CVM_CODE_REQUEST_FORMAT: it is none. */
int se_attestation_flags(const uint8_t *bytes, size_t size, uint64_t *ret, struct cvm_error *err);

/* Open one with its protection key. ret: a struct se_attestation in locked memory. CVM_CODE_REQUEST_FORMAT.
 */
int se_attestation_open(const uint8_t *bytes, size_t size, const uint8_t key[SE_KEY_SIZE],
                        struct cvm_secret *ret, struct cvm_error *err);

/* Fields of an answer's additional data; NULL where it was not asked for. Borrowed. */
struct se_additional {
        const uint8_t *image_key, *request_key; /* 32 bytes */
        const uint8_t *secrets;                 /* 64 */
        const uint8_t *firmware;                /* 320 */
};
size_t se_additional_size(uint64_t flags);
/* CVM_CODE_REPORT_FORMAT: it is not just what the flags ask for. */
int se_additional_read(uint64_t flags, const void *data, size_t size, struct se_additional *ret,
                       struct cvm_error *err);

/* Which image it is, as one digest: SHA-384 of its boot tags. */
void se_image_measurement(const uint8_t boot_tags[SE_BOOT_TAGS_SIZE], uint8_t ret[CVM_SHA384_SIZE]);

/* What is measured. */
struct se_measured {
        uint8_t boot_tags[SE_BOOT_TAGS_SIZE], cuid[SE_CUID_SIZE];
        const void *user_data;
        size_t user_data_size; /* at most SE_USER_DATA_MAX */
        const void *additional;
        size_t additional_size;
};
int se_measure(const struct se_attestation *attestation, const struct se_measured *measured,
               uint8_t ret[SE_MEASUREMENT_SIZE]);

/* The secret store after these requests (their tags one behind the other), locked or not. */
void se_secret_store_hash(const uint8_t *tags, size_t n, bool locked, uint8_t ret[CVM_SHA512_SIZE]);
