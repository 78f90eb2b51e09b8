/*
 * The appraisal of reports from one chip, whose chain is verified once, against what no verifier can leave
 * out: the ECDSA P-384 verification of 672 bytes.
 */
#include <openssl/ecdsa.h>

#include "attest/chain-snp.h"
#include "attest/report-snp.h"
#include "bench/verify.h"

#define ROUNDS 1001

struct signature {
        uint8_t der[112];
        size_t size;
};

static struct signature signatures[BUNDLES];

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
        const struct sim_guest guest = { .platform = CVM_PLATFORM_SEV_SNP, .measurement = { 1, 2, 3 } };
        CVM_CLEANUP(snp_chain_done) struct snp_chain chain = { 0 };
        uint64_t ours[ROUNDS], bare[ROUNDS];
        struct cvm_error err = { 0 };
        double o, b;

        make_scene(&guest, NULL, 0);
        for (size_t i = 0; i < BUNDLES; i++)
                prepare(&bundles[i], &signatures[i]);
        need(snp_chain_read(bundles->certificates, bundles->n_certificates, false, &chain, &err) >= 0, &err);
        for (size_t i = 0; i < ROUNDS; i++) {
                size_t k = i % BUNDLES;
                uint64_t t0 = bench_nsec(), t1;

                appraise(&bundles[k]);
                t1 = bench_nsec();
                verify_bare(&bundles[k], &signatures[k], X509_get0_pubkey(chain.key->x509));
                ours[i] = t1 - t0;
                bare[i] = bench_nsec() - t1;
        }
        o = (double)bench_best(ours, ROUNDS);
        b = (double)bench_best(bare, ROUNDS);
        end_scene();
        return !bench_report("reports of one chip, rate against the bare P-384 check", b / o, BENCH_AT_LEAST,
                             0.95, o / 1000, b / 1000, "us");
}
