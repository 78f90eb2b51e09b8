/*
 * Certificates, quotes and collateral of our own making, in Intel's shape, each detail of which a test can
 * make wrong. A world is filled in, changed by the test, and then made.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/digest.h"
#include "attest/pck-tdx.h"
#include "attest/quote-tdx.h"
#include "attest/simulation.h"
#include "base/time.h"

#define TEST_NOW 1800000000000ull /* 2027-01-15 */
#define DAY 86400
#define TDX_EXTENSION "1.2.840.113741.1.13.1"

enum tdx_link { LINK_PCK, LINK_CA, LINK_SIGNING, LINK_ROOT, LINK_MAX_ };

struct make_link { /* one certificate */
        const char *cn, *issuer;
        EVP_PKEY *key, *signer;
        int serial, from, until; /* seconds from TEST_NOW */
        bool ca, not_simulated, not_critical, unknown_critical, twice, sha384, no_platform;
};

struct make_level {
        uint8_t cpu[16], tdx[16];
        int svn;
        const char *status, *advisories; /* "\"INTEL-SA-00001\""; NULL: none */
};

struct make_world {
        bool simulated;
        struct make_link links[LINK_MAX_];
        /* the platform's extension */
        struct tdx_platform platform;
        bool big_svn, part_twice, no_fmspc, short_fmspc, junk_behind_extension;
        /* the quote */
        int version; /* 4, 5 */
        struct tdx_body body;
        struct tdx_qe_report qe;
        EVP_PKEY *attestation;
        bool swap_certificates, no_root, other_auth;
        /* Intel's documents: levels in any order, ended by one without status */
        const char *info_id, *qe_id;
        int info_version, issued, next, evaluation; /* seconds from TEST_NOW */
        int qe_issued, qe_next;
        uint8_t fmspc[6];
        struct make_level levels[8], modules[4], enclaves[4]; /* svn of the latter two: ISVSVN */
        const char *module_id;                                /* "TDX_01" */
        uint8_t module_signer[48];
        bool no_module_identities, short_components, unsigned_space;
        EVP_PKEY *document_signer;
        /* lists */
        int list_from, list_until, revoked_pck, revoked_root; /* serials; 0: none */
        EVP_PKEY *list_signer;                                /* of the CA's; NULL: the CA */
};

static inline EVP_PKEY *make_p256(void) {
        EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

        assert_non_null(key);
        return key;
}

/* Keys are made once and serve all tests; freed by keys_done(). */
static EVP_PKEY *root_key, *ca_key, *pck_key, *signing_key, *attestation_key, *other_key;

static inline void keys_make(void) {
        EVP_PKEY **const all[] = {
                &root_key, &ca_key, &pck_key, &signing_key, &attestation_key, &other_key
        };

        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                *all[i] = make_p256();
}

static inline void keys_done(void) {
        EVP_PKEY *const all[] = { root_key, ca_key, pck_key, signing_key, attestation_key, other_key };

        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                EVP_PKEY_free(all[i]);
}

