/* A program on the host, as execvp() finds it. */
#pragma once

#include <limits.h>

#include "base/error.h"

#define PROGRAM_IDENTITY_MAX 96

/* Which file it is, so that what was learnt of it is kept until another one takes its place.
 * CVM_CODE_NO_QEMU where there is none. */
int program_identity(const char *name, char ret[PROGRAM_IDENTITY_MAX], struct cvm_error *err);
/* Its path. CVM_CODE_NO_QEMU where there is none. */
int program_path(const char *name, char ret[PATH_MAX], struct cvm_error *err);
