/*
 * A report is believed in this order: its form, the chain of its certificates, that the certificate is for
 * this chip and this TCB, the signature. Everything in the report that the firmware must have set in one way
 * only (algorithm, key kind, reserved policy bits) is part of its form.
 */
#include "attest/evidence-snp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ecdsa.h>

#include "attest/cert-table-snp.h"
#include "attest/chain-snp.h"
#include "attest/crl-snp.h"

#define POLICY_MUST_BE_ONE (1ull << 17)
#define POLICY_MIGRATE_MA (1ull << 18)
#define POLICY_DEBUG (1ull << 19)
#define POLICY_KNOWN ((1ull << 26) - 1)
#define PLATFORM_INFO_KNOWN 0xbfull
#define SIGNATURE_DER_MAX 112 /* a sequence of two integers of at most 49 bytes */
#define VMPL_HOST UINT32_MAX
#define ALGORITHM_ECDSA_P384 1

enum { SIGNING_KEY_VCEK = 0, SIGNING_KEY_VLEK = 1, SIGNING_KEY_NONE = 7 };

/* A chain that held when it was verified; shared by evidence and a cache. */
struct verified_chain {
        unsigned refs;
        struct snp_chain chain;
        struct snp_chain_facts facts;
};

struct evidence {
        struct snp_report report;
        uint8_t signed_bytes[SNP_REPORT_SIGNED_SIZE];
        const struct bundle *bundle;     /* borrowed: for the certificates */
        struct chain_cache *chains;      /* borrowed; NULL: none */
        struct verified_chain *verified; /* owned reference; once authenticated */
        enum snp_product product;        /* once authenticated: the certificate's */
};

/* Bits of the guest's policy, then of the platform ("platform-"), by the names that policies use. */
static const struct {
        const char *name;
        uint8_t bit;
        bool platform;
} flags[] = {
        { "smt", 16, false },
        { "migrate-ma", 18, false },
        { "debug", 19, false },
        { "single-socket", 20, false },
        { "cxl-allow", 21, false },
        { "mem-aes-256-xts", 22, false },
        { "rapl-dis", 23, false },
        { "ciphertext-hiding-dram", 24, false },
        { "page-swap-disable", 25, false },
        { "platform-smt", 0, true },
        { "platform-tsme", 1, true },
        { "platform-ecc", 2, true },
        { "platform-rapl-dis", 3, true },
        { "platform-ciphertext-hiding-dram", 4, true },
        { "platform-alias-check", 5, true },
        { "platform-tio", 7, true },
};

static uint32_t signing_key(const struct snp_report *report) {
        return report->key_info >> 2 & 7;
}

