#include "base/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK 0xff
static const char magic[] = "CVM1";

void cvm_frame_reader_done(struct cvm_frame_reader *r) {
        cvm_bytes_done(&r->buffer);
        *r = (struct cvm_frame_reader){ 0 };
}

void cvm_frame_reader_reset(struct cvm_frame_reader *r) {
        r->dropped_bytes += r->buffer.size;
        r->buffer.size = 0;
}

static bool parse_hex(const uint8_t *text, size_t digits, uint64_t *ret) {
        uint64_t v = 0;

        for (size_t i = 0; i < digits; i++) {
                uint8_t c = text[i];

                if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
                        return false;
                v = v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        *ret = v;
        return true;
}

static bool parse_header(const uint8_t *header, struct cvm_frame *ret) {
        uint64_t type, session, size;

        if (memcmp(header + 1, magic, 4) != 0 || !parse_hex(header + 5, 2, &type) ||
            !parse_hex(header + 7, 16, &session) || !parse_hex(header + 23, 8, &size) ||
            header[31] != '\n' || size > CVM_FRAME_PAYLOAD_MAX)
                return false;
        *ret = (struct cvm_frame){ .type = (uint8_t)type, .session = session, .size = (size_t)size };
        return true;
}

static int keep(struct cvm_frame_reader *r, const uint8_t *data, size_t size) {
        size_t wanted = r->buffer.size + size + 1;

        if (wanted > r->room) {
                size_t room = wanted < 4096 ? 4096 : wanted * 2;
                uint8_t *grown = realloc(r->buffer.data, room);

                if (!grown)
                        return -ENOMEM;
                r->buffer.data = grown;
                r->room = room;
        }
        memcpy(r->buffer.data + r->buffer.size, data, size);
        r->buffer.size += size;
        r->buffer.data[r->buffer.size] = 0;
        return 0;
}

/* How many of these bytes belong to what is being read: up to its end, or to the next mark if that is
 * nearer. */
static size_t take(const struct cvm_frame_reader *r, const uint8_t *data, size_t size, size_t whole) {
        size_t first = r->buffer.size == 0; /* the mark itself */
        size_t wanted = whole - r->buffer.size;
        const uint8_t *mark;

        if (wanted > size)
                wanted = size;
        mark = wanted > first ? memchr(data + first, MARK, wanted - first) : NULL;
        return mark ? (size_t)(mark - data) : wanted;
}

int cvm_frame_feed(struct cvm_frame_reader *r, const void *data, size_t size, size_t *used,
                   struct cvm_frame *ret) {
        const uint8_t *p = data;
        size_t i = 0;

        if (r->buffer.size >= CVM_FRAME_HEADER_SIZE && parse_header(r->buffer.data, ret) &&
            r->buffer.size == CVM_FRAME_HEADER_SIZE + ret->size)
                r->buffer.size = 0; /* the frame that the last call gave */
        while (i < size) {
                size_t whole = CVM_FRAME_HEADER_SIZE, n;

                if (p[i] == MARK)
                        cvm_frame_reader_reset(r);
                else if (r->buffer.size == 0) {
                        const uint8_t *mark = memchr(p + i, MARK, size - i);

                        n = mark ? (size_t)(mark - p) - i : size - i;
                        r->dropped_bytes += n;
                        i += n;
                        continue;
                }
                if (r->buffer.size >= CVM_FRAME_HEADER_SIZE && parse_header(r->buffer.data, ret))
                        whole += ret->size;
                n = take(r, p + i, size - i, whole);
                if (keep(r, p + i, n) < 0)
                        return -ENOMEM;
                i += n;
                if (r->buffer.size < CVM_FRAME_HEADER_SIZE)
                        continue;
                if (!parse_header(r->buffer.data, ret)) {
                        cvm_frame_reader_reset(r);
                        continue;
                }
                if (r->buffer.size == CVM_FRAME_HEADER_SIZE + ret->size) {
                        ret->payload = (const char *)r->buffer.data + CVM_FRAME_HEADER_SIZE;
                        *used = i;
                        return 1;
                }
        }
        *used = size;
        return 0;
}

int cvm_frame_make(uint8_t type, uint64_t session, const char *payload, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        char header[CVM_FRAME_HEADER_SIZE + 1];
        size_t size = strlen(payload);

        if (size > CVM_FRAME_PAYLOAD_MAX)
                return -EMSGSIZE;
        if (memchr(payload, MARK, size))
                return -EINVAL;
        snprintf(header, sizeof header, "\xff%s%02x%016llx%08zx\n", magic, type, (unsigned long long)session,
                 size);
        cvm_write_copy(&w, header, CVM_FRAME_HEADER_SIZE);
        cvm_write_copy(&w, payload, size);
        return cvm_writer_take(&w, ret);
}
