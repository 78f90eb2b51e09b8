/* cvmctl policy make: a policy from a prediction, or from a definition that is predicted here. Nobody types
 * digests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/definition-input.h"
#include "cli/documents.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/policy-hosts.h"
#include "cli/policy-open.h"
#include "cli/predict.h"
#include "cli/request-platform.h"
#include "launch/prediction.h"

#define PREDICTION_MAX BOOT_LOG_TEXT_MAX

static const struct option_row options[] = {
        { "from", OPTION_TEXT, "FILE", "what `measure predict -o json` printed" },
        { "binding", OPTION_TEXT, "FILE",
          "the signed binding that the guest must have; without: a guest without owner" },
        { "hosts", OPTION_REPEAT, "ID",
          "a chip id in hex, what `host show --facts` wrote (a path with '/' or '.'), or 'any'" },
        { "min-tcb", OPTION_TEXT, "JSON",
          "such as {\"Genoa\":{\"snp\":23}}, or 'any' (what the hosts' documents say)" },
        { "simulation-root", OPTION_TEXT, "FILE", "certificates of the simulation root (class simulated)" },
        { "debug", OPTION_FLAG, NULL, "accept a guest in debug mode: its host can read its memory" },
        { "serial", OPTION_TEXT, "N", "higher than that of the policy before (1)" },
        { "output", OPTION_TEXT, "FILE", "where the policy goes, also -o (standard output)" },
        DEFINITION_OPTIONS,
        { "header", OPTION_TEXT, "FILE", "with --platform se: a protected image, or its header" },
        HOST_KEY_OPTIONS,
        { 0 },
};

struct making {
        struct policy_inputs in;
        uint8_t measurement[CVM_SHA384_SIZE], binding[CVM_SHA384_SIZE], root[CVM_SHA256_SIZE];
        struct policy_register registers[POLICY_REGISTERS_MAX];
        struct policy_hosts_given hosts;
        struct request_policy request; /* of an image that was made for hosts */
        struct definition *definition; /* that was predicted; owned, NULL: the prediction was given */
        json_object *node;             /* the prediction; owned */
        bool debug;                    /* what the prediction is of */
};

static void making_done(struct making *m) {
        policy_hosts_done(&m->hosts);
        cvm_texts_free(m->request.hosts);
        definition_free(m->definition);
        json_object_put(m->node);
}

static int find_platform(const char *name) {
        int id = 0;

        while (cvm_platform_texts[id] && strcmp(cvm_platform_texts[id], name) != 0)
                id++;
        return cvm_platform_texts[id] ? id : -ENOENT;
}

static int load_prediction(const char *file, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = document_text(file, PREDICTION_MAX, &text, err);

        return r < 0 ? r : cvm_json_parse(text, strlen(text), file, ret, err);
}

/* The same document that `measure predict` would print. */
static int make_prediction(const struct arguments *arguments, struct making *m, struct cvm_error *err) {
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = definition_input(arguments, &text, &m->definition, err);

        if (r >= 0)
                r = plan_predict(m->definition, &plan, err);
        if (r >= 0)
                r = predict_document(plan, &m->node, err);
        return r < 0 ? cvm_while(err, r, "predicting") : 0;
}

static int read_prediction(const char *name, struct making *m, struct cvm_error *err) {
        const struct cvm_json root = cvm_json_root(m->node, name);
        const char *platform = "", *hex = "";
        bool simulated = false;
        int r = cvm_json_get_text(&root, "platform", &platform, err);

        if (r >= 0)
                r = cvm_json_get_text(&root, "measurement", &hex, err);
        if (r >= 0)
                r = cvm_json_get_bool(&root, "simulated", &simulated, err);
        if (r >= 0)
                r = cvm_json_get_bool(&root, "debug", &m->debug, err);
        if (r >= 0)
                r = prediction_read_covers(&root, &m->in.covers, err);
        if (r < 0)
                return r;
        m->in.platform = find_platform(platform);
        if (m->in.platform <= 0 || cvm_unhex(hex, m->measurement, sizeof m->measurement) < 0)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'%s' is no prediction such as `measure predict -o json` prints", name);
        m->in.class_ = simulated ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE;
        m->in.measurement = m->measurement;
        m->in.registers = m->registers;
        return prediction_read_registers(&root, platform_by_id((enum cvm_platform_id)m->in.platform),
                                         m->registers, &m->in.n_registers, err);
}

