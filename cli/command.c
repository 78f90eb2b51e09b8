#include "cli/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cli/commands.h"
#include "cli/output.h"

struct globals globals;

static const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "cli/commands.def"
#undef COMMAND
};

static const struct option_row global_rows[] = {
        { "output", OPTION_TEXT, "FORMAT", "table, wide, json, jsonl or name (also -o)" },
        { "quiet", OPTION_FLAG, NULL, "no talk on standard error (also -q)" },
        { "bus", OPTION_TEXT, "ADDRESS", "the daemon's bus, when it is not the system bus" },
        { "no-wait", OPTION_FLAG, NULL, "do not wait for the end of an operation" },
        { "wait", OPTION_FLAG, NULL, "wait for the end of an operation (the default)" },
        { "timeout", OPTION_TEXT, "SECONDS", "how long to wait for an operation" },
        { "help", OPTION_FLAG, NULL, "this text (also -h)" },
        { 0 },
};

const struct command *command_at(size_t i) {
        return i < ARRAY_SIZE(commands) ? commands[i] : NULL;
}

const char *argument_at(const struct arguments *arguments, const char *name, size_t i) {
        for (size_t k = 0; k < arguments->n_options; k++)
                if (strcmp(arguments->options[k].row->name, name) == 0 && i-- == 0)
                        return arguments->options[k].value;
        return NULL;
}

const char *argument(const struct arguments *arguments, const char *name) {
        const char *last = NULL, *value;

        for (size_t i = 0; (value = argument_at(arguments, name, i)); i++)
                last = value;
        return last;
}

int argument_u64(const struct arguments *arguments, const char *name, uint64_t max, uint64_t *ret,
                 struct cvm_error *err) {
        const char *text = argument(arguments, name);
        char *end;
        uint64_t v;

        if (!text)
                return 0;
        errno = 0;
        v = strtoull(text, &end, 0);
        if (errno || *end || *text < '0' || *text > '9' || v > max)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                                "--%s must be a number up to %" PRIu64 ", not '%s'", name, max, text);
        *ret = v;
        return 0;
}

int argument_time(const struct arguments *arguments, const char *name, uint64_t *ret,
                  struct cvm_error *err) {
        const char *text = argument(arguments, name);

        if (text && cvm_time_parse(text, ret) < 0)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                                "--%s must be a time such as 2026-01-31T00:00:00Z, not '%s'", name, text);
        return 0;
}

static const struct option_row *find_option(const struct option_row *rows, const char *name, size_t length) {
        for (; rows && rows->name; rows++)
                if (strlen(rows->name) == length && strncmp(rows->name, name, length) == 0)
                        return rows;
        return NULL;
}

/* -o, -q and -h stand for their long forms; everything else is long. */
static const char *long_form(const char *word) {
        static const struct {
                const char *word, *name;
        } shorts[] = { { "-o", "--output" }, { "-q", "--quiet" }, { "-h", "--help" } };

        for (size_t i = 0; i < ARRAY_SIZE(shorts); i++)
                if (strcmp(word, shorts[i].word) == 0)
                        return shorts[i].name;
        return word;
}

static bool was_given(const struct arguments *arguments, const struct option_row *row) {
        for (size_t i = 0; i < arguments->n_options; i++)
                if (arguments->options[i].row == row)
                        return true;
        return false;
}

/* Commands that write a file have an option "output" of their own: then -o FILE names it. */
static int take_option(const struct command *command, int argc, char **argv, int *i, struct arguments *ret,
                       struct cvm_error *err) {
        const char *name = long_form(argv[*i]) + 2, *equals = strchr(name, '=');
        size_t length = equals ? (size_t)(equals - name) : strlen(name);
        const struct option_row *row = find_option(command ? command->options : NULL, name, length);

        if (!row)
                row = find_option(global_rows, name, length);
        if (!row || argv[*i][1] == 0)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "there is no option '%s' here", argv[*i]);
        if (ret->n_options == ARGUMENTS_MAX)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "too many options");
        if (row->kind == OPTION_FLAG && equals)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--%s takes no value", row->name);
        if (row->kind != OPTION_FLAG && !equals && *i + 1 >= argc)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--%s needs a value: %s", row->name,
                                row->value);
        if (row->kind == OPTION_TEXT && was_given(ret, row))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--%s was given twice, and has one value",
                                row->name);
        ret->options[ret->n_options].row = row;
        ret->options[ret->n_options++].value = row->kind == OPTION_FLAG ? ""
                                               : equals                 ? equals + 1
                                                                        : argv[++*i];
        return 0;
}

static int take_words(const struct command *command, int argc, char **argv, struct arguments *ret,
                      struct cvm_error *err) {
        bool options = true;

        for (int i = 0; i < argc; i++) {
                if (options && strcmp(argv[i], "--") == 0) {
                        options = false;
                        continue;
                }
                if (options && argv[i][0] == '-' && argv[i][1]) {
                        int r = take_option(command, argc, argv, &i, ret, err);

                        if (r < 0)
                                return r;
                        continue;
                }
                if (ret->n_words == ARGUMENTS_MAX)
                        return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "too many arguments");
                ret->words[ret->n_words++] = argv[i];
        }
        return 0;
}

