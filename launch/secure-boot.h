/*
 * Will a firmware that enforces secure boot start this image? Asked before a launch, so that a person hears
 * it then, and not from a guest that does not boot. It is advice: the firmware itself verifies, and here
 * neither the image's digest nor the signature over it is looked at, only whether one leads to a key of the
 * firmware's. All bytes are hostile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * By a firmware's variable store (variable-store.h) and an image's table of signatures (authenticode.h, may
 * be empty). True also where the firmware enforces nothing, or has more than certificates to go by: then it
 * cannot be told.
 */
bool secure_boot_takes(const uint8_t *store, size_t size, const struct cvm_bytes *signatures);
