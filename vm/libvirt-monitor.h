/* A question to QEMU's monitor, by libvirt's hand. */
#pragma once

#include "vm/libvirt-link.h"

/* Ask the domain's QEMU; done as for libvirt_watch_ask(). */
int libvirt_monitor_ask(struct libvirt_watch *watch, const char *command, libvirt_done_fn done, void *ctx,
                        struct cvm_error *err);
/* What QEMU said; owned. NULL, with words, where it said nothing of the form. CVM_CODE_QMP. */
json_object *libvirt_monitor_answer(const struct libvirt_message *answer, struct cvm_error *err);
