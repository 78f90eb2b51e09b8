/*
 * ID block and ID authentication (FWABI 8.18): the owner names the launch digest and the policy that the
 * firmware must find at the end of a launch, and signs that with a key whose digest then stands in every
 * report. Made offline, on her machine; checked before a launch, because the firmware only says "bad".
 */
#pragma once

#include <stdbool.h>

#include "base/clean-openssl.h"
#include "base/digest.h"
#include "base/error.h"

#define SNP_ID_BLOCK_SIZE 96
#define SNP_ID_AUTH_SIZE 4096 /* KVM copies that much whatever length is given */
#define SNP_ID_NAME_SIZE 16

struct snp_id_block {
        uint8_t digest[CVM_SHA384_SIZE]; /* launch digest */
        uint8_t family_id[SNP_ID_NAME_SIZE], image_id[SNP_ID_NAME_SIZE];
        uint32_t guest_svn;
        uint64_t policy;
};

/* The keys are ECDSA on P-384 (CVM_CODE_ID_KEY); author NULL: there is none. */
int snp_id_block_make(const struct snp_id_block *block, EVP_PKEY *id_key, EVP_PKEY *author_key,
                      uint8_t ret_block[SNP_ID_BLOCK_SIZE], uint8_t ret_auth[SNP_ID_AUTH_SIZE],
                      struct cvm_error *err);

/* Exactly 96 bytes of version 1; CVM_CODE_ID_BLOCK. Nothing is believed of it yet. */
int snp_id_block_read(const uint8_t *bytes, size_t size, struct snp_id_block *ret, struct cvm_error *err);

/* What a pair says of its keys: their digests as reports have them. */
struct snp_id_keys {
        uint8_t id_key[CVM_SHA384_SIZE], author_key[CVM_SHA384_SIZE];
        bool has_author;
};

/* Form and signatures of a pair; ret_keys may be NULL. auth: at most 4096 bytes, what is missing is zero.
 * CVM_CODE_ID_BLOCK names what does not hold. */
int snp_id_block_verify(const uint8_t *block, size_t block_size, const uint8_t *auth, size_t auth_size,
                        struct snp_id_block *ret, struct snp_id_keys *ret_keys, struct cvm_error *err);
