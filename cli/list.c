/* cvmctl list: the VMs that we may see; which of them are wanted, the daemon says. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/output.h"

static const struct option_row options[] = {
        { "state", OPTION_TEXT, "STATE", "only those in this state" },
        { "trust", OPTION_TEXT, "TRUST", "only those with this trust" },
        { "platform", OPTION_TEXT, "PLATFORM", "only those of this platform" },
        { "label", OPTION_TEXT, "KEY[=VALUE]", "only those with this label" },
        { 0 },
};

static const struct output_column columns[] = {
        { "NAME", "name", false },
        { "STATE", "state", false },
        { "TRUST", "trust", false },
        { "PLATFORM", "platform_text", false },
        { "WAITS-FOR", "waits_for", false },
        { "AGE", "age", false },
        { "ID", "id", true },
        { "PID", "pid", true },
        { "GENERATION", "generation", true },
        { "BOOT-ID", "boot_id", true },
        { "TRUST-BY", "trust_by", true },
        { "MEASUREMENT", "measurement", true },
        { 0 },
};

static const char *text_of(json_object *vm, const char *key) {
        const char *text = json_object_get_string(json_object_object_get(vm, key));

        return text ? text : "";
}

static const char *const filters[] = { "state", "trust", "platform", "label" };

static bool is_filtered(const struct arguments *arguments) {
        for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
                if (argument(arguments, filters[i]))
                        return true;
        return false;
}

/* The object paths of those that the daemon lets through, as the keys of an object. */
static int read_paths(sd_bus_message *reply, json_object *ret) {
        int r = sd_bus_message_enter_container(reply, 'a', "o");
        const char *path;

        while (r >= 0 && (r = sd_bus_message_read(reply, "o", &path)) > 0)
                json_object_object_add(ret, path, json_object_new_boolean(true));
        return r;
}

static int find_wanted(sd_bus *bus, const struct arguments *arguments, json_object *ret,
                       struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, CVMD_PATH, CVMD_MANAGER_INTERFACE,
                                               "ListVMs");

        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(filters); i++)
                if (argument(arguments, filters[i]))
                        r = sd_bus_message_append(call, "{sv}", filters[i], "s",
                                                  argument(arguments, filters[i]));
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = bus_send(bus, call, &reply, err);
        return r < 0 ? r : read_paths(reply, ret);
}

static bool is_wanted(json_object *vm, json_object *wanted) {
        char path[128];

        snprintf(path, sizeof path, CVMD_VM_PATH "/%s", text_of(vm, "id"));
        for (char *p = path; (p = strchr(p, '-'));)
                *p = '_';
        return json_object_object_get_ex(wanted, path, NULL);
}

static void age_text(uint64_t since_msec, char ret[32]) {
        uint64_t s = since_msec ? (cvm_time_now() - since_msec) / 1000 : 0;

        if (!since_msec)
                snprintf(ret, 32, "-");
        else if (s < 3600)
                snprintf(ret, 32, "%llum%02llus", (unsigned long long)s / 60, (unsigned long long)s % 60);
        else
                snprintf(ret, 32, "%llud%02lluh", (unsigned long long)s / 86400,
                         (unsigned long long)s / 3600 % 24);
}

/* For people: what nothing protects says so in its platform. */
static void decorate(json_object *vm) {
        bool simulated = json_object_get_boolean(json_object_object_get(vm, "simulated"));
        bool debug = json_object_get_boolean(json_object_object_get(vm, "debug"));
        char platform[64], age[32];
        uint64_t started = 0;

        snprintf(platform, sizeof platform, "%s%s%s", text_of(vm, "platform"), simulated ? " SIMULATED" : "",
                 debug ? " DEBUG" : "");
        (void)cvm_time_parse(text_of(vm, "started"), &started);
        age_text(started, age);
        json_object_object_add(vm, "platform_text", json_object_new_string(platform));
        json_object_object_add(vm, "age", json_object_new_string(age));
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *all = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *wanted = json_object_new_array();
        CVM_CLEANUP(cvm_json_putp) json_object *paths = json_object_new_object();
        bool for_people = globals.format == OUTPUT_TABLE || globals.format == OUTPUT_WIDE;
        int r = bus_open(&bus, err);

        if (r >= 0 && is_filtered(arguments))
                r = find_wanted(bus, arguments, paths, err);
        if (r >= 0)
                r = bus_list_vms(bus, &all, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(all); i++) {
                json_object *vm = json_object_array_get_idx(all, i);

                if (is_filtered(arguments) && !is_wanted(vm, paths))
                        continue;
                if (for_people)
                        decorate(vm);
                json_object_array_add(wanted, json_object_get(vm));
        }
        output_list(wanted, columns);
        return 0;
}

const struct command command_list = {
        .name = "list",
        .words = "",
        .summary = "the VMs that you may see",
        .options = options,
        .run = run,
};
