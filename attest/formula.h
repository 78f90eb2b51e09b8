/*
 * The formulas of the trust protocol, each once: what is hashed, in which order, with which separator.
 * Section numbers are those of doc/protocol.md. All functions are pure.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/platform-id.h"

#define CVM_SUITE 1      /* X25519-HKDF-SHA256, HKDF-SHA256, AES-256-GCM; Ed25519 */
#define CVM_SPKI_SIZE 44 /* DER SubjectPublicKeyInfo of an Ed25519 or X25519 key */
#define CVM_NONCE_SIZE 32
#define CVM_REPORT_DATA_SIZE 64

/* The boot keyset (section 1): fresh at each boot of a guest, its private half never leaves the guest. */
struct cvm_keyset {
        uint8_t kem[CVM_SPKI_SIZE]; /* X25519: secrets are sealed to it */
        uint8_t sig[CVM_SPKI_SIZE]; /* Ed25519: receipts and BYE are signed by it */
};

/* SHA-384(u16be(len) SPKI_kem u16be(len) SPKI_sig): the name of a boot. */
void cvm_keyset_digest(const struct cvm_keyset *keyset, uint8_t ret[CVM_SHA384_SIZE]);

/* owner_id and service_id: SHA-384 of the 44 SPKI bytes. */
void cvm_key_id(const uint8_t spki[CVM_SPKI_SIZE], uint8_t ret[CVM_SHA384_SIZE]);

/* What report_data says (section 3). */
struct cvm_evidence_inputs {
        uint8_t platform; /* cvm_platform_byte() */
        uint8_t suite;
        uint8_t nonce[CVM_NONCE_SIZE];
        uint8_t keyset[CVM_SHA384_SIZE];  /* digest */
        uint8_t binding[CVM_SHA384_SIZE]; /* of the exact payload bytes; of the empty string when unowned */
        uint64_t generation;
};

/* The three domains of report_data: a verifier of one refuses the other two. */
void cvm_report_data(const struct cvm_evidence_inputs *in, uint8_t ret[CVM_REPORT_DATA_SIZE]);
void cvm_report_data_migration(const struct cvm_evidence_inputs *in, uint8_t ret[CVM_REPORT_DATA_SIZE]);
void cvm_report_data_host(const uint8_t data[64], uint8_t ret[CVM_REPORT_DATA_SIZE]);

/*
 * What an agent extends into a register of its platform before it lets the guest go on (section 3a): the
 * boot, and what was taken in it, in this order. Written in two steps, the second for each secret.
 */
struct cvm_hand_over {
        uint8_t platform, suite;
        uint8_t uuid[16], keyset[CVM_SHA384_SIZE], binding[CVM_SHA384_SIZE];
        uint64_t generation;
        uint16_t n_secrets;
};
void cvm_hand_over_write(const struct cvm_hand_over *in, struct cvm_writer *w);
void cvm_hand_over_write_secret(uint8_t kind, const char *name, const uint8_t digest[CVM_SHA384_SIZE],
                                struct cvm_writer *w);
