/* The owner's binding of a definition, as `binding make` and the short path of `launch` write it. */
#pragma once

#include "attest/keys.h"
#include "launch/definition.h"

/* A uuid where there is none, said on standard error. */
int binding_give_uuid(struct definition *definition, struct cvm_error *err);
/* Signed by key, which must be that of the definition's owner. The envelope is owned. */
int binding_sign(const struct definition *definition, uint64_t serial, EVP_PKEY *key, char **ret,
                 struct cvm_error *err);
