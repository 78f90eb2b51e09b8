#include "launch/id-block-snp.h"

#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>

#include "base/bytes.h"

#define VERSION 1
#define ALGORITHM_ECDSA_P384 1
#define CURVE_P384 2
#define NUMBER_SIZE 48 /* of a coordinate or half of a signature on P-384 */
#define FIELD_SIZE 72  /* what the formats keep for one, little-endian */
#define KEY_SIZE 0x404
#define SIGNATURE_SIZE 0x200
#define SIGNATURE_DER_MAX 112

/* Where the parts of an ID authentication stand; all between them is zero. */
enum {
        AT_ID_ALGORITHM = 0x000,
        AT_AUTHOR_ALGORITHM = 0x004,
        AT_BLOCK_SIGNATURE = 0x040,
        AT_ID_KEY = 0x240,
        AT_KEY_SIGNATURE = 0x680,
        AT_AUTHOR_KEY = 0x880,
};

static int put_number(const BIGNUM *n, uint8_t at[FIELD_SIZE]) {
        return BN_num_bytes(n) <= NUMBER_SIZE && BN_bn2lebinpad(n, at, FIELD_SIZE) == FIELD_SIZE ? 0
                                                                                                 : -EINVAL;
}

static int put_key(EVP_PKEY *key, const char *what, uint8_t at[KEY_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(BN_freep) BIGNUM *x = NULL;
        CVM_CLEANUP(BN_freep) BIGNUM *y = NULL;
        char group[32] = "";

        if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
            EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) !=
                            1 ||
            strcmp(group, "secp384r1") != 0)
                return cvm_fail(err, &CVM_CODE_ID_KEY, EINVAL, "the %s is no key on P-384", what);
        if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) != 1 ||
            EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) != 1)
                return cvm_fail(err, &CVM_CODE_ID_KEY, EINVAL, "the %s has no public half", what);
        memset(at, 0, KEY_SIZE);
        at[0] = CURVE_P384;
        return put_number(x, at + 4) < 0 || put_number(y, at + 4 + FIELD_SIZE) < 0 ? -EINVAL : 0;
}

static int sign(EVP_PKEY *key, const uint8_t *data, size_t size, uint8_t at[SIGNATURE_SIZE],
                struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        CVM_CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *signature = NULL;
        uint8_t der[SIGNATURE_DER_MAX];
        const uint8_t *p = der;
        size_t n = sizeof der;

        if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key) != 1 ||
            EVP_DigestSign(ctx, der, &n, data, size) != 1)
                return cvm_fail(err, &CVM_CODE_ID_KEY, EINVAL,
                                "the key does not sign: is it a private one?");
        signature = d2i_ECDSA_SIG(NULL, &p, (long)n);
        if (!signature)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "signing");
        memset(at, 0, SIGNATURE_SIZE);
        return put_number(ECDSA_SIG_get0_r(signature), at) < 0 ||
                                               put_number(ECDSA_SIG_get0_s(signature), at + FIELD_SIZE) < 0
                               ? -EINVAL
                               : 0;
}

static int write_block(const struct snp_id_block *block, uint8_t ret[SNP_ID_BLOCK_SIZE]) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        int r;

        cvm_write_copy(&w, block->digest, sizeof block->digest);
        cvm_write_copy(&w, block->family_id, sizeof block->family_id);
        cvm_write_copy(&w, block->image_id, sizeof block->image_id);
        cvm_write_u32le(&w, VERSION);
        cvm_write_u32le(&w, block->guest_svn);
        cvm_write_u64le(&w, block->policy);
        r = cvm_writer_take(&w, &bytes);
        if (r >= 0)
                memcpy(ret, bytes.data, SNP_ID_BLOCK_SIZE);
        return r;
}

