/*
 * A dump of a protected guest is an ELF core in which QEMU writes, beside the encrypted memory, what its
 * owner needs to open it. Where the ultravisor does not begin a dump QEMU goes on without a word and writes
 * a core of what it sees, which nobody can open (target/s390x/arch_dump.c).
 */
#pragma once

#include "base/error.h"

/* Is the file such a dump? CVM_CODE_DUMP_DENIED: another core; CVM_CODE_DUMP_FAILED: none; CVM_CODE_FILE. */
int se_check_core(int fd, struct cvm_error *err);
