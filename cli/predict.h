/* Predictions on the owner's side: from files of this machine. */
#pragma once

#include "launch/boot-files.h"

/* The files that a plan's definition names, as paths of this machine; as boot_files_read(). */
int measured_files_read(const struct plan *plan, struct boot_files *ret, struct cvm_error *err);

/* SHA-256 of a regular file or block device; CVM_CODE_FILE. */
int measured_file_digest(const char *path, uint8_t ret[CVM_SHA256_SIZE], struct cvm_error *err);

/* Digest the files that the plan's definition names (paths) and fill in plan->measurement. */
int predict(struct plan *plan, struct cvm_error *err);
/* The same, and what `measure predict -o json` prints of it; owned. */
int predict_document(struct plan *plan, json_object **ret, struct cvm_error *err);
