/*
 * The name of a document's issuer is not compared with the signer's subject: IBM's signing certificate moved
 * from Poughkeepsie to Armonk and kept its key, and documents and revocation lists of before are still good.
 * The key identifier and the signature bind them. For the same reason revocations are looked up by serial
 * number alone: by certificate, OpenSSL would pass over entries because the issuers' names differ.
 */
#include "attest/hkd-se.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define SECURITY_BITS_MIN 112

static int refuse(const char *name, const char *why, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_HOST_KEY, EBADMSG, "'%s' %s", name, why);
}

void se_host_done(struct se_host *host) {
        X509_free(host->x509);
        *host = (struct se_host){ 0 };
}

/* Behind the first may stand those that signed it, which are no hosts'. */
static X509 *parse_pem(const void *data, size_t size, bool *ret_more) {
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(data, (int)size);
        X509 *first = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL, *next;
        uint8_t coordinates[SE_COORDINATES_SIZE];

        while (first && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
                *ret_more |= se_coordinates(X509_get0_pubkey(next), "", coordinates, NULL) >= 0;
                X509_free(next);
        }
        ERR_clear_error();
        return first;
}

static X509 *parse_der(const uint8_t *data, size_t size) {
        const uint8_t *p = data;
        X509 *x509 = d2i_X509(NULL, &p, (long)size);

        if (x509 && p == data + size)
                return x509;
        X509_free(x509);
        return NULL;
}

int se_host_read(const void *data, size_t size, const char *name, struct se_host *ret,
                 struct cvm_error *err) {
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        uint8_t coordinates[SE_COORDINATES_SIZE];
        int r;

        if (size > SE_DOCUMENT_MAX)
                return refuse(name, "is larger than any host-key document", err);
        host.x509 = memmem(data, size, "-----BEGIN ", 11) ? parse_pem(data, size, &host.has_more)
                                                          : parse_der(data, size);
        if (!host.x509)
                return refuse(name, "is no certificate, and so no host-key document", err);
        if (se_certificate_class(host.x509, &host.simulated) < 0)
                return refuse(name, "has a critical extension that is not known", err);
        host.key = X509_get0_pubkey(host.x509);
        r = se_coordinates(host.key, name, coordinates, err);
        if (r < 0)
                return r;
        cvm_sha256(coordinates, sizeof coordinates, host.hash);
        *ret = host;
        host.x509 = NULL;
        return 0;
}

/* --- revocation lists --- */

static X509_NAME *moved(const X509_NAME *subject) {
        X509_NAME *name = X509_NAME_dup(subject);
        int at = name ? X509_NAME_get_index_by_NID(name, NID_localityName, -1) : -1;

        if (at >= 0) {
                X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, at));
                if (X509_NAME_add_entry_by_NID(name, NID_localityName, MBSTRING_ASC,
                                               (const uint8_t *)"Poughkeepsie", -1, at, 0) == 1)
                        return name;
        }
        X509_NAME_free(name);
        return NULL;
}

static X509_NAME *reordered(const X509_NAME *from) {
        static const int order[] = { NID_countryName,  NID_organizationName,    NID_organizationalUnitName,
                                     NID_localityName, NID_stateOrProvinceName, NID_commonName };
        X509_NAME *name = X509_NAME_new();

        for (size_t i = 0; name && i < ARRAY_SIZE(order); i++) {
                int at = X509_NAME_get_index_by_NID(from, order[i], -1);

                if (at >= 0 && X509_NAME_add_entry(name, X509_NAME_get_entry(from, at), -1, 0) != 1) {
                        X509_NAME_free(name);
                        return NULL;
                }
        }
        return name;
}

static bool is_of_armonk(const X509_NAME *name) {
        int at = X509_NAME_get_index_by_NID(name, NID_localityName, -1);
        const ASN1_STRING *text = at >= 0 ? X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)) : NULL;

        return text && ASN1_STRING_length(text) == 6 &&
               memcmp(ASN1_STRING_get0_data(text), "Armonk", 6) == 0;
}

static bool has_list_of(const struct se_trust *trust, const X509_NAME *issuer) {
        for (int i = 0; issuer && i < sk_X509_CRL_num(trust->lists); i++)
                if (X509_NAME_cmp(X509_CRL_get_issuer(sk_X509_CRL_value(trust->lists, i)), issuer) == 0)
                        return true;
        return false;
}

/*
 * Under which name there are lists, the first that there is of: the signer's subject, the same before it
 * moved, that in the order of entries that IBM's lists have, the subject in that order. NULL: none; owned.
 */
static X509_NAME *find_issuer(const struct se_trust *trust) {
        const X509_NAME *subject = X509_get_subject_name(trust->signer);
        X509_NAME *before = is_of_armonk(subject) ? moved(subject) : NULL, *found = NULL;
        X509_NAME *names[] = { X509_NAME_dup(subject), before, before ? reordered(before) : NULL,
                               reordered(subject) };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (!found && has_list_of(trust, names[i]))
                        found = names[i];
                else
                        X509_NAME_free(names[i]);
        return found;
}

/* A list that speaks of some certificates only, or changes another one, is none that can clear a document.
 */
