/* cvmctl's end of the bus: calls with our errors, waiting for operations, objects as JSON. */
#pragma once

#include <systemd/sd-bus.h>

#include "cli/command.h"
#include "dbus/names.h"

/* --bus ADDRESS, or the system bus. CVM_CODE_NO_DAEMON. Owned (sd_bus_flush_close_unref). */
int bus_open(sd_bus **ret, struct cvm_error *err);

/* Fill our error from theirs: the code by its D-Bus name. Returns negative. */
int bus_fail(struct cvm_error *err, const sd_bus_error *error, int r);
/* Send a call that was made with sd_bus_message_new_method_call (borrowed). ret_reply owned; may be NULL. */
int bus_send(sd_bus *bus, sd_bus_message *call, sd_bus_message **ret_reply, struct cvm_error *err);
/* A call without or with simple arguments. */
int bus_call(sd_bus *bus, const char *path, const char *interface, const char *member,
             sd_bus_message **ret_reply, struct cvm_error *err, const char *types, ...);

/* Path of a VM by name or uuid, owned. CVM_CODE_NO_VM. */
int bus_vm_path(sd_bus *bus, const char *name, char **ret, struct cvm_error *err);

/*
 * Wait for an operation: its result (owned text, "" for none) or its failure in its own words. With
 * --no-wait nothing is waited for and the result is "". --timeout: CVM_CODE_TIMEOUT, and the operation goes
 * on. default_usec 0: no limit.
 */
int bus_wait(sd_bus *bus, const char *path, uint64_t default_usec, char **ret_result, struct cvm_error *err);
/* Send a call whose answer is an operation, and wait for that. */
int bus_operate(sd_bus *bus, sd_bus_message *call, uint64_t default_usec, char **ret_result,
                struct cvm_error *err);

/* An a{sv} that a message comes to, as an object with keys in snake_case; owned. */
int bus_read_dictionary(sd_bus_message *m, json_object **ret);
/* All properties of an object, snake_case; owned. */
int bus_properties(sd_bus *bus, const char *path, const char *interface, json_object **ret,
                   struct cvm_error *err);
/* The same for every VM that we may see, in one call: a list sorted by name; owned. */
int bus_list_vms(sd_bus *bus, json_object **ret, struct cvm_error *err);
