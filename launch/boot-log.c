#include "launch/boot-log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_texts[] = {
        [BOOT_COMPUTED] = "computed",
        [BOOT_LEARNT] = "learnt",
        [BOOT_UNVERIFIED] = "learnt, not verified",
        [BOOT_UNKNOWN] = "unknown",
        NULL,
};

void boot_log_done(struct boot_log *log) {
        free(log->events);
        *log = (struct boot_log){ 0 };
}

struct boot_event *boot_log_add(struct boot_log *log) {
        struct boot_event *grown;

        if (log->n_events == BOOT_EVENTS_MAX)
                return NULL;
        if (log->n_events % 64 == 0) {
                grown = reallocarray(log->events, log->n_events + 64, sizeof *grown);
                if (!grown)
                        return NULL;
                log->events = grown;
        }
        log->events[log->n_events] = (struct boot_event){ 0 };
        return &log->events[log->n_events++];
}

bool boot_log_register(const struct boot_log *log, unsigned index, uint8_t ret[CVM_SHA384_SIZE]) {
        uint8_t both[2 * CVM_SHA384_SIZE] = { 0 };

        for (size_t i = 0; i < log->n_events; i++) {
                const struct boot_event *e = &log->events[i];

                if (e->index != index)
                        continue;
                if (e->status == BOOT_UNKNOWN || e->may_be_absent)
                        return false;
                memcpy(both + CVM_SHA384_SIZE, e->digest, CVM_SHA384_SIZE);
                cvm_sha384(both, sizeof both, both);
        }
        memcpy(ret, both, CVM_SHA384_SIZE);
        return true;
}

bool boot_log_is_unverified(const struct boot_log *log, unsigned index) {
        for (size_t i = 0; i < log->n_events; i++)
                if (log->events[i].index == index && log->events[i].status == BOOT_UNVERIFIED)
                        return true;
        return false;
}

/* --- as a document --- */

static json_object *digest_json(const uint8_t digest[CVM_SHA384_SIZE], bool is_known) {
        char hex[2 * CVM_SHA384_SIZE + 1];

        cvm_hex(digest, CVM_SHA384_SIZE, hex);
        return is_known ? json_object_new_string(hex) : NULL;
}

static json_object *event_json(const struct boot_event *e, const struct boot_register *registers) {
        json_object *node = json_object_new_object();

        json_object_object_add(node, "register", json_object_new_string(registers[e->index].name));
        json_object_object_add(node, "type", json_object_new_string(e->type));
        json_object_object_add(node, "name", json_object_new_string(e->name));
        json_object_object_add(node, "digest", digest_json(e->digest, e->status != BOOT_UNKNOWN));
        json_object_object_add(node, "status", json_object_new_string(status_texts[e->status]));
        if (e->from)
                json_object_object_add(node, "from", json_object_new_string(e->from));
        if (e->may_be_absent)
                json_object_object_add(node, "may_be_absent", json_object_new_boolean(true));
        return node;
}

static void cover(json_object *covers, const char *part, bool is_covered) {
        if (is_covered)
                json_object_object_add(covers, part, json_object_new_boolean(true));
}

static void add_registers(const struct boot_log *log, const struct boot_register *registers,
                          const char *word, json_object *node) {
        json_object *values = json_object_new_object(), *list = json_object_new_array(),
                    *unverified = json_object_new_array(), *covers = NULL;
        uint8_t value[CVM_SHA384_SIZE];

        json_object_object_get_ex(node, "covers", &covers);
        for (unsigned i = 0; registers[i].name; i++) {
                bool is_known = boot_log_register(log, i, value);

                json_object_object_add(values, registers[i].name, digest_json(value, is_known));
                json_object_array_add(list, digest_json(value, is_known));
                if (boot_log_is_unverified(log, i))
                        json_object_array_add(unverified, json_object_new_string(registers[i].name));
                cover(covers, "kernel", is_known && registers[i].covers_kernel);
                cover(covers, "initrd", is_known && registers[i].covers_initrd);
                cover(covers, "cmdline", is_known && registers[i].covers_cmdline);
                cover(covers, "acpi", is_known && registers[i].covers_acpi);
        }
        json_object_object_add(node, word, list);
        json_object_object_add(node, "registers", values);
        json_object_object_add(node, "unverified", unverified);
}

void boot_log_add_json(const struct boot_log *log, const struct boot_register *registers, const char *word,
                       json_object *node) {
        json_object *events = json_object_new_array();

        add_registers(log, registers, word, node);
        for (size_t i = 0; i < log->n_events; i++)
                json_object_array_add(events, event_json(&log->events[i], registers));
        json_object_object_add(node, "events", events);
}

static int find_text(const char *const *texts, const char *text) {
        int i = 0;

        while (texts[i] && strcmp(texts[i], text) != 0)
                i++;
        return texts[i] ? i : -1;
}

static int find_register(const struct boot_register *registers, const char *name) {
        int i = 0;

        while (registers[i].name && strcmp(registers[i].name, name) != 0)
                i++;
        return registers[i].name ? i : -1;
}

