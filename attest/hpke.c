#include "attest/hpke.h"

#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>

#define KEM_ID 0x0020
#define KDF_ID 0x0001
#define HASH_SIZE 32
#define NONCE_SIZE 12

/* Suite identifiers of RFC 9180, sections 4.1 and 5.1. */
struct suite_id {
        uint8_t bytes[10];
        size_t size;
};

struct aead_key { /* wiped by its owner */
        uint8_t key[32], nonce[NONCE_SIZE];
};

static const struct suite_id kem_suite = { "KEM\x00\x20", 5 };

static struct suite_id hpke_suite(enum hpke_aead aead) {
        return (struct suite_id){ { 'H', 'P', 'K', 'E', 0, KEM_ID, 0, KDF_ID, 0, (uint8_t)aead }, 10 };
}

static size_t key_size(enum hpke_aead aead) {
        return aead == HPKE_AES_128_GCM ? 16 : 32;
}

static const EVP_CIPHER *cipher(enum hpke_aead aead) {
        return aead == HPKE_AES_128_GCM ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
}

/* LabeledExtract(salt, label, ikm) of section 4: HMAC(salt, "HPKE-v1" || suite_id || label || ikm) */
static int labeled_extract(const struct suite_id *suite, struct hpke_text salt, const char *label,
                           struct hpke_text ikm, uint8_t ret[HASH_SIZE]) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        bool ok;

        cvm_write_copy(&w, "HPKE-v1", 7);
        cvm_write_copy(&w, suite->bytes, suite->size);
        cvm_write_copy(&w, label, strlen(label));
        cvm_write_copy(&w, ikm.data, ikm.size);
        /* An empty salt is HashLen zeros; HMAC pads a short key with zeros, so one zero byte is the same
         * key. */
        ok = !w.failed && HMAC(EVP_sha256(), salt.size ? salt.data : "", salt.size ? (int)salt.size : 0,
                               w.bytes.data, w.bytes.size, ret, NULL);
        if (w.bytes.data)
                OPENSSL_cleanse(w.bytes.data, w.bytes.size);
        return ok ? 0 : -ENOMEM;
}

/* LabeledExpand(prk, label, info, L) for L of at most one hash: T(1) of HKDF-Expand */
static int labeled_expand(const struct suite_id *suite, const uint8_t prk[HASH_SIZE], const char *label,
                          struct hpke_text info, uint8_t *ret, size_t size) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t block[HASH_SIZE];

        cvm_write_u16be(&w, (uint16_t)size);
        cvm_write_copy(&w, "HPKE-v1", 7);
        cvm_write_copy(&w, suite->bytes, suite->size);
        cvm_write_copy(&w, label, strlen(label));
        cvm_write_copy(&w, info.data, info.size);
        cvm_write_u8(&w, 1);
        if (w.failed || size > HASH_SIZE ||
            !HMAC(EVP_sha256(), prk, HASH_SIZE, w.bytes.data, w.bytes.size, block, NULL))
                return -ENOMEM;
        memcpy(ret, block, size);
        OPENSSL_cleanse(block, sizeof block);
        return 0;
}

/* X25519; an all-zero result (a low-order point) is refused by OpenSSL's derive. */
static int diffie_hellman(EVP_PKEY *own, EVP_PKEY *peer, uint8_t ret[32]) {
        CVM_CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
        size_t size = 32;

        if (!ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1 ||
            EVP_PKEY_derive(ctx, ret, &size) != 1 || size != 32 || cvm_is_zero(ret, 32))
                return -EBADMSG;
        return 0;
}

/* ExtractAndExpand of section 4.1: the KEM's shared secret from dh and kem_context = enc || pkRm */
static int shared_secret(EVP_PKEY *own, EVP_PKEY *peer, const uint8_t kem_context[64],
                         uint8_t ret[HASH_SIZE]) {
        uint8_t dh[32], prk[HASH_SIZE];
        int r = diffie_hellman(own, peer, dh);

        if (r >= 0)
                r = labeled_extract(&kem_suite, (struct hpke_text){ 0 }, "eae_prk",
                                    (struct hpke_text){ dh, 32 }, prk);
        if (r >= 0)
                r = labeled_expand(&kem_suite, prk, "shared_secret", (struct hpke_text){ kem_context, 64 },
                                   ret, HASH_SIZE);
        OPENSSL_cleanse(dh, sizeof dh);
        OPENSSL_cleanse(prk, sizeof prk);
        return r;
}

/* KeySchedule of section 5.1, mode_base: psk and psk_id are empty. The single message has sequence number 0,
 * so its nonce is the base nonce. */
static int key_schedule(enum hpke_aead aead, const uint8_t shared[HASH_SIZE], struct hpke_text info,
                        struct aead_key *ret) {
        const struct suite_id suite = hpke_suite(aead);
        const struct hpke_text none = { 0 };
        uint8_t context[1 + 2 * HASH_SIZE] = { 0 }, secret[HASH_SIZE];
        const struct hpke_text whole = { context, sizeof context };
        int r = labeled_extract(&suite, none, "psk_id_hash", none, context + 1);

        if (r >= 0)
                r = labeled_extract(&suite, none, "info_hash", info, context + 1 + HASH_SIZE);
        if (r >= 0)
                r = labeled_extract(&suite, (struct hpke_text){ shared, HASH_SIZE }, "secret", none, secret);
        if (r >= 0)
                r = labeled_expand(&suite, secret, "key", whole, ret->key, key_size(aead));
        if (r >= 0)
                r = labeled_expand(&suite, secret, "base_nonce", whole, ret->nonce, NONCE_SIZE);
        OPENSSL_cleanse(secret, sizeof secret);
        return r;
}

