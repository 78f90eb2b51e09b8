#include "attest/policy-fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

/* "any" has to be written: nothing is open because it was forgotten. */
static bool is_any(const struct cvm_json *place) {
        return json_object_is_type(place->node, json_type_string) &&
               strcmp(json_object_get_string(place->node), "any") == 0;
}

static json_object *any_node(void) {
        return json_object_new_string("any");
}

static bool is_host_id(const char *text) {
        size_t length = strlen(text);

        return length >= 16 && length <= 128 && length % 2 == 0 &&
               strspn(text, "0123456789abcdef") == length;
}

static bool is_part(const char *text) {
        static const char *const parts[] = { "firmware", "kernel", "initrd", "cmdline" };

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                if (strcmp(text, parts[i]) == 0)
                        return true;
        return false;
}

static bool is_mode(const char *text) {
        return strcmp(text, "cold") == 0 || strcmp(text, "live") == 0;
}

static bool is_measurement(const char *text) {
        uint8_t digest[CVM_SHA384_SIZE];

        return cvm_unhex(text, digest, sizeof digest) == 0;
}

/* A list of texts that all pass `check`. */
static int read_checked(const struct cvm_json *place, char ***ret, bool (*check)(const char *),
                        const char *expected, struct cvm_error *err) {
        int r = cvm_json_read_texts(place, ret, err);

        for (size_t i = 0; r >= 0 && *ret && (*ret)[i]; i++) {
                struct cvm_json at = cvm_json_element(place, i);

                if (!check((*ret)[i]))
                        return cvm_json_refuse(&at, err, "must be %s", expected);
        }
        return r;
}

static int read_gaps(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return read_checked(place, member, is_part, "one of 'firmware', 'kernel', 'initrd', 'cmdline'", err);
}

static int read_modes(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return read_checked(place, member, is_mode, "'cold' or 'live'", err);
}

static int read_agents(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return read_checked(place, member, is_measurement, "a measurement of 96 lower-case hex digits", err);
}

static int read_hosts(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_hosts *hosts = member;

        hosts->any = is_any(place);
        return hosts->any ? 0
                          : read_checked(place, &hosts->ids, is_host_id,
                                         "a host's id of 16 to 128 lower-case hex digits", err);
}

static json_object *write_hosts(const void *member) {
        const struct policy_hosts *hosts = member;

        return hosts->any ? any_node() : cvm_json_write_texts(&hosts->ids);
}

static int read_platforms(const struct cvm_json *place, void *member, struct cvm_error *err) {
        bool *platforms = member;
        size_t length;
        int r = cvm_json_array(place, CVM_PLATFORM_MAX_, &length, err);

        for (size_t i = 0; r >= 0 && i < length; i++) {
                struct cvm_json at = cvm_json_element(place, i);
                int id = CVM_PLATFORM_NONE + 1;
                const char *text;

                r = cvm_json_text_at(&at, 64, &text, err);
                if (r < 0)
                        return r;
                while (cvm_platform_texts[id] && strcmp(cvm_platform_texts[id], text) != 0)
                        id++;
                if (!cvm_platform_texts[id])
                        return cvm_json_refuse(&at, err, "is no platform: '%.60s'", text);
                platforms[id] = true;
        }
        return r;
}

static json_object *write_platforms(const void *member) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < CVM_PLATFORM_MAX_; i++)
                if (((const bool *)member)[i])
                        json_object_array_add(list, json_object_new_string(cvm_platform_texts[i]));
        return list;
}

static int read_digest(const struct cvm_json *place, uint8_t ret[CVM_SHA384_SIZE], struct cvm_error *err) {
        const char *text;
        int r = cvm_json_text_at(place, 2 * CVM_SHA384_SIZE, &text, err);

        if (r < 0)
                return r;
        return cvm_unhex(text, ret, CVM_SHA384_SIZE) == 0
                               ? 0
                               : cvm_json_refuse(place, err, "must be 96 lower-case hex digits");
}

static int read_measurement_digest(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return read_digest(place, member, err);
}