int snp_id_block_make(const struct snp_id_block *block, EVP_PKEY *id_key, EVP_PKEY *author_key,
                      uint8_t ret_block[SNP_ID_BLOCK_SIZE], uint8_t ret_auth[SNP_ID_AUTH_SIZE],
                      struct cvm_error *err) {
        uint8_t *auth = ret_auth;
        int r = write_block(block, ret_block);

        memset(auth, 0, SNP_ID_AUTH_SIZE);
        auth[AT_ID_ALGORITHM] = ALGORITHM_ECDSA_P384;
        if (r >= 0)
                r = put_key(id_key, "ID key", auth + AT_ID_KEY, err);
        if (r >= 0)
                r = sign(id_key, ret_block, SNP_ID_BLOCK_SIZE, auth + AT_BLOCK_SIGNATURE, err);
        if (r < 0 || !author_key)
                return r < 0 ? cvm_while(err, r, "the ID block") : 0;
        auth[AT_AUTHOR_ALGORITHM] = ALGORITHM_ECDSA_P384;
        r = put_key(author_key, "author key", auth + AT_AUTHOR_KEY, err);
        if (r >= 0)
                r = sign(author_key, auth + AT_ID_KEY, KEY_SIZE, auth + AT_KEY_SIGNATURE, err);
        return r < 0 ? cvm_while(err, r, "the author's signature") : 0;
}

/* --- reading --- */

int snp_id_block_read(const uint8_t *bytes, size_t size, struct snp_id_block *ret, struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(bytes, size);
        struct snp_id_block block;
        uint32_t version;

        if (size != SNP_ID_BLOCK_SIZE)
                return cvm_fail(err, &CVM_CODE_ID_BLOCK, EINVAL, "an ID block has %d bytes, not %zu",
                                SNP_ID_BLOCK_SIZE, size);
        cvm_read_copy(&r, block.digest, sizeof block.digest);
        cvm_read_copy(&r, block.family_id, sizeof block.family_id);
        cvm_read_copy(&r, block.image_id, sizeof block.image_id);
        version = cvm_read_u32le(&r);
        block.guest_svn = cvm_read_u32le(&r);
        block.policy = cvm_read_u64le(&r);
        if (version != VERSION)
                return cvm_fail(err, &CVM_CODE_ID_BLOCK, EINVAL, "the ID block is of version %u, not %d",
                                version, VERSION);
        *ret = block;
        return 0;
}

/* OpenSSL's point in the uncompressed form: 4, X, Y, big-endian. */
static int get_key(const uint8_t at[KEY_SIZE], EVP_PKEY **ret) {
        CVM_CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        uint8_t point[1 + 2 * NUMBER_SIZE] = { 4 };
        OSSL_PARAM parameters[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"secp384r1", 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
                OSSL_PARAM_construct_end(),
        };

        for (size_t half = 0; half < 2; half++)
                for (size_t i = 0; i < NUMBER_SIZE; i++)
                        point[1 + half * NUMBER_SIZE + i] = at[4 + half * FIELD_SIZE + NUMBER_SIZE - 1 - i];
        if (!ctx)
                return -ENOMEM;
        return EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY,
                                                                     parameters) == 1
                               ? 0
                               : -EINVAL;
}

/* A curve, two coordinates that fit, and zeros. */
static bool key_is_formed(const uint8_t at[KEY_SIZE]) {
        return at[0] == CURVE_P384 && cvm_is_zero(at + 1, 3) &&
               cvm_is_zero(at + 4 + NUMBER_SIZE, FIELD_SIZE - NUMBER_SIZE) &&
               cvm_is_zero(at + 4 + FIELD_SIZE + NUMBER_SIZE, KEY_SIZE - 4 - FIELD_SIZE - NUMBER_SIZE);
}

static bool signature_is_formed(const uint8_t at[SIGNATURE_SIZE]) {
        return cvm_is_zero(at + NUMBER_SIZE, FIELD_SIZE - NUMBER_SIZE) &&
               cvm_is_zero(at + FIELD_SIZE + NUMBER_SIZE, SIGNATURE_SIZE - FIELD_SIZE - NUMBER_SIZE);
}

