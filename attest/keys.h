/* Ed25519 and X25519 keys in the forms the protocol uses. Bytes only: opening files and tokens is the
 * caller's. */
#pragma once

#include "attest/formula.h"
#include "base/clean-openssl.h"
#include "base/error.h"

enum cvm_key_kind { CVM_KEY_SIGN /* Ed25519 */, CVM_KEY_SEAL /* X25519 */ };

int cvm_key_make(enum cvm_key_kind kind, EVP_PKEY **ret, struct cvm_error *err);

/* Public key from its SubjectPublicKeyInfo: exactly 44 bytes of that kind, CVM_CODE_KEY otherwise. */
int cvm_key_from_spki(enum cvm_key_kind kind, const uint8_t *spki, size_t size, EVP_PKEY **ret,
                      struct cvm_error *err);
int cvm_key_spki(EVP_PKEY *key, uint8_t ret[CVM_SPKI_SIZE], struct cvm_error *err);

/* PEM in memory: PKCS#8 private key without passphrase, or public key. */
int cvm_key_from_private_pem(const void *pem, size_t size, EVP_PKEY **ret, struct cvm_error *err);
int cvm_key_from_public_pem(const void *pem, size_t size, EVP_PKEY **ret, struct cvm_error *err);
int cvm_key_to_private_pem(EVP_PKEY *key, struct cvm_bytes *ret, struct cvm_error *err);
int cvm_key_to_public_pem(EVP_PKEY *key, struct cvm_bytes *ret, struct cvm_error *err);
