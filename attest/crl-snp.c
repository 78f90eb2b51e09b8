#include "attest/crl-snp.h"

#include <errno.h>
#include <string.h>

#include <openssl/pem.h>

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_CRL, EBADMSG, "%s", what);
}

void snp_crl_done(struct snp_crl *crl) {
        X509_CRL_free(crl->crl);
        *crl = (struct snp_crl){ 0 };
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

static int read_time(const ASN1_TIME *time, uint64_t *ret) {
        struct tm tm;
        time_t seconds;

        if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
                return -EINVAL;
        seconds = timegm(&tm);
        if (seconds < 0)
                return -EINVAL;
        *ret = (uint64_t)seconds * 1000;
        return 0;
}

/* A list that covers less than it seems to (indirect, of some reasons, a delta) says so by a critical one.
 */
static bool has_critical(const X509_CRL *crl) {
        for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
                if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i)))
                        return true;
        return false;
}

int snp_crl_read(const void *data, size_t size, struct snp_crl *ret, struct cvm_error *err) {
        CVM_CLEANUP(snp_crl_done) struct snp_crl crl = { 0 };
        const X509_ALGOR *algorithm = NULL;

        if (size > SNP_CRL_MAX)
                return refuse(err, "a revocation list is larger than any of the maker's");
        crl.crl = parse(data, size);
        if (!crl.crl)
                return refuse(err, "a revocation list is not well-formed");
        X509_CRL_get0_signature(crl.crl, NULL, &algorithm);
        if (!snp_algorithm_is_pss(algorithm))
                return refuse(err, "a revocation list is not signed by RSASSA-PSS with SHA-384 and salt 48");
        if (read_time(X509_CRL_get0_lastUpdate(crl.crl), &crl.this_msec) < 0 ||
            read_time(X509_CRL_get0_nextUpdate(crl.crl), &crl.next_msec) < 0)
                return refuse(err, "a revocation list lacks the dates of its validity");
        if (has_critical(crl.crl))
                return refuse(err,
                              "a revocation list has a critical extension, which none of the maker's has");
        *ret = crl;
        crl = (struct snp_crl){ 0 };
        return 0;
}

/* An entry that "removes" a certificate from the list is one of deltas, which are refused: any entry counts.
 */
static bool is_revoked(X509_CRL *crl, const struct snp_certificate *certificate) {
        X509_REVOKED *entry = NULL;

        return X509_CRL_get0_by_cert(crl, &entry, certificate->x509) != 0;
}

int snp_crl_verify(const struct snp_crl *crl, const struct snp_certificate *root, uint64_t now_msec,
                   struct cvm_error *err) {
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl->crl), X509_get_subject_name(root->x509)) != 0)
                return refuse(err, "the revocation list is of another root than the certificates");
        if (X509_CRL_verify(crl->crl, X509_get0_pubkey(root->x509)) != 1)
                return refuse(err, "the revocation list is not signed by the root of the certificates");
        if (now_msec < crl->this_msec || now_msec >= crl->next_msec)
                return cvm_fail(err, &CVM_CODE_CRL_STALE, ETIME,
                                now_msec < crl->this_msec ? "the revocation list is not valid yet"
                                                          : "the revocation list is out of date");
        return 0;
}

int snp_crl_check(const struct snp_crl *crl, const struct snp_chain *chain, struct cvm_error *err) {
        const struct snp_certificate *const links[] = { chain->ca, chain->root };

        for (size_t i = 0; i < ARRAY_SIZE(links); i++)
                if (is_revoked(crl->crl, links[i]))
                        return cvm_fail(err, &CVM_CODE_REVOKED, EKEYREVOKED, "the %s certificate is revoked",
                                        snp_role_texts[links[i]->role]);
        return 0;
}