static int derive(enum hpke_aead aead, EVP_PKEY *own, EVP_PKEY *peer, const uint8_t enc[32],
                  const uint8_t recipient[32], struct hpke_text info, struct aead_key *ret) {
        uint8_t context[64], shared[HASH_SIZE];
        int r;

        memcpy(mempcpy(context, enc, 32), recipient, 32);
        r = shared_secret(own, peer, context, shared);
        if (r >= 0)
                r = key_schedule(aead, shared, info, ret);
        OPENSSL_cleanse(shared, sizeof shared);
        return r;
}

static int raw_public(EVP_PKEY *key, uint8_t ret[32]) {
        size_t size = 32;

        if (EVP_PKEY_get_base_id(key) != EVP_PKEY_X25519 ||
            EVP_PKEY_get_raw_public_key(key, ret, &size) != 1)
                return -EINVAL;
        return 0;
}

static int encrypt(enum hpke_aead aead, const struct aead_key *key, struct hpke_text aad,
                   struct hpke_text plaintext, struct cvm_bytes *ret) {
        CVM_CLEANUP(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t *out;
        int n;

        cvm_write_zeros(&w, plaintext.size + HPKE_TAG_SIZE);
        if (!ctx || w.failed)
                return -ENOMEM;
        out = w.bytes.data;
        if (EVP_EncryptInit_ex(ctx, cipher(aead), NULL, key->key, key->nonce) != 1 ||
            EVP_EncryptUpdate(ctx, NULL, &n, aad.data, (int)aad.size) != 1 ||
            EVP_EncryptUpdate(ctx, out, &n, plaintext.data, (int)plaintext.size) != 1 ||
            EVP_EncryptFinal_ex(ctx, out + n, &n) != 1 ||
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, HPKE_TAG_SIZE, out + plaintext.size) != 1)
                return -EIO;
        return cvm_writer_take(&w, ret);
}

static int decrypt(enum hpke_aead aead, const struct aead_key *key, struct hpke_text aad,
                   struct hpke_text ciphertext, struct cvm_secret *ret) {
        CVM_CLEANUP(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plain = { 0 };
        uint8_t tag[HPKE_TAG_SIZE];
        int n, size;

        if (ciphertext.size < HPKE_TAG_SIZE)
                return -EBADMSG;
        size = (int)(ciphertext.size - HPKE_TAG_SIZE);
        memcpy(tag, (const uint8_t *)ciphertext.data + size, sizeof tag);
        if (!ctx || cvm_secret_new((size_t)size, &plain) < 0)
                return -ENOMEM;
        if (EVP_DecryptInit_ex(ctx, cipher(aead), NULL, key->key, key->nonce) != 1 ||
            EVP_DecryptUpdate(ctx, NULL, &n, aad.data, (int)aad.size) != 1 ||
            EVP_DecryptUpdate(ctx, plain.data, &n, ciphertext.data, size) != 1 ||
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) != 1 ||
            EVP_DecryptFinal_ex(ctx, plain.data + n, &n) != 1)
                return -EBADMSG;
        *ret = plain;
        plain = (struct cvm_secret){ 0 };
        return 0;
}

int hpke_seal(enum hpke_aead aead, EVP_PKEY *recipient, EVP_PKEY *ephemeral, struct hpke_text info,
              struct hpke_text aad, struct hpke_text plaintext, uint8_t ret_enc[HPKE_ENC_SIZE],
              struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep)
        EVP_PKEY *fresh = ephemeral ? NULL : EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
        EVP_PKEY *own = ephemeral ? ephemeral : fresh;
        uint8_t recipient_public[32], enc[32];
        struct aead_key key = { 0 };
        int r = own ? 0 : -ENOMEM;

        if (r >= 0)
                r = raw_public(own, enc);
        if (r >= 0)
                r = raw_public(recipient, recipient_public);
        if (r >= 0)
                r = derive(aead, own, recipient, enc, recipient_public, info, &key);
        if (r >= 0)
                r = encrypt(aead, &key, aad, plaintext, ret);
        OPENSSL_cleanse(&key, sizeof key);
        if (r == -ENOMEM)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "sealing");
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_SECRET_SEAL, r, "sealing to this key is not possible");
        memcpy(ret_enc, enc, sizeof enc);
        return 0;
}

int hpke_open(enum hpke_aead aead, EVP_PKEY *recipient, const uint8_t enc[HPKE_ENC_SIZE],
              struct hpke_text info, struct hpke_text aad, struct hpke_text ciphertext,
              struct cvm_secret *ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep)
        EVP_PKEY *sender = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, enc, HPKE_ENC_SIZE);
        uint8_t recipient_public[32];
        struct aead_key key = { 0 };
        int r = sender ? raw_public(recipient, recipient_public) : -EBADMSG;

        if (r >= 0)
                r = derive(aead, recipient, sender, enc, recipient_public, info, &key);
        if (r >= 0)
                r = decrypt(aead, &key, aad, ciphertext, ret);
        OPENSSL_cleanse(&key, sizeof key);
        if (r == -ENOMEM)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening a secret");
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_SECRET_SEAL, r, "the sealed bytes do not open with this key");
        return 0;
}