static int check_form(const struct snp_report *report, struct cvm_error *err) {
        const struct {
                bool wrong;
                const char *what;
        } rules[] = {
                { report->signature_algo != ALGORITHM_ECDSA_P384,
                  "the signature's algorithm is not ECDSA P-384 with SHA-384" },
                { !(report->policy & POLICY_MUST_BE_ONE), "policy bit 17 is not set" },
                { report->policy & ~POLICY_KNOWN, "a reserved policy bit is set" },
                { report->platform_info & ~PLATFORM_INFO_KNOWN, "a reserved platform bit is set" },
                { report->key_info >> 5, "a reserved bit of KEY_INFO is set" },
                { report->vmpl > 3 && report->vmpl != VMPL_HOST, "the VMPL is none of 0 to 3" },
                { signing_key(report) == SIGNING_KEY_NONE, "the report says that it is not signed" },
                { signing_key(report) > SIGNING_KEY_VLEK, "the report names an unknown signing key" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
                if (rules[i].wrong)
                        return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG, "%s", rules[i].what);
        return 0;
}

static void verified_chain_unref(void *p) {
        struct verified_chain *v = p;

        if (!v || --v->refs > 0)
                return;
        snp_chain_done(&v->chain);
        free(v);
}

static struct evidence *evidence_snp_free(struct evidence *evidence) {
        if (evidence)
                verified_chain_unref(evidence->verified);
        free(evidence);
        return NULL;
}

static int parse(const struct bundle *bundle, struct evidence **ret, struct cvm_error *err) {
        struct snp_report report;
        struct evidence *evidence;
        int r = snp_report_read(bundle->report.data, bundle->report.size, &report, err);

        if (r >= 0)
                r = check_form(&report, err);
        if (r < 0)
                return r;
        evidence = calloc(1, sizeof *evidence);
        if (!evidence)
                return -ENOMEM;
        evidence->report = report;
        evidence->bundle = bundle;
        memcpy(evidence->signed_bytes, bundle->report.data, sizeof evidence->signed_bytes);
        *ret = evidence;
        return 0;
}

static bool chip_is_masked(const struct snp_report *report) {
        return cvm_is_zero(report->chip_id, sizeof report->chip_id);
}

static uint8_t tcb_byte(uint64_t tcb, size_t i) {
        return (uint8_t)(tcb >> (8 * i));
}

/* That the certificate is the one for this chip, this product and the *reported* TCB, byte by byte. */
static int check_belongs(const struct snp_report *report, const struct snp_certificate *key,
                         struct cvm_error *err) {
        const struct snp_product_facts *facts = &snp_products[key->product];
        enum snp_product product = key->product;

        if (report->version >= 3 &&
            (snp_product_by_cpuid(report->cpuid_family, report->cpuid_model, &product) < 0 ||
             product != key->product))
                return cvm_fail(err, &CVM_CODE_REPORT_CERTIFICATE, EBADMSG,
                                "the report is of a processor of family 0x%x, model 0x%x, the certificate of %s",
                                report->cpuid_family, report->cpuid_model, facts->name);
        for (size_t i = 0; i < SNP_TCB_SIZE; i++)
                if (tcb_byte(report->reported_tcb, i) != key->tcb[i])
                        return cvm_fail(err, &CVM_CODE_REPORT_CERTIFICATE, EBADMSG,
                                        "the reported TCB has %s %u, the certificate is for %u",
                                        facts->components[i] ? facts->components[i] : "a reserved byte",
                                        tcb_byte(report->reported_tcb, i), key->tcb[i]);
        if (key->role == SNP_ROLE_VCEK && !chip_is_masked(report) &&
            memcmp(report->chip_id, key->chip_id, sizeof key->chip_id) != 0)
                return cvm_fail(err, &CVM_CODE_REPORT_CERTIFICATE, EBADMSG,
                                "the certificate is for another chip than the report's");
        return 0;
}

/* The report has R and S little-endian; OpenSSL wants them in DER. Its size, or negative. */
static int signature_der(const struct snp_report *report, uint8_t ret[SIGNATURE_DER_MAX]) {
        CVM_CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *signature = ECDSA_SIG_new();
        CVM_CLEANUP(BN_freep) BIGNUM *r = BN_lebin2bn(report->r, sizeof report->r, NULL);
        CVM_CLEANUP(BN_freep) BIGNUM *s = BN_lebin2bn(report->s, sizeof report->s, NULL);

        if (!signature || !r || !s || ECDSA_SIG_set0(signature, r, s) != 1)
                return -ENOMEM;
        r = s = NULL; /* the signature owns them now */
        return i2d_ECDSA_SIG(signature, &ret);
}

static int check_signature(const struct evidence *evidence, X509 *x509, struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        uint8_t der[SIGNATURE_DER_MAX];
        int size = signature_der(&evidence->report, der);

        if (size <= 0 || !ctx)
                return -ENOMEM;
        if (EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL, X509_get0_pubkey(x509)) != 1 ||
            EVP_DigestVerify(ctx, der, (size_t)size, evidence->signed_bytes,
                             sizeof evidence->signed_bytes) != 1)
                return cvm_fail(err, &CVM_CODE_REPORT_SIGNATURE, EBADMSG,
                                "the report's signature does not verify");
        return 0;
}

