/* What both benches of verification have in common: evidence of one simulated guest, and its appraisal. */
#pragma once

#include <string.h>

#include "attest/evidence.h"
#include "attest/policy.h"
#include "base/time.h"
#include "bench/bench.h"
#include "sim/sim.h"

#define BUNDLES 16

static struct bundle bundles[BUNDLES];
static struct policy *policy;
static struct chain_cache *chains;

static inline void need(bool good, const struct cvm_error *err) {
        if (good)
                return;
        fprintf(stderr, "bench: %s\n", err ? err->text : "failed");
        exit(1);
}

static inline void make_bundle(const struct sim_root *root, const struct sim_guest *guest,
                               struct bundle *b) {
        CVM_CLEANUP(sim_answer_done) struct sim_answer said = { 0 };
        struct cvm_evidence_inputs in = { .platform = cvm_platform_byte(guest->platform, true),
                                          .suite = CVM_SUITE };
        struct sim_question question = { 0 };
        struct cvm_error err = { 0 };

        *b = (struct bundle){ .version = 1,
                              .platform = guest->platform,
                              .simulated = true,
                              .uuid = strdup("0c1d2e3f-0000-4000-8000-000000000001"),
                              .suite = CVM_SUITE };
        b->nonce[0] = (uint8_t)(b - bundles);
        memcpy(in.nonce, b->nonce, sizeof in.nonce);
        cvm_keyset_digest(&b->keyset, in.keyset);
        cvm_sha384("", 0, in.binding);
        cvm_report_data(&in, question.report_data);
        need(sim_report(root, guest, &question, &said, &err) >= 0 &&
                             evidence_add_table(b, said.certificates.data, said.certificates.size, &err) >=
                                             0,
             &err);
        b->report = cvm_bytes_take(&said.report);
}

static inline void make_policy(const struct sim_root *root, const struct sim_guest *guest,
                               const struct policy_register *registers, size_t n_registers) {
        static const char *const hosts[] = { "any", NULL };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        uint8_t digest[CVM_SHA256_SIZE];
        struct policy_inputs in = { .platform = guest->platform,
                                    .class_ = CVM_CLASS_SIMULATED,
                                    .measurement = guest->measurement,
                                    .registers = registers,
                                    .n_registers = n_registers,
                                    .covers = { true, true, true, true, false, CVM_COVERED_NONE },
                                    .hosts = hosts,
                                    .simulation_root = digest,
                                    .serial = 1 };
        struct cvm_error err = { 0 };

        sim_root_digest(root, guest->platform, digest);
        need(policy_make(&in, &text, &err) >= 0 &&
                             policy_read(text, strlen(text), "policy", &policy, &err) >= 0,
             &err);
}

/* And the policy that takes them; registers: those that it demands to be zeros. */
static inline void make_scene(const struct sim_guest *guest, const struct policy_register *registers,
                              size_t n_registers) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        struct cvm_error err = { 0 };

        need(sim_root_make(0, &pem, &err) >= 0 && sim_root_read(pem.data, pem.size, &root, &err) >= 0, &err);
        for (size_t i = 0; i < BUNDLES; i++)
                make_bundle(root, guest, &bundles[i]);
        make_policy(root, guest, registers, n_registers);
        chains = chain_cache_new();
        need(chains, NULL);
}

static inline void end_scene(void) {
        policy_free(policy);
        chain_cache_free(chains);
        for (size_t i = 0; i < BUNDLES; i++)
                bundle_done(&bundles[i]);
}

static inline void appraise(const struct bundle *bundle) {
        struct appraisal with = { .now_msec = cvm_time_now(), .chains = chains };
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        struct cvm_error err = { 0 };

        memcpy(with.nonce, bundle->nonce, sizeof with.nonce);
        need(policy_appraise(policy, bundle, &with, &verdict, &err) >= 0, &err);
        if (verdict.result != VERDICT_ACCEPTED)
                need(false, NULL);
}
