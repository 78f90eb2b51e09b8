/* The record key: Ed25519, made at the daemon's first start, signs audit heads and teardown records (host's
 * word). */
#pragma once

#include "attest/keys.h"

/* From STATE_DIR/record.pem (mode 0600), made when it is not there. ret_public: PEM, owned. */
int record_key_open(const char *state_dir, EVP_PKEY **ret, char **ret_public, struct cvm_error *err);
