/*
 * The local socket: one line asks, lines answer. "status" (one JSON object), "wait" (a line whenever what is
 * waited for changes, then "ready root=none|luks|verity"), "bye poweroff|reboot" ("acknowledged", or
 * "unacknowledged" when the host did not answer in time), "store lock" (what the platform did, or "refused:
 * " and why it did not), "store list" (a line for each secret that the platform keeps, then how many these
 * are, or "refused: "). Only root may connect.
 */
#pragma once

#include "guest-agent/agent.h"

#define CONTROL_CLIENTS_MAX 8

struct control_client {
        int fd; /* owned; -EBADF: free */
        char line[64];
        size_t size;
        bool waits, wants_bye;
        char told[128]; /* what it was told last that it waits for */
};

struct control {
        int listener;
        struct control_client clients[CONTROL_CLIENTS_MAX];
};

int control_open(const char *run_dir, struct control *ret, struct cvm_error *err);
void control_done(struct control *control);
void control_accept(struct control *control);
/* Its descriptor is readable. Returns true when it asked for the end. */
bool control_read(struct control_client *client, struct agent *agent);
/* Tell those who wait what has changed. */
void control_tell(struct control *control, const struct agent *agent);
/* Answer those who asked for the BYE. */
void control_tell_bye(struct control *control, bool acknowledged);

/* The other end: `cvm-agent VERB ...`; copies the answer to standard output. Returns an exit status: 0 when
 * the last line is whole and none of a refusal, of a missing acknowledgement or of waiting. */
int control_ask(const char *run_dir, const char *line, struct cvm_error *err);