static inline struct make_world make_world(void) {
        const char *root = tdx_role_texts[TDX_ROLE_ROOT], *ca = tdx_role_texts[TDX_ROLE_PLATFORM_CA];
        struct make_world w = {
                .simulated = true,
                .links = { [LINK_PCK] = { tdx_role_texts[TDX_ROLE_PCK], ca, pck_key, ca_key, 11, -DAY, DAY },
                           [LINK_CA] = { ca, root, ca_key, root_key, 12, -DAY, DAY, .ca = true },
                           [LINK_SIGNING] = { tdx_role_texts[TDX_ROLE_TCB_SIGNING], root, signing_key,
                                              root_key, 13, -DAY, DAY },
                           [LINK_ROOT] = { root, root, root_key, root_key, 14, -DAY, DAY, .ca = true } },
                .platform = { .cpu = { 5, 5, 2, 2, 3, 1, 0, 5 },
                              .pce_svn = 13,
                              .fmspc = { 0x10, 0x20, 0x6f },
                              .has_instance = true },
                .version = 4,
                .body = { .tee_tcb_svn = { 5, 1, 6 }, .attributes = 1ull << 28, .xfam = 0x602e7 },
                .qe = { .isv_prod_id = 2, .isv_svn = 4 },
                .attestation = attestation_key,
                .info_id = "TDX",
                .qe_id = "TD_QE",
                .info_version = 3,
                .issued = -3600,
                .next = DAY,
                .qe_issued = -3600,
                .qe_next = DAY,
                .evaluation = 17,
                .fmspc = { 0x10, 0x20, 0x6f },
                .levels = { { { 2, 2 }, { 2, 0, 3 }, 5, "OutOfDate", "\"INTEL-SA-00001\"" },
                            { { 5, 5, 2, 2, 3, 1, 0, 5 }, { 6, 0, 6 }, 13, "UpToDate", NULL } },
                .modules = { { { 0 }, { 0 }, 3, "OutOfDate", "\"INTEL-SA-00002\"" },
                             { { 0 }, { 0 }, 5, "UpToDate", NULL } },
                .enclaves = { { { 0 }, { 0 }, 4, "UpToDate", NULL },
                              { { 0 }, { 0 }, 2, "OutOfDate", "\"INTEL-SA-00003\"" } },
                .module_id = "TDX_01",
                .document_signer = signing_key,
                .list_from = -3600,
                .list_until = DAY,
        };

        memset(w.platform.instance, 0x42, sizeof w.platform.instance);
        memset(w.platform.ppid, 0x43, sizeof w.platform.ppid);
        memset(w.body.mr_td, 0x5a, sizeof w.body.mr_td);
        memset(w.body.rtmr[1], 0x51, sizeof w.body.rtmr[1]);
        memset(w.body.rtmr[2], 0x52, sizeof w.body.rtmr[2]);
        memset(w.qe.mr_signer, 0xdc, sizeof w.qe.mr_signer);
        return w;
}

/* DER, by hand: contents shorter than 64 KiB */

static inline void put_tlv(struct cvm_writer *out, uint8_t tag, const void *data, size_t size) {
        cvm_write_u8(out, tag);
        if (size >= 256)
                cvm_write_u8(out, 0x82);
        else if (size >= 128)
                cvm_write_u8(out, 0x81);
        if (size >= 256)
                cvm_write_u16be(out, (uint16_t)size);
        else
                cvm_write_u8(out, (uint8_t)size);
        cvm_write_copy(out, data, size);
}

/* SEQUENCE { OID, value } */
static inline void put_pair(struct cvm_writer *out, const char *oid, uint8_t tag, const void *data,
                            size_t size) {
        struct cvm_writer pair = { 0 };
        ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);

        put_tlv(&pair, V_ASN1_OBJECT, OBJ_get0_data(object), OBJ_length(object));
        put_tlv(&pair, tag, data, size);
        put_tlv(out, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, pair.bytes.data, pair.bytes.size);
        ASN1_OBJECT_free(object);
        cvm_writer_done(&pair);
}

static inline void put_integer(struct cvm_writer *out, const char *oid, unsigned value) {
        const uint8_t big[3] = { 0, (uint8_t)(value >> 8), (uint8_t)value };
        size_t skip = value > 0x7fff ? 0 : value > 0x7f ? 1 : 2;

        put_pair(out, oid, V_ASN1_INTEGER, big + skip, sizeof big - skip);
}

static inline void put_tcb(struct cvm_writer *out, const struct make_world *w) {
        struct cvm_writer tcb = { 0 };
        char oid[64];

        for (int i = 0; i < TDX_CPU_COMPONENTS; i++) {
                snprintf(oid, sizeof oid, TDX_EXTENSION ".2.%d", i + 1);
                put_integer(&tcb, oid, w->big_svn && i == 3 ? 256 : w->platform.cpu[i]);
        }
        put_integer(&tcb, TDX_EXTENSION ".2.17", w->platform.pce_svn);
        put_pair(&tcb, TDX_EXTENSION ".2.18", V_ASN1_OCTET_STRING, w->platform.cpu, 16);
        put_pair(out, TDX_EXTENSION ".2", V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, tcb.bytes.data,
                 tcb.bytes.size);
        cvm_writer_done(&tcb);
}

