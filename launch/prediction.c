#include "launch/prediction.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int prediction_make(struct plan *plan, const struct plan_contents *contents, json_object **ret,
                    struct cvm_error *err) {
        const struct boot_registers *registers = plan->platform->registers;
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        json_object *node;
        int r = plan_measure(plan, contents, err);

        if (r >= 0)
                r = plan_boot(plan, contents, &log, err);
        if (r < 0)
                return r;
        node = measurement_json(&plan->measurement, plan->simulated);
        json_object_object_add(node, "debug", json_object_new_boolean(plan->debug));
        if (registers)
                boot_log_add_json(&log, registers->list, registers->word, node);
        *ret = node;
        return 0;
}

int prediction_read_covers(const struct cvm_json *prediction, struct verdict_covers *ret,
                           struct cvm_error *err) {
        struct cvm_json covers = cvm_json_at(prediction, "covers");
        const struct {
                const char *key;
                bool *member;
        } parts[] = { { "firmware", &ret->firmware },
                      { "kernel", &ret->kernel },
                      { "initrd", &ret->initrd },
                      { "cmdline", &ret->cmdline },
                      { "acpi", &ret->acpi } };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(parts); i++)
                r = cvm_json_get_bool(&covers, parts[i].key, parts[i].member, err);
        return r;
}

static bool has_text(json_object *list, const char *text) {
        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
                const char *one = json_object_get_string(json_object_array_get_idx(list, i));

                if (one && strcmp(one, text) == 0)
                        return true;
        }
        return false;
}

int prediction_read_registers(const struct cvm_json *prediction, const struct platform *platform,
                              struct policy_register *ret, size_t *ret_n, struct cvm_error *err) {
        const struct cvm_json values = cvm_json_at(prediction, "registers"),
                              unverified = cvm_json_at(prediction, "unverified");
        size_t length;
        int r = 0;

        *ret_n = 0;
        if (!platform || !platform->registers || !values.node)
                return 0;
        r = cvm_json_array(&unverified, POLICY_REGISTERS_MAX, &length, err);
        for (const struct boot_register *b = platform->registers->list; r >= 0 && b->name; b++) {
                struct policy_register *to = &ret[*ret_n];
                struct cvm_json at = cvm_json_at(&values, b->name);
                const char *hex;

                if (!at.node || !boot_register_covers(b))
                        continue;
                r = cvm_json_text_at(&at, 2 * CVM_SHA384_SIZE, &hex, err);
                if (r >= 0 && cvm_unhex(hex, to->value, sizeof to->value) < 0)
                        r = cvm_json_refuse(&at, err, "must be 96 lower-case hex digits");
                snprintf(to->name, sizeof to->name, "%s", b->name);
                to->is_unverified = has_text(unverified.node, b->name);
                (*ret_n)++;
        }
        return r;
}

int prediction_read_parts(const struct cvm_json *prediction, uint8_t *ret, size_t room, size_t *ret_size,
                          struct cvm_error *err) {
        const struct cvm_json parts = cvm_json_at(prediction, "parts");
        size_t size = 0;
        int r = 0;

        if (!parts.node || !json_object_is_type(parts.node, json_type_object)) {
                *ret_size = 0;
                return 0;
        }
        json_object_object_foreach(parts.node, name, value) {
                const struct cvm_json at = cvm_json_at(&parts, name);
                const char *hex;
                size_t n;

                (void)value;
                r = cvm_json_text_at(&at, 2 * room, &hex, err);
                if (r < 0)
                        return r;
                n = strlen(hex) / 2;
                if (n > room - size || cvm_unhex(hex, ret + size, n) < 0)
                        return cvm_json_refuse(&at, err, "must be lower-case hex digits of a digest");
                size += n;
        }
        *ret_size = size;
        return 0;
}

int prediction_read_flag(const struct cvm_json *prediction, const char *name, bool *ret,
                         struct cvm_error *err) {
        const struct cvm_json flags = cvm_json_at(prediction, "flags");
        size_t n;
        int r = flags.node ? cvm_json_array(&flags, MEASUREMENT_FLAGS_MAX, &n, err) : 0;

        if (r >= 0)
                *ret = has_text(flags.node, name);
        return r;
}

int prediction_simulate_log(const struct cvm_json *prediction, const struct platform *platform,
                            struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        int r;

        if (!platform->registers)
                return 0;
        r = boot_log_read_json(prediction, platform->registers->list, &log, err);
        if (r >= 0 && platform->registers->simulate(&log, ret) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making an event log");
        return r;
}
