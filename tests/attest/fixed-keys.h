/* The keys of doc/protocol.md's vectors: private halves of 32 counting bytes, each from another start. */
#pragma once

#include <string.h>

#include "attest/keys.h"

enum fixed_key {
        FIXED_OWNER = 0x00,
        FIXED_SERVICE = 0x20,
        FIXED_BOOT_KEM = 0x40,
        FIXED_BOOT_SIG = 0x60,
        FIXED_EPHEMERAL = 0x80,
        FIXED_RECORD = 0xa0,
};

static inline EVP_PKEY *fixed_key(enum fixed_key which) {
        int type = which == FIXED_BOOT_KEM || which == FIXED_EPHEMERAL ? EVP_PKEY_X25519 : EVP_PKEY_ED25519;
        uint8_t raw[32];

        for (size_t i = 0; i < sizeof raw; i++)
                raw[i] = (uint8_t)((size_t)which + i);
        return EVP_PKEY_new_raw_private_key(type, NULL, raw, sizeof raw);
}

static inline void fixed_spki(enum fixed_key which, uint8_t ret[CVM_SPKI_SIZE]) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = fixed_key(which);

        if (cvm_key_spki(key, ret, NULL) < 0)
                memset(ret, 0, CVM_SPKI_SIZE);
}

static inline struct cvm_keyset fixed_keyset(void) {
        struct cvm_keyset keyset;

        fixed_spki(FIXED_BOOT_KEM, keyset.kem);
        fixed_spki(FIXED_BOOT_SIG, keyset.sig);
        return keyset;
}