/* The value of the platform's extension, owned. */
static inline struct cvm_bytes make_platform(const struct make_world *w) {
        const struct tdx_platform *p = &w->platform;
        struct cvm_writer parts = { 0 }, whole = { 0 };
        struct cvm_bytes ret = { 0 };
        const uint8_t type = 0;

        put_pair(&parts, TDX_EXTENSION ".1", V_ASN1_OCTET_STRING, p->ppid, sizeof p->ppid);
        put_tcb(&parts, w);
        put_pair(&parts, TDX_EXTENSION ".3", V_ASN1_OCTET_STRING, p->pce_id, sizeof p->pce_id);
        if (!w->no_fmspc)
                put_pair(&parts, TDX_EXTENSION ".4", V_ASN1_OCTET_STRING, p->fmspc,
                         w->short_fmspc ? 5 : sizeof p->fmspc);
        put_pair(&parts, TDX_EXTENSION ".5", V_ASN1_ENUMERATED, &type, 1);
        if (p->has_instance)
                put_pair(&parts, TDX_EXTENSION ".6", V_ASN1_OCTET_STRING, p->instance, sizeof p->instance);
        if (w->part_twice)
                put_pair(&parts, TDX_EXTENSION ".3", V_ASN1_OCTET_STRING, p->pce_id, sizeof p->pce_id);
        put_tlv(&whole, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, parts.bytes.data, parts.bytes.size);
        if (w->junk_behind_extension)
                cvm_write_u8(&whole, 0);
        assert_int_equal(cvm_writer_take(&whole, &ret), 0);
        cvm_writer_done(&parts);
        return ret;
}

/* certificates */

static inline void add_extension(X509 *x509, const char *oid, bool critical, const void *data, size_t size) {
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

static inline void add_extensions(X509 *x509, const struct make_world *w, enum tdx_link which) {
        static const uint8_t null[] = { V_ASN1_NULL, 0 };
        const struct make_link *link = &w->links[which];

        if (link->ca) {
                X509_EXTENSION *basic =
                                X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

                X509_add_ext(x509, basic, -1);
                X509_EXTENSION_free(basic);
        }
        if (w->simulated && !link->not_simulated)
                add_extension(x509, CVM_SIMULATION_OID, !link->not_critical, null, sizeof null);
        if (link->unknown_critical)
                add_extension(x509, "2.25.1234", true, null, sizeof null);
        for (int i = 0; i < (link->twice ? 2 : 0); i++)
                add_extension(x509, "2.25.1235", false, null, sizeof null);
        if (which == LINK_PCK && !link->no_platform) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes value = make_platform(w);

                add_extension(x509, TDX_EXTENSION, false, value.data, value.size);
        }
}

static inline X509_NAME *new_name(const char *cn) {
        X509_NAME *name = X509_NAME_new();

        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)cn, -1, -1, 0);
        return name;
}

static inline X509 *make_link(const struct make_world *w, enum tdx_link which) {
        const struct make_link *link = &w->links[which];
        X509 *x509 = X509_new();
        X509_NAME *subject = new_name(link->cn), *issuer = new_name(link->issuer);

        X509_set_version(x509, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x509), link->serial);
        ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)(TEST_NOW / 1000) + link->from);
        ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)(TEST_NOW / 1000) + link->until);
        X509_set_subject_name(x509, subject);
        X509_set_issuer_name(x509, issuer);
        X509_set_pubkey(x509, link->key);
        add_extensions(x509, w, which);
        assert_true(X509_sign(x509, link->signer, link->sha384 ? EVP_sha384() : EVP_sha256()) > 0);
        X509_NAME_free(subject);
        X509_NAME_free(issuer);
        return x509;
}

/* These certificates as one PEM text, owned. */
static inline struct cvm_bytes make_pem(const struct make_world *w, const enum tdx_link *which, size_t n) {
        BIO *bio = BIO_new(BIO_s_mem());
        struct cvm_bytes ret;
        char *text;
        long size;

        for (size_t i = 0; i < n; i++) {
                X509 *x509 = make_link(w, which[i]);

                PEM_write_bio_X509(bio, x509);
                X509_free(x509);
        }
        size = BIO_get_mem_data(bio, &text);
        assert_int_equal(cvm_bytes_copy(text, (size_t)size, &ret), 0);
        BIO_free(bio);
        return ret;
}

static inline struct cvm_bytes make_chain(const struct make_world *w) {
        const enum tdx_link order[] = { LINK_PCK, LINK_CA, LINK_ROOT },
                            swapped[] = { LINK_CA, LINK_PCK, LINK_ROOT };

        return make_pem(w, w->swap_certificates ? swapped : order, w->no_root ? 2 : 3);
}

