/* cvmctl dump: a guest's memory in a file that is there only when it is whole. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/each-vm.h"
#include "cli/output.h"
#include "launch/platform.h"

static char unfinished[PATH_MAX]; /* what a signal removes */

static void on_signal(int number) {
        unlink(unfinished);
        _exit(128 + number);
}

/* The dump itself goes on, into a file that is gone. */
static void remove_at_signals(const char *path) {
        static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
        struct sigaction action = { .sa_handler = path ? on_signal : SIG_DFL };

        if (path)
                snprintf(unfinished, sizeof unfinished, "%s", path);
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                (void)sigaction(numbers[i], &action, NULL);
}

static void say(const char *name, const char *path, int fd, json_object *result) {
        json_object *notes = json_object_object_get(result, "notes");
        struct stat st = { 0 };

        (void)fstat(fd, &st);
        output_say("%s: dumped into '%s' (%lld MiB)", name, path, (long long)(st.st_size >> 20));
        for (size_t i = 0;
             json_object_is_type(notes, json_type_array) && i < json_object_array_length(notes); i++)
                output_say("%s", json_object_get_string(json_object_array_get_idx(notes, i)));
}

/* The daemon has QEMU's word only, and does not read what may lie anywhere. */
static int check(const char *text, int fd, json_object **ret_result, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const struct platform *platform = NULL;
        json_object *name = NULL;
        int r = cvm_json_parse(text, strlen(text), "result", &node, err);

        if (r >= 0 && json_object_object_get_ex(node, "platform", &name) &&
            json_object_is_type(name, json_type_string))
                platform = platform_by_name(json_object_get_string(name));
        if (platform && platform->check_core)
                r = platform->check_core(fd, err);
        if (r >= 0)
                *ret_result = TAKE_PTR(node);
        return r;
}

static int call(sd_bus *bus, const char *path, int fd, char **ret_result, struct cvm_error *err) {
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, path, CVMD_VM_INTERFACE, "Dump");

        if (r >= 0)
                r = sd_bus_message_append(call, "h", fd);
        if (r >= 0)
                r = bus_operate(bus, call, 0, ret_result, err);
        sd_bus_message_unref(call);
        return r;
}

static int dump(sd_bus *bus, const char *path, const char *name, const void *ctx, struct cvm_error *err) {
        CVM_CLEANUP(cvm_new_file_done) struct cvm_new_file file = CVM_NEW_FILE_INIT;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *result = NULL;
        const char *to = ctx;
        int r = cvm_new_file_begin(to, 0600, &file, err);

        if (r < 0)
                return r;
        remove_at_signals(file.temporary);
        r = call(bus, path, file.fd, &text, err);
        if (r >= 0)
                r = check(text, file.fd, &result, err);
        if (r >= 0)
                r = cvm_new_file_end(&file, err);
        remove_at_signals(NULL);
        if (r >= 0)
                say(name, to, file.fd, result);
        return r;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        const char *to = argument(arguments, "output");

        if (!to && !argument(arguments, "dry-run"))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "-o FILE must say where the dump goes");
        if (globals.no_wait)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "a dump is waited for: its file takes its place when it is whole");
        return each_vm(arguments, "Dump", dump, to, err);
}

static const struct option_row options[] = {
        { "output", OPTION_TEXT, "FILE", "where the dump goes, also -o" },
        DRY_RUN_OPTION,
        { 0 },
};

const struct command command_dump = {
        .name = "dump",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "the guest's memory in a file, where its owner allows it",
        .options = options,
        .run = run,
};
