/* cvmctl delete: the VM goes, its signed record stays. */
#include <errno.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/each-vm.h"
#include "cli/output.h"

static const struct option_row options[] = {
        DRY_RUN_OPTION,
        { "record", OPTION_TEXT, "FILE", "where the signed teardown record goes (one NAME only)" },
        { 0 },
};

static int delete_one(sd_bus *bus, const char *path, const char *name, const void *ctx,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *record = NULL;
        const char *file = ctx;
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, path, CVMD_VM_INTERFACE, "Delete");

        if (r >= 0)
                r = sd_bus_message_append(call, "a{sv}", 0);
        if (r >= 0)
                r = bus_operate(bus, call, 0, &record, err);
        sd_bus_message_unref(call);
        if (r >= 0 && file && *record)
                r = output_file(file, record, 0644, err);
        if (r >= 0)
                output_say("%s: deleted; its record (the host's word) is kept: cvmctl record get %s", name,
                           name);
        return r;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        const char *file = argument(arguments, "record");

        if (file && arguments->n_words > 1)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--record goes with one NAME");
        return each_vm(arguments, "Delete", delete_one, file, err);
}

const struct command command_delete = {
        .name = "delete",
        .words = "NAME...",
        .words_min = 1,
        .words_max = ARGUMENTS_MAX,
        .summary = "delete stopped VMs; disks are left alone",
        .options = options,
        .run = run,
};
