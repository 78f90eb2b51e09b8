#include "base/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/clean-openssl.h"

/* The three never fail but for want of memory, with which nothing above could go on. */
static void digest(const EVP_MD *md, const void *data, size_t size, uint8_t *ret) {
        if (EVP_Digest(data, size, ret, NULL, md, NULL) != 1)
                abort();
}

void cvm_sha256(const void *data, size_t size, uint8_t ret[CVM_SHA256_SIZE]) {
        digest(EVP_sha256(), data, size, ret);
}

void cvm_sha384(const void *data, size_t size, uint8_t ret[CVM_SHA384_SIZE]) {
        digest(EVP_sha384(), data, size, ret);
}

void cvm_sha512(const void *data, size_t size, uint8_t ret[CVM_SHA512_SIZE]) {
        digest(EVP_sha512(), data, size, ret);
}

static int digest_fd(const EVP_MD *type, int fd, const char *what, uint8_t *ret, uint64_t *ret_size,
                     struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
        CVM_CLEANUP(cvm_freep) uint8_t *piece = malloc(1 << 18);
        uint64_t size = 0;

        if (!md || !piece || EVP_DigestInit_ex(md, type, NULL) != 1)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "digest of '%s'", what);
        for (;;) {
                ssize_t n = pread(fd, piece, 1 << 18, (off_t)size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be read: %s", what,
                                        strerror(errno));
                if (n == 0)
                        break;
                EVP_DigestUpdate(md, piece, (size_t)n);
                size += (uint64_t)n;
        }
        EVP_DigestFinal_ex(md, ret, NULL);
        *ret_size = size;
        return 0;
}

int cvm_sha256_fd(int fd, const char *what, uint8_t ret[CVM_SHA256_SIZE], uint64_t *ret_size,
                  struct cvm_error *err) {
        return digest_fd(EVP_sha256(), fd, what, ret, ret_size, err);
}

int cvm_sha384_fd(int fd, const char *what, uint8_t ret[CVM_SHA384_SIZE], uint64_t *ret_size,
                  struct cvm_error *err) {
        return digest_fd(EVP_sha384(), fd, what, ret, ret_size, err);
}
