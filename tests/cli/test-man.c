/* The man pages have every verb with its options, and every key of definitions and policies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "attest/policy-fields.h"
#include "base/fd.h"
#include "cli/command.h"
#include "launch/definition-flags.h"
#include "launch/definition-parts.h"
#include "launch/platform.h"

/* A page as a reader sees it in one respect: "\-" is '-', and font changes are gone. */
static char *page(const char *name) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_error err = { 0 };
        char path[4096], *text, *to;

        snprintf(path, sizeof path, CVM_SOURCE_DIR "/doc/%s", name);
        if (cvm_read_file(path, 1 << 20, &bytes, &err) < 0)
                fail_msg("%s", err.text);
        text = to = (char *)bytes.data;
        for (const char *p = text; *p; p++)
                if (p[0] == '\\' && p[1] == '-')
                        continue;
                else if (p[0] == '\\' && p[1] == 'f')
                        p += 2;
                else
                        *to++ = *p;
        *to = 0;
        bytes.data = NULL;
        return text;
}

/* The entry of a page that begins with these words; NULL: there is none. */
static const char *entry(const char *text, const char *words) {
        char bold[256], bold_roman[256];
        const char *found;

        snprintf(bold, sizeof bold, ".TP\n.B %s", words);
        snprintf(bold_roman, sizeof bold_roman, ".TP\n.BR %s ", words);
        for (found = text; (found = strstr(found, bold)); found++)
                if (strchr(" \n", found[strlen(bold)]))
                        return found;
        return strstr(text, bold_roman);
}

static void has_entry(const char *text, const char *words) {
        if (!entry(text, words))
                fail_msg("there is no entry '%s'", words);
}

static bool has_option(const struct command *c, const char *name) {
        for (const struct option_row *row = c->options; row && row->name; row++)
                if (strcmp(row->name, name) == 0)
                        return true;
        return false;
}

/* The flags of a definition (keys of files among them) are told once; -o FILE stands for --output FILE. */
static bool stands_elsewhere(const struct command *c, const char *option) {
        const char *flag;

        for (size_t i = 0; (flag = definition_flag_at(i)); i++)
                if (strcmp(flag, option) == 0)
                        return true;
        return strcmp(option, "output") == 0 || strcmp(option, "service-key") == 0 ||
               (strcmp(option, "owner-key") == 0 && has_option(c, "service-key"));
}

/* In one of the entries of that verb (evidence verify has two). */
static bool entries_have(const char *text, const char *words, const char *option) {
        for (const char *found = entry(text, words); found; found = entry(found + 1, words)) {
                const char *end = strstr(found + 1, ".TP"), *at = strstr(found, option);

                if (at && (!end || at < end))
                        return true;
        }
        return false;
}

static void test_verbs(void **state) {
        CVM_CLEANUP(cvm_freep) char *text = page("cvmctl.1");
        const struct command *c;

        for (size_t i = 0; (c = command_at(i)); i++) {
                char words[128], option[80];

                snprintf(words, sizeof words, "%s%s%s", c->group ? c->group : "", c->group ? " " : "",
                         c->name);
                has_entry(text, words);
                for (const struct option_row *row = c->options; row && row->name; row++) {
                        snprintf(option, sizeof option, "--%s", row->name);
                        if (!stands_elsewhere(c, row->name) && strcmp(words, "run") != 0 &&
                            !entries_have(text, words, option))
                                fail_msg("the entry '%s' has no %s", words, option);
                }
        }
}

static void has_fields(const char *text, const char *prefix, const struct cvm_json_field *fields) {
        for (; fields->key; fields++) {
                char words[128];

                snprintf(words, sizeof words, "%s%s", prefix, fields->key);
                has_entry(text, words);
        }
}

static void test_definition(void **state) {
        CVM_CLEANUP(cvm_freep) char *text = page("cvm-definition.5");

        has_fields(text, "", definition_fields);
        has_fields(text, "boot.", definition_boot_fields);
        has_fields(text, "tuning.", definition_tuning_fields);
        has_fields(text, "disks.", definition_disk_fields);
        has_fields(text, "nics.", definition_nic_fields);
        has_fields(text, "nics.forwards.", definition_forward_fields);
        for (size_t i = 0; platform_at(i); i++) {
                char prefix[64];

                snprintf(prefix, sizeof prefix, "%s.", platform_at(i)->name);
                has_fields(text, prefix, platform_at(i)->options_fields);
        }
}

static void test_policy(void **state) {
        CVM_CLEANUP(cvm_freep) char *text = page("cvm-policy.5");

        has_fields(text, "", policy_fields);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_verbs),
                cmocka_unit_test(test_definition),
                cmocka_unit_test(test_policy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
