#include "vm/record-key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/fd.h"

static int make(const char *path, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        int r = cvm_key_make(CVM_KEY_SIGN, &key, err);

        if (r >= 0)
                r = cvm_key_to_private_pem(key, &pem, err);
        if (r >= 0) {
                r = cvm_write_file(path, pem.data, pem.size, 0600, err);
                OPENSSL_cleanse(pem.data, pem.size);
        }
        return r;
}

int record_key_open(const char *state_dir, EVP_PKEY **ret, char **ret_public, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 }, public = { 0 };
        char path[4096];
        int r = 0;

        if (snprintf(path, sizeof path, "%s/record.pem", state_dir) >= (int)sizeof path)
                return -ENAMETOOLONG;
        if (access(path, F_OK) < 0)
                r = make(path, err);
        if (r >= 0)
                r = cvm_read_file(path, 16 << 10, &pem, err);
        if (r >= 0) {
                r = cvm_key_from_private_pem(pem.data, pem.size, &key, err);
                OPENSSL_cleanse(pem.data, pem.size);
        }
        if (r >= 0)
                r = cvm_key_to_public_pem(key, &public, err);
        if (r < 0)
                return cvm_while(err, r, "the record key");
        *ret = TAKE_PTR(key);
        *ret_public = (char *)cvm_bytes_take(&public).data; /* a NUL stands behind the bytes */
        return 0;
}
