/*
 * A chosen command fails: CVM_TESTBED_FAIL=COMMAND:ERRNO[:FIRMWARE[:NTH]], for instance
 * SNP_LAUNCH_UPDATE:EIO:0x16:3. The firmware's error is 0 and NTH is 1 (the first such command) when not
 * given.
 */
#pragma once

#include <stdint.h>

/* 0, or the negative errno with which this command has to fail; then *error is the firmware's. */
int fault_wanted(const char *command, uint32_t *error);
