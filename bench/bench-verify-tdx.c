/*
 * The appraisal of quotes from one platform, whose chain and collateral are verified once, against what no
 * verifier can leave out: the P-256 verifications of the quoting enclave's report and of the quote.
 */
#include <string.h>

#include <openssl/ecdsa.h>

#include "attest/evidence.h"
#include "attest/pck-tdx.h"
#include "attest/policy.h"
#include "attest/quote-tdx.h"
#include "base/time.h"
#include "bench/bench.h"
#include "sim/sim.h"

#define QUOTES 16
#define ROUNDS 2001

struct signature {
        const uint8_t *data; /* what is signed */
        size_t data_size;
        uint8_t der[80];
        size_t size;
};

struct signed_quote {
        struct signature enclave, quote;
        EVP_PKEY *key; /* of the quote */
};

static struct bundle bundles[QUOTES];
static struct signed_quote quotes[QUOTES];
static struct policy *policy;
static struct chain_cache *chains;

static void need(bool good, const struct cvm_error *err) {
        if (good)
                return;
        fprintf(stderr, "bench-verify-tdx: %s\n", err ? err->text : "failed");
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
        static const struct policy_register registers[] = { { .name = "rtmr1" }, { .name = "rtmr2" } };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        uint8_t digest[CVM_SHA256_SIZE];
        struct policy_inputs in = { .platform = guest->platform,
                                    .class_ = CVM_CLASS_SIMULATED,
                                    .measurement = guest->measurement,
                                    .registers = registers,
                                    .n_registers = ARRAY_SIZE(registers),
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

static void make_scene(void) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        struct sim_guest guest = { .platform = CVM_PLATFORM_TDX,
                                   .measurement = { 1, 2, 3 },
                                   .policy = 1ull << 28 };
        struct cvm_error err = { 0 };

        need(sim_root_make(0, &pem, &err) >= 0 && sim_root_read(pem.data, pem.size, &root, &err) >= 0, &err);
        for (size_t i = 0; i < QUOTES; i++)
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

/* --- the bare loop: keys and signatures in the form that OpenSSL takes --- */

static void prepare(const uint8_t raw[P256_SIZE], const uint8_t *data, size_t size, struct signature *ret) {
        CVM_CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *numbers = ECDSA_SIG_new();
        uint8_t *p = ret->der;

        ECDSA_SIG_set0(numbers, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
        ret->data = data;
        ret->data_size = size;
        ret->size = (size_t)i2d_ECDSA_SIG(numbers, &p);
}

static void prepare_quote(const struct bundle *bundle, struct signed_quote *ret) {
        struct tdx_quote q;

        need(tdx_quote_read(bundle->report.data, bundle->report.size, &q, NULL) >= 0 &&
                             p256_key(q.attestation_key, &ret->key) >= 0,
             NULL);
        prepare(q.qe_signature, q.qe_report, TDX_QE_REPORT_SIZE, &ret->enclave);
        prepare(q.signature, q.signed_bytes, q.signed_size, &ret->quote);
}

static void verify_bare(const struct signature *signature, EVP_PKEY *key) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        need(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                             EVP_DigestVerify(ctx, signature->der, signature->size, signature->data,
                                              signature->data_size) == 1,
             NULL);
}

int main(void) {
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        uint64_t ours[ROUNDS], bare[ROUNDS];
        struct tdx_quote first;
        double o, b;

        make_scene();
        chains = chain_cache_new();
        need(chains, NULL);
        for (size_t i = 0; i < QUOTES; i++)
                prepare_quote(&bundles[i], &quotes[i]);
        need(tdx_quote_read(bundles->report.data, bundles->report.size, &first, NULL) >= 0 &&
                             tdx_chain_read(first.chain, first.chain_size, &chain, NULL) >= 0,
             NULL);
        for (size_t i = 0; i < ROUNDS; i++) {
                size_t k = i % QUOTES;
                uint64_t t0 = bench_nsec(), t1;

                appraise(&bundles[k]);
                t1 = bench_nsec();
                verify_bare(&quotes[k].enclave, X509_get0_pubkey(chain.links[0].x509));
                verify_bare(&quotes[k].quote, quotes[k].key);
                ours[i] = t1 - t0;
                bare[i] = bench_nsec() - t1;
        }
        o = (double)bench_best(ours, ROUNDS);
        b = (double)bench_best(bare, ROUNDS);
        policy_free(policy);
        chain_cache_free(chains);
        for (size_t i = 0; i < QUOTES; i++) {
                bundle_done(&bundles[i]);
                EVP_PKEY_free(quotes[i].key);
        }
        return !bench_report("quotes of one platform, rate against two bare P-256 checks", b / o,
                             BENCH_AT_LEAST, 0.9, o / 1000, b / 1000, "us");
}
