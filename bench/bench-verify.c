/*
 * The appraisal of reports from one chip, whose chain is verified once, against what no verifier can leave
 * out: the ECDSA P-384 verification of 672 bytes.
 */
#include <string.h>

#include <openssl/ecdsa.h>

#include "attest/chain-snp.h"
#include "attest/policy.h"
#include "attest/evidence.h"
#include "attest/report-snp.h"
#include "base/time.h"
#include "bench/bench.h"
#include "sim/sim.h"

#define REPORTS 16
#define ROUNDS 1001

struct signature {
        uint8_t der[112];
        size_t size;
};

static struct bundle bundles[REPORTS];
static struct signature signatures[REPORTS];
static struct policy *policy;
static struct chain_cache *chains;

static void need(bool good, const struct cvm_error *err) {
        if (good)
                return;
        fprintf(stderr, "bench-verify: %s\n", err ? err->text : "failed");
        exit(1);
}

static void make_bundle(const struct sim_root *root, const struct sim_guest *guest, struct bundle *b) {
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

static void make_policy(const struct sim_root *root, const struct sim_guest *guest) {
        static const char *const hosts[] = { "any", NULL };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        uint8_t digest[CVM_SHA256_SIZE];
        struct policy_inputs in = { .platform = guest->platform,
                                    .class_ = CVM_CLASS_SIMULATED,
                                    .measurement = guest->measurement,
                                    .covers = { true, true, true, true, false, CVM_COVERED_NONE },
                                    .hosts = hosts,
                                    .simulation_root = digest,
                                    .serial = 1 };
        struct cvm_error err = { 0 };

        sim_root_digest(root, CVM_PLATFORM_SEV_SNP, digest);
        need(policy_make(&in, &text, &err) >= 0 &&
                             policy_read(text, strlen(text), "policy", &policy, &err) >= 0,
             &err);
}

static void make_scene(void) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        struct sim_guest guest = { .platform = CVM_PLATFORM_SEV_SNP, .measurement = { 1, 2, 3 } };
        struct cvm_error err = { 0 };

        need(sim_root_make(0, &pem, &err) >= 0 && sim_root_read(pem.data, pem.size, &root, &err) >= 0, &err);
        for (size_t i = 0; i < REPORTS; i++)
                make_bundle(root, &guest, &bundles[i]);
        make_policy(root, &guest);
}

static void appraise(const struct bundle *bundle) {
        struct appraisal with = { .now_msec = cvm_time_now(), .chains = chains };
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        struct cvm_error err = { 0 };

        memcpy(with.nonce, bundle->nonce, sizeof with.nonce);
        need(policy_appraise(policy, bundle, &with, &verdict, &err) >= 0, &err);
        if (verdict.result != VERDICT_ACCEPTED)
                need(false, NULL);
}

/* --- the bare loop: the signatures in the form that OpenSSL takes --- */

static void prepare(const struct bundle *bundle, struct signature *ret) {
        CVM_CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *signature = ECDSA_SIG_new();
        struct snp_report report;
        uint8_t *p = ret->der;

        need(snp_report_read(bundle->report.data, bundle->report.size, &report, NULL) >= 0, NULL);
        ECDSA_SIG_set0(signature, BN_lebin2bn(report.r, sizeof report.r, NULL),
                       BN_lebin2bn(report.s, sizeof report.s, NULL));
        ret->size = (size_t)i2d_ECDSA_SIG(signature, &p);
}

static void verify_bare(const struct bundle *bundle, const struct signature *signature, EVP_PKEY *key) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        need(EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL, key) == 1 &&
                             EVP_DigestVerify(ctx, signature->der, signature->size, bundle->report.data,
                                              SNP_REPORT_SIGNED_SIZE) == 1,
             NULL);
}

int main(void) {
        CVM_CLEANUP(snp_chain_done) struct snp_chain chain = { 0 };
        uint64_t ours[ROUNDS], bare[ROUNDS];
        struct cvm_error err = { 0 };
        double o, b;

        make_scene();
        chains = chain_cache_new();
        need(chains, NULL);
        for (size_t i = 0; i < REPORTS; i++)
                prepare(&bundles[i], &signatures[i]);
        need(snp_chain_read(bundles->certificates, bundles->n_certificates, false, &chain, &err) >= 0, &err);
        for (size_t i = 0; i < ROUNDS; i++) {
                size_t k = i % REPORTS;
                uint64_t t0 = bench_nsec(), t1;

                appraise(&bundles[k]);
                t1 = bench_nsec();
                verify_bare(&bundles[k], &signatures[k], X509_get0_pubkey(chain.key->x509));
                ours[i] = t1 - t0;
                bare[i] = bench_nsec() - t1;
        }
        o = (double)bench_best(ours, ROUNDS);
        b = (double)bench_best(bare, ROUNDS);
        policy_free(policy);
        chain_cache_free(chains);
        for (size_t i = 0; i < REPORTS; i++)
                bundle_done(&bundles[i]);
        return !bench_report("reports of one chip, rate against the bare P-384 check", b / o, BENCH_AT_LEAST,
                             0.95, o / 1000, b / 1000, "us");
}
