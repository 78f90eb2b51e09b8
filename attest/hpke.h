/*
 * HPKE base mode, single shot (RFC 9180): KEM 0x0020 (X25519, HKDF-SHA256), KDF 0x0001 (HKDF-SHA256) and an
 * AES-GCM AEAD: 0x0002 (AES-256) is suite 1; 0x0001 (AES-128) serves the RFC's own vector. OpenSSL 3.0 has
 * no HPKE of its own; the bytes are the same as those of the versions that have.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clean-openssl.h"
#include "base/error.h"
#include "base/secret.h"

#define HPKE_ENC_SIZE 32
#define HPKE_TAG_SIZE 16

enum hpke_aead { HPKE_AES_128_GCM = 1, HPKE_AES_256_GCM = 2 };

struct hpke_text { /* borrowed */
        const void *data;
        size_t size;
};

/*
 * Seal plaintext to the X25519 public key. ephemeral is the sender's one-time key pair: NULL makes a fresh
 * one, which is the only right choice outside known-answer tests. ret: ciphertext and tag, owned.
 */
int hpke_seal(enum hpke_aead aead, EVP_PKEY *recipient, EVP_PKEY *ephemeral, struct hpke_text info,
              struct hpke_text aad, struct hpke_text plaintext, uint8_t ret_enc[HPKE_ENC_SIZE],
              struct cvm_bytes *ret, struct cvm_error *err);

/* Open with the recipient's private key; CVM_CODE_SECRET_SEAL when anything differs. */
int hpke_open(enum hpke_aead aead, EVP_PKEY *recipient, const uint8_t enc[HPKE_ENC_SIZE],
              struct hpke_text info, struct hpke_text aad, struct hpke_text ciphertext,
              struct cvm_secret *ret, struct cvm_error *err);
