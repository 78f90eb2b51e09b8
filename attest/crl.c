#include "attest/crl.h"

#include <errno.h>
#include <string.h>

#include <openssl/pem.h>

#include "attest/x509.h"

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_CRL, EBADMSG, "%s", what);
}

void crl_done(struct crl *crl) {
        X509_CRL_free(crl->crl);
        *crl = (struct crl){ 0 };
}

static X509_CRL *parse(const void *data, size_t size) {
        const uint8_t *p = data;
        CVM_CLEANUP(BIO_free_allp) BIO *bio = NULL;
        X509_CRL *crl;

        if (memmem(data, size, "-----BEGIN ", 11)) {
                bio = BIO_new_mem_buf(data, (int)size);
                return bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
        }
        crl = d2i_X509_CRL(NULL, &p, (long)size);
        if (crl && p == (const uint8_t *)data + size)
                return crl;
        X509_CRL_free(crl);
        return NULL;
}

/* A list that covers less than it seems to (indirect, of some reasons, a delta) says so by a critical one.
 */
static bool has_critical(const X509_CRL *crl) {
        for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
                if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i)))
                        return true;
        return false;
}

int crl_read(const void *data, size_t size, const struct crl_profile *profile, struct crl *ret,
             struct cvm_error *err) {
        CVM_CLEANUP(crl_done) struct crl crl = { 0 };
        const X509_ALGOR *algorithm = NULL;

        if (size > CRL_MAX)
                return refuse(err, "a revocation list is larger than any of the maker's");
        crl.crl = parse(data, size);
        if (!crl.crl)
                return refuse(err, "a revocation list is not well-formed");
        X509_CRL_get0_signature(crl.crl, NULL, &algorithm);
        if (!profile->algorithm_is_known(algorithm))
                return cvm_fail(err, &CVM_CODE_CRL, EBADMSG, "a revocation list is not signed by %s",
                                profile->algorithm);
        if (x509_read_time(X509_CRL_get0_lastUpdate(crl.crl), &crl.this_msec) < 0 ||
            x509_read_time(X509_CRL_get0_nextUpdate(crl.crl), &crl.next_msec) < 0)
                return refuse(err, "a revocation list lacks the dates of its validity");
        if (has_critical(crl.crl))
                return refuse(err,
                              "a revocation list has a critical extension, which none of the maker's has");
        *ret = crl;
        crl = (struct crl){ 0 };
        return 0;
}

bool crl_is_of(const struct crl *crl, const X509 *issuer) {
        return X509_NAME_cmp(X509_CRL_get_issuer(crl->crl), X509_get_subject_name(issuer)) == 0;
}

int crl_verify(const struct crl *crl, X509 *issuer, uint64_t now_msec, struct cvm_error *err) {
        if (!crl_is_of(crl, issuer))
                return refuse(err, "the revocation list is of another issuer than the certificates");
        if (X509_CRL_verify(crl->crl, X509_get0_pubkey(issuer)) != 1)
                return refuse(err, "the revocation list is not signed by the issuer of the certificates");
        if (now_msec < crl->this_msec || now_msec > crl->next_msec)
                return cvm_fail(err, &CVM_CODE_CRL_STALE, ETIME,
                                now_msec < crl->this_msec ? "the revocation list is not valid yet"
                                                          : "the revocation list is out of date");
        return 0;
}

/* An entry that "removes" a certificate from the list is one of deltas, which are refused: any entry counts.
 */
bool crl_has(const struct crl *crl, X509 *certificate) {
        X509_REVOKED *entry = NULL;

        return X509_CRL_get0_by_cert(crl->crl, &entry, certificate) != 0;
}
