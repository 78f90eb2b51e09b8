/* cvmctl logs: QEMU's messages and the tail of the console, without control characters. */
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "cli/bus.h"
#include "cli/commands.h"

static const struct option_row options[] = {
        { "bytes", OPTION_TEXT, "N", "at most this much of each end (256 KiB)" },
        { 0 },
};

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_freep) char *path = NULL, *clean = NULL;
        sd_bus_message *reply = NULL;
        uint64_t bytes = 0;
        const char *text;
        int r = argument_u64(arguments, "bytes", 1 << 20, &bytes, err);

        if (r >= 0)
                r = bus_open(&bus, err);
        if (r >= 0)
                r = bus_vm_path(bus, arguments->words[0], &path, err);
        if (r >= 0)
                r = bus_call(bus, path, CVMD_VM_INTERFACE, "GetLogs", &reply, err, "t", bytes);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0) {
                clean = strdup(text);
                if (clean) {
                        cvm_text_clean(clean, strlen(clean), true);
                        fputs(clean, stdout);
                }
        }
        sd_bus_message_unref(reply);
        return r < 0 ? cvm_while(err, r, "'%s'", arguments->words[0]) : 0;
}

const struct command command_logs = {
        .name = "logs",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "QEMU's messages and the tail of the console",
        .options = options,
        .run = run,
};
