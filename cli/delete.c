/* cvmctl delete: the VM goes, its signed record stays. */
#include <stdlib.h>
#include <string.h>

#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/output.h"

static const struct option_row options[] = {
        { "record", OPTION_TEXT, "FILE", "where the signed teardown record goes (one NAME only)" },
        { 0 },
};

static int delete_one(sd_bus *bus, const char *name, const char *file, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *path = NULL, *record = NULL;
        sd_bus_message *call = NULL;
        int r = bus_vm_path(bus, name, &path, err);

        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, path, CVMD_VM_INTERFACE,
                                                   "Delete");
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
        return r < 0 ? cvm_while(err, r, "'%s'", name) : 0;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        const char *file = argument(arguments, "record");
        int r;

        if (file && arguments->n_words > 1)
                return cvm_fail(err, &CVM_CODE_USAGE, 22, "--record goes with one NAME");
        r = bus_open(&bus, err);
        for (size_t i = 0; r >= 0 && i < arguments->n_words; i++)
                r = delete_one(bus, arguments->words[i], file, err);
        return r;
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
