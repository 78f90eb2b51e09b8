/*
 * Certificates, revocation lists and host-key documents of our own making, in the shape of IBM's: a root, an
 * intermediate, a signing certificate that is no CA, documents on P-521. Tests make each detail wrong.
 */
#pragma once

#include "attest/hkd-se.h"
#include "tests/attest/make-snp.h"

#define SE_ROOT_NAME "C=US/O=Test/CN=Root"
#define SE_INTER_NAME "C=US/O=Test/CN=Intermediate"
#define SE_IBM "International Business Machines Corporation"
#define SE_SIGNER_OF(place) \
        "C=US/ST=New York/L=" place "/O=" SE_IBM "/CN=" SE_IBM "/OU=IBM Z Host Key Signing Service"
#define SE_SIGNER_NAME SE_SIGNER_OF("Poughkeepsie")
#define SE_HOST_NAME "C=US/O=" SE_IBM "/CN=Test/OU=IBM Z Host Key"
#define SE_DAY 86400

struct se_made {
        const char *subject, *issuer; /* "C=US/O=..." */
        EVP_PKEY *key, *signer;
        X509 *issuer_cert; /* for the key identifier; NULL: none is in it */
        bool ca, simulated, simulated_not_critical, unknown_critical;
        long serial;
        int from, until;    /* seconds from TEST_NOW */
        const char *points; /* where its issuer's list is: "URI:http://...,URI:..."; NULL: none is named */
};

static inline X509_NAME *se_make_name(const char *text) {
        X509_NAME *name = X509_NAME_new();
        char *copy = strdup(text), *state = NULL;

        for (char *part = strtok_r(copy, "/", &state); part; part = strtok_r(NULL, "/", &state)) {
                char *value = strchr(part, '=');

                *value++ = 0;
                X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8, (const uint8_t *)value, -1, -1, 0);
        }
        free(copy);
        return name;
}

static inline void se_add(X509 *x509, X509 *issuer, int nid, const char *value) {
        X509V3_CTX ctx;
        X509_EXTENSION *extension;

        X509V3_set_ctx(&ctx, issuer ? issuer : x509, x509, NULL, NULL, 0);
        extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        assert_non_null(extension);
        X509_add_ext(x509, extension, -1);
        X509_EXTENSION_free(extension);
}

static inline X509 *se_make_certificate(const struct se_made *m) {
        static const char marker[] = "\x0c\x04test";
        X509 *x509 = X509_new();
        X509_NAME *subject = se_make_name(m->subject), *issuer = se_make_name(m->issuer);

        X509_set_version(x509, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x509), m->serial);
        ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)(TEST_NOW / 1000) + m->from);
        ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)(TEST_NOW / 1000) + m->until);
        X509_set_subject_name(x509, subject);
        X509_set_issuer_name(x509, issuer);
        X509_set_pubkey(x509, m->key);
        se_add(x509, NULL, NID_basic_constraints, m->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
        se_add(x509, NULL, NID_key_usage,
               m->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
        se_add(x509, NULL, NID_subject_key_identifier, "hash");
        if (m->issuer_cert)
                se_add(x509, m->issuer_cert, NID_authority_key_identifier, "keyid:always");
        if (m->points)
                se_add(x509, NULL, NID_crl_distribution_points, m->points);
        if (m->simulated || m->simulated_not_critical)
                make_extension(x509, CVM_SIMULATION_OID, !m->simulated_not_critical, marker,
                               sizeof marker - 1);
        if (m->unknown_critical)
                make_extension(x509, "2.25.1234", true, marker, sizeof marker - 1);
        assert_true(X509_sign(x509, m->signer, EVP_sha512()) > 0);
        X509_NAME_free(subject);
        X509_NAME_free(issuer);
        return x509;
}

struct se_made_list {
        const char *issuer;
        EVP_PKEY *signer;
        X509 *issuer_cert; /* for the key identifier */
        long serial;       /* that it revokes; 0: 4711 */
        int from, until;
        bool only_ca, unknown_critical;
};

static inline void se_add_to_list(X509_CRL *list, X509 *issuer, int nid, const char *value) {
        X509V3_CTX ctx;
        X509_EXTENSION *extension;

        X509V3_set_ctx(&ctx, issuer, NULL, NULL, list, 0);
        extension = nid ? X509V3_EXT_conf_nid(NULL, &ctx, nid, value)
                        : X509V3_EXT_conf(NULL, &ctx, "2.25.1234", value);
        assert_non_null(extension);
        X509_CRL_add_ext(list, extension, -1);
        X509_EXTENSION_free(extension);
}

static inline X509_CRL *se_make_list(const struct se_made_list *m) {
        X509_CRL *list = X509_CRL_new();
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_NAME *issuer = se_make_name(m->issuer);
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(TEST_NOW / 1000) + m->from),
                  *until = ASN1_TIME_set(NULL, (time_t)(TEST_NOW / 1000) + m->until);

        X509_CRL_set_version(list, 1);
        X509_CRL_set_issuer_name(list, issuer);
        X509_CRL_set1_lastUpdate(list, from);
        X509_CRL_set1_nextUpdate(list, until);
        ASN1_INTEGER_set(serial, m->serial ? m->serial : 4711);
        X509_REVOKED_set_serialNumber(entry, serial);
        X509_REVOKED_set_revocationDate(entry, from);
        X509_CRL_add0_revoked(list, entry);
        if (m->issuer_cert)
                se_add_to_list(list, m->issuer_cert, NID_authority_key_identifier, "keyid:always");
        if (m->only_ca)
                se_add_to_list(list, m->issuer_cert, NID_issuing_distribution_point, "critical,onlyCA:TRUE");
        if (m->unknown_critical)
                se_add_to_list(list, m->issuer_cert, 0, "critical,DER:0500");
        X509_CRL_sort(list);
        assert_true(X509_CRL_sign(list, m->signer, EVP_sha512()) > 0);
        X509_NAME_free(issuer);
        ASN1_INTEGER_free(serial);
        ASN1_TIME_free(from);
        ASN1_TIME_free(until);
        return list;
}

