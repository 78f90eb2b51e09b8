/*
 * What an ultravisor tells of itself, by the kernel's files below /sys/firmware/uv: decimal numbers, masks
 * of bits as lines of hexadecimal digits, and keys by their hashes. The parsers take hostile bytes.
 */
#pragma once

#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"

#define UV "sys/firmware/uv/"
#define UV_KEYS UV "keys/all"                       /* younger than the others */
#define UV_DUMP_LENGTH UV "query/dump_finalize_len" /* zero, or not there: it makes no dumps */
#define UV_MASK_WORDS 4
#define UV_KEYS_MAX 15

/* Bits as the architecture counts them: 0 is the most significant of the first word. */
struct uv_mask {
        uint64_t words[UV_MASK_WORDS]; /* those that were not told are zero */
};
static inline bool uv_mask_has(const struct uv_mask *mask, unsigned bit) {
        return bit < 64 * UV_MASK_WORDS && (mask->words[bit / 64] >> (63 - bit % 64) & 1);
}

/* -EBADMSG: text of another form, or more than there can be. */
int uv_parse_number(const char *text, uint64_t *ret);
int uv_parse_mask(const char *text, struct uv_mask *ret); /* one to four lines; 0x in front or not */
/* Lines of 64 digits, of which zeros are no key. */
int uv_parse_keys(const char *text, uint8_t ret[UV_KEYS_MAX][CVM_SHA256_SIZE], size_t *ret_n);

/* The same of a file below a host's root; CVM_CODE_HOST_PROBE where it is not there or not of that form. */
int uv_number(int root_fd, const char *path, uint64_t *ret, struct cvm_error *err);
int uv_mask(int root_fd, const char *path, struct uv_mask *ret, struct cvm_error *err);
int uv_keys(int root_fd, uint8_t ret[UV_KEYS_MAX][CVM_SHA256_SIZE], size_t *ret_n, struct cvm_error *err);
