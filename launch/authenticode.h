/* The digest of a PE image that firmware measures before it starts it (Microsoft's Authenticode,
 * "Calculating the PE image hash"): without its checksum, its signatures and where they lie. The image is
 * hostile. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"

/* The table of the image's signatures (WIN_CERTIFICATE); empty where it has none, or is no such image.
 * CVM_CODE_FILE where it cannot be read. */
int authenticode_signatures(int fd, const char *name, struct cvm_bytes *ret, struct cvm_error *err);

/* CVM_CODE_KERNEL: it is no such image, or its tables lead outside. */
int authenticode_sha384(const uint8_t *image, size_t size, uint8_t ret[CVM_SHA384_SIZE],
                        struct cvm_error *err);
