#include "attest/keys.h"

#include <errno.h>
#include <string.h>

#include <openssl/pem.h>

#define PREFIX_SIZE 12 /* of an RFC 8410 SubjectPublicKeyInfo, before the 32 bytes of the key */

static const struct {
        int type;
        const char *name;
        uint8_t prefix[PREFIX_SIZE];
} kinds[] = {
        [CVM_KEY_SIGN] = { EVP_PKEY_ED25519,
                           "Ed25519",
                           { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 } },
        [CVM_KEY_SEAL] = { EVP_PKEY_X25519,
                           "X25519",
                           { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00 } },
};

int cvm_key_make(enum cvm_key_kind kind, EVP_PKEY **ret, struct cvm_error *err) {
        EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, kinds[kind].name);

        if (!key)
                return cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "cannot make an %s key", kinds[kind].name);
        *ret = key;
        return 0;
}

int cvm_key_spki(EVP_PKEY *key, uint8_t ret[CVM_SPKI_SIZE], struct cvm_error *err) {
        uint8_t *p = ret;

        if (i2d_PUBKEY(key, NULL) != CVM_SPKI_SIZE || i2d_PUBKEY(key, &p) != CVM_SPKI_SIZE)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "not an Ed25519 or X25519 key");
        return 0;
}

/* The key's bytes stand behind the one prefix that DER allows: a digest of all 44 is its name. */
int cvm_key_from_spki(enum cvm_key_kind kind, const uint8_t *spki, size_t size, EVP_PKEY **ret,
                      struct cvm_error *err) {
        const uint8_t *prefix = kinds[kind].prefix;
        EVP_PKEY *key;

        if (size != CVM_SPKI_SIZE || memcmp(spki, prefix, PREFIX_SIZE) != 0)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "not a public %s key of %d bytes",
                                kinds[kind].name, CVM_SPKI_SIZE);
        key = EVP_PKEY_new_raw_public_key(kinds[kind].type, NULL, spki + PREFIX_SIZE,
                                          CVM_SPKI_SIZE - PREFIX_SIZE);
        if (!key) /* any 32 bytes are a key */
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading a public key");
        *ret = key;
        return 0;
}

/* A PEM text without passphrase: OpenSSL must not ask the terminal for one. */
static int no_passphrase(char *buffer, int size, int writing, void *ctx) {
        return -1;
}

static int from_pem(EVP_PKEY *(*read)(BIO *, EVP_PKEY **, pem_password_cb *, void *), const void *pem,
                    size_t size, const char *what, EVP_PKEY **ret, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem, (int)size);
        EVP_PKEY *key = bio ? read(bio, NULL, no_passphrase, NULL) : NULL;

        if (!key)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "not a PEM %s without passphrase", what);
        *ret = key;
        return 0;
}

int cvm_key_from_private_pem(const void *pem, size_t size, EVP_PKEY **ret, struct cvm_error *err) {
        return from_pem(PEM_read_bio_PrivateKey, pem, size, "private key", ret, err);
}

int cvm_key_from_public_pem(const void *pem, size_t size, EVP_PKEY **ret, struct cvm_error *err) {
        return from_pem(PEM_read_bio_PUBKEY, pem, size, "public key", ret, err);
}

static int take_bio(BIO *bio, int written, struct cvm_bytes *ret, struct cvm_error *err) {
        char *text = NULL;
        long size = written ? BIO_get_mem_data(bio, &text) : 0;

        if (size <= 0 || cvm_bytes_copy(text, (size_t)size, ret) < 0)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "the key cannot be written as PEM");
        return 0;
}

int cvm_key_to_private_pem(EVP_PKEY *key, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_secmem());

        return take_bio(bio, bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), ret,
                        err);
}

int cvm_key_to_public_pem(EVP_PKEY *key, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());

        return take_bio(bio, bio && PEM_write_bio_PUBKEY(bio, key), ret, err);
}
