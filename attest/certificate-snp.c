/*
 * OpenSSL's chain verification accepts PKCS #1 v1.5, any hash, any curve, and knows nothing of AMD's
 * extensions. Everything here is what must hold beyond it.
 */
#include "attest/certificate-snp.h"

#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "attest/simulation.h"

#define ARC "1.3.6.1.4.1.3704.1."
#define SPL_MAX 10

const char *const snp_role_texts[] = { "ARK", "ASK", "ASVK", "VCEK", "VLEK" };

static const struct {
        const char *prefix;
        bool with_product, is_ca;
} roles[SNP_ROLE_MAX_] = {
        [SNP_ROLE_ARK] = { "ARK-", true, true },        [SNP_ROLE_ASVK] = { "SEV-VLEK-", true, true },
        [SNP_ROLE_VCEK] = { "SEV-VCEK", false, false }, [SNP_ROLE_VLEK] = { "SEV-VLEK", false, false },
        [SNP_ROLE_ASK] = { "SEV-", true, true },
};

/* What the extensions say, before it is judged. */
struct extensions {
        char product[32];
        uint8_t spl[SPL_MAX];
        bool has_spl[SPL_MAX], has_chip_id, has_csp, simulated, unknown_critical;
        uint8_t chip_id[64];
        size_t chip_id_size;
};

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG, "%s", what);
}

/* The longest prefix first for roles with a product, so that "SEV-VLEK-Milan" is no ASK. */
static int read_role(struct snp_certificate *c, struct cvm_error *err) {
        static const enum snp_role order[] = { SNP_ROLE_VCEK, SNP_ROLE_VLEK, SNP_ROLE_ARK, SNP_ROLE_ASVK,
                                               SNP_ROLE_ASK };
        X509_NAME *subject = X509_get_subject_name(c->x509);
        char name[64] = "";
        int size = X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof name);

        if (size <= 0 || (size_t)size != strlen(name) ||
            X509_NAME_get_index_by_NID(subject, NID_commonName,
                                       X509_NAME_get_index_by_NID(subject, NID_commonName, -1)) >= 0)
                return refuse(err, "a certificate has no common name, or several");
        for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
                size_t length = strlen(roles[order[i]].prefix);

                c->role = order[i];
                if (!roles[c->role].with_product && strcmp(name, roles[c->role].prefix) == 0)
                        return 0;
                if (roles[c->role].with_product && strncmp(name, roles[c->role].prefix, length) == 0 &&
                    !strchr(name + length, '-') && snp_product_by_name(name + length, &c->product) == 0)
                        return 0;
        }
        return refuse(err, "a certificate has a name that is none of AMD's chain");
}

static bool algorithm_is(const X509_ALGOR *algorithm, int nid) {
        return algorithm && OBJ_obj2nid(algorithm->algorithm) == nid;
}

static bool pss_is_sha384(const RSA_PSS_PARAMS *pss) {
        X509_ALGOR *mask = NULL;
        bool good;

        if (!algorithm_is(pss->hashAlgorithm, NID_sha384) ||
            !algorithm_is(pss->maskGenAlgorithm, NID_mgf1) || !pss->maskGenAlgorithm->parameter)
                return false;
        mask = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR), pss->maskGenAlgorithm->parameter);
        good = algorithm_is(mask, NID_sha384) && pss->saltLength &&
               ASN1_INTEGER_get(pss->saltLength) == 48 &&
               (!pss->trailerField || ASN1_INTEGER_get(pss->trailerField) == 1);
        X509_ALGOR_free(mask);
        return good;
}

bool snp_algorithm_is_pss(const X509_ALGOR *algorithm) {
        RSA_PSS_PARAMS *pss = NULL;
        bool good;

        if (algorithm_is(algorithm, NID_rsassaPss) && algorithm->parameter)
                pss = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);
        good = pss && pss_is_sha384(pss);
        RSA_PSS_PARAMS_free(pss);
        return good;
}

