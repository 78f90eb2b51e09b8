#include "launch/authenticode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clean-openssl.h"
#include "base/fd.h"

#define HEAD_SIZE 4096 /* of an image, in which its headers begin */
#define SIGNATURES_MAX (256u << 10)
#define SECTIONS_MAX 96 /* what Windows takes; kernels have a handful */

struct part {
        uint32_t at, size;
};

/* Where the parts lie that are passed over, and those that are hashed. */
struct pe {
        size_t checksum;     /* four bytes */
        size_t certificates; /* eight bytes: the entry that says where they lie; 0: there is none */
        uint32_t headers;    /* bytes of all headers */
        uint32_t certificates_at, certificates_size;
        struct part sections[SECTIONS_MAX];
        size_t n_sections;
};

static int refuse(struct cvm_error *err, const char *words) {
        return cvm_fail(err, &CVM_CODE_KERNEL, EINVAL, "the image %s", words);
}

static struct cvm_reader reader_at(const uint8_t *image, size_t size, size_t at) {
        return cvm_reader_of(image + (at < size ? at : size), at < size ? size - at : 0);
}

/* The optional header; ret_end: where the table of sections begins. */
static int read_optional(const uint8_t *image, size_t size, size_t at, size_t length, struct pe *ret,
                         struct cvm_error *err) {
        struct cvm_reader r = reader_at(image, size, at);
        size_t directory;
        uint16_t magic = cvm_read_u16le(&r);
        uint32_t entries;

        if (magic != 0x10b && magic != 0x20b)
                return refuse(err, "is a PE image of an unknown kind");
        directory = at + (magic == 0x20b ? 112 : 96);
        r = reader_at(image, size, at + 60);
        ret->headers = cvm_read_u32le(&r);
        ret->checksum = at + 64;
        r = reader_at(image, size, directory - 4);
        entries = cvm_read_u32le(&r);
        if (r.failed || directory > at + length)
                return refuse(err, "has a PE header that is cut off");
        if (entries <= 4)
                return 0;
        ret->certificates = directory + 4 * 8;
        r = reader_at(image, size, ret->certificates);
        ret->certificates_at = cvm_read_u32le(&r);
        ret->certificates_size = cvm_read_u32le(&r);
        return r.failed || ret->certificates + 8 > at + length
                               ? refuse(err, "has a PE header that is cut off")
                               : 0;
}

static int by_place(const void *a, const void *b) {
        const struct part *x = a, *y = b;

        return x->at < y->at ? -1 : x->at > y->at;
}

static int read_sections(const uint8_t *image, size_t size, size_t at, size_t n, struct pe *ret,
                         struct cvm_error *err) {
        struct cvm_reader r = reader_at(image, size, at);

        if (n > SECTIONS_MAX || ret->headers > size || at + 40 * n > ret->headers)
                return refuse(err, "has PE headers of an absurd size");
        for (size_t i = 0; i < n; i++) {
                struct part part;

                cvm_read_view(&r, 16);
                part.size = cvm_read_u32le(&r);
                part.at = cvm_read_u32le(&r);
                cvm_read_view(&r, 16);
                if (part.size && (part.at > size || part.size > size - part.at))
                        return refuse(err, "has a PE section outside the file");
                if (part.size)
                        ret->sections[ret->n_sections++] = part;
        }
        qsort(ret->sections, ret->n_sections, sizeof *ret->sections, by_place);
        return 0;
}

/* Up to the table of sections: where that begins, and how many there are. */
static int read_headers(const uint8_t *image, size_t size, struct pe *ret, size_t *ret_sections,
                        size_t *ret_n, struct cvm_error *err) {
        struct cvm_reader r = reader_at(image, size, 0x3c);
        size_t at = cvm_read_u32le(&r), length;
        const uint8_t *magic;

        r = reader_at(image, size, at);
        magic = cvm_read_view(&r, 4);
        cvm_read_view(&r, 2);
        *ret_n = cvm_read_u16le(&r);
        cvm_read_view(&r, 12);
        length = cvm_read_u16le(&r);
        if (r.failed || memcmp(image, "MZ", 2) != 0 || memcmp(magic, "PE\0", 4) != 0)
                return refuse(err, "is no PE image: it has no EFI stub, and firmware cannot measure it");
        *ret_sections = at + 24 + length;
        return read_optional(image, size, at + 24, length, ret, err);
}

static int read_image(const uint8_t *image, size_t size, struct pe *ret, struct cvm_error *err) {
        size_t at, n;
        int r = read_headers(image, size, ret, &at, &n, err);

        return r < 0 ? r : read_sections(image, size, at, n, ret, err);
}

int authenticode_signatures(int fd, const char *name, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = { 0 };
        uint8_t head[HEAD_SIZE];
        struct cvm_error unfit = { 0 };
        struct pe pe = { 0 };
        size_t at, n;
        ssize_t got = cvm_read_at(fd, 0, head, sizeof head);

        if (got >= 0 && (read_headers(head, (size_t)got, &pe, &at, &n, &unfit) < 0 ||
                         !pe.certificates_size || pe.certificates_size > SIGNATURES_MAX))
                return 0;
        if (got >= 0)
                table.data = malloc(pe.certificates_size);
        if (got >= 0 && !table.data)
                return -ENOMEM;
        if (got >= 0)
                got = cvm_read_at(fd, pe.certificates_at, table.data, pe.certificates_size);
        if (got < 0)
                return cvm_fail(err, &CVM_CODE_FILE, (int)got, "'%s' cannot be read: %s", name,
                                strerror((int)-got));
        table.size = (size_t)got;
        *ret = cvm_bytes_take(&table);
        return 0;
}

int authenticode_sha384(const uint8_t *image, size_t size, uint8_t ret[CVM_SHA384_SIZE],
                        struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
        struct pe pe = { 0 };
        uint64_t hashed;
        size_t next;
        int r = read_image(image, size, &pe, err);

        if (r < 0)
                return r;
        next = pe.certificates ? pe.certificates + 8 : pe.checksum + 4;
        if (next > pe.headers)
                return refuse(err, "has PE headers of an absurd size");
        if (!md || EVP_DigestInit_ex(md, EVP_sha384(), NULL) != 1)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "measuring");
        EVP_DigestUpdate(md, image, pe.checksum);
        if (pe.certificates)
                EVP_DigestUpdate(md, image + pe.checksum + 4, pe.certificates - pe.checksum - 4);
        EVP_DigestUpdate(md, image + next, pe.headers - next);
        hashed = pe.headers;
        for (size_t i = 0; i < pe.n_sections; i++) {
                EVP_DigestUpdate(md, image + pe.sections[i].at, pe.sections[i].size);
                hashed += pe.sections[i].size;
        }
        if (size > hashed + pe.certificates_size) /* what lies between the last section and the signatures */
                EVP_DigestUpdate(md, image + hashed, size - hashed - pe.certificates_size);
        return EVP_DigestFinal_ex(md, ret, NULL) == 1 ? 0 : -ENOMEM;
}
