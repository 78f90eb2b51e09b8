#include "base/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

void cvm_bytes_done(struct cvm_bytes *bytes) {
        free(bytes->data);
        *bytes = (struct cvm_bytes){ 0 };
}

struct cvm_bytes cvm_bytes_take(struct cvm_bytes *bytes) {
        struct cvm_bytes taken = *bytes;

        *bytes = (struct cvm_bytes){ 0 };
        return taken;
}

int cvm_bytes_copy(const void *data, size_t size, struct cvm_bytes *ret) {
        uint8_t *copy = malloc(size + 1);

        if (!copy)
                return -ENOMEM;
        if (size)
                memcpy(copy, data, size);
        copy[size] = 0;
        *ret = (struct cvm_bytes){ copy, size };
        return 0;
}

struct cvm_reader cvm_reader_of(const void *data, size_t size) {
        return (struct cvm_reader){ .next = data, .left = size };
}

const uint8_t *cvm_read_view(struct cvm_reader *r, size_t size) {
        const uint8_t *view = r->next;

        if (r->failed || size > r->left) {
                r->failed = true;
                return NULL;
        }
        r->next += size;
        r->left -= size;
        return view;
}

static uint64_t read_le(struct cvm_reader *r, size_t size) {
        const uint8_t *p = cvm_read_view(r, size);
        uint64_t v = 0;

        for (size_t i = size; p && i-- > 0;)
                v = v << 8 | p[i];
        return v;
}

static uint64_t read_be(struct cvm_reader *r, size_t size) {
        const uint8_t *p = cvm_read_view(r, size);
        uint64_t v = 0;

        for (size_t i = 0; p && i < size; i++)
                v = v << 8 | p[i];
        return v;
}

uint8_t cvm_read_u8(struct cvm_reader *r) {
        return (uint8_t)read_le(r, 1);
}

uint16_t cvm_read_u16le(struct cvm_reader *r) {
        return (uint16_t)read_le(r, 2);
}

uint32_t cvm_read_u32le(struct cvm_reader *r) {
        return (uint32_t)read_le(r, 4);
}

uint64_t cvm_read_u64le(struct cvm_reader *r) {
        return read_le(r, 8);
}

uint16_t cvm_read_u16be(struct cvm_reader *r) {
        return (uint16_t)read_be(r, 2);
}

uint32_t cvm_read_u32be(struct cvm_reader *r) {
        return (uint32_t)read_be(r, 4);
}

uint64_t cvm_read_u64be(struct cvm_reader *r) {
        return read_be(r, 8);
}

void cvm_read_copy(struct cvm_reader *r, void *ret, size_t size) {
        const uint8_t *p = cvm_read_view(r, size);

        if (p)
                memcpy(ret, p, size);
        else
                memset(ret, 0, size);
}

void cvm_read_zeros(struct cvm_reader *r, size_t size) {
        const uint8_t *p = cvm_read_view(r, size);

        if (p && !cvm_is_zero(p, size))
                r->failed = true;
}

bool cvm_reader_done(const struct cvm_reader *r) {
        return !r->failed && r->left == 0;
}

void cvm_writer_done(struct cvm_writer *w) {
        cvm_bytes_done(&w->bytes);
        *w = (struct cvm_writer){ 0 };
}

static uint8_t *write_room(struct cvm_writer *w, size_t size) {
        size_t wanted = w->bytes.size + size + 1;
        uint8_t *place;

        if (w->failed || size > SIZE_MAX / 4 - w->bytes.size) { /* the sum or its double would go round */
                w->failed = true;
                return NULL;
        }
        if (wanted > w->room) {
                size_t room = wanted < 256 ? 256 : wanted * 2;
                uint8_t *grown = realloc(w->bytes.data, room);

                if (!grown) {
                        w->failed = true;
                        return NULL;
                }
                w->bytes.data = grown;
                w->room = room;
        }
        place = w->bytes.data + w->bytes.size;
        w->bytes.size += size;
        w->bytes.data[w->bytes.size] = 0;
        return place;
}

void cvm_write_copy(struct cvm_writer *w, const void *data, size_t size) {
        uint8_t *place = write_room(w, size);

        if (place && size)
                memcpy(place, data, size);
}

