/*
 * A command of cvmctl: one const row here and in command.c, one file cli/NAME.c. The framework parses the
 * words after it by its table of options, prints its help from the same table, and turns a failure into one
 * sentence, its remedy and an exit status.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"

enum output_format { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_JSONL, OUTPUT_NAME };

/* What was asked for beside the command's own options. */
struct globals {
        enum output_format format;
        bool format_given;
        bool quiet;
        const char *bus; /* --bus ADDRESS; NULL: DBUS_SYSTEM_BUS_ADDRESS or the system bus */
        bool no_wait;
        uint64_t timeout_usec; /* 0: the verb's own */
};
extern struct globals globals;

enum option_kind {
        OPTION_FLAG,   /* no value */
        OPTION_TEXT,   /* one value, given once */
        OPTION_REPEAT, /* each value is kept */
};

struct option_row {
        const char *name; /* "vcpus": long options only; NULL ends the table */
        enum option_kind kind;
        const char *value; /* what stands for the value in the help: "N" */
        const char *help;
};

#define ARGUMENTS_MAX 256

/* What the user gave, borrowed from argv. */
struct arguments {
        const char *words[ARGUMENTS_MAX]; /* behind the command's name, options taken out */
        size_t n_words;
        struct {
                const struct option_row *row;
                const char *value;
        } options[ARGUMENTS_MAX];
        size_t n_options;
};

/* The (last) value of an option, "" for a flag that was given; NULL: not given. */
const char *argument(const struct arguments *arguments, const char *name);
/* Value number i of a repeated option; NULL past the last. */
const char *argument_at(const struct arguments *arguments, const char *name, size_t i);
/* A number; *ret is untouched where the option is absent. CVM_CODE_ARGUMENT. */
int argument_u64(const struct arguments *arguments, const char *name, uint64_t max, uint64_t *ret,
                 struct cvm_error *err);

/* A time in RFC 3339 as UTC milliseconds, likewise. */
int argument_time(const struct arguments *arguments, const char *name, uint64_t *ret, struct cvm_error *err);

struct command {
        const char *group; /* NULL: a daily verb */
        const char *name;
        const char *words; /* "DEFINITION", "NAME..." */
        size_t words_min, words_max;
        const char *summary; /* one line */
        const struct option_row *options;
        /* 0 or an exit status that is no failure (5 and 6 of verification); negative: failed, err has the
         * words */
        int (*run)(const struct arguments *arguments, struct cvm_error *err);
};

/* Row i of the table in the order of the help; NULL past the last. */
const struct command *command_at(size_t i);

/* Run cvmctl's whole command line; returns the exit status. */
int command_main(int argc, char **argv);
