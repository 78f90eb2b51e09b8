/*
 * Sealed and signed secrets (trust protocol, section 5): HPKE single-shot base mode to the attested boot
 * key, with every circumstance in the header H, inside an envelope that the owner (or her service) signed.
 */
#pragma once

#include "attest/envelope.h"
#include "base/secret.h"

#define CVM_SECRET_MAX (256u << 10) /* plaintext bytes of one secret */

enum cvm_secret_kind {
        CVM_SECRET_FILE = 1,
        CVM_SECRET_DISK_KEY = 2,
        CVM_SECRET_RELEASE = 3,
        CVM_SECRET_UV_REQUEST = 4,
};
const char *cvm_secret_kind_text(enum cvm_secret_kind kind); /* "file", ...; NULL: unknown */

/* H, field by field; its bytes are both HPKE's aad and (hashed) part of its info. */
struct cvm_secret_header {
        uint8_t platform; /* cvm_platform_byte() */
        uint8_t suite;
        uint8_t kind; /* enum cvm_secret_kind */
        uint8_t uuid[16];
        uint8_t keyset[CVM_SHA384_SIZE];
        uint8_t binding[CVM_SHA384_SIZE];
        uint64_t generation;
        uint64_t seq;
        char name[65];
};

/* H's bytes and back; any other length, separator or name is CVM_CODE_SECRET_HEADER. */
int cvm_secret_header_write(const struct cvm_secret_header *header, struct cvm_bytes *ret);
int cvm_secret_header_read(const void *bytes, size_t size, struct cvm_secret_header *ret,
                           struct cvm_error *err);

/* Seal plaintext to the boot's KEM key and sign it: the envelope's text, owned. */
int cvm_secret_seal(const struct cvm_secret_header *header, const uint8_t kem_spki[CVM_SPKI_SIZE],
                    const void *plaintext, size_t size, EVP_PKEY *owner, char **ret_envelope,
                    struct cvm_error *err);

/* The header of a signed secret whose signature has *not* been checked: for the daemon's forwarding rule. */
int cvm_secret_peek(const char *envelope, size_t size, struct cvm_secret_header *ret, struct cvm_error *err);

/*
 * Open as the agent does: signature by signer, then HPKE with the boot's private KEM key. The caller
 * compares the header with its own circumstances *before* it uses the plaintext. ret_digest: SHA-384(PAE).
 * CVM_CODE_SIGNATURE, CVM_CODE_SECRET_HEADER, CVM_CODE_SECRET_SEAL.
 */
int cvm_secret_open(const char *envelope, size_t size, EVP_PKEY *signer, EVP_PKEY *kem,
                    struct cvm_secret_header *ret_header, struct cvm_secret *ret_plaintext,
                    uint8_t ret_digest[CVM_SHA384_SIZE], struct cvm_error *err);
