/* cvmctl show: all that is known of a VM, and whose word each is. */
#include <string.h>

#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/output.h"

static int show(sd_bus *bus, const char *name, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *vm = NULL;
        int r = bus_vm_path(bus, name, &path, err);

        if (r >= 0)
                r = bus_properties(bus, path, CVMD_VM_INTERFACE, &vm, err);
        if (r < 0)
                return cvm_while(err, r, "'%s'", name);
        if (json_object_get_boolean(json_object_object_get(vm, "simulated")))
                output_say("SIMULATED: no hardware protects this guest from the host");
        if (json_object_get_boolean(json_object_object_get(vm, "debug")))
                output_say("DEBUG: the host can read the memory of this guest");
        output_object(vm, "name");
        output_say("All of this is the host's word; 'trust' is the owner's verdict where 'trust_by' is her id, and the "
                   "measurement is what the host predicts.");
        return 0;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r = bus_open(&bus, err);

        for (size_t i = 0; r >= 0 && i < arguments->n_words; i++)
                r = show(bus, arguments->words[i], err);
        return r;
}

const struct command command_show = {
        .name = "show",
        .words = "NAME...",
        .words_min = 1,
        .words_max = ARGUMENTS_MAX,
        .summary = "all that is known of a VM",
        .run = run,
};
