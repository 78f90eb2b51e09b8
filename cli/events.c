/* cvmctl events: what happened, oldest first; with --follow what happens. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/output.h"

static const struct option_row options[] = {
        { "since", OPTION_TEXT, "SEQ", "only those after this number" },
        { "follow", OPTION_FLAG, NULL, "go on with what comes" },
        { 0 },
};

struct follower {
        const char *vm; /* NULL: all */
        uint64_t last;
};

static const char *text_of(json_object *event, const char *key) {
        const char *text = json_object_get_string(json_object_object_get(event, key));

        return text ? text : "";
}

static void print(struct follower *f, uint64_t seq, const char *json) {
        CVM_CLEANUP(cvm_json_putp) json_object *event = NULL;
        const char *what;

        if (seq <= f->last || cvm_json_parse(json, strlen(json), "event", &event, NULL) < 0)
                return;
        f->last = seq;
        if (f->vm && strcmp(f->vm, text_of(event, "name")) != 0 && strcmp(f->vm, text_of(event, "vm")) != 0)
                return;
        if (globals.format != OUTPUT_TABLE && globals.format != OUTPUT_WIDE) {
                globals.format = globals.format == OUTPUT_JSON ? OUTPUT_JSONL : globals.format;
                output_object(event, "event");
        } else {
                what = text_of(event, "event");
                printf("%-6" PRIu64 " %s  %-16s %-8s %s%s%s %s\n", seq, text_of(event, "time"),
                       text_of(event, "name"), what, text_of(event, what),
                       *text_of(event, "code") ? "  " : "", text_of(event, "code"),
                       text_of(event, "reason"));
        }
        fflush(stdout);
}

/* All that there is after f->last, in pieces. */
static int catch_up(sd_bus *bus, struct follower *f, struct cvm_error *err) {
        for (;;) {
                sd_bus_message *reply = NULL;
                uint64_t before = f->last, seq;
                const char *json;
                int r = bus_call(bus, CVMD_PATH, CVMD_MANAGER_INTERFACE, "GetEvents", &reply, err, "t",
                                 f->last);

                if (r >= 0)
                        r = sd_bus_message_enter_container(reply, 'a', "(ts)");
                while (r >= 0 && (r = sd_bus_message_read(reply, "(ts)", &seq, &json)) > 0)
                        print(f, seq, json);
                sd_bus_message_unref(reply);
                if (r < 0 || f->last == before)
                        return r;
        }
}

static int on_event(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct follower *f = userdata;
        const char *json;
        uint64_t seq;

        if (sd_bus_message_read(m, "ts", &seq, &json) >= 0)
                print(f, seq, json);
        return 0;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        struct follower f = { .vm = arguments->n_words ? arguments->words[0] : NULL };
        bool follow = argument(arguments, "follow");
        int r = argument_u64(arguments, "since", INT64_MAX, &f.last, err);

        if (r >= 0)
                r = bus_open(&bus, err);
        if (r >= 0 && follow)
                r = sd_bus_match_signal(bus, NULL, NULL, CVMD_PATH, CVMD_MANAGER_INTERFACE, "Event",
                                        on_event, &f);
        if (r >= 0)
                r = catch_up(bus, &f, err);
        while (r >= 0 && follow) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        return r;
}

const struct command command_events = {
        .name = "events",
        .words = "[NAME]",
        .words_max = 1,
        .summary = "what happened, as the host tells it",
        .options = options,
        .run = run,
};
