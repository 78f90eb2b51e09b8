#include "attest/trust-se.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "attest/simulation.h"
#include "attest/x509.h"

#define CHAIN_LENGTH 3 /* root, intermediate, signing certificate */

void se_trust_done(struct se_trust *trust) {
        sk_X509_pop_free(trust->certificates, X509_free);
        sk_X509_pop_free(trust->roots, X509_free);
        sk_X509_CRL_pop_free(trust->lists, X509_CRL_free);
        *trust = (struct se_trust){ 0 };
}

static int no_memory(struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading certificates");
}

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_HOST_KEY_SIGNER, EBADMSG, "%s", what);
}

/* --- files --- */

/* The same certificate twice is no contradiction. */
static int add_certificate(struct se_trust *trust, enum se_trust_kind kind, X509 *x509) {
        STACK_OF(X509) *to = kind == SE_TRUST_ROOTS ? trust->roots : trust->certificates;

        for (int i = 0; i < sk_X509_num(to); i++)
                if (X509_cmp(sk_X509_value(to, i), x509) == 0) {
                        X509_free(x509);
                        return 0;
                }
        if (sk_X509_push(to, x509) > 0)
                return 0;
        X509_free(x509);
        return -ENOMEM;
}

static int add_list(struct se_trust *trust, X509_CRL *list) {
        if (sk_X509_CRL_push(trust->lists, list) > 0)
                return 0;
        X509_CRL_free(list);
        return -ENOMEM;
}

/* How many of the wanted things these bytes are: one certificate or list, or none. */
static int add_der(struct se_trust *trust, enum se_trust_kind kind, const uint8_t *data, size_t size,
                   size_t *ret_certificates, size_t *ret_lists) {
        const uint8_t *p = data;
        X509_CRL *list;
        X509 *x509 = d2i_X509(NULL, &p, (long)size);

        if (x509 && p == data + size) {
                ++*ret_certificates;
                return add_certificate(trust, kind, x509);
        }
        X509_free(x509);
        p = data;
        list = d2i_X509_CRL(NULL, &p, (long)size);
        if (list && p == data + size) {
                ++*ret_lists;
                return add_list(trust, list);
        }
        X509_CRL_free(list);
        return 0;
}

/* Blocks of other kinds are passed over; a block that is not what it says counts as nothing. */
static int add_pem(struct se_trust *trust, enum se_trust_kind kind, const void *data, size_t size,
                   size_t *ret_certificates, size_t *ret_lists) {
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(data, (int)size);
        char *name = NULL, *header = NULL;
        uint8_t *der = NULL;
        long length;
        int r = bio ? 0 : -ENOMEM;

        while (r >= 0 && PEM_read_bio(bio, &name, &header, &der, &length) == 1) {
                if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0 ||
                    strcmp(name, PEM_STRING_X509_CRL) == 0)
                        r = add_der(trust, kind, der, (size_t)length, ret_certificates, ret_lists);
                OPENSSL_free(name);
                OPENSSL_free(header);
                OPENSSL_free(der);
        }
        ERR_clear_error();
        return r;
}

static int make_room(struct se_trust *trust) {
        if (!trust->certificates)
                trust->certificates = sk_X509_new_null();
        if (!trust->roots)
                trust->roots = sk_X509_new_null();
        if (!trust->lists)
                trust->lists = sk_X509_CRL_new_null();
        return trust->certificates && trust->roots && trust->lists ? 0 : -ENOMEM;
}

int se_trust_add(struct se_trust *trust, enum se_trust_kind kind, const void *data, size_t size,
                 const char *name, struct cvm_error *err) {
        size_t certificates = 0, lists = 0;
        int r = make_room(trust);

        if (r >= 0 && size > SE_TRUST_FILE_MAX)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG, "'%s' is larger than %u bytes", name,
                                SE_TRUST_FILE_MAX);
        if (r >= 0)
                r = memmem(data, size, "-----BEGIN ", 11)
                                    ? add_pem(trust, kind, data, size, &certificates, &lists)
                                    : add_der(trust, kind, data, size, &certificates, &lists);
        if (r < 0)
                return no_memory(err);
        if (kind == SE_TRUST_LISTS && !lists)
                return cvm_fail(err, &CVM_CODE_HOST_KEY_SIGNER, EBADMSG,
                                "there is no revocation list in '%s'", name);
        if ((kind == SE_TRUST_ROOTS && !certificates) || (!certificates && !lists))
                return cvm_fail(err, &CVM_CODE_HOST_KEY_SIGNER, EBADMSG, "there is no certificate in '%s'",
                                name);
        return 0;
}

