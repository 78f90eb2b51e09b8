#include "sim/collateral-tdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "base/time.h"
#include "sim/certificate.h"

#define EVALUATION 1
#define QE_ATTRIBUTES_MASK "fbffffffffffffff0000000000000000"

static void add_text(json_object *node, const char *key, const char *text) {
        json_object_object_add(node, key, json_object_new_string(text));
}

static void add_number(json_object *node, const char *key, uint64_t number) {
        json_object_object_add(node, key, json_object_new_uint64(number));
}

static void add_hex(json_object *node, const char *key, const uint8_t *data, size_t size) {
        char hex[2 * P256_SIZE + 1];

        cvm_hex(data, size, hex);
        add_text(node, key, hex);
}

static void add_time(json_object *node, const char *key, long seconds) {
        char text[CVM_TIME_TEXT];

        cvm_time_format(cvm_time_now() + (uint64_t)(seconds * 1000), text);
        strcpy(text + strlen("2026-11-24T12:00:00"), "Z"); /* Intel writes no fraction */
        add_text(node, key, text);
}

/* --- TCB info and QE identity --- */

static json_object *new_document(const char *id, unsigned version) {
        json_object *node = json_object_new_object();

        add_text(node, "id", id);
        add_number(node, "version", version);
        add_time(node, "issueDate", SIM_VALID_FROM);
        add_time(node, "nextUpdate", SIM_VALID_UNTIL);
        add_number(node, "tcbEvaluationDataNumber", EVALUATION);
        return node;
}

/* The one level there is: what the platform has is the newest. */
static void add_level(json_object *node, json_object *tcb) {
        json_object *levels = json_object_new_array(), *level = json_object_new_object();

        json_object_object_add(level, "tcb", tcb);
        add_time(level, "tcbDate", SIM_VALID_FROM);
        add_text(level, "tcbStatus", tdx_status_texts[TDX_UP_TO_DATE]);
        json_object_array_add(levels, level);
        json_object_object_add(node, "tcbLevels", levels);
}

static json_object *isv_svn(uint16_t svn) {
        json_object *tcb = json_object_new_object();

        add_number(tcb, "isvsvn", svn);
        return tcb;
}

static void add_components(json_object *tcb, const char *key, const uint8_t svns[TDX_COMPONENTS]) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < TDX_COMPONENTS; i++) {
                json_object *component = json_object_new_object();

                add_number(component, "svn", svns[i]);
                json_object_array_add(list, component);
        }
        json_object_object_add(tcb, key, list);
}

static void add_module(json_object *node, const struct tdx_body *body) {
        add_hex(node, "mrsigner", body->mr_signer_seam, sizeof body->mr_signer_seam);
        add_text(node, "attributes", "0000000000000000");
        add_text(node, "attributesMask", "ffffffffffffffff");
}

static json_object *make_tcb_info(const struct sim_publisher *p) {
        json_object *node = new_document("TDX", 3), *module = json_object_new_object(),
                    *identities = json_object_new_array(), *identity = json_object_new_object(),
                    *tcb = json_object_new_object();
        char id[] = "TDX_00";

        cvm_hex(&p->body->tee_tcb_svn[1], 1, id + strlen("TDX_"));
        add_hex(node, "fmspc", p->platform->fmspc, sizeof p->platform->fmspc);
        add_hex(node, "pceId", p->platform->pce_id, sizeof p->platform->pce_id);
        add_number(node, "tcbType", 0);
        add_module(module, p->body);
        json_object_object_add(node, "tdxModule", module);
        add_text(identity, "id", id);
        add_module(identity, p->body);
        add_level(identity, isv_svn(p->body->tee_tcb_svn[0]));
        json_object_array_add(identities, identity);
        json_object_object_add(node, "tdxModuleIdentities", identities);
        add_components(tcb, "sgxtcbcomponents", p->platform->cpu);
        add_number(tcb, "pcesvn", p->platform->pce_svn);
        add_components(tcb, "tdxtcbcomponents", p->body->tee_tcb_svn);
        add_level(node, tcb);
        return node;
}