static int read_registers(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_measurement *m = member;
        int r = 0;

        if (!json_object_is_type(place->node, json_type_object))
                return cvm_json_refuse(place, err, "must be an object of registers and digests");
        json_object_object_foreach(place->node, name, value) {
                struct cvm_json at = cvm_json_at(place, name);

                (void)value;
                if (m->n_registers == POLICY_REGISTERS_MAX || strlen(name) >= sizeof m->registers[0].name)
                        return cvm_json_refuse(&at, err, "is no register");
                snprintf(m->registers[m->n_registers].name, sizeof m->registers[0].name, "%s", name);
                r = read_digest(&at, m->registers[m->n_registers++].value, err);
                if (r < 0)
                        return r;
        }
        return r;
}

/* Names of the registers before it. */
static int read_unverified(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_measurement *m = member;
        size_t length;
        int r = cvm_json_array(place, POLICY_REGISTERS_MAX, &length, err);

        for (size_t i = 0; r >= 0 && i < length; i++) {
                struct cvm_json at = cvm_json_element(place, i);
                const char *name;
                bool found = false;

                r = cvm_json_text_at(&at, sizeof m->registers[0].name, &name, err);
                for (size_t k = 0; r >= 0 && k < m->n_registers; k++)
                        if (strcmp(m->registers[k].name, name) == 0)
                                m->registers[k].is_unverified = found = true;
                if (r >= 0 && !found)
                        r = cvm_json_refuse(&at, err, "must be one of 'registers'");
        }
        return r;
}

static const struct cvm_json_field measurement_fields[] = {
        { "digest", CVM_JSON_CUSTOM, .required = true, .offset = offsetof(struct policy_measurement, digest),
          .read = read_measurement_digest },
        { "registers", CVM_JSON_CUSTOM, .required = true, .offset = 0, .read = read_registers },
        { "unverified", CVM_JSON_CUSTOM, .offset = 0, .read = read_unverified },
        { 0 },
};

/* A digest alone, or a digest with registers. */
static int read_measurement(const struct cvm_json *place, struct policy_measurement *ret,
                            struct cvm_error *err) {
        return json_object_is_type(place->node, json_type_object)
                               ? cvm_json_read(place, measurement_fields, ret, err)
                               : read_digest(place, ret->digest, err);
}

/* An array and its length: both functions take the whole policy. */
static int read_measurements(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy *p = member;
        size_t length;
        int r = cvm_json_array(place, POLICY_MEASUREMENTS_MAX, &length, err);

        if (r < 0)
                return r;
        p->measurements = calloc(length + 1, sizeof *p->measurements);
        if (!p->measurements)
                return -ENOMEM;
        for (; r >= 0 && p->n_measurements < length; p->n_measurements++) {
                struct cvm_json at = cvm_json_element(place, p->n_measurements);

                r = read_measurement(&at, &p->measurements[p->n_measurements], err);
        }
        return r < 0 || length ? r : cvm_json_refuse(place, err, "must have at least one measurement");
}

static json_object *write_measurement(const struct policy_measurement *m) {
        json_object *node, *registers, *unverified;
        char text[2 * CVM_SHA384_SIZE + 1];

        cvm_hex(m->digest, CVM_SHA384_SIZE, text);
        if (!m->n_registers)
                return json_object_new_string(text);
        node = json_object_new_object();
        registers = json_object_new_object();
        unverified = json_object_new_array();
        json_object_object_add(node, "digest", json_object_new_string(text));
        for (size_t i = 0; i < m->n_registers; i++) {
                cvm_hex(m->registers[i].value, CVM_SHA384_SIZE, text);
                json_object_object_add(registers, m->registers[i].name, json_object_new_string(text));
                if (m->registers[i].is_unverified)
                        json_object_array_add(unverified, json_object_new_string(m->registers[i].name));
        }
        json_object_object_add(node, "registers", registers);
        json_object_object_add(node, "unverified", unverified);
        return node;
}

static json_object *write_measurements(const void *member) {
        const struct policy *p = member;
        json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < p->n_measurements; i++)
                json_object_array_add(list, write_measurement(&p->measurements[i]));
        return list;
}

/* binding: a digest, or constraints of fields */

