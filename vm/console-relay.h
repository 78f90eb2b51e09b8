/*
 * Between QEMU's console and the one who is at it. QEMU itself would wait for a client that does not read,
 * and with it the guest's console and its log; a second client it would leave waiting without a word. So the
 * daemon is its only client: it always reads, and whoever does not keep up misses what the log still has.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/error.h"

struct console_relay;

/* Behind everything else, but the guest's end: one that prints without end may not hold up the daemon. Its
 * log has the same turn. */
#define CONSOLE_RELAY_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* qemu: a connected, non-blocking socket, taken in any case. *ret_fd is the other end, owned by the caller,
 * non-blocking: whoever shuts down writing there reads the end when QEMU has closed its own, and the console
 * is free. */
int console_relay_new(sd_event *event, int qemu, struct console_relay **ret, int *ret_fd,
                      struct cvm_error *err);
#define CONSOLE_SOCKET "console.sock" /* of an interactive console, under the VM's runtime directory */
/* That one of the VM's, by *relay, which stays the caller's and is replaced. CVM_CODE_CONSOLE where there is
 * none, CVM_CODE_CONSOLE_BUSY while somebody is at it. */
int console_open(sd_event *event, const char *runtime_dir, struct console_relay **relay, int *ret_fd,
                 struct cvm_error *err);
/* Hangs up on both. */
struct console_relay *console_relay_free(struct console_relay *relay);
CVM_DEFINE_CLEANUP(struct console_relay, console_relay_free);
/* Has one of both hung up? Then both are closed already. */
bool console_relay_is_over(const struct console_relay *relay);