static json_object *make_identity(const struct sim_publisher *p) {
        json_object *node = new_document("TD_QE", 2);

        add_text(node, "miscselect", "00000000");
        add_text(node, "miscselectMask", "ffffffff");
        add_hex(node, "attributes", p->qe->attributes, sizeof p->qe->attributes);
        add_text(node, "attributesMask", QE_ATTRIBUTES_MASK);
        add_hex(node, "mrsigner", p->qe->mr_signer, sizeof p->qe->mr_signer);
        add_number(node, "isvprodid", p->qe->isv_prod_id);
        add_level(node, isv_svn(p->qe->isv_svn));
        return node;
}

/* The text is what is signed, byte for byte. Takes the document. */
static int add_signed(json_object *all, const char *key, const char *signature_key, json_object *document,
                      EVP_PKEY *signer) {
        CVM_CLEANUP(cvm_json_putp) json_object *owned = document;
        const char *text = json_object_to_json_string_ext(owned, JSON_C_TO_STRING_PLAIN);
        uint8_t signature[P256_SIZE];
        int r = text ? p256_sign(signer, text, strlen(text), signature) : -ENOMEM;

        if (r < 0)
                return r;
        add_text(all, key, text);
        add_hex(all, signature_key, signature, sizeof signature);
        return 0;
}

/* --- lists and chains --- */

static int make_list(const X509 *issuer, EVP_PKEY *key, uint8_t **ret) {
        CVM_CLEANUP(X509_CRL_freep) X509_CRL *crl = X509_CRL_new();
        CVM_CLEANUP(ASN1_TIME_freep) ASN1_TIME *from = X509_gmtime_adj(NULL, SIM_VALID_FROM);
        CVM_CLEANUP(ASN1_TIME_freep) ASN1_TIME *until = X509_gmtime_adj(NULL, SIM_VALID_UNTIL);

        if (!crl || !from || !until || X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1 ||
            X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) != 1 ||
            X509_CRL_set1_lastUpdate(crl, from) != 1 || X509_CRL_set1_nextUpdate(crl, until) != 1 ||
            X509_CRL_sign(crl, key, EVP_sha256()) <= 0)
                return -EIO;
        return i2d_X509_CRL(crl, ret);
}

static int add_list(json_object *all, const char *key, const X509 *issuer, EVP_PKEY *signer) {
        CVM_CLEANUP(cvm_freep) char *hex = NULL;
        uint8_t *der = NULL;
        int size = make_list(issuer, signer, &der);

        if (size > 0)
                hex = malloc(2 * (size_t)size + 1);
        if (hex) {
                cvm_hex(der, (size_t)size, hex);
                add_text(all, key, hex);
        }
        OPENSSL_free(der);
        return hex ? 0 : -EIO;
}

static int add_chain(json_object *all, const char *key, X509 *leaf, X509 *root) {
        CVM_CLEANUP(BIO_free_allp) BIO *pem = BIO_new(BIO_s_mem());
        const char *text;
        long size;

        if (!pem || PEM_write_bio_X509(pem, leaf) != 1 || PEM_write_bio_X509(pem, root) != 1)
                return -ENOMEM;
        size = BIO_get_mem_data(pem, &text);
        json_object_object_add(all, key, json_object_new_string_len(text, (int)size));
        return 0;
}

int sim_collateral_make(const struct sim_publisher *p, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *all = json_object_new_object();
        const char *text;
        int r = add_signed(all, "tcb_info", "tcb_info_signature", make_tcb_info(p), p->signing_key);

        if (r >= 0)
                r = add_signed(all, "qe_identity", "qe_identity_signature", make_identity(p),
                               p->signing_key);
        if (r >= 0)
                r = add_chain(all, "tcb_info_issuer_chain", p->signing, p->root);
        if (r >= 0)
                r = add_chain(all, "pck_crl_issuer_chain", p->ca, p->root);
        if (r >= 0)
                r = add_list(all, "pck_crl", p->ca, p->ca_key);
        if (r >= 0)
                r = add_list(all, "root_ca_crl", p->root, p->root_key);
        text = r >= 0 ? json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN) : NULL;
        if (!text || cvm_bytes_copy(text, strlen(text), ret) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "making simulated collateral failed");
        return 0;
}
