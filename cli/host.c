/* cvmctl host check, host show, host capacity, status: this host and its daemon. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/libvirt-ask.h"
#include "cli/output.h"
#include "launch/host-capacity.h"
#include "launch/host-check.h"
#include "launch/host-facts.h"
#include "launch/host-libvirt.h"
#include "launch/host-record.h"

#define ROOT_OPTION \
        { "root", OPTION_TEXT, "DIR", "the host whose files lie there (a recorded tree)" }

static const struct option_row check_options[] = {
        ROOT_OPTION,
        { 0 },
};

static const char *root_of(const struct arguments *arguments) {
        const char *root = argument(arguments, "root");

        return root ? root : "/";
}

static const struct output_column check_columns[] = {
        { "CHECK", "id", false },
        { "VERDICT", "verdict", false },
        { "SENTENCE", "sentence", false },
        { "REMEDY", "remedy", false },
        { 0 },
};

static bool has_daemon(sd_bus *bus) {
        sd_bus_message *reply = NULL;
        int has = 0,
            r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                   "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s", CVMD_BUS_NAME);

        if (r >= 0)
                r = sd_bus_message_read(reply, "b", &has);
        sd_bus_message_unref(reply);
        return r >= 0 && has;
}

/* What only the daemon knows, where one runs; none is started for this. */
static int ask_running(json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r = bus_open(&bus, err);

        if (r >= 0 && !has_daemon(bus))
                r = -ENOENT;
        return r < 0 ? r : bus_properties(bus, CVMD_PATH, CVMD_MANAGER_INTERFACE, ret, err);
}

static int check_this(struct host_check ret[HOST_ALL_CHECKS_MAX], struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        CVM_CLEANUP(cvm_json_putp) json_object *answer = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *daemon = NULL;
        struct cvm_error why = { 0 }, silent = { 0 };
        int r = libvirt_answer("capabilities", request, &answer, &why);
        struct host_libvirt libvirt = { .answer = answer,
                                        .why = r == -ENOENT ? NULL : cvm_error_text(&why, r) };

        if (ask_running(&daemon, &silent) >= 0) {
                const char *driver = json_object_get_string(json_object_object_get(daemon, "driver"));

                libvirt.is_needed = driver && strcmp(driver, "libvirt") == 0;
        }
        return host_check_all("/", HOST_SEEN_BY_CALLER, &libvirt, ret, err);
}

/* Seen by who asks, who may read more than the service. Exit status 9 where something fails. */
static int run_check(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *list = NULL;
        struct host_check checks[HOST_ALL_CHECKS_MAX];
        const char *root = argument(arguments, "root"); /* of a recorded host, which has no libvirt */
        int n = root ? host_check_all(root, HOST_SEEN_BY_CALLER, NULL, checks, err)
                     : check_this(checks, err);
        bool fails = false;

        if (n < 0)
                return n;
        list = host_checks_json(checks, (size_t)n);
        for (int i = 0; i < n; i++)
                fails |= checks[i].verdict == HOST_FAIL;
        output_list(list, check_columns);
        return fails ? cvm_code_exit_status(&CVM_CODE_PLATFORM_HARDWARE) : 0;
}

const struct command command_host_check = {
        .group = "host",
        .name = "check",
        .words = "",
        .summary = "can this host run guests, and what is to be done if not",
        .options = check_options,
        .run = run_check,
};

static const struct option_row show_options[] = {
        ROOT_OPTION,
        { "facts", OPTION_FLAG, NULL, "what a policy and a prediction need of this host, as JSON" },
        { "output", OPTION_TEXT, "FILE", "where the facts go; without --facts the FORMAT, as everywhere" },
        { "simulation-root", OPTION_FLAG, NULL, "print the simulation root's certificates (PEM)" },
        { "simulation-hosts", OPTION_FLAG, NULL,
          "print the simulated hosts' documents, for images and requests (PEM)" },
        { "record-key", OPTION_FLAG, NULL, "print the public half of the record key (PEM)" },
        { 0 },
};

static int manager(json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r = bus_open(&bus, err);

        return r < 0 ? r : bus_properties(bus, CVMD_PATH, CVMD_MANAGER_INTERFACE, ret, err);
}

/* One of the daemon's public keys. */
static int show_key(const char *key, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *text;
        int r = manager(&node, err);

        if (r < 0)
                return r;
        text = json_object_get_string(json_object_object_get(node, key));
        if (!text || !*text)
                return cvm_fail(err, &CVM_CODE_NO_SIMULATION_ROOT, 2,
                                "there is none yet: it is made when the first simulated guest starts");
        fputs(text, stdout);
        return 0;
}

