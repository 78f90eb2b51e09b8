/* One good TDX bundle with its policy, each part of which a test can change before it is made. */
#pragma once

#include "attest/evidence.h"
#include "attest/policy.h"
#include "tests/attest/make-tdx.h"

#define UUID "0c1d2e3f-0000-4000-8000-000000000001"

static EVP_PKEY *owner;
static uint8_t owner_spki[CVM_SPKI_SIZE];

struct scene {
        struct make_world w;
        struct binding binding;
        bool unowned, no_collateral, other_owner;
        struct bundle bundle;
        struct appraisal appraisal;
        char policy[8192];
        struct verdict verdict;
};

static inline void scene_done(struct scene *s) {
        bundle_done(&s->bundle);
        verdict_done(&s->verdict);
        binding_done(&s->binding);
}

static inline struct scene scene(void) {
        struct scene s = {
                .w = make_world(),
                .binding = { .version = 1,
                             .serial = 4,
                             .uuid = strdup(UUID),
                             .platform = CVM_PLATFORM_TDX,
                             .class_ = CVM_CLASS_SIMULATED,
                             .root = CVM_ROOT_LUKS,
                             .has_root_digest = true },
                .bundle = { .version = 1,
                            .platform = CVM_PLATFORM_TDX,
                            .simulated = true,
                            .uuid = strdup(UUID),
                            .suite = CVM_SUITE },
                .appraisal = { .now_msec = TEST_NOW, .owner_spki = owner_spki },
        };

        cvm_key_id(owner_spki, s.binding.owner_id);
        cvm_random(s.appraisal.nonce, sizeof s.appraisal.nonce);
        memcpy(s.bundle.nonce, s.appraisal.nonce, sizeof s.bundle.nonce);
        memcpy(s.bundle.keyset.kem, owner_spki, CVM_SPKI_SIZE);
        memcpy(s.bundle.keyset.sig, owner_spki, CVM_SPKI_SIZE);
        return s;
}

static inline void print_digest(FILE *f, const char *before, const void *digest, size_t size) {
        char hex[2 * CVM_SHA384_SIZE + 1];

        cvm_hex(digest, size, hex);
        fprintf(f, "%s\"%s\"", before, hex);
}

static inline void write_policy(struct scene *s, const uint8_t binding[CVM_SHA384_SIZE]) {
        FILE *f = fmemopen(s->policy, sizeof s->policy, "w");
        uint8_t root[32], *spki = NULL;
        int size = i2d_PUBKEY(root_key, &spki);

        cvm_sha256(spki, (size_t)size, root);
        OPENSSL_free(spki);
        fprintf(f, "{\"version\":1,\"serial\":1,\"class\":\"simulated\",\"platforms\":[\"tdx\"]");
        print_digest(f, ",\"simulation_root\":", root, sizeof root);
        print_digest(f, ",\"measurements\":[{\"digest\":", s->w.body.mr_td, 48);
        print_digest(f, ",\"registers\":{\"rtmr1\":", s->w.body.rtmr[1], 48);
        print_digest(f, ",\"rtmr2\":", s->w.body.rtmr[2], 48);
        fprintf(f,
                "}}],\"covers\":{\"firmware\":true,\"kernel\":true,\"initrd\":true,\"cmdline\":true,"
                "\"acpi\":false,\"root\":\"%s\"}",
                s->unowned ? "none" : "owner-keyed, replay not detected");
        if (s->unowned)
                fprintf(f, ",\"unowned\":true");
        else
                print_digest(f, ",\"binding\":", binding, CVM_SHA384_SIZE);
        fprintf(f, ",\"hosts\":\"any\",\"min_tcb\":\"any\"}");
        fclose(f);
}

/* Everything consistent: binding, report data, quote, collateral, policy. */
static inline void seal(struct scene *s) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(make_items_done) struct make_items items = make_items(&s->w);
        struct cvm_evidence_inputs in = { .platform = cvm_platform_byte(CVM_PLATFORM_TDX, true),
                                          .suite = CVM_SUITE };

        cvm_sha384("", 0, in.binding);
        if (!s->unowned) {
                assert_int_equal(binding_write(&s->binding, &payload, NULL), 0);
                cvm_sha384(payload.data, payload.size, in.binding);
                memcpy(s->w.body.mr_config_id, in.binding, sizeof in.binding);
                memcpy(s->w.body.mr_owner, s->binding.owner_id, sizeof s->w.body.mr_owner);
                s->w.body.mr_owner[0] ^= s->other_owner;
                assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BINDING, payload.data, payload.size, owner,
                                                   &s->bundle.binding, NULL),
                                 0);
        }
        memcpy(in.nonce, s->bundle.nonce, sizeof in.nonce);
        cvm_keyset_digest(&s->bundle.keyset, in.keyset);
        cvm_report_data(&in, s->w.body.report_data);
        s->bundle.report = make_quote(&s->w);
        for (size_t i = 0; !s->no_collateral && i < ITEM_MAX_; i++)
                assert_int_equal(evidence_add_revocation(&s->bundle, items.items[i].data,
                                                         items.items[i].size, NULL),
                                 0);
        write_policy(s, in.binding);
}

/* Put a member into the policy, replacing the one of that key. */
static inline void set_policy(struct scene *s, const char *key, const char *value) {
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

static inline void judge(struct scene *s) {
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        struct cvm_error err = { 0 };

        if (policy_read(s->policy, strlen(s->policy), "policy", &policy, &err) < 0 ||
            policy_appraise(policy, &s->bundle, &s->appraisal, &s->verdict, &err) < 0)
                fail_msg("%s", err.text);
}