/* signatures */

static inline void sign_raw(EVP_PKEY *key, const void *data, size_t size, uint8_t ret[P256_SIZE]) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        uint8_t der[96];
        const uint8_t *p = der;
        size_t der_size = sizeof der;
        ECDSA_SIG *signature;

        EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key);
        assert_int_equal(EVP_DigestSign(ctx, der, &der_size, data, size), 1);
        signature = d2i_ECDSA_SIG(NULL, &p, (long)der_size);
        BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret + 32, 32);
        ECDSA_SIG_free(signature);
        EVP_MD_CTX_free(ctx);
}

static inline void raw_point(EVP_PKEY *key, uint8_t ret[P256_SIZE]) {
        uint8_t *octets = NULL;

        assert_int_equal(EVP_PKEY_get1_encoded_public_key(key, &octets), 1 + P256_SIZE);
        memcpy(ret, octets + 1, P256_SIZE);
        OPENSSL_free(octets);
}

/* quotes */

static inline void write_qe_report(const struct tdx_qe_report *qe, uint8_t ret[TDX_QE_REPORT_SIZE]) {
        memset(ret, 0, TDX_QE_REPORT_SIZE);
        for (int i = 0; i < 4; i++)
                ret[16 + i] = (uint8_t)(qe->misc_select >> (8 * i));
        memcpy(ret + 48, qe->attributes, sizeof qe->attributes);
        memcpy(ret + 128, qe->mr_signer, sizeof qe->mr_signer);
        for (int i = 0; i < 2; i++) {
                ret[256 + i] = (uint8_t)(qe->isv_prod_id >> (8 * i));
                ret[258 + i] = (uint8_t)(qe->isv_svn >> (8 * i));
        }
        memcpy(ret + 320, qe->report_data, sizeof qe->report_data);
}

static inline void put_signature_data(struct cvm_writer *out, const struct make_world *w,
                                      const struct cvm_bytes *is_signed) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes chain = make_chain(w);
        uint8_t signature[P256_SIZE], hashed[P256_SIZE + 32] = { 0 }, report[TDX_QE_REPORT_SIZE];
        struct tdx_qe_report qe = w->qe;

        raw_point(w->attestation, hashed);
        memset(hashed + P256_SIZE, 0xaa, 32);
        cvm_sha256(hashed, sizeof hashed, qe.report_data);
        write_qe_report(&qe, report);
        sign_raw(w->attestation, is_signed->data, is_signed->size, signature);
        cvm_write_copy(out, signature, sizeof signature);
        cvm_write_copy(out, hashed, P256_SIZE);
        cvm_write_u16le(out, 6);
        cvm_write_u32le(out, (uint32_t)(TDX_QE_REPORT_SIZE + P256_SIZE + 2 + 32 + 2 + 4 + chain.size));
        cvm_write_copy(out, report, sizeof report);
        sign_raw(w->links[LINK_PCK].key, report, sizeof report, signature);
        cvm_write_copy(out, signature, sizeof signature);
        cvm_write_u16le(out, 32);
        if (w->other_auth)
                hashed[P256_SIZE] ^= 1;
        cvm_write_copy(out, hashed + P256_SIZE, 32);
        cvm_write_u16le(out, 5);
        cvm_write_u32le(out, (uint32_t)chain.size);
        cvm_write_copy(out, chain.data, chain.size);
}