/* Made where they are not there yet: an owner builds an image before any guest can start. */
static int show_hosts(struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r = bus_open(&bus, err);

        if (r >= 0)
                r = bus_call(bus, CVMD_PATH, CVMD_MANAGER_INTERFACE, "Simulate", NULL, err, "");
        return r < 0 ? r : show_key("simulation_hosts", err);
}

static int show_facts(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = host_document(root_of(arguments), &node, err);

        if (r < 0)
                return r;
        if (asprintf(&text, "%s\n",
                     json_object_to_json_string_ext(node,
                                                    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED)) < 0)
                text = NULL;
        return text ? output_file(argument(arguments, "output"), text, 0644, err) : -ENOMEM;
}

static int run_show(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *format = argument(arguments, "output");
        int r;

        if (argument(arguments, "simulation-root"))
                return show_key("simulation_root", err);
        if (argument(arguments, "simulation-hosts"))
                return show_hosts(err);
        if (argument(arguments, "record-key"))
                return show_key("record_key", err);
        if (argument(arguments, "facts"))
                return show_facts(arguments, err);
        r = format ? output_parse(format, &globals.format, err) : 0;
        if (r >= 0)
                r = host_describe(root_of(arguments), &node, err);
        if (r < 0)
                return r;
        output_object(node, "cpu_vendor");
        return 0;
}

const struct command command_host_show = {
        .group = "host",
        .name = "show",
        .words = "",
        .summary = "what this host offers, and its daemon's public keys",
        .options = show_options,
        .run = run_show,
};

static const struct output_column capacity_columns[] = {
        { "POOL", "pool", false },
        { "GUESTS", "guests", false },
        { "CAPACITY", "capacity", false },
        { "USED", "used", false },
        { "FREE", "free", false },
        { "LIMIT", "limit", false },
        { 0 },
};

static void tell_leak(void) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_error silent = { 0 };
        uint64_t leaked;

        if (ask_running(&node, &silent) < 0)
                return;
        leaked = json_object_get_uint64(
                        json_object_object_get(json_object_object_get(node, "capacity"), "leaked"));
        if (leaked)
                output_say("%llu identifiers were not given back after the last guest on hardware had ended, "
                           "unless other programs started some",
                           (unsigned long long)leaked);
}

static int run_capacity(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *list = NULL;
        int r = host_capacity(root_of(arguments), &list, err);

        if (r < 0)
                return r;
        output_list(list, capacity_columns);
        if (!argument(arguments, "root"))
                tell_leak();
        return 0;
}

const struct command command_host_capacity = {
        .group = "host",
        .name = "capacity",
        .words = "",
        .summary = "how many more encrypted guests fit on this host",
        .options = check_options,
        .run = run_capacity,
};

static const struct option_row record_options[] = {
        ROOT_OPTION,
        { "output", OPTION_TEXT, "DIR", "a directory to make" },
        { "hide-chip-ids", OPTION_FLAG, NULL, "record a pattern in their place" },
        { 0 },
};

static int run_record(const struct arguments *arguments, struct cvm_error *err) {
        const char *directory = argument(arguments, "output");

        if (!directory)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "the recording needs a directory: -o DIR");
        return host_record(root_of(arguments), directory, argument(arguments, "hide-chip-ids") != NULL, err);
}

const struct command command_host_record = {
        .group = "host",
        .name = "record",
        .words = "",
        .summary = "this host as a tree of files, for --root elsewhere",
        .options = record_options,
        .run = run_record,
};

static int run_status(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *properties = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *vms = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        json_object *states = json_object_new_object(), *count;
        int r = bus_open(&bus, err);

        json_object_object_add(node, "vms", states);
        if (r >= 0)
                r = bus_properties(bus, CVMD_PATH, CVMD_MANAGER_INTERFACE, &properties, err);
        if (r >= 0)
                r = bus_list_vms(bus, &vms, err);
        if (r < 0)
                return r;
        json_object_object_add(node, "version",
                               json_object_get(json_object_object_get(properties, "version")));
        for (size_t i = 0; i < json_object_array_length(vms); i++) {
                const char *state = json_object_get_string(
                                json_object_object_get(json_object_array_get_idx(vms, i), "state"));

                count = json_object_object_get(states, state);
                json_object_object_add(states, state, json_object_new_int(1 + json_object_get_int(count)));
        }
        output_object(node, "version");
        return 0;
}

const struct command command_status = {
        .name = "status",
        .words = "",
        .summary = "the daemon and its VMs by state",
        .run = run_status,
};
