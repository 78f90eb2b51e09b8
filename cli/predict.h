/* Predictions on the owner's side: from files of this machine. */
#pragma once

#include "launch/plan.h"

/* What is measured of the files that a definition names, as paths of this machine. */
struct measured_files {
        struct cvm_bytes firmware;
        uint8_t kernel[CVM_SHA256_SIZE], initrd[CVM_SHA256_SIZE];
        struct plan_contents contents; /* points into the others: not to be copied */
};

int measured_files_read(const struct definition *definition, struct measured_files *ret,
                        struct cvm_error *err);
void measured_files_done(struct measured_files *files);

/* SHA-256 of a regular file or block device; CVM_CODE_FILE. */
int measured_file_digest(const char *path, uint8_t ret[CVM_SHA256_SIZE], struct cvm_error *err);

/* Digest the files that the plan's definition names (paths) and fill in plan->measurement. */
int predict(struct plan *plan, struct cvm_error *err);
