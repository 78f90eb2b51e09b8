/*
 * The simulated secure processor: ARK, ASK and VCEK in AMD's profile (pub. 57230), and version-3 reports
 * signed by the VCEK. The CA keys are forgotten once they have signed: a root issues one chip, for ever.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "attest/cert-table-snp.h"
#include "attest/chain-snp.h"
#include "base/names.h"
#include "sim/certificate.h"
#include "sim/platform.h"

#define ARC "1.3.6.1.4.1.3704.1."
#define PRODUCT "Genoa"
#define POLICY_DEFAULT 0x30000 /* SMT allowed, and the bit that must be one */
#define POLICY_SMT (1u << 16)
#define PLATFORM_SMT 1
#define REPORT_VERSION 3
#define ALGORITHM_ECDSA_P384 1
/* family 19h, model 11h: a Genoa */
#define CPUID_FAMILY 0x19
#define CPUID_MODEL 0x11
#define CPUID_STEPPING 1

/* In the order of the product's TCB_VERSION: bootloader, tee, four reserved, snp, microcode. */
static const uint8_t tcb[SNP_TCB_SIZE] = { 9, 0, 0, 0, 0, 0, 23, 72 };

struct sim_chain {
        struct cvm_bytes der[3]; /* VCEK, ASK, ARK */
        X509 *root;
        EVP_PKEY *key; /* VCEK's private one */
        uint8_t chip_id[64];
};

static struct sim_chain *chain_free(struct sim_chain *chain) {
        if (!chain)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(chain->der); i++)
                cvm_bytes_done(&chain->der[i]);
        X509_free(chain->root);
        EVP_PKEY_free(chain->key);
        free(chain);
        return NULL;
}
CVM_DEFINE_CLEANUP(struct sim_chain, chain_free);

static int add_spl(X509 *x509, unsigned arc, uint8_t value) {
        const uint8_t der[] = { V_ASN1_INTEGER, value > 0x7f ? 2 : 1, 0, value };
        char oid[64];

        snprintf(oid, sizeof oid, ARC "3.%u", arc);
        return value > 0x7f ? sim_extension_add(x509, oid, false, der, 4)
                            : sim_extension_add(x509, oid, false, (const uint8_t[]){ der[0], der[1], value },
                                                3);
}

/* What makes it the certificate of this chip at this TCB. */
static int extend_vcek(X509 *x509, const void *ctx) {
        static const char product[] = "\x16\x08" PRODUCT "-B1";
        enum snp_product facts = SNP_PRODUCT_MAX_;
        int r = snp_product_by_name(PRODUCT, &facts);

        if (r >= 0)
                r = sim_extension_add(x509, ARC "2", false, product, sizeof product - 1);
        for (size_t i = 0; r >= 0 && i < SNP_TCB_SIZE; i++)
                r = add_spl(x509, snp_products[facts].spl[i], tcb[i]);
        return r < 0 ? r : sim_extension_add(x509, ARC "4", false, ctx, 64);
}

static int make_certificates(X509 *ret[3], EVP_PKEY *vcek, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *ark = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)4096);
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *ask = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)4096);
        uint8_t chip_id[64];
        int r = 0;

        if (!ark || !ask || !vcek)
                return cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "keys cannot be made");
        cvm_random(chip_id, sizeof chip_id);
        const struct sim_certificate specs[3] = {
                { "SEV-VCEK", "SEV-" PRODUCT, vcek, ask, false, extend_vcek, chip_id },
                { "SEV-" PRODUCT, "ARK-" PRODUCT, ask, ark, true, NULL, NULL },
                { "ARK-" PRODUCT, "ARK-" PRODUCT, ark, ark, true, NULL, NULL },
        };
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(specs); i++)
                r = sim_certificate_make(&specs[i], &ret[i], err);
        return r;
}

static int make(BIO *pem, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *vcek = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
        X509 *certificates[3] = { NULL };
        int r = make_certificates(certificates, vcek, err);

        for (size_t i = 0; i < ARRAY_SIZE(certificates); i++) {
                if (r >= 0 && PEM_write_bio_X509(pem, certificates[i]) != 1)
                        r = -ENOMEM;
                X509_free(certificates[i]);
        }
        if (r >= 0 && PEM_write_bio_PrivateKey(pem, vcek, NULL, NULL, 0, NULL, NULL) != 1)
                r = -ENOMEM;
        return r;
}

static int read_certificate(BIO *pem, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(X509_freep) X509 *x509 = PEM_read_bio_X509(pem, NULL, NULL, NULL);
        uint8_t *p;
        int size = x509 ? i2d_X509(x509, NULL) : -1;

        if (size <= 0)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "a certificate is missing or malformed");
        ret->data = p = malloc((size_t)size);
        if (!p)
                return -ENOMEM;
        ret->size = (size_t)i2d_X509(x509, &p);
        return 0;
}