static int check_algorithm(const X509 *x509, struct cvm_error *err) {
        const X509_ALGOR *algorithm = NULL;

        X509_get0_signature(NULL, &algorithm, x509);
        return snp_algorithm_is_pss(algorithm)
                               ? 0
                               : refuse(err,
                                        "a certificate is not signed by RSASSA-PSS with SHA-384, MGF1-SHA-384 and "
                                        "salt 48");
}

static int check_key(const struct snp_certificate *c, struct cvm_error *err) {
        EVP_PKEY *key = X509_get0_pubkey(c->x509);
        char group[32] = "";

        if (roles[c->role].is_ca)
                return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) == 4096
                                       ? 0
                                       : refuse(err,
                                                "an ARK, ASK or ASVK must have an RSA key of 4096 bits");
        if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
            EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) !=
                            1 ||
            strcmp(group, "secp384r1") != 0)
                return refuse(err, "a VCEK or VLEK must have a key on P-384");
        return 0;
}

static int read_spl(const ASN1_OCTET_STRING *value, uint8_t *ret) {
        const uint8_t *p = ASN1_STRING_get0_data(value), *end = p + ASN1_STRING_length(value);
        ASN1_INTEGER *number = d2i_ASN1_INTEGER(NULL, &p, end - p);
        int64_t v = -1;
        bool good = number && p == end && ASN1_INTEGER_get_int64(&v, number) && v >= 0 && v <= UINT8_MAX;

        ASN1_INTEGER_free(number);
        if (!good)
                return -EINVAL;
        *ret = (uint8_t)v;
        return 0;
}

static int read_product(const ASN1_OCTET_STRING *value, char *ret, size_t room) {
        const uint8_t *p = ASN1_STRING_get0_data(value), *end = p + ASN1_STRING_length(value);
        ASN1_IA5STRING *text = d2i_ASN1_IA5STRING(NULL, &p, end - p);
        size_t length = text ? (size_t)ASN1_STRING_length(text) : 0;
        bool good = text && p == end && length < room && !memchr(ASN1_STRING_get0_data(text), 0, length);

        if (good)
                snprintf(ret, room, "%.*s", (int)length, (const char *)ASN1_STRING_get0_data(text));
        ASN1_IA5STRING_free(text);
        return good ? 0 : -EINVAL;
}

/* Raw on the chips seen so far; AMD's specification allows an OCTET STRING around it. */
static int read_chip_id(const ASN1_OCTET_STRING *value, struct extensions *e) {
        const uint8_t *p = ASN1_STRING_get0_data(value);
        size_t size = (size_t)ASN1_STRING_length(value);

        if ((size == 66 || size == 10) && p[0] == V_ASN1_OCTET_STRING && p[1] == size - 2) {
                p += 2;
                size -= 2;
        }
        if (size != 64 && size != 8)
                return -EINVAL;
        memcpy(e->chip_id, p, size);
        e->chip_id_size = size;
        e->has_chip_id = true;
        return 0;
}

static int read_extension(X509_EXTENSION *extension, struct extensions *e) {
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
        bool critical = X509_EXTENSION_get_critical(extension);
        const char *below;
        char oid[96] = "";

        OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object(extension), 1);
        if (strcmp(oid, CVM_SIMULATION_OID) == 0) {
                e->simulated = true;
                return critical ? 0 : -EINVAL;
        }
        e->unknown_critical |= critical && !X509_supported_extension(extension);
        if (strncmp(oid, ARC, strlen(ARC)) != 0)
                return 0;
        below = oid + strlen(ARC);
        if (strcmp(below, "2") == 0)
                return read_product(value, e->product, sizeof e->product);
        if (strcmp(below, "4") == 0)
                return read_chip_id(value, e);
        e->has_csp |= strcmp(below, "5") == 0;
        if (strncmp(below, "3.", 2) == 0 && below[2] >= '1' && below[2] <= '9' && !below[3]) {
                e->has_spl[below[2] - '0'] = true;
                return read_spl(value, &e->spl[below[2] - '0']);
        }
        return 0;
}

