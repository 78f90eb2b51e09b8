#include "attest/chain-snp.h"

#include <errno.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "attest/x509.h"

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG, "%s", what);
}

void snp_chain_done(struct snp_chain *chain) {
        for (size_t i = 0; i < SNP_ROLE_MAX_; i++)
                snp_certificate_done(&chain->all[i]);
        *chain = (struct snp_chain){ 0 };
}

/* The same certificate twice is no contradiction: a host's table and a cache may both bring it. */
static int add(struct snp_chain *chain, const struct cvm_bytes *der, struct cvm_error *err) {
        CVM_CLEANUP(snp_certificate_done) struct snp_certificate c = { 0 };
        struct snp_certificate *slot;
        int r = snp_certificate_read(der->data, der->size, &c, err);

        if (r < 0)
                return r;
        slot = &chain->all[c.role];
        if (slot->x509)
                return X509_cmp(slot->x509, c.x509) == 0
                                       ? 0
                                       : cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                                                  "there are two different %s certificates",
                                                  snp_role_texts[c.role]);
        *slot = c;
        c = (struct snp_certificate){ 0 };
        return 0;
}

static int pick(struct snp_chain *chain, enum snp_role role, const struct snp_certificate **ret,
                struct cvm_error *err) {
        if (!chain->all[role].x509)
                return cvm_fail(err, &CVM_CODE_CHAIN_MISSING, ENODATA, "the %s certificate is not there",
                                snp_role_texts[role]);
        *ret = &chain->all[role];
        return 0;
}

int snp_chain_read(const struct cvm_bytes *certificates, size_t n, bool vlek, struct snp_chain *ret,
                   struct cvm_error *err) {
        enum snp_role key = vlek ? SNP_ROLE_VLEK : SNP_ROLE_VCEK,
                      other = vlek ? SNP_ROLE_VCEK : SNP_ROLE_VLEK;
        int r = 0;

        *ret = (struct snp_chain){ 0 };
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add(ret, &certificates[i], err);
        if (r >= 0 && !ret->all[key].x509 && ret->all[other].x509)
                r = cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                             "the report says that a %s signed it, and there is only a %s",
                             snp_role_texts[key], snp_role_texts[other]);
        if (r >= 0)
                r = pick(ret, key, &ret->key, err);
        if (r >= 0)
                r = pick(ret, vlek ? SNP_ROLE_ASVK : SNP_ROLE_ASK, &ret->ca, err);
        if (r >= 0)
                r = pick(ret, SNP_ROLE_ARK, &ret->root, err);
        if (r < 0)
                snp_chain_done(ret);
        return r;
}

int snp_authorities_read(const struct cvm_bytes *certificates, size_t n, bool vlek, struct snp_chain *ret,
                         struct cvm_error *err) {
        int r = n == 2 ? 0
                       : refuse(err, "the maker's authorities are two certificates, and there are not two");

        *ret = (struct snp_chain){ 0 };
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add(ret, &certificates[i], err);
        if (r >= 0)
                r = pick(ret, vlek ? SNP_ROLE_ASVK : SNP_ROLE_ASK, &ret->ca, err);
        if (r >= 0)
                r = pick(ret, SNP_ROLE_ARK, &ret->root, err);
        if (r < 0)
                snp_chain_done(ret);
        return r;
}

/* Critical extensions were judged by snp_certificate_read, which knows the one that OpenSSL does not. */
static int verify_signatures(const struct snp_chain *chain, uint64_t now_msec, struct cvm_error *err) {
        X509 *links[] = { chain->key ? chain->key->x509 : NULL, chain->ca->x509, chain->root->x509 };
        const char *why;
        int r = x509_verify_links(links + !chain->key, ARRAY_SIZE(links) - !chain->key, now_msec, &why);

        if (r == -ENOMEM)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "verifying a certificate chain");
        return r < 0 ? cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                                "the certificate chain does not verify: %s", why)
                     : 0;
}

int snp_chain_verify(const struct snp_chain *chain, uint64_t now_msec, struct snp_chain_facts *ret,
                     struct cvm_error *err) {
        const struct snp_certificate *key = chain->key ? chain->key : chain->ca;
        int r = verify_signatures(chain, now_msec, err);

        if (r < 0)
                return r;
        if (X509_check_ca(chain->ca->x509) != 1)
                return refuse(err, "the ASK or ASVK may not issue certificates");
        if (key->product != chain->ca->product || chain->ca->product != chain->root->product)
                return refuse(err, "the certificates are of different products");
        if (key->simulated != chain->ca->simulated || key->simulated != chain->root->simulated)
                return refuse(err, "some certificates are of a simulation and some are not");
        if (x509_key_digest(chain->root->x509, ret->root) < 0)
                return refuse(err, "the root's public key has no usual form");
        ret->simulated = key->simulated;
        return 0;
}

bool snp_chain_is_current(const struct snp_chain *chain, uint64_t now_msec) {
        const struct snp_certificate *const links[] = { chain->key, chain->ca, chain->root };
        time_t now = (time_t)(now_msec / 1000);

        for (size_t i = 0; i < ARRAY_SIZE(links); i++) /* 1: later than that; 0: unreadable */
                if (X509_cmp_time(X509_get0_notBefore(links[i]->x509), &now) >= 0 ||
                    X509_cmp_time(X509_get0_notAfter(links[i]->x509), &now) <= 0)
                        return false;
        return true;
}
