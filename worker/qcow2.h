/*
 * The header of a qcow2 image (QEMU docs/interop/qcow2.txt): QEMU follows the names of other files that it
 * may hold, so images from users may hold none. Hostile bytes, bounded reads, nothing but the header is
 * looked at.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define QCOW2_HEADER_MAX 65536

/* CVM_CODE_DISK_FORMAT, CVM_CODE_DISK_BACKING, CVM_CODE_DISK_DATA_FILE. bytes: the first of the file. */
int qcow2_check(const uint8_t *bytes, size_t size, uint64_t *ret_virtual_size, struct cvm_error *err);
