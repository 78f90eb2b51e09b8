/*
 * The security processor of this machine (/dev/sev), asked for what it says of itself. A const table of
 * three questions is the only source of command numbers, and each socket's id is asked for twice, first for
 * its length: those that change a platform (commit, factory
 * reset, configuration, keys) are in no table and can be issued by no path.
 */
#pragma once

#include <linux/psp-sev.h>

#include "launch/host-probe.h"

#define HOST_FIRMWARE_REQUEST SEV_ISSUE_CMD /* which carries the command */

/* At most HOST_FIRMWARE_ANSWER_MAX bytes into ret; errors as host_probe_firmware(). */
int host_firmware_ask(enum host_firmware_question question, uint8_t ret[HOST_FIRMWARE_ANSWER_MAX],
                      size_t *ret_size, struct cvm_error *err);
/* The same of a device that is open. */
int host_firmware_ask_device(int fd, enum host_firmware_question question,
                             uint8_t ret[HOST_FIRMWARE_ANSWER_MAX], size_t *ret_size, struct cvm_error *err);
