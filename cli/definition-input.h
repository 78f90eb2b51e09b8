/*
 * A definition as cvmctl takes it: a file, flags, or a file with flags over it. Both ways build the same
 * JSON, which is then checked by the one reader (launch/definition.h).
 */
#pragma once

#include "cli/command.h"
#include "launch/definition-flags.h"
#include "launch/definition.h"

/* The flags, to be put into a command's table of options: those of the definition, and keys from files. */
#define DEFINITION_OPTION_ROW(name, kind, value, help, ...) { name, OPTION_##kind, value, help },
#define DEFINITION_OPTIONS                                                                 \
        DEFINITION_FLAGS(DEFINITION_OPTION_ROW){                                           \
                "owner-key", OPTION_TEXT, "KEY",                                           \
                "the owner's key: PEM file or URI; its public half is taken"               \
        },                                                                                 \
        {                                                                                  \
                "service-key", OPTION_TEXT, "KEY",                                         \
                                "the key of the owner's service: its public half is taken" \
        }

/*
 * words: at most one DEFINITION file ("-": standard input). Relative paths in flags and in the file are made
 * absolute (the file's are taken from the file's own directory). ret_text is the JSON, owned; ret the
 * definition read from it.
 */
int definition_input(const struct arguments *arguments, char **ret_text, struct definition **ret,
                     struct cvm_error *err);
