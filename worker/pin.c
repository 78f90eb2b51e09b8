/* pin: copy a boot file into the image store and digest what was copied, in one pass. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clean-openssl.h"
#include "base/digest.h"
#include "base/fd.h"
#include "worker/verb.h"

#define PIECE (1u << 20)
#define SIZE_MAX_PINNED (4ull << 30)

static int copy(int source, int destination, EVP_MD_CTX *md, uint64_t *ret_size, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) uint8_t *piece = malloc(PIECE);
        uint64_t size = 0;

        if (!piece)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "copying a boot file");
        for (;;) {
                ssize_t n = pread(source, piece, PIECE, (off_t)size);
                int r;

                if (n < 0)
                        return cvm_fail(err, &CVM_CODE_FILE, errno, "a boot file cannot be read: %s",
                                        strerror(errno));
                if (n == 0)
                        break;
                size += (uint64_t)n;
                if (size > SIZE_MAX_PINNED)
                        return cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG,
                                        "a boot file is larger than %llu GiB", SIZE_MAX_PINNED >> 30);
                r = cvm_write_all(destination, piece, (size_t)n);
                if (r < 0)
                        return cvm_fail(err, r == -ENOSPC ? &CVM_CODE_STORE_FULL : &CVM_CODE_FILE, r,
                                        "the image store cannot be written: %s", strerror(-r));
                EVP_DigestUpdate(md, piece, (size_t)n);
        }
        *ret_size = size;
        return fsync(destination) < 0 ? -errno : 0;
}

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
        uint8_t digest[CVM_SHA256_SIZE];
        char hex[2 * CVM_SHA256_SIZE + 1];
        int source = -EBADF, destination = -EBADF, r;
        uint64_t size = 0;

        if (verb_fd(request, "source", &source, err) < 0 ||
            verb_fd(request, "destination", &destination, err) < 0)
                return -EINVAL;
        if (source < 0 || destination < 0)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "the request needs 'source' and 'destination'");
        if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "copying a boot file");
        r = copy(source, destination, md, &size, err);
        if (r < 0)
                return r;
        EVP_DigestFinal_ex(md, digest, NULL);
        cvm_hex(digest, sizeof digest, hex);
        *ret = json_object_new_object();
        json_object_object_add(*ret, "sha256", json_object_new_string(hex));
        json_object_object_add(*ret, "size", json_object_new_uint64(size));
        return 0;
}

const struct verb verb_pin = { "pin", run, SANDBOX_FILES };
