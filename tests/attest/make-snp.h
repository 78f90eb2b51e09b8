/*
 * Certificates and reports of our own making, in AMD's shape, each detail of which a test can make wrong.
 * The two RSA keys are kept as files because making them takes seconds; they protect nothing.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "attest/chain-snp.h"
#include "attest/simulation.h"

#define ARC "1.3.6.1.4.1.3704.1."
#define TEST_NOW 1800000000000ull /* 2027-01-15 */

struct make_keys {
        EVP_PKEY *ark, *ask, *other, *ek;
};

struct make_spec { /* one certificate */
        const char *cn, *issuer;
        EVP_PKEY *key, *signer;
        bool ca, simulated, simulated_not_critical, unknown_critical, twice;
        bool pkcs1, sha256, expired, with_chip, with_csp;
        int salt; /* 0: 48 */
        const char *product;
        int spl[10]; /* -1: not there */
        uint8_t chip[64];
        size_t chip_size;
};

static inline EVP_PKEY *make_rsa(const char *name) {
        char path[4096];
        FILE *f;
        EVP_PKEY *key;

        snprintf(path, sizeof path, CVM_SOURCE_DIR "/tests/attest/data/rsa4096-%s.pem", name);
        f = fopen(path, "r");
        assert_non_null(f);
        key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
        fclose(f);
        assert_non_null(key);
        return key;
}

static inline struct make_keys make_keys(void) {
        return (struct make_keys){ make_rsa("ark"), make_rsa("ask"), make_rsa("other"),
                                   EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384") };
}

static inline void make_keys_done(struct make_keys *keys) {
        EVP_PKEY_free(keys->ark);
        EVP_PKEY_free(keys->ask);
        EVP_PKEY_free(keys->other);
        EVP_PKEY_free(keys->ek);
}

static inline void make_extension(X509 *x509, const char *oid, bool critical, const void *data,
                                  size_t size) {
        ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
        X509_EXTENSION *extension;

        ASN1_OCTET_STRING_set(value, data, (int)size);
        extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical, value);
        X509_add_ext(x509, extension, -1);
        X509_EXTENSION_free(extension);
        ASN1_OBJECT_free(object);
        ASN1_OCTET_STRING_free(value);
}

static inline void make_der(X509 *x509, const char *below, uint8_t tag, const void *data, size_t size) {
        uint8_t der[80] = { tag, (uint8_t)size };
        char oid[64];

        memcpy(der + 2, data, size);
        snprintf(oid, sizeof oid, ARC "%s", below);
        make_extension(x509, oid, false, der, size + 2);
}

static inline void make_spl(X509 *x509, int arc, int value) {
        uint8_t big[3] = { 0, (uint8_t)(value >> 8), (uint8_t)value };
        const uint8_t *p = value > 0x7fff ? big : value > 0x7f ? big + 1 : big + 2;
        char below[8];

        snprintf(below, sizeof below, "3.%d", arc);
        make_der(x509, below, V_ASN1_INTEGER, p, (size_t)(big + sizeof big - p));
}

static inline void make_name(X509_NAME *name, const char *cn) {
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)"Test", -1, -1, 0);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)cn, -1, -1, 0);
}

static inline void make_extensions(X509 *x509, const struct make_spec *s) {
        static const char marker[] = "\x0c\x04test";

        if (s->ca) {
                X509_EXTENSION *basic =
                                X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

                X509_add_ext(x509, basic, -1);
                X509_EXTENSION_free(basic);
        }
        if (s->simulated || s->simulated_not_critical)
                make_extension(x509, CVM_SIMULATION_OID, !s->simulated_not_critical, marker,
                               sizeof marker - 1);
        if (s->unknown_critical)
                make_extension(x509, "2.25.1234", true, marker, sizeof marker - 1);
        if (s->product)
                make_der(x509, "2", V_ASN1_IA5STRING, s->product, strlen(s->product));
        for (int i = 1; s->product && i < 10; i++)
                if (s->spl[i] >= 0)
                        make_spl(x509, i, s->spl[i]);
        if (s->twice)
                make_spl(x509, 1, s->spl[1]);
        if (s->with_chip)
                make_extension(x509, ARC "4", false, s->chip, s->chip_size);
        if (s->with_csp)
                make_der(x509, "5", V_ASN1_IA5STRING, "CN=test", 7);
}