/* An image that was made for hosts needs no prediction: its header is what is measured. */
static int take_header(const struct request_platform *platform, const struct arguments *arguments,
                       struct making *m, struct cvm_error *err) {
        if (!platform || arguments->n_words || argument(arguments, "from"))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--header goes with --platform se, and without a definition or prediction");
        m->in.platform = (int)platform->id;
        m->in.class_ = -1; /* the documents' */
        m->in.measurement = m->measurement;
        m->in.covers = (struct verdict_covers){ true, true, true, true, false, CVM_COVERED_NONE };
        return platform->measure(arguments, m->measurement, err);
}

/* Hosts and root are those of documents, and no firmware has versions. */
static int take_documents(const struct arguments *arguments, struct making *m, struct cvm_error *err) {
        const struct request_platform *platform = request_platform_find(cvm_platform_texts[m->in.platform]);
        int r;

        if (!platform)
                return 0;
        m->in.min_tcb = "\"any\"";
        if (argument(arguments, "simulation-root") && !argument(arguments, "host-key-document") &&
            !argument(arguments, "root-ca"))
                return 0;
        r = platform->policy(arguments, &m->request, err);
        if (r >= 0 && m->in.class_ >= 0 && m->in.class_ != m->request.class_)
                r = cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL,
                             "the documents are of class '%s', and the definition is not",
                             cvm_class_texts[m->request.class_]);
        if (r < 0)
                return r;
        m->in.class_ = m->request.class_;
        *(m->in.class_ == CVM_CLASS_SIMULATED ? &m->in.simulation_root : &m->in.maker_root) =
                        m->request.root;
        m->in.hosts = (const char *const *)m->request.hosts;
        return 0;
}

/* A definition is known by its version, which no prediction has. */
static int take_prediction(const struct arguments *arguments, struct making *m, struct cvm_error *err) {
        const char *from = argument(arguments, "from");
        struct arguments of_definition = *arguments;
        int r;

        if (from && arguments->n_words)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "give --from or a definition, not both");
        r = from ? load_prediction(from, &m->node, err) : make_prediction(arguments, m, err);
        if (r >= 0 && from && json_object_object_get(m->node, "version")) {
                json_object_put(m->node);
                m->node = NULL;
                of_definition.words[0] = from;
                of_definition.n_words = 1;
                r = make_prediction(&of_definition, m, err);
        }
        return r < 0 ? r : read_prediction(from ? from : "the prediction", m, err);
}

/* Whose binding it must be: the definition's owner, or who --owner-key names; false: nobody is known. */
static int find_owner(const struct arguments *arguments, const struct making *m, uint8_t ret[CVM_SPKI_SIZE],
                      bool *ret_known, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        const char *name = argument(arguments, "owner-key");
        int r;

        *ret_known = name || (m->definition && m->definition->owner.size);
        if (m->definition && m->definition->owner.size)
                memcpy(ret, m->definition->owner.data, CVM_SPKI_SIZE);
        if (!name || m->definition)
                return 0;
        r = key_file_public(name, &key, err);
        return r < 0 ? r : cvm_key_spki(key, ret, err);
}

static int open_binding(const struct arguments *arguments, const struct making *m, const char *text,
                        struct binding *ret, struct cvm_bytes *ret_payload, struct cvm_error *err) {
        uint8_t owner[CVM_SPKI_SIZE];
        bool known = false;
        int r = find_owner(arguments, m, owner, &known, err);

        if (r < 0)
                return r;
        if (known)
                return binding_open(text, strlen(text), owner, ret, ret_payload, err);
        output_say("Nobody checked who signed the binding: that takes --owner-key.");
        r = cvm_envelope_peek(text, strlen(text), CVM_ENVELOPE_BINDING, ret_payload, err);
        return r < 0 ? r : binding_read(ret_payload->data, ret_payload->size, ret, err);
}

/* The root that the binding promises is what the policy will demand. */
static int read_binding(const struct arguments *arguments, struct making *m, struct cvm_error *err) {
        static const int covered[] = { [CVM_ROOT_NONE] = CVM_COVERED_NONE,
                                       [CVM_ROOT_LUKS] = CVM_COVERED_OWNER_KEYED,
                                       [CVM_ROOT_VERITY] = CVM_COVERED_VERITY };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        const char *file = argument(arguments, "binding");
        int r = file ? document_text(file, CVM_ENVELOPE_MAX, &text, err) : 0;

        if (r < 0 || !file)
                return r;
        r = open_binding(arguments, m, text, &binding, &payload, err);
        if (r >= 0 && (binding.platform != m->in.platform || binding.class_ != m->in.class_))
                r = cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                             "it is for platform %s, class %s, and the prediction is not",
                             cvm_platform_texts[binding.platform], cvm_class_texts[binding.class_]);
        if (r >= 0 && m->definition && !m->definition->uuid) /* `binding make` gave it one */
                m->definition->uuid = strdup(binding.uuid);
        if (r >= 0 && m->definition)
                r = definition_check_binding(m->definition, (enum cvm_platform_id)m->in.platform, &binding,
                                             err);
        if (r < 0)
                return cvm_while(err, r, "the binding '%s'", file);
        cvm_sha384(payload.data, payload.size, m->binding);
        m->in.binding = m->binding;
        m->in.covers.root = covered[binding.root];
        return 0;
}

