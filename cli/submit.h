/* Handing a definition to the daemon: with the files that we may open as descriptors, and the owner's
 * binding. */
#pragma once

#include "cli/bus.h"
#include "cli/definition-input.h"

/* The options of commands that take a definition to the daemon. */
#define SUBMIT_OPTIONS                                                                    \
        DEFINITION_OPTIONS,                                                               \
                        { "binding", OPTION_TEXT, "FILE",                                 \
                          "the owner's signed binding (made here when --owner-key "       \
                          "is her private key)" },                                        \
        {                                                                                 \
                "dry-run", OPTION_FLAG, NULL, "print plan and prediction, change nothing" \
        }

struct submission {
        char *text; /* the definition's JSON */
        struct definition *definition;
        char *binding; /* envelope; NULL: none */
};
void submission_done(struct submission *submission);

/* Definition and binding from the command line; files are not opened yet. */
int submission_read(const struct arguments *arguments, struct submission *ret, struct cvm_error *err);

/* Append (s a{sv}) to a call: definition, binding, descriptors, and dry_run where it is asked for. */
int submission_append(sd_bus_message *call, const struct submission *submission, bool dry_run,
                      struct cvm_error *err);

/* --dry-run without a daemon: the plan with its prediction. */
int submission_show_plan(const struct submission *submission, struct cvm_error *err);