static bool is_whole(X509_CRL *list) {
        ISSUING_DIST_POINT *point = X509_CRL_get_ext_d2i(list, NID_issuing_distribution_point, NULL, NULL);
        bool whole = !point || (point->onlyCA <= 0 && point->onlyattr <= 0 && point->indirectCRL <= 0 &&
                                !point->onlysomereasons);

        for (int i = 0; whole && i < X509_CRL_get_ext_count(list); i++) {
                X509_EXTENSION *extension = X509_CRL_get_ext(list, i);

                whole = !X509_EXTENSION_get_critical(extension) ||
                        OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_issuing_distribution_point;
        }
        ISSUING_DIST_POINT_free(point);
        return whole;
}

static bool identifies(const X509 *signer, AUTHORITY_KEYID *akid) {
        return !akid || X509_check_akid(signer, akid) == X509_V_OK;
}

static bool list_counts(X509_CRL *list, const struct se_trust *trust, time_t now) {
        AUTHORITY_KEYID *akid = X509_CRL_get_ext_d2i(list, NID_authority_key_identifier, NULL, NULL);
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);
        bool counts = X509_cmp_time(X509_CRL_get0_lastUpdate(list), &now) < 0 && next &&
                      X509_cmp_time(next, &now) > 0 && identifies(trust->signer, akid) && is_whole(list) &&
                      X509_CRL_verify(list, X509_get0_pubkey(trust->signer)) == 1;

        AUTHORITY_KEYID_free(akid);
        return counts;
}

static int check_revoked(const struct se_host *host, const struct se_trust *trust, time_t now,
                         const char *name, struct cvm_error *err) {
        CVM_CLEANUP(X509_NAME_freep) X509_NAME *issuer = find_issuer(trust);
        size_t n = 0;

        for (int i = 0; issuer && i < sk_X509_CRL_num(trust->lists); i++) {
                X509_CRL *list = sk_X509_CRL_value(trust->lists, i);
                X509_REVOKED *entry = NULL;

                if (X509_NAME_cmp(X509_CRL_get_issuer(list), issuer) != 0 || !list_counts(list, trust, now))
                        continue;
                n++;
                if (X509_CRL_get0_by_serial(list, &entry, X509_get_serialNumber(host->x509)) != 0)
                        return cvm_fail(err, &CVM_CODE_REVOKED, EKEYREVOKED, "'%s' is revoked", name);
        }
        return n ? 0
                 : cvm_fail(err, &CVM_CODE_HOST_KEY_UNCHECKED, ENODATA,
                            "whether '%s' is revoked cannot be told: there is no list of its signer that is "
                            "valid now",
                            name);
}

/* --- the document --- */

static int check_dates(const struct se_host *host, time_t now, const char *name, struct cvm_error *err) {
        if (X509_cmp_time(X509_get0_notBefore(host->x509), &now) >= 0)
                return refuse(name, "is not valid yet", err);
        return X509_cmp_time(X509_get0_notAfter(host->x509), &now) > 0
                               ? 0
                               : refuse(name, "is not valid any more", err);
}

/* X509_check_akid() compares with what OpenSSL has cached of the signer, and passes where that is empty. */
static int check_signer(const struct se_host *host, const struct se_trust *trust, const char *name,
                        struct cvm_error *err) {
        AUTHORITY_KEYID *akid = X509_get_ext_d2i(host->x509, NID_authority_key_identifier, NULL, NULL);
        bool identified;

        X509_check_purpose(trust->signer, -1, 0);
        identified = identifies(trust->signer, akid);
        AUTHORITY_KEYID_free(akid);
        if (!identified)
                return refuse(name, "names another signing key than the certificate that was given", err);
        return X509_verify(host->x509, X509_get0_pubkey(trust->signer)) == 1
                               ? 0
                               : refuse(name, "is not signed by the Key Signing Service", err);
}

int se_host_check(const struct se_host *host, const struct se_trust *trust, uint64_t now_msec,
                  const char *name, struct cvm_error *err) {
        time_t now = (time_t)(now_msec / 1000);
        int r = 0;

        if (EVP_PKEY_get_security_bits(host->key) < SECURITY_BITS_MIN)
                return refuse(name, "has a key that is too weak", err);
        r = check_dates(host, now, name, err);
        if (r >= 0)
                r = check_signer(host, trust, name, err);
        if (r >= 0 && host->simulated != trust->simulated)
                return refuse(name,
                              host->simulated ? "is of a simulated host, and its signer is not"
                                              : "is not marked as simulated, and its signer is",
                              err);
        return r < 0 ? r : check_revoked(host, trust, now, name, err);
}

/* --- many --- */

void se_hosts_done(struct se_hosts *hosts) {
        for (size_t i = 0; i < hosts->n; i++)
                se_host_done(&hosts->items[i]);
        hosts->n = 0;
}

int se_hosts_add(struct se_hosts *hosts, const void *data, size_t size, const char *name,
                 struct cvm_error *err) {
        struct se_host *host = &hosts->items[hosts->n];
        int r;

        if (hosts->n == SE_HOSTS_MAX)
                return cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL,
                                "there are more than %d host-key documents", SE_HOSTS_MAX);
        r = se_host_read(data, size, name, host, err);
        for (size_t i = 0; r >= 0 && i < hosts->n; i++)
                if (memcmp(hosts->items[i].hash, host->hash, sizeof host->hash) == 0)
                        r = cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL,
                                     "'%s' and '%s' are of the same host key", hosts->names[i], name);
                else if (hosts->items[i].simulated != host->simulated)
                        r = cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL,
                                     "'%s' and '%s' do not go together: one is of a simulated host",
                                     hosts->names[i], name);
        if (r < 0) {
                se_host_done(host);
                return r;
        }
        hosts->names[hosts->n++] = name;
        return 0;
}
