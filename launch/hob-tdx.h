/* The TD HOB: what the host tells the firmware of the memory (UEFI platform initialization specification,
 * volume 3, HOBs), as QEMU builds it for a q35 machine. */
#pragma once

#include "base/digest.h"
#include "launch/firmware-tdx.h"

/*
 * The digest that the firmware extends for it: of all but the list's end. False: a section that the firmware
 * wants as memory lies where such a guest has none.
 */
bool tdx_hob_digest(const struct tdvf *tdvf, uint64_t memory, uint8_t ret[CVM_SHA384_SIZE]);
