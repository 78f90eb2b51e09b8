/* UEFI variables as a firmware image brings them: a firmware volume with a store of authenticated variables
 * (EDK2, MdeModulePkg VariableFormat.h). The image is hostile. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define VARIABLE_GUID_GLOBAL "\x61\xdf\xe4\x8b\xca\x93\xd2\x11\xaa\x0d\x00\xe0\x98\x03\x2b\x8c"
#define VARIABLE_GUID_SECURITY "\xcb\xb2\x19\xd7\x3a\x3d\x96\x45\xa3\xbc\xda\xd0\x0e\x67\x65\x6f"

/* 1: a variable of that name (ASCII) and GUID (as it lies in memory) is set, its data in ret; 0: none is;
 * -EINVAL: these bytes are no such store. */
int variable_find(const uint8_t *store, size_t size, const char *guid, const char *name,
                  struct cvm_reader *ret);

/* Is secure boot enforced by a firmware that begins with these variables? 1, 0 (switched off), or -ENOENT:
 * it has no platform key, or is no such store. Firmware turns it on where it has that key, unless a variable
 * says otherwise. */
int variable_secure_boot(const uint8_t *store, size_t size);
