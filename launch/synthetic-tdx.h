/* What stands in for the firmware of simulated trust domains: an image that is measured, and the log of what
 * it would have extended. */
#pragma once

#include "base/bytes.h"
#include "launch/boot-log.h"

/* Always the same 16384 bytes; owned. -ENOMEM. */
int tdx_synthetic_firmware(struct cvm_bytes *ret);

/*
 * The events of that prediction as a guest's log has them (attest/event-log-tdx.h). What the prediction
 * leaves open nobody measures here: an event that every boot has stands in the log with the digest of words
 * which say so, one that may be absent is. Owned; -ENOMEM.
 */
int tdx_synthetic_log(const struct boot_log *predicted, struct cvm_bytes *ret);
