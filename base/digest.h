/* SHA-256, SHA-384 and SHA-512 in one call, by pieces, or of a whole file without holding it in memory. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define CVM_SHA256_SIZE 32
#define CVM_SHA384_SIZE 48
#define CVM_SHA512_SIZE 64

void cvm_sha256(const void *data, size_t size, uint8_t ret[CVM_SHA256_SIZE]);
void cvm_sha384(const void *data, size_t size, uint8_t ret[CVM_SHA384_SIZE]);
void cvm_sha512(const void *data, size_t size, uint8_t ret[CVM_SHA512_SIZE]);

/* The digest of the file behind fd from its start to its end, read with pread in pieces; its size in bytes.
 */
int cvm_sha256_fd(int fd, const char *what, uint8_t ret[CVM_SHA256_SIZE], uint64_t *ret_size,
                  struct cvm_error *err);
int cvm_sha384_fd(int fd, const char *what, uint8_t ret[CVM_SHA384_SIZE], uint64_t *ret_size,
                  struct cvm_error *err);
