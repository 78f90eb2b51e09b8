/* The verbs that change a VM's life: one row each. */
#include <errno.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/each-vm.h"
#include "cli/output.h"

#define STOP_USEC (120ull * 1000000)

static const struct option_row options[] = { DRY_RUN_OPTION, { 0 } };

struct verb {
        const char *method, *done;
        bool waits; /* takes how long the guest may need to end */
};

static int run_one(sd_bus *bus, const char *path, const char *name, const void *ctx, struct cvm_error *err) {
        const struct verb *verb = ctx;
        CVM_CLEANUP(cvm_freep) char *result = NULL;
        uint64_t stop_usec = globals.timeout_usec ? globals.timeout_usec : STOP_USEC,
                 timeout = globals.timeout_usec;
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, path, CVMD_VM_INTERFACE,
                                               verb->method);

        if (r >= 0 && verb->waits)
                r = sd_bus_message_append(call, "t", stop_usec);
        if (verb->waits)
                globals.timeout_usec = 0; /* the daemon counts, and says what then is */
        if (r >= 0)
                r = bus_operate(bus, call, 0, &result, err);
        globals.timeout_usec = timeout;
        sd_bus_message_unref(call);
        if (r >= 0 && !globals.no_wait)
                output_say("%s: %s", name, verb->done);
        return r;
}

/* VERB(identifier, name, method, takes a time, summary, what is said when it is done) */
#define VERBS(VERB)                                                                                  \
        VERB(start, "start", "Start", false, "start VMs", "runs")                                    \
        VERB(stop, "stop", "Stop", true,                                                             \
             "ask guests to end, and wait (--timeout, 120 s; nothing is killed)", "has ended")       \
        VERB(kill, "kill", "Kill", false, "end VMs by force", "was killed")                          \
        VERB(pause, "pause", "Pause", false, "stop the vCPUs", "is paused")                          \
        VERB(resume, "resume", "Resume", false, "let the vCPUs run again", "runs")                   \
        VERB(restart, "restart", "Restart", true, "stop and start: a new boot, to be attested anew", \
             "runs; attest the new boot")                                                            \
        VERB(reset, "reset", "Reset", false, "the reset button: a new boot, to be attested anew",    \
             "was reset; attest the new boot")

#define DEFINE(id, name_, method_, waits_, summary_, done_)                             \
        static int run_##id(const struct arguments *arguments, struct cvm_error *err) { \
                static const struct verb verb = { method_, done_, waits_ };             \
                                                                                        \
                return each_vm(arguments, method_, run_one, &verb, err);                \
        }                                                                               \
        const struct command command_##id = { .name = name_,                            \
                                              .words = "NAME...",                       \
                                              .words_min = 1,                           \
                                              .words_max = ARGUMENTS_MAX,               \
                                              .summary = summary_,                      \
                                              .options = options,                       \
                                              .run = run_##id };
VERBS(DEFINE)
#undef DEFINE