/* As bytes, owned. */
static inline struct cvm_bytes make_quote(const struct make_world *w) {
        static const uint8_t intel[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                           0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
        struct cvm_writer out = { 0 }, signature = { 0 };
        uint8_t body[TDX_BODY_15_SIZE];
        size_t body_size = tdx_body_write(&w->body, body);
        struct cvm_bytes ret = { 0 };

        cvm_write_u16le(&out, (uint16_t)w->version);
        cvm_write_u16le(&out, 2);
        cvm_write_u32le(&out, 0x81);
        cvm_write_u32le(&out, 0);
        cvm_write_copy(&out, intel, sizeof intel);
        cvm_write_zeros(&out, 20);
        if (w->version == 5) {
                cvm_write_u16le(&out, w->body.is_15 ? 3 : 2);
                cvm_write_u32le(&out, (uint32_t)body_size);
        }
        cvm_write_copy(&out, body, body_size);
        put_signature_data(&signature, w, &out.bytes);
        cvm_write_u32le(&out, (uint32_t)signature.bytes.size);
        cvm_write_copy(&out, signature.bytes.data, signature.bytes.size);
        assert_int_equal(cvm_writer_take(&out, &ret), 0);
        cvm_writer_done(&signature);
        return ret;
}

/* documents */

static inline const char *time_text(int seconds) {
        static char texts[4][CVM_TIME_TEXT];
        static size_t next;
        char *text = texts[next++ % 4];

        cvm_time_format(TEST_NOW + (uint64_t)(int64_t)seconds * 1000, text);
        strcpy(text + 19, "Z"); /* Intel writes no fraction */
        return text;
}

static inline void print_components(FILE *f, const char *name, const uint8_t svns[16], int n) {
        fprintf(f, "\"%s\":[", name);
        for (int i = 0; i < n; i++)
                fprintf(f, "%s{\"svn\":%u}", i ? "," : "", svns[i]);
        fprintf(f, "]");
}

static inline void print_levels(FILE *f, const struct make_world *w, const struct make_level *levels) {
        bool platform = levels == w->levels;

        fprintf(f, "\"tcbLevels\":[");
        for (size_t i = 0; levels[i].status; i++) {
                fprintf(f, "%s{\"tcb\":{", i ? "," : "");
                if (platform) {
                        print_components(f, "sgxtcbcomponents", levels[i].cpu, 16);
                        fprintf(f, ",\"pcesvn\":%d,", levels[i].svn);
                        print_components(f, "tdxtcbcomponents", levels[i].tdx,
                                         w->short_components ? 15 : 16);
                } else
                        fprintf(f, "\"isvsvn\":%d", levels[i].svn);
                fprintf(f, "},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"%s\"", levels[i].status);
                if (levels[i].advisories)
                        fprintf(f, ",\"advisoryIDs\":[%s]", levels[i].advisories);
                fprintf(f, "}");
        }
        fprintf(f, "]");
}

static inline void print_module(FILE *f, const struct make_world *w) {
        char signer[97];

        cvm_hex(w->module_signer, sizeof w->module_signer, signer);
        fprintf(f,
                "\"mrsigner\":\"%s\",\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\"",
                signer);
}

/* {"NAME":PAYLOAD,"signature":"..."}, owned. */
static inline struct cvm_bytes sign_document(const struct make_world *w, const char *name, char *payload) {
        char hex[2 * P256_SIZE + 1], *text = NULL;
        uint8_t signature[P256_SIZE];
        struct cvm_bytes ret;
        int size;

        sign_raw(w->document_signer, payload, strlen(payload), signature);
        cvm_hex(signature, sizeof signature, hex);
        size = asprintf(&text, "{\"%s\":%s%s,\"signature\":\"%s\"}", name, w->unsigned_space ? "{ " : "",
                        payload + w->unsigned_space, hex);
        free(payload);
        ret = (struct cvm_bytes){ (uint8_t *)text, (size_t)size };
        return ret;
}

static inline struct cvm_bytes make_tcb_info(const struct make_world *w) {
        char *payload = NULL, fmspc[13];
        size_t size;
        FILE *f = open_memstream(&payload, &size);

        cvm_hex(w->fmspc, sizeof w->fmspc, fmspc);
        fprintf(f,
                "{\"id\":\"%s\",\"version\":%d,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\",\"fmspc\":\"%s\","
                "\"pceId\":\"0000\",\"tcbType\":0,\"tcbEvaluationDataNumber\":%d,\"tdxModule\":{",
                w->info_id, w->info_version, time_text(w->issued), time_text(w->next), fmspc, w->evaluation);
        print_module(f, w);
        fprintf(f, "},");
        if (!w->no_module_identities) {
                fprintf(f, "\"tdxModuleIdentities\":[{\"id\":\"%s\",", w->module_id);
                print_module(f, w);
                fprintf(f, ",");
                print_levels(f, w, w->modules);
                fprintf(f, "}],");
        }
        print_levels(f, w, w->levels);
        fprintf(f, "}");
        fclose(f);
        return sign_document(w, "tcbInfo", payload);
}

static inline struct cvm_bytes make_qe_identity(const struct make_world *w) {
        char *payload = NULL;
        size_t size;
        FILE *f = open_memstream(&payload, &size);

        fprintf(f,
                "{\"id\":\"%s\",\"version\":2,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
                "\"tcbEvaluationDataNumber\":%d,\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
                "\"attributes\":\"00000000000000000000000000000000\","
                "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":\"",
                w->qe_id, time_text(w->qe_issued), time_text(w->qe_next), w->evaluation);
        for (int i = 0; i < 32; i++)
                fprintf(f, "DC");
        fprintf(f, "\",\"isvprodid\":2,");
        print_levels(f, w, w->enclaves);
        fprintf(f, "}");
        fclose(f);
        return sign_document(w, "enclaveIdentity", payload);
}

/* lists */

static inline struct cvm_bytes make_list(const struct make_world *w, const char *issuer, EVP_PKEY *signer,
                                         int revoked) {
        X509_CRL *crl = X509_CRL_new();
        X509_NAME *name = new_name(issuer);
        ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(TEST_NOW / 1000) + w->list_from),
                  *until = ASN1_TIME_set(NULL, (time_t)(TEST_NOW / 1000) + w->list_until);
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        struct cvm_bytes der = { 0 };
        uint8_t *p;

        ASN1_INTEGER_set(serial, revoked ? revoked : 77);
        X509_REVOKED_set_serialNumber(entry, serial);
        X509_REVOKED_set_revocationDate(entry, from);
        X509_CRL_add0_revoked(crl, entry);
        X509_CRL_set_version(crl, 1);
        X509_CRL_set_issuer_name(crl, name);
        X509_CRL_set1_lastUpdate(crl, from);
        X509_CRL_set1_nextUpdate(crl, until);
        assert_true(X509_CRL_sign(crl, signer, EVP_sha256()) > 0);
        der.size = (size_t)i2d_X509_CRL(crl, NULL);
        der.data = p = malloc(der.size);
        i2d_X509_CRL(crl, &p);
        ASN1_INTEGER_free(serial);
        ASN1_TIME_free(from);
        ASN1_TIME_free(until);
        X509_NAME_free(name);
        X509_CRL_free(crl);
        return der;
}

