/* What identifies a guest of Secure Execution: the header of its image, and nothing beside it. */
#pragma once

#include "launch/measure.h"

/* The header of the image (or a header alone) in this file; owned. CVM_CODE_IMAGE_FORMAT, CVM_CODE_FILE. */
int se_read_header(int fd, const char *name, struct cvm_bytes *ret, struct cvm_error *err);

/* SHA-384 of the header's boot tags, which are the measurement's parts. CVM_CODE_IMAGE_FORMAT. */
int se_measure_header(const struct measure_inputs *inputs, struct measurement *ret, struct cvm_error *err);
