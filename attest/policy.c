#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy-fields.h"

struct policy *policy_free(struct policy *policy) {
        if (policy)
                policy_done(policy);
        free(policy);
        return NULL;
}

/* What no single field can show. */
static int check(const struct policy *p, const char *document, struct cvm_error *err) {
        bool simulated = p->class_ == CVM_CLASS_SIMULATED;
        const struct {
                bool wrong;
                const char *what;
        } rules[] = {
                { cvm_is_zero(p->platforms, sizeof p->platforms),
                  "'platforms' must name at least one platform" },
                { simulated && !p->has_simulation_root,
                  "'simulation_root' is missing: a policy of class simulated names its root" },
                { !simulated && p->has_simulation_root,
                  "'simulation_root' may stand only in a policy of class simulated" },
                { simulated && p->has_maker_root,
                  "'maker_root' may stand only in a policy of class hardware" },
                { simulated && p->has_collateral_max_age,
                  "'collateral_max_age' may stand only in a policy of class hardware" },
                { !p->unowned && !p->binding.given, "'binding' is missing: a guest without owner needs "
                                                    "'unowned': true" },
                { p->unowned && p->binding.given, "'binding' and 'unowned': true exclude each other" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
                if (rules[i].wrong)
                        return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "%s in '%s'", rules[i].what, document);
        return 0;
}

int policy_read(const void *payload, size_t size, const char *document, struct policy **ret,
                struct cvm_error *err) {
        CVM_CLEANUP(policy_freep) struct policy *policy = calloc(1, sizeof *policy);
        int r;

        if (!policy)
                return -ENOMEM;
        r = cvm_json_read_text(payload, size, document, policy_fields, policy, err);
        if (r >= 0)
                r = check(policy, document, err);
        if (r < 0)
                return r;
        cvm_sha384(payload, size, policy->digest);
        *ret = TAKE_PTR(policy);
        return 0;
}

static void fill_measurement(const struct policy_inputs *in, struct policy_measurement *ret) {
        memcpy(ret->digest, in->measurement, CVM_SHA384_SIZE);
        for (size_t i = 0; i < in->n_registers && i < POLICY_REGISTERS_MAX; i++)
                ret->registers[ret->n_registers++] = in->registers[i];
}

static int fill(const struct policy_inputs *in, struct policy *p) {
        p->version = 1;
        p->serial = in->serial;
        p->class_ = in->class_;
        p->platforms[in->platform] = true;
        p->measurements = calloc(1, sizeof *p->measurements);
        if (!p->measurements)
                return -ENOMEM;
        fill_measurement(in, &p->measurements[p->n_measurements++]);
        p->covers = in->covers;
        p->binding.given = in->binding;
        p->unowned = !in->binding;
        if (in->binding)
                memcpy(p->binding.digest, in->binding, sizeof p->binding.digest);
        p->has_simulation_root = in->simulation_root;
        if (in->simulation_root)
                memcpy(p->simulation_root, in->simulation_root, sizeof p->simulation_root);
        p->has_maker_root = in->maker_root;
        if (in->maker_root)
                memcpy(p->maker_root, in->maker_root, sizeof p->maker_root);
        p->debug = in->debug;
        p->min_tcb.any = !in->min_tcb && in->class_ == CVM_CLASS_SIMULATED;
        for (size_t i = 0; in->hosts && in->hosts[i]; i++) {
                p->hosts.any |= strcmp(in->hosts[i], "any") == 0;
                if (cvm_texts_add(&p->hosts.ids, in->hosts[i]) < 0)
                        return -ENOMEM;
        }
        return 0;
}

const uint8_t *policy_simulation_root(const struct policy *policy) {
        return policy->class_ == CVM_CLASS_SIMULATED ? policy->simulation_root : NULL;
}

/* Given as text, because only who wrote the facts knows the product's components. */
static int add_min_tcb(json_object *node, const char *text, struct cvm_error *err) {
        json_object *value = NULL;
        int r = text ? cvm_json_parse(text, strlen(text), "min_tcb", &value, err) : 0;

        return r < 0 || !text ? r : json_object_object_add(node, "min_tcb", value);
}

int policy_make(const struct policy_inputs *inputs, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(policy_done) struct policy policy = { 0 };
        CVM_CLEANUP(policy_freep) struct policy *again = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *text;
        int r = fill(inputs, &policy);

        if (r >= 0 && !(node = cvm_json_write(policy_fields, &policy)))
                r = -ENOMEM;
        if (r >= 0)
                r = add_min_tcb(node, inputs->min_tcb, err);
        if (r < 0)
                return cvm_while(err, r, "making a policy");
        text = json_object_to_json_string_ext(node, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE);
        /* What is complete must also be a policy; what lacks 'hosts' or 'min_tcb' is for an editor first. */
        if (inputs->hosts && (inputs->min_tcb || policy.min_tcb.any) &&
            (r = policy_read(text, strlen(text), "the new policy", &again, err)) < 0)
                return r;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}