static int read_extensions(const X509 *x509, struct extensions *e, struct cvm_error *err) {
        for (int i = 0; i < X509_get_ext_count(x509); i++) {
                X509_EXTENSION *extension = X509_get_ext(x509, i);

                if (X509_get_ext_by_OBJ(x509, X509_EXTENSION_get_object(extension), i) >= 0)
                        return refuse(err, "a certificate has an extension twice");
                if (read_extension(extension, e) < 0)
                        return refuse(err,
                                      "a certificate has an extension whose value is not as AMD defines it");
        }
        return e->unknown_critical ? refuse(err, "a certificate has an unknown critical extension") : 0;
}

/* All components that the product has, and no other. */
static int take_tcb(struct snp_certificate *c, struct extensions *e, struct cvm_error *err) {
        for (size_t i = 0; i < SNP_TCB_SIZE; i++) {
                uint8_t spl = snp_products[c->product].spl[i];

                if (!e->has_spl[spl])
                        return refuse(err, "a VCEK or VLEK lacks a TCB component");
                c->tcb[i] = e->spl[spl];
                e->has_spl[spl] = false;
        }
        return cvm_is_zero(e->has_spl, sizeof e->has_spl)
                               ? 0
                               : refuse(err, "a VCEK or VLEK has a TCB component that its product has not");
}

static int take_extensions(struct snp_certificate *c, struct extensions *e, struct cvm_error *err) {
        bool vcek = c->role == SNP_ROLE_VCEK;

        c->simulated = e->simulated;
        if (roles[c->role].is_ca)
                return 0;
        if (snp_product_by_name(e->product, &c->product) < 0)
                return refuse(err, "a VCEK or VLEK names no product that is known");
        if (e->has_chip_id != vcek || e->has_csp == vcek)
                return refuse(err, "a VCEK names its chip and no provider, a VLEK its provider and no chip");
        if (vcek && e->chip_id_size != snp_products[c->product].chip_id_size)
                return refuse(err, "a VCEK's chip id does not have the size of its product");
        memcpy(c->chip_id, e->chip_id, sizeof c->chip_id);
        return take_tcb(c, e, err);
}

void snp_certificate_done(struct snp_certificate *certificate) {
        X509_free(certificate->x509);
        *certificate = (struct snp_certificate){ 0 };
}

static int read_certificate(struct snp_certificate *c, const void *der, size_t size, struct cvm_error *err) {
        struct extensions e = { 0 };
        const uint8_t *p = der;
        int r;

        c->x509 = d2i_X509(NULL, &p, (long)size);
        if (!c->x509 || p != (const uint8_t *)der + size)
                return refuse(err, "a certificate is not well-formed DER");
        r = read_role(c, err);
        if (r >= 0)
                r = check_algorithm(c->x509, err);
        if (r >= 0)
                r = check_key(c, err);
        if (r >= 0)
                r = read_extensions(c->x509, &e, err);
        return r < 0 ? r : take_extensions(c, &e, err);
}

static bool lacked_memory(void) {
        bool lacked = false;

        for (unsigned long e; (e = ERR_get_error());)
                lacked |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
        return lacked;
}

int snp_certificate_read(const void *der, size_t size, struct snp_certificate *ret, struct cvm_error *err) {
        CVM_CLEANUP(snp_certificate_done) struct snp_certificate c = { 0 };
        struct cvm_error why = { 0 };
        int r;

        ERR_clear_error();
        r = read_certificate(&c, der, size, &why);
        if (r < 0 && lacked_memory())
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading a certificate");
        if (r < 0)
                return cvm_fail(err, why.code, -r, "%s", why.text);
        *ret = c;
        c.x509 = NULL;
        return 0;
}
