#include "cli/key-file.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/store.h>

#include "base/fd.h"

#define PEM_MAX (16u << 10)

/* "scheme:rest" that is no file: a token or another of OpenSSL's stores. */
static bool is_uri(const char *name) {
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

        return n > 1 && name[n] == ':';
}

static EVP_PKEY *take_key(OSSL_STORE_CTX *store, int wanted) {
        while (!OSSL_STORE_eof(store)) {
                OSSL_STORE_INFO *info = OSSL_STORE_load(store);
                EVP_PKEY *key = NULL;

                if (info && OSSL_STORE_INFO_get_type(info) == wanted)
                        key = wanted == OSSL_STORE_INFO_PKEY ? OSSL_STORE_INFO_get1_PKEY(info)
                                                             : OSSL_STORE_INFO_get1_PUBKEY(info);
                OSSL_STORE_INFO_free(info);
                if (key)
                        return key;
        }
        return NULL;
}

static int from_store(const char *uri, int wanted, EVP_PKEY **ret, struct cvm_error *err) {
        OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
        EVP_PKEY *key = store ? take_key(store, wanted) : NULL;

        OSSL_STORE_close(store);
        if (!key)
                return cvm_fail(err, &CVM_CODE_KEY, ENOENT, "'%s' names no key that OpenSSL can open", uri);
        *ret = key;
        return 0;
}

static int check_kind(EVP_PKEY *key, const char *name, EVP_PKEY **ret, struct cvm_error *err) {
        if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "'%s' is no Ed25519 key", name);
        EVP_PKEY_up_ref(key);
        *ret = key;
        return 0;
}

int key_file_private(const char *name, EVP_PKEY **ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        int r;

        if (is_uri(name))
                r = from_store(name, OSSL_STORE_INFO_PKEY, &key, err);
        else {
                r = cvm_read_file(name, PEM_MAX, &pem, err);
                if (r >= 0) {
                        r = cvm_key_from_private_pem(pem.data, pem.size, &key, err);
                        OPENSSL_cleanse(pem.data, pem.size);
                }
        }
        if (r < 0)
                return cvm_while(err, r, "owner key '%s'", name);
        return check_kind(key, name, ret, err);
}

int key_file_public(const char *name, EVP_PKEY **ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        int r;

        if (is_uri(name))
                r = from_store(name, OSSL_STORE_INFO_PUBKEY, &key, err);
        else {
                r = cvm_read_file(name, PEM_MAX, &pem, err);
                if (r >= 0 && cvm_key_from_public_pem(pem.data, pem.size, &key, NULL) < 0)
                        r = cvm_key_from_private_pem(pem.data, pem.size, &key, err);
                if (pem.data)
                        OPENSSL_cleanse(pem.data, pem.size);
        }
        if (r < 0)
                return cvm_while(err, r, "key '%s'", name);
        return check_kind(key, name, ret, err);
}