static int verify_chain(const struct bundle *bundle, bool vlek, uint64_t now_msec,
                        struct verified_chain **ret, struct cvm_error *err) {
        struct verified_chain *v = calloc(1, sizeof *v);
        int r;

        if (!v)
                return -ENOMEM;
        v->refs = 1;
        r = snp_chain_read(bundle->certificates, bundle->n_certificates, vlek, &v->chain, err);
        if (r >= 0)
                r = snp_chain_verify(&v->chain, now_msec, &v->facts, err);
        if (r < 0)
                verified_chain_unref(v);
        else
                *ret = v;
        return r;
}

/* All that verify_chain() looks at but the time: the kind of key, and each certificate with its length. */
static int chain_digest(const struct bundle *bundle, bool vlek, uint8_t ret[CVM_SHA256_SIZE]) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
        bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) &&
                    EVP_DigestUpdate(md, &vlek, sizeof vlek);

        for (size_t i = 0; good && i < bundle->n_certificates; i++) {
                const struct cvm_bytes *der = &bundle->certificates[i];

                good = EVP_DigestUpdate(md, &der->size, sizeof der->size) &&
                       EVP_DigestUpdate(md, der->data, der->size);
        }
        return good && EVP_DigestFinal_ex(md, ret, NULL) ? 0 : -ENOMEM;
}

static int take_chain(struct evidence *evidence, uint64_t now_msec, struct cvm_error *err) {
        bool vlek = signing_key(&evidence->report) == SIGNING_KEY_VLEK;
        struct verified_chain *kept = NULL;
        uint8_t digest[CVM_SHA256_SIZE];
        int r = evidence->chains ? chain_digest(evidence->bundle, vlek, digest) : 0;

        if (r < 0)
                return r;
        if (evidence->chains)
                kept = chain_cache_find(evidence->chains, digest, verified_chain_unref);
        if (kept && snp_chain_is_current(&kept->chain, now_msec)) {
                kept->refs++;
                evidence->verified = kept;
                return 0;
        }
        r = verify_chain(evidence->bundle, vlek, now_msec, &evidence->verified, err);
        if (r >= 0 && evidence->chains) {
                evidence->verified->refs++;
                chain_cache_keep(evidence->chains, digest, evidence->verified, verified_chain_unref);
        }
        return r;
}

static void use_chains(struct evidence *evidence, struct chain_cache *chains) {
        evidence->chains = chains;
}

static int authenticate(struct evidence *evidence, uint64_t now_msec, struct evidence_origin *ret,
                        struct cvm_error *err) {
        const struct snp_chain_facts *facts;
        const struct snp_chain *chain;
        int r = take_chain(evidence, now_msec, err);

        if (r < 0)
                return r;
        chain = &evidence->verified->chain;
        facts = &evidence->verified->facts;
        r = check_belongs(&evidence->report, chain->key, err);
        if (r >= 0)
                r = check_signature(evidence, chain->key->x509, err);
        if (r < 0)
                return r;
        evidence->product = chain->key->product;
        ret->class_ = facts->simulated ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE;
        memcpy(ret->root, facts->root, sizeof ret->root);
        ret->root_is_built_in = memcmp(facts->root, snp_products[chain->root->product].root,
                                       sizeof facts->root) == 0;
        return 0;
}

/* Of several lists those of this root count, and all of them do: one that revokes is not outvoted. */
static int check_lists(const struct snp_chain *chain, const struct bundle *bundle, uint64_t now_msec,
                       uint64_t *ret_made, struct cvm_error *err) {
        for (size_t i = 0; i < bundle->n_revocations; i++) {
                CVM_CLEANUP(crl_done) struct crl crl = { 0 };
                const struct cvm_bytes *list = &bundle->revocations[i];
                int r = snp_crl_read(list->data, list->size, &crl, err);

                if (r >= 0 && !crl_is_of(&crl, chain->root->x509))
                        continue;
                if (r >= 0)
                        r = crl_verify(&crl, chain->root->x509, now_msec, err);
                if (r >= 0 && crl.this_msec > *ret_made)
                        *ret_made = crl.this_msec;
                if (r >= 0)
                        r = snp_crl_check(&crl, chain, err);
                if (r < 0)
                        return r;
        }
        return *ret_made ? 0
                         : cvm_fail(err, &CVM_CODE_CRL, ENODATA,
                                    "none of the revocation lists is of the certificates' root");
}

