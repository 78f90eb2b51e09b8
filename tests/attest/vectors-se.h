/* The published files for Secure Execution, and the keys that their makers used. */
#pragma once

#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "base/bytes.h"
#include "base/clean-openssl.h"
#include "base/fd.h"
#include "tests/shared.h"

static inline struct cvm_bytes se_load(const char *name) {
        struct cvm_bytes bytes = { 0 };
        struct cvm_error err = { 0 };
        char path[256];

        snprintf(path, sizeof path, "vectors/se/%s", name);
        if (cvm_read_file(shared_path(path), 1 << 20, &bytes, &err) < 0)
                fail_msg("%s", err.text);
        return bytes;
}

/* The published customer key: its private number in 80 bytes, its coordinates in 160. */
static inline EVP_PKEY *se_customer_key(void) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes d = se_load("keys/private_cust.bin");
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes xy = se_load("keys/public_cust.bin");
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        CVM_CLEANUP(BN_freep) BIGNUM *private = BN_bin2bn(d.data, (int)d.size, NULL);
        EVP_PKEY *key = NULL;
        uint8_t point[133] = { 4 }, number[66];
        OSSL_PARAM parameters[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"P-521", 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
                OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, number, sizeof number),
                OSSL_PARAM_construct_end(),
        };

        memcpy(point + 1, xy.data + 14, 66);
        memcpy(point + 67, xy.data + 94, 66);
        BN_bn2nativepad(private, number, sizeof number);
        assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
        assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, parameters), 1);
        EVP_PKEY_CTX_free(ctx);
        return key;
}

static inline EVP_PKEY *se_host_key(const char *name) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = se_load(name);
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        CVM_CLEANUP(X509_freep) X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        assert_non_null(x509);
        return X509_get_pubkey(x509);
}
