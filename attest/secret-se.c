#include "attest/secret-se.h"

#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rsa.h>

#define AT_USER_DATA (0x218 - 0x30)
#define RESERVED_SIZE 256
#define PLAINTEXT_MAX 8190
#define EC_SIGNATURE_MAX 139
#define EC_SIZE_AT 400 /* the length of the signature, behind it */
#define MAGIC "asrcbM"

enum { TYPE_PLAINTEXT = 3 };

const struct se_secret_type se_secret_types[] = {
        { "meta", SE_SECRET_META, 0, false },
        { "association", 2, 32, true },
        { "plaintext", TYPE_PLAINTEXT, 0, true },
        { "aes-128", 4, 16, true },
        { "aes-192", 5, 24, true },
        { "aes-256", 6, 32, true },
        { "aes-xts-128", 7, 32, true },
        { "aes-xts-256", 8, 64, true },
        { "hmac-sha-256", 9, 64, true },
        { "hmac-sha-512", 10, 128, true },
        { "ec-p256", 0x11, 32, true },
        { "ec-p384", 0x12, 48, true },
        { "ec-p521", 0x13, 80, true },
        { "ed25519", 0x14, 32, true },
        { "ed448", 0x15, 64, true },
        { "cck-update", SE_SECRET_CCK_UPDATE, 32, true },
        { NULL, 0, 0, false },
};

/* Private numbers that are shorter than their field. */
static const struct { uint16_t type, size; } numbers[] = { { 0x13, 66 }, { 0x15, 57 } };

/* Where user data and its signature stand in their 512 bytes, by how it is signed. */
static const struct {
        size_t data, signature;
        int bits; /* of the key */
} forms[] = {
        [SE_USER_NONE] = { 0, 0, 0 },           [SE_USER_UNSIGNED] = { 512, 0, 0 },
        [SE_USER_EC] = { 256, 139, 521 },       [SE_USER_RSA2048] = { 256, 256, 2048 },
        [SE_USER_RSA3072] = { 128, 384, 3072 },
};

const struct se_secret_type *se_secret_type_find(const char *name) {
        for (const struct se_secret_type *type = se_secret_types; type->name; type++)
                if (strcmp(type->name, name) == 0)
                        return type;
        return NULL;
}

int se_secret_id(const char *name, bool raw, uint8_t ret[SE_SECRET_ID_SIZE]) {
        size_t length = strlen(name);

        if (!length)
                return -EINVAL;
        if (!raw) {
                cvm_sha256(name, length, ret);
                return 0;
        }
        if (length >= SE_SECRET_ID_SIZE)
                return -EINVAL;
        memset(ret, 0, SE_SECRET_ID_SIZE);
        memcpy(ret, name, length);
        return 0;
}

int se_extension_secret(const uint8_t cck[SE_KEY_SIZE], const uint8_t tag[SE_TAG_SIZE],
                        uint8_t ret[SE_EXTENSION_SIZE]) {
        CVM_CLEANUP(EVP_KDF_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
        CVM_CLEANUP(EVP_KDF_CTX_freep) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
        char info[] = "IBM Z Ultravisor Add-Secret";
        OSSL_PARAM parameters[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA512", 0),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)cck, SE_KEY_SIZE),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)tag, SE_TAG_SIZE),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof info - 1),
                OSSL_PARAM_construct_end(),
        };

        return ctx && EVP_KDF_derive(ctx, ret, SE_EXTENSION_SIZE, parameters) == 1 ? 0 : -ENOMEM;
}

/* --- making --- */

static int refuse_form(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_SECRET_FORM, EINVAL, "%s", what);
}

/* By the kind and size of the key alone. */
static int form_of_key(EVP_PKEY *key, enum se_user_data *ret, struct cvm_error *err) {
        char group[32] = "";

        if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
            EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) ==
                            1 &&
            strcmp(group, "secp521r1") == 0) {
                *ret = SE_USER_EC;
                return 0;
        }
        for (enum se_user_data form = SE_USER_RSA2048; form <= SE_USER_RSA3072; form++)
                if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
                    EVP_PKEY_get_bits(key) == forms[form].bits) {
                        *ret = form;
                        return 0;
                }
        return cvm_fail(err, &CVM_CODE_USER_KEY, EINVAL,
                        "the key of user data is neither on P-521 nor RSA of 2048 or 3072 bits");
}

static int pick_form(const struct se_secret *s, enum se_user_data *ret, struct cvm_error *err) {
        int r = 0;

        *ret = s->user_data_size ? SE_USER_UNSIGNED : SE_USER_NONE;
        if (s->user_key)
                r = form_of_key(s->user_key, ret, err);
        if (r >= 0 && s->user_data_size > forms[*ret].data)
                r = cvm_fail(err, &CVM_CODE_SECRET_FORM, EINVAL,
                             "user data of that kind has at most %zu bytes, not %zu", forms[*ret].data,
                             s->user_data_size);
        return r;
}

