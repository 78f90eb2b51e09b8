/* The digest of a PE image that firmware measures before it starts it (Microsoft's Authenticode,
 * "Calculating the PE image hash"): without its checksum, its signatures and where they lie. The image is
 * hostile. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

/* CVM_CODE_KERNEL: it is no such image, or its tables lead outside. */
int authenticode_sha384(const uint8_t *image, size_t size, uint8_t ret[CVM_SHA384_SIZE],
                        struct cvm_error *err);
