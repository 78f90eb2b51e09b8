/*
 * The appraisal of quotes from one platform, whose chain and collateral are verified once, against what no
 * verifier can leave out: the P-256 verifications of the quoting enclave's report and of the quote.
 */
#include <openssl/ecdsa.h>

#include "attest/pck-tdx.h"
#include "attest/quote-tdx.h"
#include "bench/verify.h"

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

static struct signed_quote quotes[BUNDLES];

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
        static const struct policy_register registers[] = { { .name = "rtmr1" }, { .name = "rtmr2" } };
        const struct sim_guest guest = { .platform = CVM_PLATFORM_TDX,
                                         .measurement = { 1, 2, 3 },
                                         .policy = 1ull << 28 };
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        uint64_t ours[ROUNDS], bare[ROUNDS];
        struct tdx_quote first;
        double o, b;

        make_scene(&guest, registers, ARRAY_SIZE(registers));
        for (size_t i = 0; i < BUNDLES; i++)
                prepare_quote(&bundles[i], &quotes[i]);
        need(tdx_quote_read(bundles->report.data, bundles->report.size, &first, NULL) >= 0 &&
                             tdx_chain_read(first.chain, first.chain_size, &chain, NULL) >= 0,
             NULL);
        for (size_t i = 0; i < ROUNDS; i++) {
                size_t k = i % BUNDLES;
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
        for (size_t i = 0; i < BUNDLES; i++)
                EVP_PKEY_free(quotes[i].key);
        end_scene();
        return !bench_report("quotes of one platform, rate against two bare P-256 checks", b / o,
                             BENCH_AT_LEAST, 0.9, o / 1000, b / 1000, "us");
}
