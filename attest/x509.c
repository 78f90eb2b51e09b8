#include "attest/x509.h"

#include <errno.h>
#include <stdbool.h>

#include <openssl/x509_vfy.h>

static int verify(X509_STORE_CTX *ctx, size_t n, uint64_t now_msec, const char **ret_why) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_IGNORE_CRITICAL | X509_V_FLAG_CHECK_SS_SIGNATURE);
        X509_STORE_CTX_set_time(ctx, 0, (time_t)(now_msec / 1000));
        if (X509_verify_cert(ctx) != 1)
                *ret_why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
        else if ((size_t)sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) != n)
                *ret_why = "a certificate was not issued by the one behind it";
        else
                return 0;
        return -EBADMSG;
}

int x509_verify_links(X509 *const *links, size_t n, uint64_t now_msec, const char **ret_why) {
        CVM_CLEANUP(X509_STORE_freep) X509_STORE *store = X509_STORE_new();
        CVM_CLEANUP(X509_STORE_CTX_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        STACK_OF(X509) *between = sk_X509_new_null();
        bool good = store && ctx && between && X509_STORE_add_cert(store, links[n - 1]) == 1;
        int r = -ENOMEM;

        for (size_t i = 1; good && i + 1 < n; i++)
                good = sk_X509_push(between, links[i]) > 0;
        if (good && X509_STORE_CTX_init(ctx, store, links[0], between) == 1)
                r = verify(ctx, n, now_msec, ret_why);
        sk_X509_free(between);
        return r;
}

int x509_key_digest(const X509 *x509, uint8_t ret[CVM_SHA256_SIZE]) {
        uint8_t *spki = NULL;
        int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);

        if (size <= 0)
                return -EBADMSG;
        cvm_sha256(spki, (size_t)size, ret);
        OPENSSL_free(spki);
        return 0;
}

int x509_read_time(const ASN1_TIME *time, uint64_t *ret_msec) {
        struct tm tm;
        time_t seconds;

        if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
                return -EINVAL;
        seconds = timegm(&tm);
        if (seconds < 0)
                return -EINVAL;
        *ret_msec = (uint64_t)seconds * 1000;
        return 0;
}
