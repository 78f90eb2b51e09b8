/* cvmctl host check, host show, status: this host and its daemon. */
#include <stdio.h>
#include <string.h>

#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "launch/host-check.h"
#include "launch/host.h"

static const struct option_row check_options[] = {
        { "root", OPTION_TEXT, "DIR", "judge the host whose files lie there (a recorded tree)" },
        { 0 },
};

static const struct output_column check_columns[] = {
        { "CHECK", "id", false },
        { "VERDICT", "verdict", false },
        { "SENTENCE", "sentence", false },
        { "REMEDY", "remedy", false },
        { 0 },
};

/* Without a daemon. Exit status 9 where something fails. */
static int run_check(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *list = json_object_new_array();
        const char *root = argument(arguments, "root");
        struct host_check checks[HOST_CHECKS_MAX];
        int n = host_check(root ? root : "/", checks, err);
        bool fails = false;

        if (n < 0)
                return n;
        for (int i = 0; i < n; i++) {
                json_object *row = json_object_new_object();

                json_object_object_add(row, "id", json_object_new_string(checks[i].id));
                json_object_object_add(row, "verdict",
                                       json_object_new_string(host_verdict_texts[checks[i].verdict]));
                json_object_object_add(row, "sentence", json_object_new_string(checks[i].sentence));
                json_object_object_add(row, "remedy", json_object_new_string(checks[i].remedy));
                json_object_array_add(list, row);
                fails |= checks[i].verdict == HOST_FAIL;
        }
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
        { "simulation-root", OPTION_FLAG, NULL, "print the simulation root's certificate (PEM)" },
        { "record-key", OPTION_FLAG, NULL, "print the public half of the record key (PEM)" },
        { 0 },
};

static int manager(json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r = bus_open(&bus, err);

        return r < 0 ? r : bus_properties(bus, CVMD_PATH, CVMD_MANAGER_INTERFACE, ret, err);
}

static int run_show(const struct arguments *arguments, struct cvm_error *err) {
        static const struct {
                const char *option, *key;
        } texts[] = { { "simulation-root", "simulation_root" }, { "record-key", "record_key" } };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct host_facts facts;
        const char *text;
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                if (!argument(arguments, texts[i].option))
                        continue;
                r = manager(&node, err);
                if (r < 0)
                        return r;
                text = json_object_get_string(json_object_object_get(node, texts[i].key));
                if (!text || !*text)
                        return cvm_fail(err, &CVM_CODE_NO_SIMULATION_ROOT, 2,
                                        "there is none yet: it is made when the first simulated guest starts");
                fputs(text, stdout);
                return 0;
        }
        r = host_read("/", &facts, err);
        if (r < 0)
                return r;
        node = host_json(&facts);
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