static int check_collateral(struct evidence *evidence, uint64_t now_msec,
                            struct published ret[PUBLISHED_MAX], struct cvm_error *err) {
        memset(ret, 0, PUBLISHED_MAX * sizeof *ret);
        return check_lists(&evidence->verified->chain, evidence->bundle, now_msec, &ret->made, err);
}

static void claim_tcbs(const struct snp_report *report, struct evidence_claims *ret) {
        const struct {
                const char *name;
                uint64_t tcb;
        } tcbs[] = {
                { "reported", report->reported_tcb },
                { "current", report->current_tcb },
                { "committed", report->committed_tcb },
                { "launch", report->launch_tcb },
        };

        for (ret->n_tcbs = 0; ret->n_tcbs < ARRAY_SIZE(tcbs); ret->n_tcbs++) {
                struct evidence_tcb *tcb = &ret->tcbs[ret->n_tcbs];

                tcb->name = tcbs[ret->n_tcbs].name;
                for (size_t i = 0; i < SNP_TCB_SIZE; i++)
                        tcb->values[i] = tcb_byte(tcbs[ret->n_tcbs].tcb, i);
        }
}

static bool all_ones(const uint8_t *bytes, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (bytes[i] != 0xff)
                        return false;
        return true;
}

static void own(const struct evidence *evidence, struct evidence_claims *ret) {
        memcpy(ret->measurement, evidence->report.measurement, sizeof ret->measurement);
        ret->host_data_size = sizeof evidence->report.host_data;
        memcpy(ret->host_data, evidence->report.host_data, sizeof evidence->report.host_data);
        memcpy(ret->report_data, evidence->report.report_data, sizeof ret->report_data);
}

static void claims(const struct evidence *evidence, struct evidence_claims *ret) {
        const struct snp_report *report = &evidence->report;
        const struct snp_product_facts *facts = &snp_products[evidence->product];

        *ret = (struct evidence_claims){
                .covers = { .firmware = true, .kernel = true, .initrd = true, .cmdline = true },
                .by_host = report->vmpl == VMPL_HOST,
                .level = report->vmpl,
                .debug = report->policy & POLICY_DEBUG,
                .migratable = (report->policy & POLICY_MIGRATE_MA) ||
                              !all_ones(report->report_id_ma, sizeof report->report_id_ma),
                .guest_svn = report->guest_svn,
                .host_masked = chip_is_masked(report),
                .product = facts->name,
        };
        own(evidence, ret);
        memcpy(ret->components, facts->components, sizeof facts->components);
        cvm_hex(report->chip_id, facts->chip_id_size, ret->host_id);
        claim_tcbs(report, ret);
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if ((flags[i].platform ? report->platform_info : report->policy) >> flags[i].bit & 1)
                        ret->set[ret->n_set++] = flags[i].name;
}

static bool flag_is_known(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (strcmp(name, flags[i].name) == 0)
                        return true;
        return false;
}

static int certificates(const void *table, size_t size, struct bundle *bundle, struct cvm_error *err) {
        struct snp_cert_entry entries[SNP_CERT_TABLE_ENTRIES];
        size_t n;
        int r = snp_cert_table_read(table, size, entries, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (entries[i].kind <= SNP_CERT_ARK)
                        r = evidence_add_certificate(bundle, entries[i].data, entries[i].size, err);
                else if (entries[i].kind == SNP_CERT_CRL)
                        r = evidence_add_revocation(bundle, entries[i].data, entries[i].size, err);
        return r;
}

const struct evidence_ops evidence_snp = {
        .platform = CVM_PLATFORM_SEV_SNP,
        .root_name = "ARK-",
        .parse = parse,
        .free = evidence_snp_free,
        .use_chains = use_chains,
        .authenticate = authenticate,
        .check_collateral = check_collateral,
        .own = own,
        .claims = claims,
        .flag_is_known = flag_is_known,
        .certificates = certificates,
};
