/* cvmctl policy make: a policy from a prediction. Nobody types digests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/output.h"

#define PREDICTION_MAX (64u << 10)
#define PEM_MAX (64u << 10)

static const struct option_row options[] = {
        { "from", OPTION_TEXT, "FILE", "what `measure predict -o json` printed" },
        { "binding", OPTION_TEXT, "FILE",
          "the signed binding that the guest must have; without: a guest without owner" },
        { "hosts", OPTION_REPEAT, "ID", "a chip id in hex, or 'any'" },
        { "min-tcb", OPTION_TEXT, "JSON", "such as {\"Genoa\":{\"snp\":23}}, or 'any'" },
        { "simulation-root", OPTION_TEXT, "FILE", "certificate of the simulation root (class simulated)" },
        { "serial", OPTION_TEXT, "N", "higher than that of the policy before (1)" },
        { "output", OPTION_TEXT, "FILE", "where the policy goes, also -o (standard output)" },
        { 0 },
};

struct making {
        struct policy_inputs in;
        uint8_t measurement[CVM_SHA384_SIZE], binding[CVM_SHA384_SIZE], root[CVM_SHA256_SIZE];
        const char *hosts[ARGUMENTS_MAX + 1];
        char *prediction;
        json_object *node;
};

static void making_done(struct making *m) {
        free(m->prediction);
        json_object_put(m->node);
}

static int find_platform(const char *name) {
        int id = 0;

        while (cvm_platform_texts[id] && strcmp(cvm_platform_texts[id], name) != 0)
                id++;
        return cvm_platform_texts[id] ? id : -ENOENT;
}

static int read_prediction(const char *file, struct making *m, struct cvm_error *err) {
        const char *platform = "", *hex = "";
        bool simulated = false;
        struct cvm_json root, covers;
        int r = document_text(file, PREDICTION_MAX, &m->prediction, err);

        if (r >= 0)
                r = cvm_json_parse(m->prediction, strlen(m->prediction), file, &m->node, err);
        if (r < 0)
                return r;
        root = cvm_json_root(m->node, file);
        covers = cvm_json_at(&root, "covers");
        if (cvm_json_get_text(&root, "platform", &platform, err) < 0 ||
            cvm_json_get_text(&root, "measurement", &hex, err) < 0 ||
            cvm_json_get_bool(&root, "simulated", &simulated, err) < 0 ||
            cvm_json_get_bool(&root, "debug", &m->in.debug, err) < 0 ||
            cvm_json_get_bool(&covers, "firmware", &m->in.covers.firmware, err) < 0 ||
            cvm_json_get_bool(&covers, "kernel", &m->in.covers.kernel, err) < 0 ||
            cvm_json_get_bool(&covers, "initrd", &m->in.covers.initrd, err) < 0 ||
            cvm_json_get_bool(&covers, "cmdline", &m->in.covers.cmdline, err) < 0 ||
            cvm_json_get_bool(&covers, "acpi", &m->in.covers.acpi, err) < 0)
                return -EINVAL;
        m->in.platform = find_platform(platform);
        if (m->in.platform <= 0 || cvm_unhex(hex, m->measurement, sizeof m->measurement) < 0)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' is no prediction of `measure predict`",
                                file);
        m->in.class_ = simulated ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE;
        m->in.measurement = m->measurement;
        return 0;
}

/* The root that the binding promises is what the policy will demand. */
static int read_binding(const char *file, struct making *m, struct cvm_error *err) {
        static const int covered[] = { [CVM_ROOT_NONE] = CVM_COVERED_NONE,
                                       [CVM_ROOT_LUKS] = CVM_COVERED_OWNER_KEYED,
                                       [CVM_ROOT_VERITY] = CVM_COVERED_VERITY };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        int r;

        if (!file)
                return 0;
        r = document_text(file, CVM_ENVELOPE_MAX, &text, err);
        if (r >= 0)
                r = cvm_envelope_peek(text, strlen(text), CVM_ENVELOPE_BINDING, &payload, err);
        if (r >= 0)
                r = binding_read(payload.data, payload.size, &binding, err);
        if (r < 0)
                return cvm_while(err, r, "'%s'", file);
        if (binding.platform != m->in.platform || binding.class_ != m->in.class_)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "the binding is for platform %s, class %s, and the prediction is not",
                                cvm_platform_texts[binding.platform], cvm_class_texts[binding.class_]);
        cvm_sha384(payload.data, payload.size, m->binding);
        m->in.binding = m->binding;
        m->in.covers.root = covered[binding.root];
        return 0;
}

static int read_root(const char *file, struct making *m, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *pem = NULL;
        CVM_CLEANUP(BIO_free_allp) BIO *bio = NULL;
        CVM_CLEANUP(X509_freep) X509 *x509 = NULL;
        uint8_t *spki = NULL;
        int size, r;

        if (!file)
                return m->in.class_ == CVM_CLASS_SIMULATED
                                       ? cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                                  "the prediction is of a simulated guest: give --simulation-root "
                                                  "(`cvmctl host show --simulation-root`)")
                                       : 0;
        r = document_text(file, PEM_MAX, &pem, err);
        if (r < 0)
                return r;
        bio = BIO_new_mem_buf(pem, -1);
        x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        size = x509 ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki) : -1;
        if (size <= 0)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "'%s' is no certificate in PEM", file);
        cvm_sha256(spki, (size_t)size, m->root);
        OPENSSL_free(spki);
        m->in.simulation_root = m->root;
        return 0;
}

static const char *read_min_tcb(const struct arguments *arguments) {
        const char *text = argument(arguments, "min-tcb");

        return text && strcmp(text, "any") == 0 ? "\"any\"" : text;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(making_done) struct making m = { .in.serial = 1 };
        CVM_CLEANUP(cvm_freep) char *policy = NULL;
        const char *from = argument(arguments, "from");
        size_t n = 0;
        int r = from ? read_prediction(from, &m, err)
                     : cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--from is needed: what `measure predict -o json` printed");

        if (r >= 0)
                r = read_binding(argument(arguments, "binding"), &m, err);
        if (r >= 0)
                r = read_root(argument(arguments, "simulation-root"), &m, err);
        if (r >= 0)
                r = argument_u64(arguments, "serial", INT64_MAX, &m.in.serial, err);
        while (n < ARGUMENTS_MAX && (m.hosts[n] = argument_at(arguments, "hosts", n)))
                n++;
        m.in.hosts = n ? m.hosts : NULL;
        m.in.min_tcb = read_min_tcb(arguments);
        if (r >= 0)
                r = policy_make(&m.in, &policy, err);
        if (r < 0)
                return r;
        if (!m.in.hosts)
                output_say("'hosts' was left out: write chip ids into the policy, or \"any\", before it is one.");
        if (!m.in.min_tcb && m.in.class_ == CVM_CLASS_HARDWARE)
                output_say("'min_tcb' was left out: write minimums into the policy, or \"any\", before it is one.");
        return output_file(argument(arguments, "output"), policy, 0644, err);
}

const struct command command_policy_make = {
        .group = "policy",
        .name = "make",
        .words = "",
        .summary = "make a policy from a prediction",
        .options = options,
        .run = run,
};