void cvm_write_zeros(struct cvm_writer *w, size_t size) {
        uint8_t *place = write_room(w, size);

        if (place)
                memset(place, 0, size);
}

static void write_le(struct cvm_writer *w, uint64_t v, size_t size) {
        uint8_t *place = write_room(w, size);

        for (size_t i = 0; place && i < size; i++, v >>= 8)
                place[i] = (uint8_t)v;
}

static void write_be(struct cvm_writer *w, uint64_t v, size_t size) {
        uint8_t *place = write_room(w, size);

        for (size_t i = size; place && i-- > 0; v >>= 8)
                place[i] = (uint8_t)v;
}

void cvm_write_u8(struct cvm_writer *w, uint8_t v) {
        write_le(w, v, 1);
}

void cvm_write_u16le(struct cvm_writer *w, uint16_t v) {
        write_le(w, v, 2);
}

void cvm_write_u32le(struct cvm_writer *w, uint32_t v) {
        write_le(w, v, 4);
}

void cvm_write_u64le(struct cvm_writer *w, uint64_t v) {
        write_le(w, v, 8);
}

void cvm_write_u16be(struct cvm_writer *w, uint16_t v) {
        write_be(w, v, 2);
}

void cvm_write_u32be(struct cvm_writer *w, uint32_t v) {
        write_be(w, v, 4);
}

void cvm_write_u64be(struct cvm_writer *w, uint64_t v) {
        write_be(w, v, 8);
}

int cvm_writer_take(struct cvm_writer *w, struct cvm_bytes *ret) {
        if (w->failed || !write_room(w, 0)) {
                cvm_writer_done(w);
                return -ENOMEM;
        }
        *ret = cvm_bytes_take(&w->bytes);
        *w = (struct cvm_writer){ 0 };
        return 0;
}

void cvm_hex(const void *data, size_t size, char *ret) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *p = data;

        for (size_t i = 0; i < size; i++) {
                ret[2 * i] = digits[p[i] >> 4];
                ret[2 * i + 1] = digits[p[i] & 15];
        }
        ret[2 * size] = 0;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int cvm_unhex(const char *text, uint8_t *ret, size_t size) {
        if (strlen(text) != 2 * size)
                return -EINVAL;
        for (size_t i = 0; i < 2 * size; i++)
                if (hex_digit(text[i]) < 0)
                        return -EINVAL;
        for (size_t i = 0; i < size; i++)
                ret[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
        return 0;
}

char *cvm_base64(const void *data, size_t size) {
        char *text = size > INT32_MAX / 2 ? NULL : malloc(4 * ((size + 2) / 3) + 1);

        if (text)
                text[EVP_EncodeBlock((uint8_t *)text, data, (int)size)] = 0;
        return text;
}

int cvm_unbase64(const char *text, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(cvm_freep) char *again = NULL;
        size_t length = strlen(text);

        if (length % 4 || length > INT32_MAX / 2)
                return -EINVAL;
        bytes.data = calloc(1, length / 4 * 3 + 1);
        if (!bytes.data)
                return -ENOMEM;
        if (EVP_DecodeBlock(bytes.data, (const uint8_t *)text, (int)length) < 0)
                return -EINVAL;
        bytes.size = length / 4 * 3;
        for (size_t i = 0; i < 2 && length > i && text[length - 1 - i] == '='; i++)
                bytes.size--;
        /* OpenSSL skips white space and accepts stray bits: only the text that encodes these bytes counts.
         */
        again = cvm_base64(bytes.data, bytes.size);
        if (!again)
                return -ENOMEM;
        if (strcmp(again, text) != 0)
                return -EINVAL;
        bytes.data[bytes.size] = 0;
        *ret = cvm_bytes_take(&bytes);
        return 0;
}

bool cvm_equal(const void *a, size_t a_size, const void *b, size_t b_size) {
        return a_size == b_size && CRYPTO_memcmp(a, b, a_size) == 0;
}

bool cvm_is_zero(const void *data, size_t size) {
        const uint8_t *p = data;
        uint8_t any = 0;

        for (size_t i = 0; i < size; i++)
                any |= p[i];
        return any == 0;
}