static int read_uuid(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_binding *b = member;
        const char *text;
        int r = cvm_json_text_at(place, CVM_UUID_TEXT - 1, &text, err);

        b->any_uuid = is_any(place);
        if (r < 0 || b->any_uuid)
                return r;
        if (!cvm_uuid_is_valid(text))
                return cvm_json_refuse(place, err, "must be a lower-case uuid or \"any\"");
        b->uuid = strdup(text);
        return b->uuid ? 0 : -ENOMEM;
}

static int read_root(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_binding *b = member;

        b->any_root = is_any(place);
        return b->any_root ? 0 : cvm_root_read(place, &b->root, b->root_digest, &b->has_root_digest, err);
}

static int read_service(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_binding *b = member;
        const char *text = NULL;
        int r;

        b->any_service = is_any(place);
        b->has_service = !b->any_service && place->node;
        if (!b->has_service)
                return 0;
        r = cvm_json_text_at(place, sizeof b->service_id * 2, &text, err);
        if (r < 0 || cvm_unhex(text, b->service_id, sizeof b->service_id) < 0)
                return cvm_json_refuse(place, err, "must be 96 lower-case hex digits, null or \"any\"");
        return 0;
}

static int read_approval(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_binding *b = member;

        b->any_approval = is_any(place);
        if (!b->any_approval && !json_object_is_type(place->node, json_type_boolean))
                return cvm_json_refuse(place, err, "must be true, false or \"any\"");
        b->approval = !b->any_approval && json_object_get_boolean(place->node);
        return 0;
}

static int read_min_serial(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_binding *b = member;

        b->any_serial = is_any(place);
        return b->any_serial ? 0 : cvm_json_u64_at(place, &b->min_serial, err);
}

/* Each of them has to be there: a fleet's policy says what it leaves open. */
static const struct cvm_json_field binding_fields[] = {
        { "uuid", CVM_JSON_CUSTOM, .required = true, .read = read_uuid },
        { "root", CVM_JSON_CUSTOM, .required = true, .read = read_root },
        { "service_id", CVM_JSON_CUSTOM, .required = true, .read = read_service },
        { "approval", CVM_JSON_CUSTOM, .required = true, .read = read_approval },
        { "min_serial", CVM_JSON_CUSTOM, .required = true, .read = read_min_serial },
        { 0 },
};

static int read_binding(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_binding *b = member;
        const char *text = NULL;

        b->given = true;
        b->pinned = json_object_is_type(place->node, json_type_string);
        if (!b->pinned)
                return cvm_json_read(place, binding_fields, b, err);
        if (cvm_json_text_at(place, 2 * sizeof b->digest, &text, err) < 0 ||
            cvm_unhex(text, b->digest, sizeof b->digest) < 0)
                return cvm_json_refuse(place, err,
                                       "must be a digest of 96 lower-case hex digits, or an object "
                                       "that constrains fields");
        return 0;
}

/* Policies that we make pin the binding, so only that form is written. */
static json_object *write_binding(const void *member) {
        const struct policy_binding *b = member;
        char text[2 * CVM_SHA384_SIZE + 1];

        cvm_hex(b->digest, sizeof b->digest, text);
        return b->given ? json_object_new_string(text) : NULL;
}

/* min_tcb: {"Product":{"component":number}} */

static int add_minimum(struct policy_tcb *tcb, const char *product, const struct cvm_json *at,
                       const char *component, struct cvm_error *err) {
        struct policy_minimum *m = &tcb->minimums[tcb->n_minimums];
        int64_t value = json_object_get_int64(at->node);

        if (!json_object_is_type(at->node, json_type_int) || value < 0 || value > UINT32_MAX)
                return cvm_json_refuse(at, err, "must be a number");
        *m = (struct policy_minimum){ strdup(product), strdup(component), (uint32_t)value };
        tcb->n_minimums++;
        return m->product && m->component ? 0 : -ENOMEM;
}