/* The certificate as DER, owned. */
static inline struct cvm_bytes make_certificate(const struct make_spec *s) {
        X509 *x509 = X509_new();
        X509_NAME *subject = X509_NAME_new(), *issuer = X509_NAME_new();
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pss;
        struct cvm_bytes der = { 0 };
        uint8_t *p;

        make_name(subject, s->cn);
        make_name(issuer, s->issuer);
        X509_set_version(x509, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x509), 0);
        ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)(TEST_NOW / 1000) - 86400);
        ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)(TEST_NOW / 1000) + (s->expired ? -60 : 86400));
        X509_set_subject_name(x509, subject);
        X509_set_issuer_name(x509, issuer);
        X509_set_pubkey(x509, s->key);
        make_extensions(x509, s);
        assert_int_equal(EVP_DigestSignInit(ctx, &pss, s->sha256 ? EVP_sha256() : EVP_sha384(), NULL,
                                            s->signer),
                         1);
        if (!s->pkcs1 && EVP_PKEY_get_base_id(s->signer) == EVP_PKEY_RSA) {
                EVP_PKEY_CTX_set_rsa_padding(pss, RSA_PKCS1_PSS_PADDING);
                EVP_PKEY_CTX_set_rsa_pss_saltlen(pss, s->salt ? s->salt : s->sha256 ? 32 : 48);
        }
        assert_true(X509_sign_ctx(x509, ctx) > 0);
        der.size = (size_t)i2d_X509(x509, NULL);
        der.data = p = malloc(der.size);
        i2d_X509(x509, &p);
        EVP_MD_CTX_free(ctx);
        X509_NAME_free(subject);
        X509_NAME_free(issuer);
        X509_free(x509);
        return der;
}

/* ARK, ASK, VCEK of a Milan chip: bl 4 tee 0 snp 24 ucode 219. Tests change the specs before making. */
struct make_chain {
        struct make_spec ark, ask, ek;
};

static inline struct make_chain make_chain(const struct make_keys *keys, bool simulated) {
        struct make_chain c = {
                .ark = { .cn = "ARK-Milan",
                         .issuer = "ARK-Milan",
                         .key = keys->ark,
                         .signer = keys->ark,
                         .ca = true,
                         .simulated = simulated },
                .ask = { .cn = "SEV-Milan",
                         .issuer = "ARK-Milan",
                         .key = keys->ask,
                         .signer = keys->ark,
                         .ca = true,
                         .simulated = simulated },
                .ek = { .cn = "SEV-VCEK",
                        .issuer = "SEV-Milan",
                        .key = keys->ek,
                        .signer = keys->ask,
                        .simulated = simulated,
                        .product = "Milan-B0",
                        .with_chip = true,
                        .chip_size = 64,
                        .spl = { -1, 4, 0, 24, 0, 0, 0, 0, 219, -1 } },
        };

        for (size_t i = 0; i < sizeof c.ek.chip; i++)
                c.ek.chip[i] = (uint8_t)(i + 1);
        return c;
}

static inline struct snp_report make_report(void) {
        struct snp_report report = {
                .version = 3,
                .policy = 0x30000,
                .signature_algo = 1,
                .current_tcb = 0xdb18000000000004,
                .reported_tcb = 0xdb18000000000004,
                .committed_tcb = 0xdb18000000000004,
                .launch_tcb = 0xdb18000000000004,
                .cpuid_family = 0x19,
                .cpuid_model = 1,
                .cpuid_stepping = 1,
        };

        memset(report.report_id_ma, 0xff, sizeof report.report_id_ma);
        for (size_t i = 0; i < sizeof report.chip_id; i++)
                report.chip_id[i] = (uint8_t)(i + 1);
        return report;
}

/* Sign it and give its bytes, owned. */
static inline struct cvm_bytes make_signed(struct snp_report *report, EVP_PKEY *key) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        uint8_t bytes[SNP_REPORT_SIZE], der[128];
        const uint8_t *p = der;
        struct cvm_bytes ret;
        size_t size = sizeof der;
        ECDSA_SIG *signature;

        snp_report_write(report, bytes);
        EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key);
        assert_int_equal(EVP_DigestSign(ctx, der, &size, bytes, SNP_REPORT_SIGNED_SIZE), 1);
        signature = d2i_ECDSA_SIG(NULL, &p, (long)size);
        BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), report->r, sizeof report->r);
        BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), report->s, sizeof report->s);
        snp_report_write(report, bytes);
        assert_int_equal(cvm_bytes_copy(bytes, sizeof bytes, &ret), 0);
        ECDSA_SIG_free(signature);
        EVP_MD_CTX_free(ctx);
        return ret;
}
