#include "cli/policy-open.h"

#include <string.h>

#include "cli/output.h"
#include "cli/request-platform.h"

static bool is_any(json_object *value) {
        return json_object_is_type(value, json_type_string) &&
               strcmp(json_object_get_string(value), "any") == 0;
}

static void say_member(json_object *policy, const char *key, const char *any) {
        json_object *value;

        if (!json_object_object_get_ex(policy, key, &value))
                output_say("Missing: '%s' was left out; write it into the policy, or \"any\", before it is one.",
                           key);
        else if (is_any(value))
                output_say("Open: %s.", any);
}

/* A fleet's policy may leave fields of the binding open; a pinned one is a text. */
static void say_binding(json_object *policy) {
        json_object *binding = json_object_object_get(policy, "binding");

        if (!json_object_is_type(binding, json_type_object))
                return;
        output_say("Open: the binding is not pinned by its digest, only by fields.");
        json_object_object_foreach(binding, field, value) if (is_any(value))
                        output_say("Open: any '%s' in the binding is accepted.", field);
}

static void say_learnt(json_object *policy) {
        json_object *list = json_object_object_get(policy, "measurements"), *names;

        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
                json_object *one = json_object_array_get_idx(list, i);

                names = json_object_is_type(one, json_type_object)
                                        ? json_object_object_get(one, "unverified")
                                        : NULL;
                for (size_t k = 0; names && k < json_object_array_length(names); k++)
                        output_say("Open: '%s' is learnt, not verified: nobody checked what the host wrote into it.",
                                   json_object_get_string(json_object_array_get_idx(names, k)));
        }
}

static void say_coverage(json_object *policy) {
        static const char *const parts[] = { "firmware", "kernel", "initrd", "cmdline" };
        json_object *covers = json_object_object_get(policy, "covers");
        json_object *gaps = json_object_object_get(policy, "gaps");

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                bool named = false;

                if (json_object_get_boolean(json_object_object_get(covers, parts[i])))
                        continue;
                for (size_t k = 0; gaps && k < json_object_array_length(gaps); k++)
                        named |= strcmp(json_object_get_string(json_object_array_get_idx(gaps, k)),
                                        parts[i]) == 0;
                if (named)
                        output_say("Open: %s is not measured, and 'gaps' accepts that.", parts[i]);
                else
                        output_say("Refuses: %s is not measured, so no guest passes until 'gaps' names it.",
                                   parts[i]);
        }
}

/* Where one of the platforms has firmware of versions and ACPI tables, these are said. */
static const struct request_platform *request_platform_of(json_object *policy) {
        json_object *list = json_object_object_get(policy, "platforms");
        const struct request_platform *platform = NULL;

        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
                platform = request_platform_find(json_object_get_string(json_object_array_get_idx(list, i)));
                if (!platform)
                        return NULL;
        }
        return platform;
}

void policy_say_open(json_object *policy) {
        const struct request_platform *platform = request_platform_of(policy);

        say_member(policy, "hosts", "any host is accepted");
        say_member(policy, "min_tcb", platform ? platform->any_firmware : "firmware of any age is accepted");
        if (json_object_get_boolean(json_object_object_get(policy, "debug")))
                output_say("DEBUG: the policy accepts a guest whose memory its host can read.");
        if (json_object_get_boolean(json_object_object_get(policy, "unowned")))
                output_say("Open: the guest has no owner; it takes no secrets.");
        say_binding(policy);
        say_learnt(policy);
        say_coverage(policy);
        if (!platform && !json_object_get_boolean(json_object_object_get(
                                         json_object_object_get(policy, "covers"), "acpi")))
                output_say("Open: the ACPI tables are the host's.");
}
