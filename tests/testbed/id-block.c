#include "tests/testbed/id-block.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/clean-openssl.h"
#include "tests/testbed/firmware-error.h"

#define KEY_SIZE 0x404
#define SIGNATURE_SIZE 0x200
#define NUMBER_SIZE 72 /* of a coordinate, or of a half of a signature: little-endian, P-384 fills 48 */
#define CURVE_P384 2

enum {
        AUTH_ID_ALGORITHM = 0x000,
        AUTH_AUTHOR_ALGORITHM = 0x004,
        AUTH_BLOCK_SIGNATURE = 0x040,
        AUTH_ID_KEY = 0x240,
        AUTH_KEY_SIGNATURE = 0x680,
        AUTH_AUTHOR_KEY = 0x880,
};

static uint32_t u32(const uint8_t *at) {
        uint32_t v;

        memcpy(&v, at, sizeof v);
        return v;
}

CVM_DEFINE_CLEANUP_VOID(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free);
CVM_DEFINE_CLEANUP_VOID(OSSL_PARAM, OSSL_PARAM_free);

/* NULL when the bytes are no point of the curve. */
static EVP_PKEY *key_of(const uint8_t key[KEY_SIZE]) {
        CVM_CLEANUP(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        CVM_CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        CVM_CLEANUP(OSSL_PARAM_freep) OSSL_PARAM *parameters = NULL;
        EVP_PKEY *ret = NULL;
        uint8_t point[97] = { 4 };

        for (size_t i = 0; i < 48; i++) {
                point[1 + i] = key[4 + 47 - i];
                point[49 + i] = key[4 + NUMBER_SIZE + 47 - i];
        }
        if (u32(key) != CURVE_P384 || !build || !context)
                return NULL;
        if (!OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-384", 0) ||
            !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point))
                return NULL;
        parameters = OSSL_PARAM_BLD_to_param(build);
        if (!parameters || EVP_PKEY_fromdata_init(context) != 1 ||
            EVP_PKEY_fromdata(context, &ret, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
                return NULL;
        return ret;
}

static bool is_signed(const uint8_t *data, size_t size, const uint8_t signature[SIGNATURE_SIZE],
                      const uint8_t key_bytes[KEY_SIZE]) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = key_of(key_bytes);
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
        CVM_CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *pair = ECDSA_SIG_new();
        uint8_t der[128], *end = der;
        int length;

        if (!key || !md || !pair ||
            !ECDSA_SIG_set0(pair, BN_lebin2bn(signature, NUMBER_SIZE, NULL),
                            BN_lebin2bn(signature + NUMBER_SIZE, NUMBER_SIZE, NULL)))
                return false;
        length = i2d_ECDSA_SIG(pair, NULL);
        if (length <= 0 || (size_t)length > sizeof der)
                return false; /* numbers above the curve's size */
        i2d_ECDSA_SIG(pair, &end);
        return EVP_DigestVerifyInit(md, NULL, EVP_sha384(), NULL, key) == 1 &&
               EVP_DigestVerify(md, der, (size_t)length, data, size) == 1;
}

static uint32_t check_author(const uint8_t *auth, struct id *id) {
        if (u32(auth + AUTH_AUTHOR_ALGORITHM) != 1)
                return FIRMWARE_INVALID_PARAMETER;
        if (!is_signed(auth + AUTH_ID_KEY, KEY_SIZE, auth + AUTH_KEY_SIGNATURE, auth + AUTH_AUTHOR_KEY))
                return FIRMWARE_BAD_SIGNATURE;
        id->has_author = true;
        sha384(auth + AUTH_AUTHOR_KEY, KEY_SIZE, id->author_digest);
        return 0;
}

uint32_t id_block_check(const uint8_t block[ID_BLOCK_SIZE], const uint8_t auth[ID_AUTH_SIZE],
                        bool has_author, const uint8_t measurement[DIGEST_SIZE], uint64_t policy,
                        struct id *ret) {
        struct id id = { .guest_svn = u32(block + 0x54) };

        if (memcmp(block, measurement, DIGEST_SIZE) != 0)
                return FIRMWARE_BAD_MEASUREMENT;
        if (memcmp(block + 0x58, &policy, sizeof policy) != 0)
                return FIRMWARE_POLICY_FAILURE;
        if (u32(block + 0x50) != 1)
                return FIRMWARE_BAD_VERSION;
        if (u32(auth + AUTH_ID_ALGORITHM) != 1)
                return FIRMWARE_INVALID_PARAMETER;
        if (!is_signed(block, ID_BLOCK_SIZE, auth + AUTH_BLOCK_SIGNATURE, auth + AUTH_ID_KEY))
                return FIRMWARE_BAD_SIGNATURE;
        sha384(auth + AUTH_ID_KEY, KEY_SIZE, id.key_digest);
        memcpy(id.family_id, block + 0x30, sizeof id.family_id);
        memcpy(id.image_id, block + 0x40, sizeof id.image_id);
        if (has_author) {
                uint32_t error = check_author(auth, &id);

                if (error)
                        return error;
        }
        *ret = id;
        return 0;
}