/* All that Intel would serve: TCB info, QE identity, the signers' chain, both lists. Owned, one by one. */
enum { ITEM_INFO, ITEM_QE, ITEM_CHAIN, ITEM_PCK_LIST, ITEM_ROOT_LIST, ITEM_MAX_ };

struct make_items {
        struct cvm_bytes items[ITEM_MAX_];
};

static inline struct make_items make_items(const struct make_world *w) {
        const enum tdx_link chain[] = { LINK_SIGNING, LINK_ROOT };
        const struct make_link *ca = &w->links[LINK_CA], *root = &w->links[LINK_ROOT];

        return (struct make_items){ {
                        [ITEM_INFO] = make_tcb_info(w),
                        [ITEM_QE] = make_qe_identity(w),
                        [ITEM_CHAIN] = make_pem(w, chain, 2),
                        [ITEM_PCK_LIST] = make_list(w, ca->cn, w->list_signer ? w->list_signer : ca->key,
                                                    w->revoked_pck),
                        [ITEM_ROOT_LIST] = make_list(w, root->cn, root->key, w->revoked_root),
        } };
}

static inline void make_items_done(struct make_items *items) {
        for (size_t i = 0; i < ITEM_MAX_; i++)
                cvm_bytes_done(&items->items[i]);
}

/* A TD report with right digests. */
static inline void make_tdreport(const struct make_world *w, uint8_t ret[TDX_TDREPORT_SIZE]) {
        memset(ret, 0, TDX_TDREPORT_SIZE);
        ret[0] = 0x81;
        ret[2] = 1;
        memcpy(ret + 128, w->body.report_data, 64);
        memcpy(ret + 264, w->body.tee_tcb_svn, 16);
        ret[512 + 3] = 0x10;
        memcpy(ret + 528, w->body.mr_td, 48);
        memcpy(ret + 576, w->body.mr_config_id, 48);
        cvm_sha384(ret + 256, 239, ret + 32);
        cvm_sha384(ret + 512, 512, ret + 80);
}
