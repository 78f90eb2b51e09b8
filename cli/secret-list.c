/* cvmctl secret list: what was handed in for a VM, and what the guest answered. Names and digests only: what
 * is in them, neither the daemon nor we can read. */
#include <string.h>

#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/output.h"

static const struct output_column columns[] = {
        { "NAME", "name", false },     { "KIND", "kind", false },
        { "STATUS", "status", false }, { "RELEASED", "released", false },
        { "BOOT", "boot", false },     { "SEQ", "seq", true },
        { "DIGEST", "digest", true },  { 0 },
};

/* Of which boot a secret is, for people: the guest forgets them all with the next. */
static void decorate(json_object *secret, const char *present) {
        const char *keyset = json_object_get_string(json_object_object_get(secret, "keyset"));
        bool same = keyset && *keyset && strcmp(keyset, present) == 0;

        json_object_object_add(secret, "boot", json_object_new_string(same ? "present" : "earlier"));
}

static int read_list(sd_bus_message *m, const char *present, json_object **ret) {
        CVM_CLEANUP(cvm_json_putp) json_object *list = json_object_new_array();
        int r = sd_bus_message_enter_container(m, 'a', "a{sv}");

        while (r >= 0 && sd_bus_message_at_end(m, false) == 0) {
                json_object *secret = NULL;

                r = bus_read_dictionary(m, &secret);
                if (r < 0)
                        break;
                decorate(secret, present);
                json_object_array_add(list, secret);
        }
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *vm = NULL, *list = NULL;
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        int r = bus_open(&bus, err);

        if (r >= 0)
                r = bus_vm_path(bus, arguments->words[0], &path, err);
        if (r >= 0)
                r = bus_properties(bus, path, CVMD_VM_INTERFACE, &vm, err);
        if (r >= 0)
                r = bus_call(bus, path, CVMD_VM_INTERFACE, "ListSecrets", &reply, err, "");
        if (r >= 0)
                r = read_list(reply, json_object_get_string(json_object_object_get(vm, "keyset")), &list);
        if (r < 0)
                return cvm_while(err, r, "'%s'", arguments->words[0]);
        output_list(list, columns);
        return 0;
}

const struct command command_secret_list = {
        .group = "secret",
        .name = "list",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "sealed secrets that were handed in, and what the guest answered",
        .run = run,
};