static int read_event(const struct cvm_json *place, const struct boot_register *registers,
                      struct boot_event *ret, struct cvm_error *err) {
        const char *name = "", *type = "", *status = "", *word = "", *digest = "";
        const struct {
                const char *key, **member;
        } texts[] = { { "register", &word }, { "type", &type }, { "name", &name }, { "status", &status } };
        int r = 0, index;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(texts); i++)
                r = cvm_json_get_text(place, texts[i].key, texts[i].member, err);
        if (r >= 0)
                r = cvm_json_get_bool(place, "may_be_absent", &ret->may_be_absent, err);
        if (r < 0)
                return r;
        ret->status = find_text(status_texts, status);
        index = find_register(registers, word);
        if (index < 0 || ret->status < 0)
                return cvm_json_refuse(place, err, "must have a register and a status that are known here");
        if (ret->status != BOOT_UNKNOWN && !*type)
                return cvm_json_refuse(place, err, "must have a type: only what is unknown can be anything");
        if (ret->status != BOOT_UNKNOWN) {
                r = cvm_json_get_text(place, "digest", &digest, err);
                if (r < 0)
                        return r;
                if (cvm_unhex(digest, ret->digest, sizeof ret->digest) < 0)
                        return cvm_json_refuse(place, err, "must have a digest of 96 lower-case hex digits");
        }
        ret->index = (unsigned)index;
        snprintf(ret->type, sizeof ret->type, "%s", type);
        snprintf(ret->name, sizeof ret->name, "%s", name);
        return 0;
}

int boot_log_read_json(const struct cvm_json *place, const struct boot_register *registers,
                       struct boot_log *ret, struct cvm_error *err) {
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 };
        const struct cvm_json list = cvm_json_at(place, "events");
        size_t n = 0;
        int r = cvm_json_array(&list, BOOT_EVENTS_MAX, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const struct cvm_json element = cvm_json_element(&list, i);
                struct boot_event *event = boot_log_add(&log);

                r = event ? read_event(&element, registers, event, err)
                          : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading events");
        }
        if (r < 0)
                return r;
        *ret = log;
        log = (struct boot_log){ 0 };
        return 0;
}

/* --- beside another --- */

static bool is_same_kind(const struct boot_event *a, const struct boot_event *b) {
        return a->index == b->index && strcmp(a->type, b->type) == 0 && strcmp(a->name, b->name) == 0;
}

void boot_log_mark_computed(struct boot_log *learnt, const struct boot_log *predicted) {
        for (size_t i = 0; i < predicted->n_events; i++) {
                const struct boot_event *e = &predicted->events[i];

                for (size_t k = 0; e->status == BOOT_COMPUTED && k < learnt->n_events; k++)
                        if (is_same_kind(&learnt->events[k], e) &&
                            memcmp(learnt->events[k].digest, e->digest, CVM_SHA384_SIZE) == 0) {
                                learnt->events[k].status = BOOT_COMPUTED;
                                learnt->events[k].from = e->from;
                        }
        }
}

/* The first of that kind that was not taken; n_events: there is none. */
static size_t find_kind(const struct boot_log *log, const bool *taken, const struct boot_event *kind) {
        size_t i = 0;

        while (i < log->n_events && (taken[i] || !is_same_kind(&log->events[i], kind)))
                i++;
        return i;
}

static bool differs(const struct boot_event *expected, const struct boot_event *observed) {
        return expected->status != BOOT_UNKNOWN &&
               memcmp(expected->digest, observed->digest, CVM_SHA384_SIZE) != 0;
}

static bool is_open(const struct boot_event *e) {
        return !*e->type && e->status == BOOT_UNKNOWN;
}

/* Nobody said what that register holds. */
static bool is_open_register(const struct boot_log *log, unsigned index) {
        for (size_t i = 0; i < log->n_events; i++)
                if (log->events[i].index == index && is_open(&log->events[i]))
                        return true;
        return false;
}

int boot_log_compare(const struct boot_log *expected, const struct boot_log *observed,
                     struct boot_difference **ret, size_t *ret_n) {
        CVM_CLEANUP(cvm_freep)
        struct boot_difference *list = calloc(expected->n_events + observed->n_events + 1, sizeof *list);
        CVM_CLEANUP(cvm_freep) bool *taken = calloc(observed->n_events + 1, sizeof *taken);
        size_t n = 0;

        if (!list || !taken)
                return -ENOMEM;
        for (size_t i = 0; i < expected->n_events; i++) {
                const struct boot_event *e = &expected->events[i];
                size_t at = find_kind(observed, taken, e);

                if (is_open(e))
                        continue;
                if (at < observed->n_events) {
                        taken[at] = true;
                        if (differs(e, &observed->events[at]))
                                list[n++] = (struct boot_difference){ e, &observed->events[at] };
                } else if (!e->may_be_absent)
                        list[n++] = (struct boot_difference){ e, NULL };
        }
        for (size_t i = 0; i < observed->n_events; i++)
                if (!taken[i] && !is_open_register(expected, observed->events[i].index))
                        list[n++] = (struct boot_difference){ NULL, &observed->events[i] };
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

json_object *boot_differences_json(const struct boot_difference *differences, size_t n,
                                   const struct boot_register *registers) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < n; i++) {
                const struct boot_event *expected = differences[i].expected,
                                        *observed = differences[i].observed,
                                        *any = expected ? expected : observed;
                json_object *node = json_object_new_object();

                json_object_object_add(node, "register", json_object_new_string(registers[any->index].name));
                json_object_object_add(node, "type", json_object_new_string(any->type));
                json_object_object_add(node, "name", json_object_new_string(any->name));
                json_object_object_add(node, "expected",
                                       expected ? digest_json(expected->digest,
                                                              expected->status != BOOT_UNKNOWN)
                                                : NULL);
                json_object_object_add(node, "observed",
                                       observed ? digest_json(observed->digest, true) : NULL);
                json_object_array_add(list, node);
        }
        return list;
}