static int take_globals(const struct arguments *arguments, struct cvm_error *err) {
        uint64_t seconds = 0;
        int r = argument_u64(arguments, "timeout", 1000000, &seconds, err);

        if (r < 0)
                return r;
        globals.timeout_usec = seconds * 1000000;
        globals.bus = argument(arguments, "bus");
        globals.quiet = argument(arguments, "quiet");
        globals.no_wait = argument(arguments, "no-wait");
        for (size_t i = 0; i < arguments->n_options; i++)
                if (arguments->options[i].row == &global_rows[0]) {
                        r = output_parse(arguments->options[i].value, &globals.format, err);
                        globals.format_given = true;
                }
        return r;
}

static void print_options(const struct option_row *rows) {
        for (; rows && rows->name; rows++) {
                char left[64];

                snprintf(left, sizeof left, "--%s%s%s%s", rows->name, rows->value ? " " : "",
                         rows->value ? rows->value : "", rows->kind == OPTION_REPEAT ? "..." : "");
                printf("  %-28s %s\n", left, rows->help);
        }
}

static void print_command_help(const struct command *c) {
        printf("cvmctl %s%s%s %s\n\n%s\n", c->group ? c->group : "", c->group ? " " : "", c->name, c->words,
               c->summary);
        if (c->options && c->options->name)
                printf("\nOptions:\n");
        print_options(c->options);
        printf("\nEverywhere:\n");
        print_options(global_rows);
}

/* All commands, or those of one group. */
static void print_help(const char *group) {
        printf("cvmctl%s%s: confidential VMs of this host, and their owner's side\n\n", group ? " " : "",
               group ? group : "");
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                const struct command *c = commands[i];
                char left[64];

                if (group && (!c->group || strcmp(c->group, group) != 0))
                        continue;
                snprintf(left, sizeof left, "%s%s%s %s", c->group ? c->group : "", c->group ? " " : "",
                         c->name, c->words);
                printf("  %-36s %s\n", left, c->summary);
        }
        printf("\nEverywhere:\n");
        print_options(global_rows);
        printf("\n'cvmctl VERB --help' tells more; 'cvmctl explain CODE' explains a failure.\n");
}

static bool is_group(const char *word) {
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                if (commands[i]->group && strcmp(commands[i]->group, word) == 0)
                        return true;
        return false;
}

static bool asks_help(const char *word) {
        return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* The command whose group and name these words begin with; *used says how many of them that is. */
static const struct command *find_command(int argc, char **argv, int *used) {
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                const struct command *c = commands[i];
                int n = c->group ? 2 : 1;

                if (argc < n || strcmp(argv[n - 1], c->name) != 0 ||
                    (c->group && strcmp(argv[0], c->group) != 0))
                        continue;
                *used = n;
                return c;
        }
        return NULL;
}

static int run_command(const struct command *command, int argc, char **argv, struct cvm_error *err) {
        struct arguments arguments = { 0 };
        int r = take_words(command, argc, argv, &arguments, err);

        if (r >= 0)
                r = take_globals(&arguments, err);
        if (r < 0)
                return r;
        if (argument(&arguments, "help")) {
                print_command_help(command);
                return 0;
        }
        if (arguments.n_words < command->words_min || arguments.n_words > command->words_max)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "usage: cvmctl %s%s%s %s",
                                command->group ? command->group : "", command->group ? " " : "",
                                command->name, command->words);
        return command->run(&arguments, err);
}

/* Options for everywhere may stand before the command: they are moved behind it. Returns how many words that
 * were. */
static int put_command_first(int argc, char **argv) {
        char *leading[ARGUMENTS_MAX];
        int n = 0;

        while (1 + n < argc && n + 1 < ARGUMENTS_MAX && argv[1 + n][0] == '-' && argv[1 + n][1]) {
                const char *name = long_form(argv[1 + n]) + 2;
                const struct option_row *row = find_option(global_rows, name, strlen(name));

                leading[n] = argv[1 + n];
                n++;
                if (row && row->kind != OPTION_FLAG && 1 + n < argc) {
                        leading[n] = argv[1 + n];
                        n++;
                }
        }
        memmove(argv + 1, argv + 1 + n, (size_t)(argc - 1 - n) * sizeof *argv);
        memcpy(argv + argc - n, leading, (size_t)n * sizeof *argv);
        return n;
}

int command_main(int argc, char **argv) {
        struct cvm_error err = { 0 };
        const struct command *command;
        bool in_group, bare, asked;
        int used = 0, words = argc, r;

        if (argc > 1 && !asks_help(argv[1]) && strcmp(argv[1], "--version") != 0)
                words -= put_command_first(argc, argv);
        in_group = words > 1 && is_group(argv[1]);
        bare = words == 1 || (words == 2 && in_group);
        asked = words > 1 && (asks_help(argv[1]) || (words > 2 && in_group && asks_help(argv[2])));

        if (bare || asked) {
                print_help(in_group ? argv[1] : NULL);
                return bare ? cvm_code_exit_status(&CVM_CODE_USAGE) : 0;
        }
        if (strcmp(argv[1], "--version") == 0) {
                printf("cvmctl %s\n", CVM_VERSION);
                return 0;
        }
        command = find_command(argc - 1, argv + 1, &used);
        if (command)
                r = run_command(command, argc - 1 - used, argv + 1 + used, &err);
        else
                r = cvm_fail(&err, &CVM_CODE_USAGE, EINVAL, "there is no command '%s%s%s'", argv[1],
                             in_group ? " " : "", in_group ? argv[2] : "");
        if (r >= 0)
                return output_flush(&err) < 0 ? output_failure(&err, -EIO) : r;
        return output_failure(&err, r);
}