/* --- the signing certificate --- */

static bool entry_is(const X509_NAME *name, int nid, const char *value, bool at_end) {
        int i = X509_NAME_get_index_by_NID(name, nid, -1);
        const ASN1_STRING *text = i >= 0 ? X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)) : NULL;
        size_t length = strlen(value), size = text ? (size_t)ASN1_STRING_length(text) : 0;

        return text && (at_end ? size >= length : size == length) &&
               memcmp(ASN1_STRING_get0_data(text) + size - length, value, length) == 0;
}

/* Six entries, and each of the six that are asked for is there: in any order. */
static bool is_signer(const X509 *x509) {
        static const char ibm[] = "International Business Machines Corporation";
        const X509_NAME *name = X509_get_subject_name(x509);

        return X509_NAME_entry_count(name) == 6 && entry_is(name, NID_countryName, "US", false) &&
               entry_is(name, NID_stateOrProvinceName, "New York", false) &&
               (entry_is(name, NID_localityName, "Poughkeepsie", false) ||
                entry_is(name, NID_localityName, "Armonk", false)) &&
               entry_is(name, NID_organizationName, ibm, false) &&
               entry_is(name, NID_commonName, ibm, false) &&
               entry_is(name, NID_organizationalUnitName, "Key Signing Service", true);
}

/* The signing certificate is none of an authority: another such one was given for it. */
static int refuse_without_signer(const struct se_trust *trust, struct cvm_error *err) {
        for (int i = 0; i < sk_X509_num(trust->certificates); i++)
                if (X509_check_ca(sk_X509_value(trust->certificates, i)) == 0)
                        return refuse(err, "none of the certificates is one of IBM's Key Signing Service");
        return cvm_fail(err, &CVM_CODE_HOST_KEY_UNCHECKED, ENOENT,
                        "the certificate of IBM's Key Signing Service, which signs host-key documents, was not "
                        "given");
}

static int pick_signer(struct se_trust *trust, struct cvm_error *err) {
        X509 *found = NULL;

        for (int i = 0; i < sk_X509_num(trust->certificates); i++) {
                X509 *x509 = sk_X509_value(trust->certificates, i);

                if (!is_signer(x509))
                        continue;
                if (found)
                        return refuse(err,
                                      "there are two different certificates of the Key Signing Service");
                found = x509;
        }
        if (!found)
                return refuse_without_signer(trust, err);
        trust->signer = found;
        return 0;
}

int se_certificate_class(const X509 *x509, bool *ret_simulated) {
        bool simulated = false;

        for (int i = 0; i < X509_get_ext_count(x509); i++) {
                X509_EXTENSION *extension = X509_get_ext(x509, i);
                char oid[96] = "";

                OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object(extension), 1);
                if (strcmp(oid, CVM_SIMULATION_OID) == 0) {
                        simulated = true;
                        if (!X509_EXTENSION_get_critical(extension))
                                return -EINVAL;
                } else if (X509_EXTENSION_get_critical(extension) && !X509_supported_extension(extension))
                        return -EINVAL;
        }
        *ret_simulated = simulated;
        return 0;
}

/* --- its chain --- */

/* The extension of simulations is the one critical one that OpenSSL does not know and we do. */
static int judge(int good, X509_STORE_CTX *ctx) {
        bool simulated;

        return good || (X509_STORE_CTX_get_error(ctx) == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION &&
                        se_certificate_class(X509_STORE_CTX_get_current_cert(ctx), &simulated) == 0);
}

static X509_STORE *make_store(const struct se_trust *trust, uint64_t now_msec) {
        X509_STORE *store = X509_STORE_new();
        X509_VERIFY_PARAM *param = store ? X509_STORE_get0_param(store) : NULL;
        bool good = param;

        for (int i = 0; good && i < sk_X509_num(trust->roots); i++)
                good = X509_STORE_add_cert(store, sk_X509_value(trust->roots, i)) == 1;
        for (int i = 0; good && i < sk_X509_CRL_num(trust->lists); i++)
                good = X509_STORE_add_crl(store, sk_X509_CRL_value(trust->lists, i)) == 1;
        if (!good) {
                X509_STORE_free(store);
                return NULL;
        }
        X509_VERIFY_PARAM_set_depth(param, CHAIN_LENGTH - 1);
        X509_VERIFY_PARAM_set_auth_level(param, 2);
        X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
        X509_VERIFY_PARAM_set_time(param, (time_t)(now_msec / 1000));
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CRL_CHECK |
                                                           X509_V_FLAG_CRL_CHECK_ALL |
                                                           X509_V_FLAG_TRUSTED_FIRST |
                                                           X509_V_FLAG_CHECK_SS_SIGNATURE |
                                                           X509_V_FLAG_POLICY_CHECK);
        X509_STORE_set_verify_cb(store, judge);
        return store;
}

