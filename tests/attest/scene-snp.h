/* One good bundle with its policy and challenge, each part of which a test can change before or after it is
 * made consistent. */
#pragma once

#include "attest/evidence.h"
#include "attest/policy.h"
#include "tests/attest/make-snp.h"

#define UUID "0c1d2e3f-0000-4000-8000-000000000001"

enum domain { EVIDENCE, MIGRATION, HOST };

static struct make_keys keys;
static EVP_PKEY *owner, *stranger;
static uint8_t owner_spki[CVM_SPKI_SIZE], stranger_spki[CVM_SPKI_SIZE];

/* What a test changes before seal() makes everything consistent, and after it to break that. */
struct scene {
        struct make_chain chain;
        struct snp_report report;
        struct binding binding;
        EVP_PKEY *binding_signer;
        bool unowned;
        enum domain domain;
        struct policy_inputs inputs;
        struct bundle bundle;
        struct appraisal appraisal;
        char policy[8192];
        uint8_t root[CVM_SHA256_SIZE], binding_digest[CVM_SHA384_SIZE];
        struct verdict verdict;
};

static void root_digest(EVP_PKEY *key, uint8_t ret[CVM_SHA256_SIZE]) {
        uint8_t *spki = NULL;
        int size = i2d_PUBKEY(key, &spki);

        cvm_sha256(spki, (size_t)size, ret);
        OPENSSL_free(spki);
}

static void scene_done(struct scene *s) {
        bundle_done(&s->bundle);
        verdict_done(&s->verdict);
        binding_done(&s->binding);
}

static struct scene scene(void) {
        static const char *const any[] = { "any", NULL };
        struct scene s = {
                .chain = make_chain(&keys, true),
                .report = make_report(),
                .binding = { .version = 1,
                             .serial = 4,
                             .uuid = strdup(UUID),
                             .platform = CVM_PLATFORM_SEV_SNP,
                             .class_ = CVM_CLASS_SIMULATED,
                             .root = CVM_ROOT_LUKS,
                             .has_root_digest = true },
                .binding_signer = owner,
                .inputs = { .platform = CVM_PLATFORM_SEV_SNP,
                            .class_ = CVM_CLASS_SIMULATED,
                            .covers = { true, true, true, true, false, CVM_COVERED_OWNER_KEYED },
                            .hosts = any,
                            .serial = 1 },
                .bundle = { .version = 1,
                            .platform = CVM_PLATFORM_SEV_SNP,
                            .simulated = true,
                            .uuid = strdup(UUID),
                            .suite = CVM_SUITE },
                .appraisal = { .now_msec = TEST_NOW, .owner_spki = owner_spki },
        };

        cvm_key_id(owner_spki, s.binding.owner_id);
        memset(s.report.measurement, 0x5a, sizeof s.report.measurement);
        cvm_random(s.appraisal.nonce, sizeof s.appraisal.nonce);
        memcpy(s.bundle.nonce, s.appraisal.nonce, sizeof s.bundle.nonce);
        memcpy(s.bundle.keyset.kem, stranger_spki, CVM_SPKI_SIZE);
        memcpy(s.bundle.keyset.sig, owner_spki, CVM_SPKI_SIZE);
        root_digest(keys.ark, s.root);
        return s;
}

static void seal_binding(struct scene *s) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };

        cvm_sha384("", 0, s->binding_digest);
        if (s->unowned)
                return;
        assert_int_equal(binding_write(&s->binding, &payload, NULL), 0);
        cvm_sha384(payload.data, payload.size, s->binding_digest);
        cvm_sha256(payload.data, payload.size, s->report.host_data);
        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BINDING, payload.data, payload.size,
                                           s->binding_signer, &s->bundle.binding, NULL),
                         0);
}

static void seal_report(struct scene *s) {
        struct cvm_evidence_inputs in = {
                .platform = cvm_platform_byte(CVM_PLATFORM_SEV_SNP, s->chain.ark.simulated),
                .suite = CVM_SUITE,
                .generation = s->bundle.generation,
        };

        memcpy(in.nonce, s->bundle.nonce, sizeof in.nonce);
        memcpy(in.binding, s->binding_digest, sizeof in.binding);
        cvm_keyset_digest(&s->bundle.keyset, in.keyset);
        if (s->domain == EVIDENCE)
                cvm_report_data(&in, s->report.report_data);
        else if (s->domain == MIGRATION)
                cvm_report_data_migration(&in, s->report.report_data);
        else { /* the host asks for a report over the very bytes that the guest would give */
                uint8_t data[CVM_REPORT_DATA_SIZE];

                cvm_report_data(&in, data);
                cvm_report_data_host(data, s->report.report_data);
        }
        cvm_bytes_done(&s->bundle.report);
        s->bundle.report = make_signed(&s->report, keys.ek);
}

static void add(struct bundle *bundle, const struct make_spec *spec) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = make_certificate(spec);

        assert_int_equal(evidence_add_certificate(bundle, der.data, der.size, NULL), 0);
}

static void seal(struct scene *s) {
        CVM_CLEANUP(cvm_freep) char *policy = NULL;
        struct cvm_error err = { 0 };

        seal_binding(s);
        seal_report(s);
        add(&s->bundle, &s->chain.ek);
        add(&s->bundle, &s->chain.ask);
        add(&s->bundle, &s->chain.ark);
        s->bundle.simulated = s->chain.ark.simulated;
        s->inputs.measurement = s->report.measurement;
        s->inputs.binding = s->unowned ? NULL : s->binding_digest;
        s->inputs.simulation_root = s->inputs.class_ == CVM_CLASS_SIMULATED ? s->root : NULL;
        if (policy_make(&s->inputs, &policy, &err) < 0)
                fail_msg("%s", err.text);
        snprintf(s->policy, sizeof s->policy, "%s", policy);
}

/* Put a member into the policy, replacing the one of that key. */
static void set_policy(struct scene *s, const char *key, const char *value) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        json_object *member = NULL;

        assert_int_equal(cvm_json_parse(s->policy, strlen(s->policy), "policy", &node, NULL), 0);
        json_object_object_del(node, key);
        if (value) {
                assert_int_equal(cvm_json_parse(value, strlen(value), key, &member, NULL), 0);
                json_object_object_add(node, key, member);
        }
        snprintf(s->policy, sizeof s->policy, "%s", json_object_to_json_string(node));
}

static void judge(struct scene *s) {
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        struct cvm_error err = { 0 };

        if (policy_read(s->policy, strlen(s->policy), "policy", &policy, &err) < 0 ||
            policy_appraise(policy, &s->bundle, &s->appraisal, &s->verdict, &err) < 0)
                fail_msg("%s", err.text);
}
