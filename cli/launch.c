/* cvmctl launch, run, create, update: a definition goes to the daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/libvirt-adopt.h"
#include "cli/output.h"
#include "cli/submit.h"

static const struct option_row options[] = {
        SUBMIT_OPTIONS,
        { 0 },
};

static const struct option_row create_options[] = {
        SUBMIT_OPTIONS,
        LIBVIRT_OPTIONS,
        { 0 },
};

/* What the plan of a VM that was started says for people. */
static int say_notes(const char *result, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_texts_freep) char **notes = NULL;
        struct cvm_json root, place;
        int r = *result ? cvm_json_parse(result, strlen(result), "result", &node, err) : 0;

        if (r < 0 || !node)
                return r;
        root = cvm_json_root(node, "result");
        place = cvm_json_at(&root, "notes");
        r = cvm_json_read_texts(&place, &notes, err);
        for (size_t i = 0; notes && notes[i]; i++)
                output_say("%s", notes[i]);
        return r;
}

/* What came of it: the VM as it is now. */
static int show_vm(sd_bus *bus, const char *path, bool noted, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *vm = NULL;
        int r = bus_properties(bus, path, CVMD_VM_INTERFACE, &vm, err);

        if (r < 0)
                return r;
        if (!noted && json_object_get_boolean(json_object_object_get(vm, "simulated")))
                output_say("SIMULATED: no hardware protects this guest from the host");
        if (!noted && json_object_get_boolean(json_object_object_get(vm, "debug")))
                output_say("DEBUG: the host can read the memory of this guest");
        output_say("%s is %s, its trust is %s.", json_object_get_string(json_object_object_get(vm, "name")),
                   json_object_get_string(json_object_object_get(vm, "state")),
                   json_object_get_string(json_object_object_get(vm, "trust")));
        if (globals.format_given)
                output_object(vm, "name");
        return 0;
}

static int send(sd_bus *bus, const struct submission *s, const char *method, sd_bus_message **ret_reply,
                struct cvm_error *err) {
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, CVMD_PATH, CVMD_MANAGER_INTERFACE,
                                               method);

        r = r < 0 ? r : submission_append(call, s, false, err);
        if (r >= 0)
                r = bus_send(bus, call, ret_reply, err);
        sd_bus_message_unref(call);
        return r;
}

/* Of a domain that is adopted people want to see what it became: a file for `create`. */
static int dry_run(const struct arguments *arguments, const struct submission *s, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *definition = NULL;
        int r;

        if (!libvirt_is_named(arguments))
                return submission_show_plan(s, err);
        r = cvm_json_parse(s->text, strlen(s->text), "definition", &definition, err);
        if (r < 0)
                return r;
        puts(json_object_to_json_string_ext(definition, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
        return 0;
}

static int make(const struct arguments *arguments, bool launch, struct cvm_error *err) {
        CVM_CLEANUP(submission_done) struct submission s = { 0 };
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_freep) char *result = NULL;
        sd_bus_message *reply = NULL;
        const char *vm, *operation = NULL;
        int r = submission_read(arguments, &s, err);

        if (r < 0 || argument(arguments, "dry-run"))
                return r < 0 ? r : dry_run(arguments, &s, err);
        r = bus_open(&bus, err);
        if (r >= 0)
                r = send(bus, &s, launch ? "Launch" : "Create", &reply, err);
        if (r >= 0)
                r = launch ? sd_bus_message_read(reply, "oo", &vm, &operation)
                           : sd_bus_message_read(reply, "o", &vm);
        if (r >= 0 && operation)
                r = bus_wait(bus, operation, 0, &result, err);
        if (r >= 0 && result)
                r = say_notes(result, err);
        if (r >= 0 && (!launch || !globals.no_wait)) /* Create answers when the VM is made */
                r = show_vm(bus, vm, result && *result, err);
        sd_bus_message_unref(reply);
        return r < 0 ? cvm_while(err, r, "%s", launch ? "launching" : "creating") : 0;
}

static int run_launch(const struct arguments *arguments, struct cvm_error *err) {
        return make(arguments, true, err);
}

static int run_create(const struct arguments *arguments, struct cvm_error *err) {
        return make(arguments, false, err);
}

static int update(sd_bus *bus, const struct submission *s, const char *name, bool dry_run, char **ret,
                  struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        sd_bus_message *call = NULL;
        int r = bus_vm_path(bus, name, &path, err);

        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, path, CVMD_VM_INTERFACE,
                                                   "Update");
        if (r >= 0)
                r = submission_append(call, s, dry_run, err);
        if (r >= 0)
                r = bus_operate(bus, call, 0, ret, err);
        sd_bus_message_unref(call);
        return r;
}

static int run_update(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(submission_done) struct submission s = { 0 };
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *result = NULL;
        struct arguments definition = *arguments; /* the words behind the name are the definition's */
        int r;

        definition.n_words--;
        memmove(definition.words, definition.words + 1, definition.n_words * sizeof *definition.words);
        r = submission_read(&definition, &s, err);
        if (r >= 0)
                r = bus_open(&bus, err);
        if (r >= 0)
                r = update(bus, &s, arguments->words[0], argument(arguments, "dry-run"), &result, err);
        if (r >= 0 && *result)
                r = cvm_json_parse(result, strlen(result), "result", &node, err);
        if (r < 0)
                return cvm_while(err, r, "updating '%s'", arguments->words[0]);
        if (node)
                output_object(node, "new_measurement");
        return 0;
}

#define COMMAND_WITH_DEFINITION(id, name_, words_, min, max, summary_, options_, run_) \
        const struct command command_##id = { .name = name_,                           \
                                              .words = words_,                         \
                                              .words_min = min,                        \
                                              .words_max = max,                        \
                                              .summary = summary_,                     \
                                              .options = options_,                     \
                                              .run = run_ };

COMMAND_WITH_DEFINITION(launch, "launch", "[DEFINITION]", 0, 1, "create a VM and start it", options,
                        run_launch)
COMMAND_WITH_DEFINITION(run, "run", "[DEFINITION]", 0, 1, "the same as launch", options, run_launch)
COMMAND_WITH_DEFINITION(create, "create", "[DEFINITION]", 0, 1, "create a VM", create_options, run_create)
COMMAND_WITH_DEFINITION(update, "update", "NAME [DEFINITION]", 1, 2,
                        "change a stopped VM's definition; --dry-run shows old and new measurement", options,
                        run_update)
