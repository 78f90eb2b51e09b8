/* Cleanup helpers of json-c's types, defined once. */
#pragma once

#include <json-c/json.h>

#include "base/macros.h"

static inline void cvm_json_putp(json_object **p) {
        json_object_put(*p);
        *p = NULL;
}

CVM_DEFINE_CLEANUP_VOID(json_tokener, json_tokener_free);
