#include "launch/pages-se.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

struct se_pages {
        EVP_MD_CTX *contents, *addresses, *tweaks;
        uint64_t n;
};

struct se_pages *se_pages_free(struct se_pages *pages) {
        if (!pages)
                return NULL;
        EVP_MD_CTX_free(pages->contents);
        EVP_MD_CTX_free(pages->addresses);
        EVP_MD_CTX_free(pages->tweaks);
        free(pages);
        return NULL;
}

static bool begin(EVP_MD_CTX **ret) {
        *ret = EVP_MD_CTX_new();
        return *ret && EVP_DigestInit_ex(*ret, EVP_sha512(), NULL) == 1;
}

int se_pages_new(struct se_pages **ret, struct cvm_error *err) {
        CVM_CLEANUP(se_pages_freep) struct se_pages *pages = calloc(1, sizeof *pages);

        if (!pages || !begin(&pages->contents) || !begin(&pages->addresses) || !begin(&pages->tweaks))
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "digesting an image");
        *ret = TAKE_PTR(pages);
        return 0;
}

static void put(uint64_t v, uint8_t ret[8]) {
        for (int i = 0; i < 8; i++)
                ret[i] = (uint8_t)(v >> (56 - 8 * i));
}

static bool add_page(struct se_pages *p, uint64_t prefix, uint64_t address, uint64_t offset,
                     const uint8_t *page) {
        uint8_t tweak[16], where[8];

        put(prefix, tweak);
        put(offset, tweak + 8);
        put(address + offset, where);
        p->n++;
        return EVP_DigestUpdate(p->contents, page, SE_PAGE) == 1 &&
               EVP_DigestUpdate(p->addresses, where, sizeof where) == 1 &&
               EVP_DigestUpdate(p->tweaks, tweak, sizeof tweak) == 1;
}

int se_pages_add(struct se_pages *pages, uint64_t prefix, uint64_t address, uint64_t offset,
                 const uint8_t *data, size_t size, struct cvm_error *err) {
        for (size_t i = 0; i < size; i += SE_PAGE)
                if (!add_page(pages, prefix, address, offset + i, data + i))
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "digesting an image");
        return 0;
}

int se_pages_digests(struct se_pages *pages, struct se_digests *ret, struct cvm_error *err) {
        struct se_digests d = { .n_pages = pages->n };

        if (EVP_DigestFinal_ex(pages->contents, d.pages, NULL) != 1 ||
            EVP_DigestFinal_ex(pages->addresses, d.addresses, NULL) != 1 ||
            EVP_DigestFinal_ex(pages->tweaks, d.tweaks, NULL) != 1)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "digesting an image");
        *ret = d;
        return 0;
}

static int make_cipher(const uint8_t *key, int encrypt, EVP_CIPHER_CTX **ret, struct cvm_error *err) {
        /* OpenSSL refuses them when encrypting only. */
        if (CRYPTO_memcmp(key, key + SE_IMAGE_KEY_SIZE / 2, SE_IMAGE_KEY_SIZE / 2) == 0)
                return cvm_fail(err, &CVM_CODE_IMAGE_KEY, EINVAL, "the image key has two equal halves");
        *ret = EVP_CIPHER_CTX_new();
        if (!*ret || EVP_CipherInit_ex(*ret, EVP_aes_256_xts(), NULL, key, NULL, encrypt) != 1)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "encrypting an image");
        return 0;
}

static bool crypt_page(EVP_CIPHER_CTX *ctx, const uint8_t tweak[16], uint8_t *page) {
        int n;

        return EVP_CipherInit_ex(ctx, NULL, NULL, NULL, tweak, -1) == 1 &&
               EVP_CipherUpdate(ctx, page, &n, page, SE_PAGE) == 1 && n == SE_PAGE;
}

static int crypt_pages(const uint8_t *key, int encrypt, uint64_t prefix, uint64_t offset, uint8_t *data,
                       size_t size, struct cvm_error *err) {
        CVM_CLEANUP(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = NULL;
        uint8_t tweak[16];
        int r = make_cipher(key, encrypt, &ctx, err);

        put(prefix, tweak);
        for (size_t i = 0; r >= 0 && i < size; i += SE_PAGE) {
                put(offset + i, tweak + 8);
                if (!crypt_page(ctx, tweak, data + i))
                        r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "the pages of an image");
        }
        return r;
}

int se_pages_encrypt(const uint8_t image_key[SE_IMAGE_KEY_SIZE], uint64_t prefix, uint64_t offset,
                     uint8_t *data, size_t size, struct cvm_error *err) {
        return crypt_pages(image_key, 1, prefix, offset, data, size, err);
}

int se_pages_decrypt(const uint8_t image_key[SE_IMAGE_KEY_SIZE], uint64_t prefix, uint64_t offset,
                     uint8_t *data, size_t size, struct cvm_error *err) {
        return crypt_pages(image_key, 0, prefix, offset, data, size, err);
}
