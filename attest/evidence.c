#include "attest/evidence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "attest/evidence-se.h"
#include "attest/evidence-snp.h"
#include "attest/evidence-tdx.h"
#include "base/clean-openssl.h"

#define CERTIFICATES_MAX 16

static const struct evidence_ops *const technologies[] = {
        &evidence_snp,
        &evidence_tdx,
        &evidence_se,
};

const struct evidence_ops *evidence_ops_find(int platform) {
        for (size_t i = 0; i < ARRAY_SIZE(technologies); i++)
                if (technologies[i]->platform == platform)
                        return technologies[i];
        return NULL;
}

static int append_to(struct cvm_bytes **items, size_t *n, const void *data, size_t size) {
        struct cvm_bytes *grown = reallocarray(*items, *n + 1, sizeof *grown);
        int r;

        if (!grown)
                return -ENOMEM;
        *items = grown;
        r = cvm_bytes_copy(data, size, &grown[*n]);
        *n += r >= 0;
        return r;
}

static int append(struct bundle *bundle, const void *der, size_t size, struct cvm_error *err) {
        if (bundle->n_certificates >= CERTIFICATES_MAX)
                return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG, "there are more than %d certificates",
                                CERTIFICATES_MAX);
        return append_to(&bundle->certificates, &bundle->n_certificates, der, size);
}

static int append_pem(struct bundle *bundle, const void *pem, size_t size, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem, (int)size);
        size_t n = 0;
        int r = bio ? 0 : -ENOMEM;

        while (r >= 0) {
                char *name = NULL, *header = NULL;
                uint8_t *der = NULL;
                long der_size = 0;

                if (PEM_read_bio(bio, &name, &header, &der, &der_size) != 1)
                        break;
                n++;
                r = strcmp(name, PEM_STRING_X509) == 0 ? append(bundle, der, (size_t)der_size, err) : 0;
                OPENSSL_free(name);
                OPENSSL_free(header);
                OPENSSL_free(der);
        }
        if (r >= 0 && n == 0)
                return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG,
                                "there is no certificate in the PEM text");
        return r;
}

int evidence_add_certificate(struct bundle *bundle, const void *data, size_t size, struct cvm_error *err) {
        if (size > 64u << 10)
                return cvm_fail(err, &CVM_CODE_REPORT_CHAIN, EBADMSG, "a certificate has %zu bytes", size);
        if (memmem(data, size, "-----BEGIN ", 11))
                return append_pem(bundle, data, size, err);
        return append(bundle, data, size, err);
}

int evidence_add_revocation(struct bundle *bundle, const void *data, size_t size, struct cvm_error *err) {
        if (size > BUNDLE_REVOCATION_MAX)
                return cvm_fail(err, &CVM_CODE_CRL, EBADMSG,
                                "a list or document has %zu bytes, larger than any of the maker's", size);
        if (bundle->n_revocations >= BUNDLE_REVOCATIONS_MAX)
                return cvm_fail(err, &CVM_CODE_CRL, EBADMSG,
                                "there are more than %d of the maker's lists and documents",
                                BUNDLE_REVOCATIONS_MAX);
        return append_to(&bundle->revocations, &bundle->n_revocations, data, size);
}

int evidence_add_table(struct bundle *bundle, const void *table, size_t size, struct cvm_error *err) {
        const struct evidence_ops *ops = evidence_ops_find(bundle->platform);

        if (!ops)
                return cvm_fail(err, &CVM_CODE_EVIDENCE_PLATFORM, EOPNOTSUPP,
                                "evidence of platform '%s' cannot be checked here",
                                cvm_platform_texts[bundle->platform]);
        return size == 0 ? 0 : ops->certificates(table, size, bundle, err);
}
