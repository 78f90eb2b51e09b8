/* cvmctl completion: scripts for shells, written from the table of commands. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/output.h"

static bool is_first_of_group(size_t i) {
        const struct command *c = command_at(i);

        for (size_t k = 0; k < i; k++)
                if (command_at(k)->group && strcmp(command_at(k)->group, c->group) == 0)
                        return false;
        return true;
}

static void print_words(const char *group) {
        for (size_t i = 0; command_at(i); i++) {
                const struct command *c = command_at(i);

                if (!group && (!c->group || is_first_of_group(i)))
                        printf(" %s", c->group ? c->group : c->name);
                else if (group && c->group && strcmp(c->group, group) == 0)
                        printf(" %s", c->name);
        }
}

static void print_options(const struct command *c) {
        for (const struct option_row *o = c->options; o && o->name; o++)
                printf(" --%s", o->name);
}

/* "group name" or "name": one case of the shell. */
static void print_key(const struct command *c) {
        printf("%s%s%s", c->group ? c->group : "", c->group ? " " : "", c->name);
}

static void print_bash(void) {
        puts("# bash completion for cvmctl: source it, or put it into bash-completion's directory");
        puts("_cvmctl() {\n        local cur=${COMP_WORDS[COMP_CWORD]} first=${COMP_WORDS[1]} words=");
        puts("        if [ \"$COMP_CWORD\" = 1 ]; then");
        printf("                words='");
        print_words(NULL);
        puts("'\n        elif [[ $cur == -* ]]; then\n                case \"$first ${COMP_WORDS[2]}\" in");
        for (size_t i = 0; command_at(i); i++) {
                printf("                '");
                print_key(command_at(i));
                printf("'%s) words='--output --quiet --bus --no-wait --timeout --help",
                       command_at(i)->group ? "" : "*");
                print_options(command_at(i));
                puts("' ;;");
        }
        puts("                esac\n        elif [ \"$COMP_CWORD\" = 2 ]; then\n                case \"$first\" in");
        for (size_t i = 0; command_at(i); i++)
                if (command_at(i)->group && is_first_of_group(i)) {
                        printf("                %s) words='", command_at(i)->group);
                        print_words(command_at(i)->group);
                        puts("' ;;");
                }
        puts("                *) words=$(cvmctl list -o name 2>/dev/null) ;;\n                esac\n        fi");
        puts("        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))");
        puts("        [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n}");
        puts("complete -F _cvmctl cvmctl");
}

static void print_zsh(void) {
        puts("#compdef cvmctl\n# zsh: through bash's completion\nautoload -U +X bashcompinit && bashcompinit");
        print_bash();
}

static void print_fish(void) {
        puts("# fish completion for cvmctl\ncomplete -c cvmctl -f");
        for (size_t i = 0; command_at(i); i++) {
                const struct command *c = command_at(i);

                if (c->group && is_first_of_group(i))
                        printf("complete -c cvmctl -n __fish_use_subcommand -a %s\n", c->group);
                if (c->group)
                        printf("complete -c cvmctl -n '__fish_seen_subcommand_from %s' -a %s -d '", c->group,
                               c->name);
                else
                        printf("complete -c cvmctl -n __fish_use_subcommand -a %s -d '", c->name);
                for (const char *p = c->summary; *p; p++)
                        if (*p == '\'')
                                fputs("\\'", stdout);
                        else
                                putchar(*p);
                puts("'");
        }
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        static const struct {
                const char *name;
                void (*print)(void);
        } shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

        for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
                if (strcmp(shells[i].name, arguments->words[0]) == 0) {
                        shells[i].print();
                        return 0;
                }
        return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "the shell must be bash, zsh or fish, not '%s'",
                        arguments->words[0]);
}

const struct command command_completion = {
        .name = "completion",
        .words = "SHELL",
        .words_min = 1,
        .words_max = 1,
        .summary = "a completion script for bash, zsh or fish",
        .run = run,
};
