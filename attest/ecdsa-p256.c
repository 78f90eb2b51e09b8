#include "attest/ecdsa-p256.h"

#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/params.h>

#define NUMBER_SIZE (P256_SIZE / 2)
#define SIGNATURE_DER_MAX 80 /* a sequence of two integers of at most 33 bytes */

static bool lacked_memory(void) {
        bool lacked = false;

        for (unsigned long e; (e = ERR_get_error());)
                lacked |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
        return lacked;
}

int p256_key(const uint8_t point[P256_SIZE], EVP_PKEY **ret) {
        CVM_CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        uint8_t octets[1 + P256_SIZE] = { 0x04 }; /* uncompressed */
        char group[] = SN_X9_62_prime256v1;
        OSSL_PARAM parameters[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, octets, sizeof octets),
                OSSL_PARAM_construct_end(),
        };
        EVP_PKEY *key = NULL;

        memcpy(octets + 1, point, P256_SIZE);
        ERR_clear_error();
        if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1)
                return -ENOMEM;
        if (EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
                return lacked_memory() ? -ENOMEM : -EINVAL;
        *ret = key;
        return 0;
}

bool p256_is_key(EVP_PKEY *key) {
        char group[32] = "";

        return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
               EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) ==
                               1 &&
               strcmp(group, SN_X9_62_prime256v1) == 0;
}

/* The shortest form, and never negative. */
static size_t put_integer(const uint8_t number[NUMBER_SIZE], uint8_t *ret) {
        size_t skip = 0, zero, size;

        while (skip < NUMBER_SIZE - 1 && !number[skip])
                skip++;
        zero = number[skip] >> 7;
        size = NUMBER_SIZE - skip;
        ret[0] = V_ASN1_INTEGER;
        ret[1] = (uint8_t)(zero + size);
        ret[2] = 0;
        memcpy(ret + 2 + zero, number + skip, size);
        return 2 + zero + size;
}

static size_t signature_der(const uint8_t signature[P256_SIZE], uint8_t ret[SIGNATURE_DER_MAX]) {
        size_t size = put_integer(signature, ret + 2);

        size += put_integer(signature + NUMBER_SIZE, ret + 2 + size);
        ret[0] = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
        ret[1] = (uint8_t)size;
        return 2 + size;
}

int p256_verify(EVP_PKEY *key, const uint8_t signature[P256_SIZE], const void *data, size_t size) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        uint8_t der[SIGNATURE_DER_MAX];
        size_t der_size = signature_der(signature, der);

        if (!ctx)
                return -ENOMEM;
        ERR_clear_error();
        if (EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
            EVP_DigestVerify(ctx, der, der_size, data, size) == 1)
                return 0;
        return lacked_memory() ? -ENOMEM : -EBADMSG;
}

int p256_point(EVP_PKEY *key, uint8_t ret[P256_SIZE]) {
        uint8_t octets[1 + P256_SIZE];
        size_t size = 0;

        if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, octets, sizeof octets, &size) !=
                            1 ||
            size != sizeof octets)
                return -EIO;
        memcpy(ret, octets + 1, P256_SIZE);
        return 0;
}

int p256_sign(EVP_PKEY *key, const void *data, size_t size, uint8_t ret[P256_SIZE]) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        CVM_CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *numbers = NULL;
        uint8_t der[SIGNATURE_DER_MAX];
        const uint8_t *p = der;
        size_t der_size = sizeof der;

        if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
            EVP_DigestSign(ctx, der, &der_size, data, size) != 1)
                return -EIO;
        numbers = d2i_ECDSA_SIG(NULL, &p, (long)der_size);
        return numbers && BN_bn2binpad(ECDSA_SIG_get0_r(numbers), ret, NUMBER_SIZE) > 0 &&
                                               BN_bn2binpad(ECDSA_SIG_get0_s(numbers), ret + NUMBER_SIZE,
                                                            NUMBER_SIZE) > 0
                               ? 0
                               : -EIO;
}
