#include "cli/measured-boot.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "cli/output.h"

#define LOG_MAX (16u << 20)

static const struct evidence_register *find_register(const struct evidence_claims *claims,
                                                     const char *name) {
        for (size_t i = 0; i < claims->n_registers; i++)
                if (strcmp(claims->registers[i].name, name) == 0)
                        return &claims->registers[i];
        return NULL;
}

/* A log proves nothing by itself. */
static int check_log(const struct platform *platform, const struct evidence_claims *claims,
                     const struct boot_log *log, struct cvm_error *err) {
        const struct boot_register *registers = platform->registers->list;
        uint8_t value[CVM_SHA384_SIZE];

        for (unsigned i = 0; registers[i].name; i++) {
                const struct evidence_register *r = find_register(claims, registers[i].name);

                if (!r || !boot_log_register(log, i, value) ||
                    !cvm_equal(value, sizeof value, r->value, sizeof r->value))
                        return cvm_fail(err, &CVM_CODE_EVENT_LOG, EBADMSG,
                                        "the event log does not give '%s' of the evidence",
                                        registers[i].name);
        }
        return 0;
}

int measured_boot_log(const struct platform *platform, const struct cvm_bytes *bytes,
                      const struct evidence_claims *claims, struct boot_log *ret, struct cvm_error *err) {
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        int r;

        if (!platform->registers || !claims->n_registers)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "an event log goes with evidence that has registers, which this has not");
        r = platform->registers->read(bytes->data, bytes->size, &log, err);
        if (r >= 0)
                r = check_log(platform, claims, &log, err);
        if (r < 0)
                return r;
        *ret = log;
        log = (struct boot_log){ 0 };
        return 0;
}

int measured_boot_log_file(const struct platform *platform, const char *file,
                           const struct evidence_claims *claims, struct boot_log *ret,
                           struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        int r = cvm_read_file(file, LOG_MAX, &bytes, err);

        if (r >= 0)
                r = measured_boot_log(platform, &bytes, claims, ret, err);
        return r < 0 ? cvm_while(err, r, "'%s'", file) : 0;
}

static bool add_registers(const struct boot_register *registers, const struct boot_log *expected,
                          const struct evidence_claims *claims, json_object *node) {
        json_object *list = json_object_new_object();
        bool are_equal = true;

        for (unsigned i = 0; registers[i].name; i++) {
                const struct evidence_register *r = find_register(claims, registers[i].name);
                uint8_t value[CVM_SHA384_SIZE];
                const char *word = "unknown";

                if (r && boot_log_register(expected, i, value))
                        word = memcmp(value, r->value, sizeof value) == 0 ? "equal" : "different";
                are_equal &= strcmp(word, "different") != 0;
                json_object_object_add(list, registers[i].name, json_object_new_string(word));
        }
        json_object_object_add(node, "registers", list);
        return are_equal;
}

static void say(const struct boot_register *registers, const struct boot_difference *d) {
        const struct boot_event *e = d->expected ? d->expected : d->observed;

        output_say("%s, %s%s%s: %s.", registers[e->index].name, e->type, *e->name ? " " : "", e->name,
                   !d->expected   ? "an event that was not expected"
                   : !d->observed ? "expected, and not there"
                                  : "another digest than expected");
}

/* Events that differ, one by one; the same ones in another order give other registers too. */
static int add_events(const struct boot_register *registers, const struct boot_log *expected,
                      const struct boot_log *log, bool are_equal, json_object *node, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) struct boot_difference *list = NULL;
        size_t n = 0;

        if (boot_log_compare(expected, log, &list, &n) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "comparing events");
        for (size_t i = 0; i < n; i++)
                say(registers, &list[i]);
        if (!n && !are_equal)
                output_say("The events are the expected ones, in another order.");
        json_object_object_add(node, "events", boot_differences_json(list, n, registers));
        return 0;
}

int measured_boot_compare(const struct platform *platform, const struct boot_log *expected,
                          const struct evidence_claims *claims, const struct boot_log *log,
                          json_object *node, bool *ret_equal, struct cvm_error *err) {
        const struct boot_register *registers = platform->registers->list;

        *ret_equal = add_registers(registers, expected, claims, node);
        if (log)
                return add_events(registers, expected, log, *ret_equal, node, err);
        if (!*ret_equal)
                output_say("Registers differ; with --event-log it can be said which event does.");
        return 0;
}
