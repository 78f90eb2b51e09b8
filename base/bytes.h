/*
 * Bytes with bounds: owned blocks, a reader for hostile structures, a writer, and their texts (hex, base64).
 *
 * A reader never goes past its end: a read beyond it sets `failed`, yields zeros, and every later read does
 * the same, so that a parser reads all fields and asks once. Length fields are compared with `left` before
 * use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct cvm_bytes { /* owned */
        uint8_t *data;
        size_t size;
};

void cvm_bytes_done(struct cvm_bytes *bytes);
struct cvm_bytes cvm_bytes_take(struct cvm_bytes *bytes);

/* A copy, followed by a NUL that is not counted; -ENOMEM. */
int cvm_bytes_copy(const void *data, size_t size, struct cvm_bytes *ret);

struct cvm_reader { /* borrows the bytes */
        const uint8_t *next;
        size_t left;
        bool failed;
};

struct cvm_reader cvm_reader_of(const void *data, size_t size);
uint8_t cvm_read_u8(struct cvm_reader *r);
uint16_t cvm_read_u16le(struct cvm_reader *r);
uint32_t cvm_read_u32le(struct cvm_reader *r);
uint64_t cvm_read_u64le(struct cvm_reader *r);
uint16_t cvm_read_u16be(struct cvm_reader *r);
uint32_t cvm_read_u32be(struct cvm_reader *r);
uint64_t cvm_read_u64be(struct cvm_reader *r);
void cvm_read_copy(struct cvm_reader *r, void *ret, size_t size); /* zeros on failure */
const uint8_t *cvm_read_view(struct cvm_reader *r, size_t size);  /* NULL on failure; borrowed */
void cvm_read_zeros(struct cvm_reader *r, size_t size);           /* fails where a byte is not zero */
bool cvm_reader_done(const struct cvm_reader *r);                 /* nothing failed and nothing is left */

struct cvm_writer { /* owns what it has written; `failed` is sticky, like the reader's */
        struct cvm_bytes bytes;
        size_t room;
        bool failed;
};

void cvm_writer_done(struct cvm_writer *w);
void cvm_write_u8(struct cvm_writer *w, uint8_t v);
void cvm_write_u16le(struct cvm_writer *w, uint16_t v);
void cvm_write_u32le(struct cvm_writer *w, uint32_t v);
void cvm_write_u64le(struct cvm_writer *w, uint64_t v);
void cvm_write_u16be(struct cvm_writer *w, uint16_t v);
void cvm_write_u32be(struct cvm_writer *w, uint32_t v);
void cvm_write_u64be(struct cvm_writer *w, uint64_t v);
void cvm_write_copy(struct cvm_writer *w, const void *data, size_t size);
void cvm_write_zeros(struct cvm_writer *w, size_t size);
/* Gives the bytes away; -ENOMEM if anything failed (the writer is then empty). */
int cvm_writer_take(struct cvm_writer *w, struct cvm_bytes *ret);

/* Lower-case hex of size bytes and a NUL into ret[2 * size + 1]. */
void cvm_hex(const void *data, size_t size, char *ret);
/* Exactly size bytes from exactly 2 * size lower-case hex digits; -EINVAL otherwise (ret untouched). */
int cvm_unhex(const char *text, uint8_t *ret, size_t size);
/* Standard base64 with padding, NUL-terminated, owned; NULL without memory. */
char *cvm_base64(const void *data, size_t size);
/* Standard, padded, canonical base64 only; -EINVAL otherwise. */
int cvm_unbase64(const char *text, struct cvm_bytes *ret);

/* Lengths first, then constant time. */
bool cvm_equal(const void *a, size_t a_size, const void *b, size_t b_size);
bool cvm_is_zero(const void *data, size_t size);
