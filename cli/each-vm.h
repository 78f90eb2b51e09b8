/* Verbs that take several VMs: each is tried, and the first failure is told last. */
#pragma once

#include "cli/bus.h"
#include "cli/command.h"

/* What is done with one of them; path is its object, name what the user called it. */
typedef int (*each_vm_fn)(sd_bus *bus, const char *path, const char *name, const void *ctx,
                          struct cvm_error *err);

#define DRY_RUN_OPTION \
        { "dry-run", OPTION_FLAG, NULL, "only ask whether it would be taken now" }

/* one() for each word; with --dry-run the daemon is only asked whether it would take `method`. */
int each_vm(const struct arguments *arguments, const char *method, each_vm_fn one, const void *ctx,
            struct cvm_error *err);