/* What could not be checked is not what was refused. */
static const struct cvm_code *code_of(int error) {
        static const struct {
                int error;
                const struct cvm_code *code;
        } rows[] = {
                { X509_V_ERR_CERT_REVOKED, &CVM_CODE_REVOKED },
                { X509_V_ERR_UNABLE_TO_GET_CRL, &CVM_CODE_HOST_KEY_UNCHECKED },
                { X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, &CVM_CODE_HOST_KEY_UNCHECKED },
                { X509_V_ERR_CRL_SIGNATURE_FAILURE, &CVM_CODE_HOST_KEY_UNCHECKED },
                { X509_V_ERR_CRL_NOT_YET_VALID, &CVM_CODE_HOST_KEY_UNCHECKED },
                { X509_V_ERR_CRL_HAS_EXPIRED, &CVM_CODE_HOST_KEY_UNCHECKED },
                { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, &CVM_CODE_HOST_KEY_UNCHECKED },
                { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, &CVM_CODE_HOST_KEY_UNCHECKED },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (rows[i].error == error)
                        return rows[i].code;
        return &CVM_CODE_HOST_KEY_SIGNER;
}

static int take_facts(struct se_trust *trust, STACK_OF(X509) * chain, struct cvm_error *err) {
        int n = 0, length = sk_X509_num(chain);

        if (length != CHAIN_LENGTH)
                return refuse(err, "the signing certificate was not issued by one intermediate of the root");
        for (int i = 0; i < length; i++) {
                bool simulated = false;

                if (se_certificate_class(sk_X509_value(chain, i), &simulated) < 0)
                        return refuse(err, "a certificate has a critical extension that is not known");
                n += simulated;
        }
        if (n != 0 && n != length)
                return refuse(err, "some certificates are of a simulation and some are not");
        if (x509_key_digest(sk_X509_value(chain, length - 1), trust->root) < 0)
                return refuse(err, "the root's public key has no usual form");
        trust->simulated = n != 0;
        return 0;
}

static int refuse_chain(int error, int depth, struct cvm_error *err) {
        static const char *const at[] = { "the signing certificate", "its issuer" };

        return cvm_fail(err, code_of(error), EBADMSG,
                        "the chain of the signing certificate does not verify: %s for %s (error %d at depth %d)",
                        X509_verify_cert_error_string(error),
                        depth >= 0 && (size_t)depth < ARRAY_SIZE(at) ? at[depth] : "the root", error, depth);
}

/* OpenSSL looks at revocation lists first, and would call unchecked what is refused. */
static int check_dates(const X509 *x509, time_t now, struct cvm_error *err) {
        if (X509_cmp_time(X509_get0_notBefore(x509), &now) >= 0)
                return refuse_chain(X509_V_ERR_CERT_NOT_YET_VALID, 0, err);
        return X509_cmp_time(X509_get0_notAfter(x509), &now) > 0
                               ? 0
                               : refuse_chain(X509_V_ERR_CERT_HAS_EXPIRED, 0, err);
}

static int verify_signer(struct se_trust *trust, uint64_t now_msec, struct cvm_error *err) {
        CVM_CLEANUP(X509_STORE_freep) X509_STORE *store = NULL;
        CVM_CLEANUP(X509_STORE_CTX_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        int r = check_dates(trust->signer, (time_t)(now_msec / 1000), err);

        if (r < 0)
                return r;
        store = make_store(trust, now_msec);
        if (!store || !ctx || X509_STORE_CTX_init(ctx, store, trust->signer, trust->certificates) != 1)
                return no_memory(err);
        return X509_verify_cert(ctx) == 1 ? take_facts(trust, X509_STORE_CTX_get0_chain(ctx), err)
                                          : refuse_chain(X509_STORE_CTX_get_error(ctx),
                                                         X509_STORE_CTX_get_error_depth(ctx), err);
}

int se_trust_verify(struct se_trust *trust, uint64_t now_msec, struct cvm_error *err) {
        int r = make_room(trust) < 0 ? no_memory(err) : pick_signer(trust, err);

        if (r >= 0)
                r = verify_signer(trust, now_msec, err);
        if (r < 0)
                trust->signer = NULL;
        return r;
}
