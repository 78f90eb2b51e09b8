/* Revocation lists of host-key documents, from where the certificates say they are. */
#pragma once

#include "attest/hkd-se.h"
#include "cli/command.h"

/* Into the trust, by the options of those verbs (HOST_KEY_OPTIONS); what could not be had is said.
 * CVM_CODE_ARGUMENT. */
int host_lists_fetch(const struct arguments *arguments, const struct se_hosts *hosts, uint64_t now_msec,
                     struct se_trust *trust, struct cvm_error *err);
