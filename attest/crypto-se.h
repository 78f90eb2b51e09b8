/*
 * What images, attestation requests and secrets of Secure Execution share: an AES-256-GCM key protects each,
 * and that key is wrapped for each host that may open it, in a key slot. All numbers are big-endian.
 */
#pragma once

#include "base/clean-openssl.h"
#include "base/digest.h"

#define SE_COORDINATES_SIZE 160 /* X and Y on P-521, each in 80 bytes */
#define SE_KEY_SIZE 32
#define SE_IV_SIZE 12
#define SE_TAG_SIZE 16
#define SE_SLOT_SIZE 80 /* SHA-256 of the host key's coordinates, wrapped key, tag */

/*
 * The public half of a key as the ultravisor takes it. It must be on P-521: CVM_CODE_HOST_KEY, where `what`
 * names the key.
 */
int se_coordinates(EVP_PKEY *key, const char *what, uint8_t ret[SE_COORDINATES_SIZE], struct cvm_error *err);

/* A key of P-521 that serves for one image or request and for no other: slots are wrapped with a fixed IV.
 */
int se_customer_key_make(EVP_PKEY **ret, struct cvm_error *err);

/* Wrap the protection key for the holder of the host key. */
int se_slot_make(EVP_PKEY *customer, EVP_PKEY *host, const uint8_t protection_key[SE_KEY_SIZE],
                 uint8_t ret[SE_SLOT_SIZE], struct cvm_error *err);

/*
 * The other side, with the host's private key: the protection key from the slot that is for it. customer:
 * its coordinates, as the image or request has them. CVM_CODE_HOST_KEY_SLOT: none of the slots is for this
 * host; CVM_CODE_IMAGE_CHANGED: it does not open.
 */
int se_slot_open(EVP_PKEY *host, const uint8_t customer[SE_COORDINATES_SIZE], const uint8_t *slots,
                 size_t n_slots, uint8_t ret[SE_KEY_SIZE], struct cvm_error *err);

/* Bytes under a protection key: aad is authenticated, data becomes ret_data of the same size. */
struct se_gcm {
        const uint8_t *key, *iv; /* SE_KEY_SIZE, SE_IV_SIZE */
        const void *aad;
        size_t aad_size;
        const uint8_t *data;
        size_t size;
};
int se_gcm_seal(const struct se_gcm *gcm, uint8_t *ret_data, uint8_t ret_tag[SE_TAG_SIZE]);
/* -EBADMSG: not by this key, or changed; ret_data is then all zero. */
int se_gcm_open(const struct se_gcm *gcm, const uint8_t tag[SE_TAG_SIZE], uint8_t *ret_data);
