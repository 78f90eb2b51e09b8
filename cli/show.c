/* cvmctl show: all that is known of a VM, and whose word each is. */
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/output.h"

/* What an image says of itself. */
static void add_parts(json_object *vm) {
        static const char *const keys[] = { "parts", "flags", "hosts" };
        const char *text = json_object_get_string(json_object_object_get(vm, "image"));
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;

        if (text && *text && cvm_json_parse(text, strlen(text), "image", &node, NULL) >= 0)
                for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                        json_object *value = json_object_object_get(node, keys[i]);

                        if (value)
                                json_object_object_add(vm, keys[i], json_object_get(value));
                }
        json_object_object_del(vm, "image");
}

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
        add_parts(vm);
        output_object(vm, "name");
        output_say("All of this is the host's word; 'trust' is the owner's verdict where 'trust_by' is her id, and the "
                   "measurement is what the host predicts.");
        return 0;
}

/* It has nothing of the guest's in it but what the host gives it; a terminal is protected all the same. */
static int show_xml(sd_bus *bus, const char *name, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *path = NULL, *clean = NULL;
        sd_bus_message *reply = NULL;
        const char *text;
        int r = bus_vm_path(bus, name, &path, err);

        if (r >= 0)
                r = bus_call(bus, path, CVMD_VM_INTERFACE, "GetXml", &reply, err, "");
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        clean = r >= 0 ? strdup(text) : NULL;
        if (clean) {
                cvm_text_clean(clean, strlen(clean), true);
                fputs(clean, stdout);
        }
        sd_bus_message_unref(reply);
        return r < 0 ? cvm_while(err, r, "'%s'", name) : 0;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        bool is_xml = argument(arguments, "xml");
        int r = bus_open(&bus, err);

        for (size_t i = 0; r >= 0 && i < arguments->n_words; i++)
                r = (is_xml ? show_xml : show)(bus, arguments->words[i], err);
        return r;
}

static const struct option_row options[] = {
        { "xml", OPTION_FLAG, NULL, "the domain that libvirt was given at the last start" },
        { 0 },
};

const struct command command_show = {
        .name = "show",
        .words = "NAME...",
        .words_min = 1,
        .words_max = ARGUMENTS_MAX,
        .summary = "all that is known of a VM",
        .options = options,
        .run = run,
};
