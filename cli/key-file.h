/* Keys of the owner's side: a PEM file, or an OpenSSL store URI ("pkcs11:..."). */
#pragma once

#include "attest/keys.h"

/* A private Ed25519 key; CVM_CODE_KEY or CVM_CODE_FILE. */
int key_file_private(const char *name, EVP_PKEY **ret, struct cvm_error *err);
/* A public one: from a public or a private PEM, or by URI. */
int key_file_public(const char *name, EVP_PKEY **ret, struct cvm_error *err);