static int read_product(const struct cvm_json *place, const char *product, struct policy_tcb *tcb,
                        struct cvm_error *err) {
        int r = 0;

        if (!json_object_is_type(place->node, json_type_object))
                return cvm_json_refuse(place, err, "must be an object of components and numbers");
        json_object_object_foreach(place->node, component, value) {
                struct cvm_json at = cvm_json_at(place, component);

                (void)value;
                if (tcb->n_minimums == POLICY_MINIMUMS_MAX)
                        return cvm_json_refuse(&at, err, "is one too many");
                r = add_minimum(tcb, product, &at, component, err);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_min_tcb(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy_tcb *tcb = member;

        tcb->given = true;
        tcb->any = is_any(place);
        if (tcb->any)
                return 0;
        if (json_object_get_type(place->node) != json_type_object ||
            json_object_object_length(place->node) < 1)
                return cvm_json_refuse(place, err, "must be an object of products, or \"any\"");
        tcb->minimums = calloc(POLICY_MINIMUMS_MAX, sizeof *tcb->minimums);
        if (!tcb->minimums)
                return -ENOMEM;
        json_object_object_foreach(place->node, product, value) {
                struct cvm_json at = cvm_json_at(place, product);
                int r = read_product(&at, product, tcb, err);

                (void)value;
                if (r < 0)
                        return r;
        }
        return 0;
}

static json_object *write_min_tcb(const void *member) {
        const struct policy_tcb *tcb = member;
        json_object *products = json_object_new_object(), *product;

        for (size_t i = 0; products && i < tcb->n_minimums; i++) {
                const struct policy_minimum *m = &tcb->minimums[i];

                if (!json_object_object_get_ex(products, m->product, &product)) {
                        product = json_object_new_object();
                        json_object_object_add(products, m->product, product);
                }
                json_object_object_add(product, m->component, json_object_new_uint64(m->value));
        }
        if (tcb->given && !tcb->any)
                return products;
        json_object_put(products);
        return tcb->any ? any_node() : NULL;
}

/* tcb_status: {"UpToDate":"any","SWHardeningNeeded":"2024-03-13T00:00:00Z"}; takes the whole policy */
static int read_statuses(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct policy *p = member;

        if (!json_object_is_type(place->node, json_type_object) ||
            json_object_object_length(place->node) < 1 ||
            json_object_object_length(place->node) > POLICY_STATUSES_MAX)
                return cvm_json_refuse(place, err,
                                       "must be an object of 1 to 16 statuses with a date or \"any\"");
        p->statuses = calloc(POLICY_STATUSES_MAX, sizeof *p->statuses);
        if (!p->statuses)
                return -ENOMEM;
        json_object_object_foreach(place->node, name, value) {
                struct policy_status *status = &p->statuses[p->n_statuses++];
                struct cvm_json at = cvm_json_at(place, name);
                int r = strlen(name) < sizeof status->name ? 0 : cvm_json_refuse(&at, err, "is no status");

                (void)value;
                if (r >= 0 && !is_any(&at))
                        r = cvm_json_read_time(&at, &status->min_date, err);
                if (r < 0)
                        return r;
                snprintf(status->name, sizeof status->name, "%s", name);
        }
        return 0;
}

static const struct cvm_json_field bits_fields[] = {
        { "set", CVM_JSON_CUSTOM, .offset = offsetof(struct policy_bits, set), .read = cvm_json_read_texts },
        { "clear", CVM_JSON_CUSTOM, .offset = offsetof(struct policy_bits, clear),
          .read = cvm_json_read_texts },
        { "allow", CVM_JSON_CUSTOM, .offset = offsetof(struct policy_bits, allow),
          .read = cvm_json_read_texts },
        { 0 },
};

static int read_bits(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return cvm_json_read(place, bits_fields, member, err);
}

#define MIGRATION(member) .offset = offsetof(struct policy_migration, member)

static const struct cvm_json_field migration_fields[] = {
        { "modes", CVM_JSON_CUSTOM, .required = true, MIGRATION(modes), .read = read_modes },
        { "hosts", CVM_JSON_CUSTOM, .required = true, MIGRATION(hosts), .read = read_hosts },
        { "agents", CVM_JSON_CUSTOM, MIGRATION(agents), .read = read_agents },
        { "min_agent_svn", CVM_JSON_U32, MIGRATION(min_agent_svn), .max = UINT32_MAX },
        { "platform_change", CVM_JSON_BOOL, MIGRATION(platform_change) },
        { "max_moves", CVM_JSON_U32, MIGRATION(max_moves), .max = UINT32_MAX,
          .has_offset = offsetof(struct policy_migration, has_max_moves) },
        { "max_moves_per_day", CVM_JSON_U32, MIGRATION(max_moves_per_day), .max = UINT32_MAX,
          .has_offset = offsetof(struct policy_migration, has_max_moves_per_day) },
        { "not_before", CVM_JSON_CUSTOM, MIGRATION(not_before), .read = cvm_json_read_time,
          .has_offset = offsetof(struct policy_migration, has_not_before) },
        { "not_after", CVM_JSON_CUSTOM, MIGRATION(not_after), .read = cvm_json_read_time,
          .has_offset = offsetof(struct policy_migration, has_not_after) },
        { 0 },
};

static int read_migration(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return cvm_json_read(place, migration_fields, member, err);
}

#define AT(member) .offset = offsetof(struct policy, member)
#define HAS(member) .has_offset = offsetof(struct policy, member)

/* Those without `write` are never in a policy that we make: owners add them. */
const struct cvm_json_field policy_fields[] = {
        { "version", CVM_JSON_U32, .required = true, AT(version), .min = 1, .max = 1 },
        { "serial", CVM_JSON_U64, .required = true, AT(serial) },
        { "class", CVM_JSON_CHOICE, .required = true, AT(class_), .choices = cvm_class_texts },
        { "simulation_root", CVM_JSON_HEX, AT(simulation_root), .size = CVM_SHA256_SIZE,
          HAS(has_simulation_root) },
        { "maker_root", CVM_JSON_HEX, AT(maker_root), .size = CVM_SHA256_SIZE, HAS(has_maker_root) },
        { "platforms", CVM_JSON_CUSTOM, .required = true, AT(platforms), .read = read_platforms,
          .write = write_platforms },
        { "measurements", CVM_JSON_CUSTOM, .required = true, .offset = 0, .read = read_measurements,
          .write = write_measurements },
        { "covers", CVM_JSON_CUSTOM, .required = true, AT(covers), .read = verdict_covers_read,
          .write = verdict_covers_write },
        { "gaps", CVM_JSON_CUSTOM, AT(gaps), .read = read_gaps },
        { "binding", CVM_JSON_CUSTOM, AT(binding), .read = read_binding, .write = write_binding },
        { "unowned", CVM_JSON_BOOL, AT(unowned) },
        { "hosts", CVM_JSON_CUSTOM, .required = true, AT(hosts), .read = read_hosts, .write = write_hosts },
        { "min_tcb", CVM_JSON_CUSTOM, .required = true, AT(min_tcb), .read = read_min_tcb,
          .write = write_min_tcb },
        { "tcb_status", CVM_JSON_CUSTOM, .offset = 0, .read = read_statuses },
        { "min_tcb_evaluation", CVM_JSON_U32, AT(min_tcb_evaluation), .max = UINT32_MAX },
        { "min_guest_svn", CVM_JSON_U32, AT(min_guest_svn), .max = UINT32_MAX },
        { "debug", CVM_JSON_BOOL, AT(debug) },
        { "policy_bits", CVM_JSON_CUSTOM, AT(bits), .read = read_bits },
        { "takeover", CVM_JSON_BOOL, AT(takeover) },
        { "collateral_max_age", CVM_JSON_U32, AT(collateral_max_age), .min = 1, .max = UINT32_MAX,
          HAS(has_collateral_max_age) },
        { "migration", CVM_JSON_CUSTOM, AT(migration), .read = read_migration, HAS(has_migration) },
        { 0 },
};

void policy_done(struct policy *policy) {
        free(policy->measurements);
        cvm_texts_free(policy->gaps);
        free(policy->binding.uuid);
        cvm_texts_free(policy->hosts.ids);
        for (size_t i = 0; i < policy->min_tcb.n_minimums; i++) {
                free(policy->min_tcb.minimums[i].product);
                free(policy->min_tcb.minimums[i].component);
        }
        free(policy->min_tcb.minimums);
        cvm_texts_free(policy->bits.set);
        cvm_texts_free(policy->bits.clear);
        cvm_texts_free(policy->bits.allow);
        free(policy->statuses);
        cvm_texts_free(policy->migration.modes);
        cvm_texts_free(policy->migration.agents);
        cvm_texts_free(policy->migration.hosts.ids);
        *policy = (struct policy){ 0 };
}
