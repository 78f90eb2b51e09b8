/* The run-time registers of a trust domain (RTMR): what OVMF and Linux's EFI stub extend when QEMU starts a
 * kernel directly, as far as it follows from files and definition; and what a guest's own log says. */
#pragma once

#include "launch/platform.h"

/* predict: in the order of firmware of 2025, which puts the second separator into RTMR 1; CVM_CODE_FIRMWARE,
 * CVM_CODE_KERNEL. read: a log as attest/event-log-tdx.h reads it; CVM_CODE_EVENT_LOG. */
extern const struct boot_registers tdx_registers;
