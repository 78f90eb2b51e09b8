#include "sim/certificate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "attest/simulation.h"

#define P256_BITS 256

static const char marker[] = "cvmd simulation: no hardware protects this guest";

CVM_DEFINE_CLEANUP_VOID(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free);
CVM_DEFINE_CLEANUP_VOID(ASN1_OBJECT, ASN1_OBJECT_free);

int sim_extension_add(X509 *x509, const char *oid, bool critical, const void *value, size_t size) {
        CVM_CLEANUP(ASN1_OCTET_STRING_freep) ASN1_OCTET_STRING *text = ASN1_OCTET_STRING_new();
        CVM_CLEANUP(ASN1_OBJECT_freep) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
        CVM_CLEANUP(X509_EXTENSION_freep) X509_EXTENSION *extension = NULL;

        if (!text || !object || !ASN1_OCTET_STRING_set(text, value, (int)size))
                return -ENOMEM;
        extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical, text);
        return extension && X509_add_ext(x509, extension, -1) ? 0 : -ENOMEM;
}

static int add_marker(X509 *x509) {
        uint8_t der[2 + sizeof marker - 1] = { V_ASN1_UTF8STRING, sizeof marker - 1 };

        memcpy(der + 2, marker, sizeof marker - 1);
        return sim_extension_add(x509, CVM_SIMULATION_OID, true, der, sizeof der);
}

static int add_constraints(X509 *x509) {
        CVM_CLEANUP(X509_EXTENSION_freep)
        X509_EXTENSION *basic = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

        return basic && X509_add_ext(x509, basic, -1) ? 0 : -ENOMEM;
}

static int set_name(X509 *x509, int (*set)(X509 *, const X509_NAME *), const char *common_name) {
        CVM_CLEANUP(X509_NAME_freep) X509_NAME *name = X509_NAME_new();

        return name &&
                                               X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                                                          (const uint8_t *)"cvmd simulation",
                                                                          -1, -1, 0) &&
                                               X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                                          (const uint8_t *)common_name, -1,
                                                                          -1, 0) &&
                                               set(x509, name)
                               ? 0
                               : -ENOMEM;
}

static int fill(X509 *x509, const struct sim_certificate *spec) {
        if (!X509_set_version(x509, X509_VERSION_3) || !ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) ||
            !X509_gmtime_adj(X509_getm_notBefore(x509), SIM_VALID_FROM) ||
            !X509_gmtime_adj(X509_getm_notAfter(x509), SIM_VALID_UNTIL) ||
            !X509_set_pubkey(x509, spec->key) || set_name(x509, X509_set_subject_name, spec->name) < 0 ||
            set_name(x509, X509_set_issuer_name, spec->issuer) < 0 ||
            (spec->is_ca && add_constraints(x509) < 0) || add_marker(x509) < 0 ||
            (spec->extend && spec->extend(x509, spec->ctx) < 0))
                return -ENOMEM;
        return 0;
}

static int sign(X509 *x509, EVP_PKEY *signer) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        const EVP_MD *md = EVP_PKEY_get_bits(signer) == P256_BITS ? EVP_sha256() : EVP_sha384();
        EVP_PKEY_CTX *padding = NULL; /* borrowed from ctx */

        if (!ctx || EVP_DigestSignInit(ctx, &padding, md, NULL, signer) != 1)
                return -EIO;
        if (EVP_PKEY_get_base_id(signer) == EVP_PKEY_RSA &&
            (EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) != 1 ||
             EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST) != 1))
                return -EIO;
        return X509_sign_ctx(x509, ctx) > 0 ? 0 : -EIO;
}

int sim_certificate_make(const struct sim_certificate *spec, X509 **ret, struct cvm_error *err) {
        CVM_CLEANUP(X509_freep) X509 *x509 = X509_new();

        if (!x509 || fill(x509, spec) < 0 || sign(x509, spec->signer) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "making the certificate '%s' failed",
                                spec->name);
        *ret = TAKE_PTR(x509);
        return 0;
}