/* What is sealed: the secret in the form of its type, then the extension secret. */
static int write_plain(const struct se_secret *s, struct cvm_secret *ret, size_t *ret_length,
                       struct cvm_error *err) {
        bool text = s->type->number == TYPE_PLAINTEXT;
        size_t length = text ? (2 + s->size + 15) / 16 * 16 : s->type->size, before = text ? 2 : 0;

        if (s->size > PLAINTEXT_MAX)
                return refuse_form(err, "a plaintext secret has at most 8190 bytes");
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                if (numbers[i].type == s->type->number && numbers[i].size == s->size)
                        before = length - s->size;
        if (!text && s->size + before != length)
                return cvm_fail(err, &CVM_CODE_SECRET_FORM, EINVAL,
                                "a secret of type %s has %u bytes, not %zu", s->type->name, s->type->size,
                                s->size);
        if (cvm_secret_new(length + SE_EXTENSION_SIZE, ret) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a secret");
        if (text) {
                ret->data[0] = (uint8_t)(s->size >> 8);
                ret->data[1] = (uint8_t)s->size;
        }
        if (s->size)
                memcpy(ret->data + before, s->data, s->size);
        if (s->extension)
                memcpy(ret->data + length, s->extension, SE_EXTENSION_SIZE);
        *ret_length = length;
        return 0;
}

static void write_front(const struct se_secret *s, struct cvm_writer *w) {
        static const uint8_t any[SE_CUID_SIZE];

        cvm_write_u64be(w, s->flags);
        cvm_write_copy(w, s->boot_tags, SE_BOOT_TAGS_SIZE);
        cvm_write_copy(w, s->cuid ? s->cuid : any, SE_CUID_SIZE);
        cvm_write_zeros(w, RESERVED_SIZE);
        cvm_write_copy(w, s->user_data, s->user_data_size);
        cvm_write_zeros(w, SE_SECRET_USER_DATA_MAX - s->user_data_size);
}

static void write_header(const struct se_secret *s, size_t length, struct cvm_writer *w) {
        cvm_write_u16be(w, 0);
        cvm_write_u16be(w, s->type->number);
        cvm_write_u32be(w, (uint32_t)length);
        cvm_write_zeros(w, 8);
        if (s->type->has_id)
                cvm_write_copy(w, s->id, sizeof s->id);
}

static int begin_signature(EVP_MD_CTX *ctx, EVP_PKEY *key, bool sign) {
        EVP_PKEY_CTX *pss;
        bool good = ctx && (sign ? EVP_DigestSignInit(ctx, &pss, EVP_sha512(), NULL, key)
                                 : EVP_DigestVerifyInit(ctx, &pss, EVP_sha512(), NULL, key)) == 1;

        if (good && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
                good = EVP_PKEY_CTX_set_rsa_padding(pss, RSA_PKCS1_PSS_PADDING) == 1;
        return good ? 0 : -EINVAL;
}

/* Over the request with no signature in it and without its tag; into the user data of `front`. */
static int sign(const struct se_secret *s, enum se_user_data form, const struct cvm_bytes *request,
                struct cvm_bytes *front, struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        uint8_t *user = front->data + AT_USER_DATA, signature[512];
        size_t n = sizeof signature;

        if (begin_signature(ctx, s->user_key, true) < 0 ||
            EVP_DigestSign(ctx, signature, &n, request->data, request->size - SE_TAG_SIZE) != 1 ||
            n > forms[form].signature)
                return cvm_fail(err, &CVM_CODE_USER_KEY, EINVAL,
                                "the key of user data does not sign: is it a private one?");
        memcpy(user + forms[form].data, signature, n);
        if (form == SE_USER_EC) {
                user[EC_SIZE_AT] = (uint8_t)(n >> 8);
                user[EC_SIZE_AT + 1] = (uint8_t)n;
        }
        return 0;
}

int se_secret_make(const struct se_secret *secret, const struct se_recipients *to, struct cvm_bytes *ret,
                   struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w2 = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes front = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes header = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plain = { 0 };
        struct se_request_parts parts = { .magic = MAGIC };
        enum se_user_data form;
        size_t length = 0;
        int r = pick_form(secret, &form, err);

        if (r >= 0)
                r = write_plain(secret, &plain, &length, err);
        if (r < 0)
                return r;
        write_front(secret, &w);
        write_header(secret, length, &w2);
        if (cvm_writer_take(&w, &front) < 0 || cvm_writer_take(&w2, &header) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a secret");
        parts.magic[7] = (uint8_t)form;
        parts.front = &front;
        parts.between = header.data;
        parts.between_size = header.size;
        parts.plain = plain.data;
        parts.plain_size = plain.size;
        r = se_request_seal(&parts, to, &request, err);
        if (r >= 0 && secret->user_key) {
                r = sign(secret, form, &request, &front, err);
                cvm_bytes_done(&request);
                if (r >= 0) /* the same key, IV and plaintext: only the tag becomes another */
                        r = se_request_seal(&parts, to, &request, err);
        }
        if (r >= 0)
                *ret = cvm_bytes_take(&request);
        return r;
}

/* --- reading --- */

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_REQUEST_FORMAT, EBADMSG, "%s", what);
}

static const struct se_secret_type *type_of(uint16_t number) {
        for (const struct se_secret_type *type = se_secret_types; type->name; type++)
                if (type->number == number)
                        return type;
        return NULL;
}

static int read_secret_header(struct cvm_reader *r, const struct se_request_head *head,
                              struct se_secret_seen *ret, struct cvm_error *err) {
        const struct se_secret_type *type;
        uint32_t length;

        cvm_read_zeros(r, 2);
        ret->type = cvm_read_u16be(r);
        length = cvm_read_u32be(r);
        cvm_read_zeros(r, 8);
        type = type_of(ret->type);
        if (!type || length > SE_SECRET_MAX ||
            (type->number == TYPE_PLAINTEXT ? !length || length % 16 : length != type->size))
                return refuse(err, "the secret in the request is of no known type, or of another size");
        ret->size = (uint16_t)length;
        if (type->has_id)
                cvm_read_copy(r, ret->id, sizeof ret->id);
        if (r->failed || head->sealed_size != length + SE_EXTENSION_SIZE ||
            r->left != head->sealed_size + SE_TAG_SIZE)
                return refuse(err, "the request has other parts than one that adds a secret");
        return 0;
}

int se_secret_see(const uint8_t *bytes, size_t size, struct se_secret_seen *ret, struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(bytes, size);
        struct se_request_head head;
        struct se_secret_seen seen = { 0 };
        int e = se_request_head_read(&r, &head, err);

        if (e < 0)
                return e;
        if (memcmp(head.magic, MAGIC, 6) != 0 || head.magic[6] != 0 || head.magic[7] > SE_USER_RSA3072)
                return refuse(err, "this is no request that adds a secret, or has unknown user data");
        seen.user = head.magic[7];
        seen.flags = cvm_read_u64be(&r);
        cvm_read_copy(&r, seen.boot_tags, sizeof seen.boot_tags);
        cvm_read_copy(&r, seen.cuid, sizeof seen.cuid);
        cvm_read_zeros(&r, RESERVED_SIZE);
        seen.user_data_size = forms[seen.user].data;
        cvm_read_copy(&r, seen.user_data, sizeof seen.user_data);
        cvm_read_view(&r, SE_COORDINATES_SIZE);
        cvm_read_view(&r, head.n_slots * SE_SLOT_SIZE);
        e = read_secret_header(&r, &head, &seen, err);
        if (e < 0)
                return e;
        memcpy(seen.tag, bytes + size - SE_TAG_SIZE, SE_TAG_SIZE);
        *ret = seen;
        return 0;
}

static int check_signature(const uint8_t *bytes, size_t size, enum se_user_data form, EVP_PKEY *key,
                           struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes copy = { 0 };
        uint8_t *user, signature[512];
        size_t n = forms[form].signature;

        if (cvm_bytes_copy(bytes, size - SE_TAG_SIZE, &copy) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "checking a request");
        user = copy.data + 0x30 + AT_USER_DATA;
        if (form == SE_USER_EC)
                n = (size_t)(user[EC_SIZE_AT] << 8 | user[EC_SIZE_AT + 1]);
        if (n > forms[form].signature)
                return refuse(err, "the signature in the request is longer than its room");
        memcpy(signature, user + forms[form].data, n);
        memset(user + forms[form].data, 0, SE_SECRET_USER_DATA_MAX - forms[form].data);
        if (begin_signature(ctx, key, false) < 0 ||
            EVP_DigestVerify(ctx, signature, n, copy.data, copy.size) != 1)
                return cvm_fail(err, &CVM_CODE_SIGNATURE, EBADMSG,
                                "the request's user data is not signed by that key");
        return 0;
}

int se_secret_verify(const uint8_t *bytes, size_t size, EVP_PKEY *user_key, struct se_secret_seen *ret,
                     struct cvm_error *err) {
        struct se_secret_seen seen;
        enum se_user_data form = SE_USER_NONE;
        int r = se_secret_see(bytes, size, &seen, err);
        bool is_signed = r >= 0 && seen.user > SE_USER_UNSIGNED;

        if (r >= 0 && is_signed != (user_key != NULL))
                return cvm_fail(err, &CVM_CODE_USER_KEY, EINVAL,
                                is_signed ? "the request's user data is signed: a key is needed to check it"
                                          : "the request's user data is not signed, and a key was given");
        if (r >= 0 && is_signed)
                r = form_of_key(user_key, &form, err);
        if (r >= 0 && is_signed && form != seen.user)
                return cvm_fail(err, &CVM_CODE_USER_KEY, EINVAL,
                                "the request's user data is signed by another kind of key");
        if (r >= 0 && is_signed)
                r = check_signature(bytes, size, seen.user, user_key, err);
        if (r >= 0)
                *ret = seen;
        return r;
}