static int read_root(const char *file, struct making *m, struct cvm_error *err) {
        int r;

        if (!file && m->in.simulation_root)
                return 0;
        if (!file)
                return m->in.class_ == CVM_CLASS_SIMULATED
                                       ? cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                                  "the prediction is of a simulated guest: give --simulation-root "
                                                  "(`cvmctl host show --simulation-root`)")
                                       : 0;
        r = document_root(file, m->in.platform, m->root, err);
        if (r >= 0 && m->in.simulation_root && memcmp(m->root, m->in.simulation_root, sizeof m->root) != 0)
                r = cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL, "'%s' is not the root of the documents",
                             file);
        if (r < 0)
                return r;
        m->in.simulation_root = m->root;
        return 0;
}

/* What was not said is taken from the hosts' documents: none of them becomes older. */
static int read_hosts(const struct arguments *arguments, struct making *m, struct cvm_error *err) {
        const char *text = argument(arguments, "min-tcb");
        int r = policy_hosts_read(arguments, cvm_platform_texts[m->in.platform], &m->hosts, err);

        if (r < 0)
                return r;
        if (m->hosts.ids || !m->in.hosts)
                m->in.hosts = (const char *const *)m->hosts.ids;
        if (text || !m->in.min_tcb)
                m->in.min_tcb = text && strcmp(text, "any") == 0 ? "\"any\"" : text;
        if (m->hosts.minimums && !text)
                m->in.min_tcb = json_object_to_json_string_ext(m->hosts.minimums, JSON_C_TO_STRING_PLAIN);
        if (m->hosts.minimums)
                output_say("What a host's document says is the host's word: compare it with what you know.");
        return 0;
}

/* Debug is accepted where it is asked for by name, never because the prediction happens to be of such a
 * guest. */
static void take_debug(const struct arguments *arguments, struct making *m) {
        m->in.debug = argument(arguments, "debug");
        if (m->debug && !m->in.debug)
                output_say("Refuses: the prediction is of a guest in debug mode, which only --debug accepts.");
}

static int write_policy(const struct arguments *arguments, const char *text, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        int r = cvm_json_parse(text, strlen(text), "the new policy", &node, err);

        if (r < 0)
                return r;
        policy_say_open(node);
        return output_file(argument(arguments, "output"), text, 0644, err);
}

/* The short name is none that a definition has. */
static int take_measured(const struct request_platform *platform, const struct arguments *arguments,
                         struct making *m, struct cvm_error *err) {
        const char *name = argument(arguments, "platform");

        if (argument(arguments, "header"))
                return take_header(platform, arguments, m, err);
        if (platform && strcmp(name, platform->name) == 0 && !arguments->n_words)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--header is needed with --platform %s: which image it is", name);
        return take_prediction(arguments, m, err);
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(making_done) struct making m = { .in.serial = 1 };
        CVM_CLEANUP(cvm_freep) char *policy = NULL;
        const struct request_platform *platform = request_platform(arguments);
        int r = take_measured(platform, arguments, &m, err);

        if (r >= 0)
                r = take_documents(arguments, &m, err);
        if (r >= 0)
                r = read_binding(arguments, &m, err);
        if (r >= 0)
                r = read_root(argument(arguments, "simulation-root"), &m, err);
        if (r >= 0)
                r = argument_u64(arguments, "serial", INT64_MAX, &m.in.serial, err);
        if (r >= 0)
                r = read_hosts(arguments, &m, err);
        take_debug(arguments, &m);
        if (r >= 0)
                r = policy_make(&m.in, &policy, err);
        return r < 0 ? r : write_policy(arguments, policy, err);
}

const struct command command_policy_make = {
        .group = "policy",
        .name = "make",
        .words = "[DEFINITION]",
        .words_max = 1,
        .summary = "make a policy from a prediction or a definition",
        .options = options,
        .run = run,
};
