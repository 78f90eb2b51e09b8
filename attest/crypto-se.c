#include "attest/crypto-se.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>

#include "base/bytes.h"

#define COORDINATE_SIZE (SE_COORDINATES_SIZE / 2)
#define SHARED_SIZE 66 /* the X coordinate of a point on P-521 */

int se_coordinates(EVP_PKEY *key, const char *what, uint8_t ret[SE_COORDINATES_SIZE],
                   struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;
        CVM_CLEANUP(BN_freep) BIGNUM *x = NULL;
        CVM_CLEANUP(BN_freep) BIGNUM *y = NULL;
        char group[32] = "";

        if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
            EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) !=
                            1 ||
            strcmp(group, "secp521r1") != 0)
                return cvm_fail(err, &CVM_CODE_HOST_KEY, EINVAL, "the key of '%s' is not on P-521", what);
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
        if (!ctx || EVP_PKEY_public_check(ctx) != 1 ||
            EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) != 1 ||
            EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) != 1)
                return cvm_fail(err, &CVM_CODE_HOST_KEY, EINVAL, "the key of '%s' is no point on P-521",
                                what);
        BN_bn2binpad(x, ret, COORDINATE_SIZE);
        BN_bn2binpad(y, ret + COORDINATE_SIZE, COORDINATE_SIZE);
        return 0;
}

int se_customer_key_make(EVP_PKEY **ret, struct cvm_error *err) {
        *ret = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
        return *ret ? 0 : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a customer key");
}

/* One round of the X9.63 derivation, its counter last. */
static int agree(EVP_PKEY *own, EVP_PKEY *peer, uint8_t ret[SE_KEY_SIZE]) {
        CVM_CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
        uint8_t shared[SHARED_SIZE + 4] = { [SHARED_SIZE + 3] = 1 };
        size_t size = SHARED_SIZE;
        bool good = ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
                    EVP_PKEY_derive(ctx, shared, &size) == 1 && size == SHARED_SIZE;

        if (good)
                cvm_sha256(shared, sizeof shared, ret);
        OPENSSL_cleanse(shared, sizeof shared);
        return good ? 0 : -EINVAL;
}

int se_slot_make(EVP_PKEY *customer, EVP_PKEY *host, const uint8_t protection_key[SE_KEY_SIZE],
                 uint8_t ret[SE_SLOT_SIZE], struct cvm_error *err) {
        static const uint8_t iv[SE_IV_SIZE];
        uint8_t coordinates[SE_COORDINATES_SIZE], kek[SE_KEY_SIZE];
        const struct se_gcm gcm = { .key = kek, .iv = iv, .data = protection_key, .size = SE_KEY_SIZE };
        int r = se_coordinates(host, "a host", coordinates, err);

        if (r < 0)
                return r;
        cvm_sha256(coordinates, sizeof coordinates, ret);
        r = agree(customer, host, kek);
        if (r >= 0)
                r = se_gcm_seal(&gcm, ret + CVM_SHA256_SIZE, ret + CVM_SHA256_SIZE + SE_KEY_SIZE);
        OPENSSL_cleanse(kek, sizeof kek);
        return r < 0 ? cvm_while(err, r, "wrapping a key for a host") : 0;
}

/* NULL: they are no point on the curve. Owned. */
static EVP_PKEY *public_key(const uint8_t coordinates[SE_COORDINATES_SIZE]) {
        CVM_CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        uint8_t point[1 + 2 * SHARED_SIZE] = { POINT_CONVERSION_UNCOMPRESSED };
        const size_t padding = COORDINATE_SIZE - SHARED_SIZE;
        OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"P-521", 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
                OSSL_PARAM_construct_end(),
        };
        EVP_PKEY *key = NULL;

        if (!cvm_is_zero(coordinates, padding) || !cvm_is_zero(coordinates + COORDINATE_SIZE, padding))
                return NULL;
        memcpy(point + 1, coordinates + padding, SHARED_SIZE);
        memcpy(point + 1 + SHARED_SIZE, coordinates + COORDINATE_SIZE + padding, SHARED_SIZE);
        return ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
                                               EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1
                               ? key
                               : NULL;
}

int se_slot_open(EVP_PKEY *host, const uint8_t customer[SE_COORDINATES_SIZE], const uint8_t *slots,
                 size_t n_slots, uint8_t ret[SE_KEY_SIZE], struct cvm_error *err) {
        static const uint8_t iv[SE_IV_SIZE];
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *peer = public_key(customer);
        uint8_t coordinates[SE_COORDINATES_SIZE], hash[CVM_SHA256_SIZE], kek[SE_KEY_SIZE];
        struct se_gcm gcm = { .key = kek, .iv = iv, .size = SE_KEY_SIZE };
        const uint8_t *slot = slots;
        int r = se_coordinates(host, "the host", coordinates, err);

        if (r < 0)
                return r;
        cvm_sha256(coordinates, sizeof coordinates, hash);
        while (slot < slots + n_slots * SE_SLOT_SIZE && memcmp(slot, hash, sizeof hash) != 0)
                slot += SE_SLOT_SIZE;
        if (slot == slots + n_slots * SE_SLOT_SIZE)
                return cvm_fail(err, &CVM_CODE_HOST_KEY_SLOT, ENOKEY,
                                "none of its key slots is for this host's key");
        gcm.data = slot + CVM_SHA256_SIZE;
        if (!peer || agree(host, peer, kek) < 0 ||
            se_gcm_open(&gcm, slot + CVM_SHA256_SIZE + SE_KEY_SIZE, ret) < 0)
                r = cvm_fail(err, &CVM_CODE_IMAGE_CHANGED, EBADMSG,
                             "its key slot for this host does not open: it, or the customer key, was changed");
        OPENSSL_cleanse(kek, sizeof kek);
        return r;
}

/* --- AES-256-GCM --- */

static bool run(EVP_CIPHER_CTX *ctx, const struct se_gcm *gcm, int encrypt, uint8_t *ret) {
        int n;

        return ctx && gcm->aad_size <= INT32_MAX && gcm->size <= INT32_MAX &&
               EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, gcm->key, gcm->iv, encrypt) == 1 &&
               (!gcm->aad_size || EVP_CipherUpdate(ctx, NULL, &n, gcm->aad, (int)gcm->aad_size) == 1) &&
               (!gcm->size || EVP_CipherUpdate(ctx, ret, &n, gcm->data, (int)gcm->size) == 1);
}

int se_gcm_seal(const struct se_gcm *gcm, uint8_t *ret_data, uint8_t ret_tag[SE_TAG_SIZE]) {
        CVM_CLEANUP(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        uint8_t none[16];
        int n;

        return run(ctx, gcm, 1, ret_data) && EVP_CipherFinal_ex(ctx, none, &n) == 1 &&
                                               EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SE_TAG_SIZE,
                                                                   ret_tag) == 1
                               ? 0
                               : -ENOMEM;
}

int se_gcm_open(const struct se_gcm *gcm, const uint8_t tag[SE_TAG_SIZE], uint8_t *ret_data) {
        CVM_CLEANUP(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        uint8_t none[16];
        int n;

        if (run(ctx, gcm, 0, ret_data) &&
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SE_TAG_SIZE, (void *)tag) == 1 &&
            EVP_CipherFinal_ex(ctx, none, &n) == 1)
                return 0;
        OPENSSL_cleanse(ret_data, gcm->size);
        return -EBADMSG;
}
