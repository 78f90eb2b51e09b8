/*
 * A domain's console through libvirt: for each one that is open there is a process of cvmd-libvirt
 * (worker/libvirt-console.c), and the relay between it and the one who is at it. It ends with either of
 * them, with the guest, with libvirtd and with the daemon; the guest and its log go on without it.
 */
#pragma once

#include <systemd/sd-event.h>

#include "vm/driver.h"

struct libvirt_console;

/*
 * That of the domain with this uuid, by *console, which stays the caller's and is replaced. done() as a
 * driver's console() has it: from the loop. Here CVM_CODE_CONSOLE_BUSY comes at once while somebody is at it
 * by this daemon, and through done() while somebody is by another program.
 */
int libvirt_console_open(sd_event *event, const char *uuid, struct libvirt_console **console,
                         driver_console_fn done, void *ctx, struct cvm_error *err);
/* The guest has ended, and over() is called from the loop when its last words have been passed on, at most a
 * second later; it may free the console. false: there are none, and over() is not called. */
bool libvirt_console_wait(struct libvirt_console *console, void (*over)(void *ctx), void *ctx);
/* Hangs up; where it is not open yet, done() is told so. Accepts NULL, returns NULL. */
struct libvirt_console *libvirt_console_free(struct libvirt_console *console);