/* What a test is about: specs first, then everything that se_scene_make() makes of them. */
struct se_scene {
        EVP_PKEY *root_key, *inter_key, *signer_key, *host_key;
        struct se_made root, inter, signer, host;
        struct se_made_list root_list, inter_list, signer_list;
        X509 *x509[4];      /* root, intermediate, signing certificate, document */
        X509_CRL *lists[3]; /* of root, intermediate, signing certificate */
};

static inline void se_scene_begin(struct se_scene *s, bool simulated) {
        const int from = -SE_DAY, until = SE_DAY;

        *s = (struct se_scene){ .root_key = make_rsa("ark"),
                                .inter_key = make_rsa("ask"),
                                .signer_key = make_rsa("other"),
                                .host_key = EVP_EC_gen("P-521") };
        s->root = (struct se_made){
                SE_ROOT_NAME, SE_ROOT_NAME,           s->root_key, s->root_key,  NULL,
                true,         .simulated = simulated, .serial = 1, .from = from, .until = until
        };
        s->inter = (struct se_made){ SE_INTER_NAME, SE_ROOT_NAME,  s->inter_key,           s->root_key,
                                     NULL,          true,          .simulated = simulated, .serial = 2,
                                     .from = from,  .until = until };
        s->signer = (struct se_made){ SE_SIGNER_NAME, SE_INTER_NAME, s->signer_key,          s->inter_key,
                                      NULL,           false,         .simulated = simulated, .serial = 3,
                                      .from = from,   .until = until };
        s->host = (struct se_made){ SE_HOST_NAME,           SE_SIGNER_NAME, s->host_key,
                                    s->signer_key,          NULL,           false,
                                    .simulated = simulated, .serial = 4,    .from = from,
                                    .until = until };
        s->root_list = (struct se_made_list){ SE_ROOT_NAME, s->root_key, .from = from, .until = until };
        s->inter_list = (struct se_made_list){ SE_INTER_NAME, s->inter_key, .from = from, .until = until };
        s->signer_list =
                        (struct se_made_list){ SE_SIGNER_NAME, s->signer_key, .from = from, .until = until };
}

static inline void se_scene_make(struct se_scene *s) {
        s->x509[0] = se_make_certificate(&s->root);
        s->inter.issuer_cert = s->root_list.issuer_cert = s->x509[0];
        s->x509[1] = se_make_certificate(&s->inter);
        s->signer.issuer_cert = s->inter_list.issuer_cert = s->x509[1];
        s->x509[2] = se_make_certificate(&s->signer);
        s->host.issuer_cert = s->signer_list.issuer_cert = s->x509[2];
        s->x509[3] = se_make_certificate(&s->host);
        s->lists[0] = se_make_list(&s->root_list);
        s->lists[1] = se_make_list(&s->inter_list);
        s->lists[2] = se_make_list(&s->signer_list);
}

static inline void se_scene_done(struct se_scene *s) {
        for (size_t i = 0; i < ARRAY_SIZE(s->x509); i++)
                X509_free(s->x509[i]);
        for (size_t i = 0; i < ARRAY_SIZE(s->lists); i++)
                X509_CRL_free(s->lists[i]);
        EVP_PKEY_free(s->root_key);
        EVP_PKEY_free(s->inter_key);
        EVP_PKEY_free(s->signer_key);
        EVP_PKEY_free(s->host_key);
}

/* PEM of certificates and lists, one behind the other, owned. */
static inline struct cvm_bytes se_pem(X509 *const *x509, size_t n, X509_CRL *const *lists, size_t n_lists) {
        BIO *bio = BIO_new(BIO_s_mem());
        struct cvm_bytes bytes = { 0 };
        char *data;
        long size;

        for (size_t i = 0; i < n; i++)
                PEM_write_bio_X509(bio, x509[i]);
        for (size_t i = 0; i < n_lists; i++)
                PEM_write_bio_X509_CRL(bio, lists[i]);
        size = BIO_get_mem_data(bio, &data);
        cvm_bytes_copy(data, (size_t)size, &bytes);
        BIO_free(bio);
        return bytes;
}