static bool verifies(const uint8_t *key_at, const uint8_t *signature_at, const uint8_t *data, size_t size) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *signature = ECDSA_SIG_new();
        BIGNUM *r = BN_lebin2bn(signature_at, NUMBER_SIZE, NULL),
               *s = BN_lebin2bn(signature_at + FIELD_SIZE, NUMBER_SIZE, NULL);
        uint8_t der[SIGNATURE_DER_MAX], *p = der;
        int n;

        if (!signature || !r || !s || ECDSA_SIG_set0(signature, r, s) != 1) {
                BN_free(r);
                BN_free(s);
                return false;
        }
        n = i2d_ECDSA_SIG(signature, &p);
        return n > 0 && ctx && get_key(key_at, &key) >= 0 &&
               EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL, key) == 1 &&
               EVP_DigestVerify(ctx, der, (size_t)n, data, size) == 1;
}

static bool part_is_zero(const uint8_t *auth, size_t from, size_t to) {
        return cvm_is_zero(auth + from, to - from);
}

static int check_auth(const uint8_t *block, const uint8_t *auth, bool has_author, struct cvm_error *err) {
        const uint8_t *id_key = auth + AT_ID_KEY, *author_key = auth + AT_AUTHOR_KEY,
                      *block_signature = auth + AT_BLOCK_SIGNATURE, *key_signature = auth + AT_KEY_SIGNATURE;
        const struct {
                bool holds;
                const char *what;
        } rules[] = {
                { auth[AT_ID_ALGORITHM] == ALGORITHM_ECDSA_P384 && part_is_zero(auth, 1, 4),
                  "the ID key's algorithm is not ECDSA P-384" },
                { auth[AT_AUTHOR_ALGORITHM] <= ALGORITHM_ECDSA_P384 &&
                                  part_is_zero(auth, 5, AT_BLOCK_SIGNATURE),
                  "the author key's algorithm is not ECDSA P-384" },
                { part_is_zero(auth, AT_ID_KEY + KEY_SIZE, AT_KEY_SIGNATURE) &&
                                  part_is_zero(auth, AT_AUTHOR_KEY + KEY_SIZE, SNP_ID_AUTH_SIZE),
                  "reserved bytes of the ID authentication are not zero" },
                { key_is_formed(id_key), "the ID key is none on P-384" },
                { signature_is_formed(block_signature), "the ID block's signature is none" },
                { verifies(id_key, block_signature, block, SNP_ID_BLOCK_SIZE),
                  "the ID block is not signed by its ID key" },
                { !has_author || key_is_formed(author_key), "the author key is none on P-384" },
                { !has_author || signature_is_formed(key_signature), "the author's signature is none" },
                { !has_author || verifies(author_key, key_signature, id_key, KEY_SIZE),
                  "the ID key is not signed by the author key" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
                if (!rules[i].holds)
                        return cvm_fail(err, &CVM_CODE_ID_BLOCK, EBADMSG, "%s", rules[i].what);
        return 0;
}

int snp_id_block_verify(const uint8_t *block, size_t block_size, const uint8_t *auth, size_t auth_size,
                        struct snp_id_block *ret, struct snp_id_keys *ret_keys, struct cvm_error *err) {
        uint8_t whole[SNP_ID_AUTH_SIZE] = { 0 };
        struct snp_id_keys keys = { 0 };
        int r = snp_id_block_read(block, block_size, ret, err);

        if (r >= 0 && auth_size > sizeof whole)
                r = cvm_fail(err, &CVM_CODE_ID_BLOCK, EINVAL,
                             "an ID authentication has at most %d bytes, not %zu", SNP_ID_AUTH_SIZE,
                             auth_size);
        if (r < 0)
                return r;
        memcpy(whole, auth, auth_size);
        keys.has_author = !cvm_is_zero(whole + AT_KEY_SIGNATURE, SNP_ID_AUTH_SIZE - AT_KEY_SIGNATURE);
        r = check_auth(block, whole, keys.has_author, err);
        if (r < 0)
                return r;
        cvm_sha384(whole + AT_ID_KEY, KEY_SIZE, keys.id_key);
        if (keys.has_author)
                cvm_sha384(whole + AT_AUTHOR_KEY, KEY_SIZE, keys.author_key);
        if (ret_keys)
                *ret_keys = keys;
        return 0;
}
