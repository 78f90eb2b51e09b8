/* From a plan to QEMU's command line. Pure: descriptors are numbers here. */
#pragma once

#include "launch/plan.h"

#define QEMU_AGENT_PORT_ID "port0" /* of the agent's channel, in QEMU's events */

/* The numbers under which QEMU finds what it inherits; -EBADF: not there. */
struct qemu_fds {
        int qmp;
        int channels[PLAN_CHANNEL_MAX_];
        int console;      /* listening socket of an interactive console */
        int console_log;  /* opened for appending */
        const int *files; /* plan->n_files */
        const int *taps;  /* one per NIC, -EBADF where it is none */
};

/* NULL-terminated, owned (cvm_texts_free). The guest starts stopped (-S). */
int qemu_argv(const struct plan *plan, const struct qemu_fds *fds, bool use_kvm, char ***ret,
              struct cvm_error *err);
