/* An owner as documents name it. */
#pragma once

#include "attest/keys.h"
#include "base/json.h"

/* {"owner_id":"<96 hex>","owner":"<base64 SPKI, for definitions>"}; owned. */
int owner_json(EVP_PKEY *key, json_object **ret, struct cvm_error *err);
