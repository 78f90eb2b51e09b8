/* The agent's one thread: the channel to the host, a local socket for the guest's own programs, and time. */
#pragma once

#include "guest-agent/agent.h"

struct loop_config {
        const char *channel; /* as channel_open() takes it */
        const char *run_dir; /* the local socket is RUN_DIR/agent.sock */
        const char *on_stop; /* program that ends the guest, given "poweroff" or "reboot"; NULL: only a BYE
                              */
};

/* Runs until SIGTERM, or until the BYE is acknowledged where there is no on_stop. */
int loop_run(struct agent *agent, const struct loop_config *config, struct cvm_error *err);
