/*
 * Questions that are put to cvmd-libvirt once, by hand or by cvmctl: `cvmd-libvirt VERB <request.json
 * >answer.json`, in the form of cvmd-worker's verbs (worker/wire.h). LIBVIRT_DEFAULT_URI names another
 * libvirt than the system's.
 *
 * capabilities: {} -> {"version":"12.8.0","platforms":{"tdx":{"listed":true,"feature":"no"}}};
 *               a platform is absent where libvirt has no QEMU with KVM for it
 * adopt:        {"domain":"NAME"} or {"xml":"<domain>..."} -> what worker/adopt.h says
 */
#pragma once

#include <stdbool.h>

bool libvirt_has_ask(const char *verb);
/* The exit status. */
int libvirt_ask(const char *verb);
