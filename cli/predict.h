/* Predictions on the owner's side: from files of this machine. */
#pragma once

#include "launch/boot-files.h"

/* The files that a plan's definition names, as paths of this machine; to be freed in any case. */
int measured_files_read(const struct plan *plan, struct boot_files *ret, struct cvm_error *err);

/* SHA-256 of a regular file or block device; CVM_CODE_FILE. */
int measured_file_digest(const char *path, uint8_t ret[CVM_SHA256_SIZE], struct cvm_error *err);

/* Digest the files that the plan's definition names (paths) and fill in plan->measurement. */
int predict(struct plan *plan, struct cvm_error *err);
