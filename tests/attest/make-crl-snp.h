/* Revocation lists of our own making, each detail of which a test can make wrong. */
#pragma once

#include "tests/attest/make-snp.h"

#define DAY 86400

struct crl_spec {
        const char *issuer;
        EVP_PKEY *signer;
        int from, until; /* seconds from TEST_NOW */
        bool revokes, pkcs1, critical, no_next;
};

static inline void make_crl_entry(X509_CRL *crl, long serial) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();
        ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)(TEST_NOW / 1000) - DAY);

        ASN1_INTEGER_set(number, serial);
        X509_REVOKED_set_serialNumber(entry, number);
        X509_REVOKED_set_revocationDate(entry, when);
        X509_CRL_add0_revoked(crl, entry);
        ASN1_INTEGER_free(number);
        ASN1_TIME_free(when);
}

static inline void make_crl_dates(X509_CRL *crl, const struct crl_spec *s) {
        ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(TEST_NOW / 1000) + s->from),
                  *until = ASN1_TIME_set(NULL, (time_t)(TEST_NOW / 1000) + s->until);

        X509_CRL_set1_lastUpdate(crl, from);
        if (!s->no_next)
                X509_CRL_set1_nextUpdate(crl, until);
        ASN1_TIME_free(from);
        ASN1_TIME_free(until);
}

/* As DER, owned. Certificates of our making have serial 0. */
static inline struct cvm_bytes make_crl(const struct crl_spec *s) {
        X509_CRL *crl = X509_CRL_new();
        X509_NAME *issuer = X509_NAME_new();
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        struct cvm_bytes der = { 0 };
        EVP_PKEY_CTX *pss;
        uint8_t *p;

        make_name(issuer, s->issuer);
        X509_CRL_set_version(crl, 1);
        X509_CRL_set_issuer_name(crl, issuer);
        make_crl_dates(crl, s);
        make_crl_entry(crl, s->revokes ? 0 : 77);
        if (s->critical) {
                X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_delta_crl, "critical,1");

                e = e ? e : X509V3_EXT_conf(NULL, NULL, "2.25.1234", "critical,DER:0500");
                X509_CRL_add_ext(crl, e, -1);
                X509_EXTENSION_free(e);
        }
        EVP_DigestSignInit(ctx, &pss, EVP_sha384(), NULL, s->signer);
        if (!s->pkcs1) {
                EVP_PKEY_CTX_set_rsa_padding(pss, RSA_PKCS1_PSS_PADDING);
                EVP_PKEY_CTX_set_rsa_pss_saltlen(pss, 48);
        }
        assert_true(X509_CRL_sign_ctx(crl, ctx) > 0);
        der.size = (size_t)i2d_X509_CRL(crl, NULL);
        der.data = p = malloc(der.size);
        i2d_X509_CRL(crl, &p);
        EVP_MD_CTX_free(ctx);
        X509_NAME_free(issuer);
        X509_CRL_free(crl);
        return der;
}