/* As a verifier would see it: a broken file is noticed here, not by the first owner. */
static int check_chain(struct sim_chain *chain, struct cvm_error *err) {
        CVM_CLEANUP(snp_chain_done) struct snp_chain facts = { 0 };
        int r = snp_chain_read(chain->der, ARRAY_SIZE(chain->der), false, &facts, err);

        if (r < 0)
                return r;
        if (!facts.key->simulated || !facts.ca->simulated || !facts.root->simulated ||
            EVP_PKEY_eq(X509_get0_pubkey(facts.key->x509), chain->key) != 1)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "it is not a chain of the simulation");
        memcpy(chain->chip_id, facts.key->chip_id, sizeof chain->chip_id);
        chain->root = X509_dup(facts.root->x509);
        return chain->root ? 0 : -ENOMEM;
}

static int read(BIO *pem, struct sim_chain **ret, struct cvm_error *err) {
        CVM_CLEANUP(chain_freep) struct sim_chain *chain = calloc(1, sizeof *chain);
        int r = chain ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(chain->der); i++)
                r = read_certificate(pem, &chain->der[i], err);
        if (r < 0)
                return r;
        chain->key = PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL);
        if (!chain->key)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "the private key is missing or malformed");
        r = check_chain(chain, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(chain);
        return 0;
}

static X509 *root(const struct sim_chain *chain) {
        return chain->root;
}

static struct snp_report describe(const struct sim_chain *chain, const struct sim_guest *guest,
                                  const uint8_t report_data[64]) {
        struct snp_report report = {
                .version = REPORT_VERSION,
                .policy = guest->policy ? guest->policy : POLICY_DEFAULT,
                .signature_algo = ALGORITHM_ECDSA_P384,
                .cpuid_family = CPUID_FAMILY,
                .cpuid_model = CPUID_MODEL,
                .cpuid_stepping = CPUID_STEPPING,
        };
        uint64_t version = 0;

        for (size_t i = 0; i < SNP_TCB_SIZE; i++)
                version |= (uint64_t)tcb[i] << (8 * i);
        report.current_tcb = report.reported_tcb = report.committed_tcb = report.launch_tcb = version;
        report.platform_info = report.policy & POLICY_SMT ? PLATFORM_SMT : 0;
        memcpy(report.report_data, report_data, sizeof report.report_data);
        memcpy(report.measurement, guest->measurement, sizeof report.measurement);
        memcpy(report.host_data, guest->host_data, sizeof report.host_data);
        memcpy(report.report_id, guest->report_id, sizeof report.report_id);
        memset(report.report_id_ma, 0xff, sizeof report.report_id_ma); /* no migration agent */
        memcpy(report.chip_id, chain->chip_id, sizeof report.chip_id);
        return report;
}

static int sign(struct snp_report *report, EVP_PKEY *key) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        CVM_CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *signature = NULL;
        uint8_t bytes[SNP_REPORT_SIZE], der[128];
        const uint8_t *p = der;
        size_t size = sizeof der;

        snp_report_write(report, bytes);
        if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key) != 1 ||
            EVP_DigestSign(ctx, der, &size, bytes, SNP_REPORT_SIGNED_SIZE) != 1)
                return -EIO;
        signature = d2i_ECDSA_SIG(NULL, &p, (long)size);
        if (!signature || BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), report->r, sizeof report->r) < 0 ||
            BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), report->s, sizeof report->s) < 0)
                return -EIO;
        return 0;
}

static int report(const struct sim_chain *chain, const struct sim_guest *guest,
                  const struct sim_question *question, struct sim_answer *ret, struct cvm_error *err) {
        const struct snp_cert_entry entries[] = {
                { SNP_CERT_VCEK, chain->der[0].data, chain->der[0].size },
                { SNP_CERT_ASK, chain->der[1].data, chain->der[1].size },
                { SNP_CERT_ARK, chain->der[2].data, chain->der[2].size },
        };
        struct snp_report r = describe(chain, guest, question->report_data);
        uint8_t bytes[SNP_REPORT_SIZE];

        if (sign(&r, chain->key) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "signing a simulated report failed");
        snp_report_write(&r, bytes);
        if (snp_cert_table_write(entries, ARRAY_SIZE(entries), &ret->certificates) < 0 ||
            cvm_bytes_copy(bytes, sizeof bytes, &ret->report) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a simulated report");
        return 0;
}

const struct sim_platform sim_snp = {
        .id = CVM_PLATFORM_SEV_SNP,
        .make = make,
        .read = read,
        .free = chain_free,
        .root = root,
        .report = report,
};
