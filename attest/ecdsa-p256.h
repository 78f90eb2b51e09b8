/* ECDSA on P-256 with SHA-256 as raw numbers, big-endian: points x || y, signatures r || s. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clean-openssl.h"

#define P256_SIZE 64 /* of a point and of a signature */

/* The public key, owned. -EINVAL: the point is not on the curve; -ENOMEM. */
int p256_key(const uint8_t point[P256_SIZE], EVP_PKEY **ret);

bool p256_is_key(EVP_PKEY *key);

/* 0: it is the signature by that key; -EBADMSG: it is not; -ENOMEM. */
int p256_verify(EVP_PKEY *key, const uint8_t signature[P256_SIZE], const void *data, size_t size);

/* For tests and simulated platforms: what the above read. -EIO. */
int p256_point(EVP_PKEY *key, uint8_t ret[P256_SIZE]);
int p256_sign(EVP_PKEY *key, const void *data, size_t size, uint8_t ret[P256_SIZE]);
