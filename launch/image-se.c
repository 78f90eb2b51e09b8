#include "launch/image-se.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

#define METADATA_VERSION 1
#define IPIB_FRONT 136 /* before the components */
#define IPIB_COMPONENT 24
#define IPIB_MAX (IPIB_FRONT + SE_COMPONENTS_MAX * IPIB_COMPONENT)
#define IPIB_VERSION 1
#define IPIB_TYPE 5 /* protected virtualization */
#define PSW_SHORT (1ull << 51)
#define PSW_ADDRESS_MAX 0x7fffffffull

const char *se_kind_text(uint64_t prefix) {
        static const struct {
                enum se_kind kind;
                const char *text;
        } rows[] = {
                { SE_KERNEL, "kernel" },
                { SE_RAMDISK, "initrd" },
                { SE_CMDLINE, "cmdline" },
                { SE_STAGE3B, "loader" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (prefix >> 48 == rows[i].kind)
                        return rows[i].text;
        return "unknown";
}

const struct se_component *se_image_component(const struct se_image *image, enum se_kind kind) {
        for (size_t i = 0; i < image->n_components; i++)
                if (image->components[i].prefix >> 48 == kind)
                        return &image->components[i];
        return NULL;
}

/* --- writing --- */

int se_short_psw(uint64_t mask, uint64_t address, uint64_t *ret) {
        if ((mask & PSW_SHORT) || address > PSW_ADDRESS_MAX || (mask & PSW_ADDRESS_MAX))
                return -EINVAL;
        *ret = mask | PSW_SHORT | address;
        return 0;
}

static void put(uint64_t v, size_t size, uint8_t *ret) {
        for (size_t i = 0; i < size; i++)
                ret[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
}

void se_metadata_write(const struct se_place *place, uint8_t ret[SE_METADATA_SIZE]) {
        memcpy(ret, "SeImgLnx", 8);
        put(place->header, 8, ret + 8);
        put(METADATA_VERSION, 4, ret + 16);
        put(place->ipib, 8, ret + 20);
}

uint64_t se_header_address(size_t stage3a_size) {
        uint64_t end = se_whole_pages(SE_STAGE3A_AT + stage3a_size);

        return end < SE_HEADER_MIN ? SE_HEADER_MIN : end;
}

/* The first stage finds header and IPIB by their distance from its arguments. */
int se_front_write(const struct se_image *image, const struct cvm_bytes *stage3a, struct cvm_bytes *ret) {
        uint64_t header = image->place.header,
                 arguments = SE_STAGE3A_AT + stage3a->size - SE_STAGE3A_ARGUMENTS;
        size_t size = (size_t)(header + se_whole_pages(image->header.size));
        uint8_t *front = calloc(1, size);
        uint64_t psw;

        if (!front)
                return -ENOMEM;
        se_short_psw(SE_ENTRY_MASK, SE_ENTRY_AT, &psw);
        put(psw, 8, front);
        se_metadata_write(&image->place, front + SE_METADATA_AT);
        memcpy(front + SE_STAGE3A_AT, stage3a->data, stage3a->size);
        put(header - arguments, 8, front + arguments);
        put(image->header.size, 8, front + arguments + 8);
        put(image->place.ipib - arguments, 8, front + arguments + 16);
        memcpy(front + header, image->header.bytes, image->header.size);
        *ret = (struct cvm_bytes){ .data = front, .size = size };
        return 0;
}

void se_stage3b_arguments(const struct se_image *image, uint8_t ret[SE_STAGE3B_ARGUMENTS]) {
        static const enum se_kind kinds[] = { SE_KERNEL, SE_CMDLINE, SE_RAMDISK };

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                const struct se_component *c = se_image_component(image, kinds[i]);

                put(c ? c->address : 0, 8, ret + 16 * i);
                put(c ? c->length : 0, 8, ret + 16 * i + 8);
        }
        put(SE_ENTRY_MASK, 8, ret + 48);
        put(SE_KERNEL_AT, 8, ret + 56);
}

int se_ipib_write(const struct se_image *image, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint32_t size = (uint32_t)(IPIB_FRONT + image->n_components * IPIB_COMPONENT);

        cvm_write_u32be(&w, size);
        cvm_write_zeros(&w, 3);
        cvm_write_u8(&w, IPIB_VERSION);
        cvm_write_u32be(&w, size - 8);
        cvm_write_u8(&w, IPIB_TYPE);
        cvm_write_zeros(&w, 3 + 8 + 87);
        cvm_write_u8(&w, IPIB_VERSION);
        cvm_write_zeros(&w, 4);
        cvm_write_u32be(&w, (uint32_t)image->n_components);
        cvm_write_u64be(&w, image->place.header);
        cvm_write_u64be(&w, image->header.size);
        for (size_t i = 0; i < image->n_components; i++) {
                cvm_write_u64be(&w, image->components[i].prefix);
                cvm_write_u64be(&w, image->components[i].address);
                cvm_write_u64be(&w, image->components[i].size);
        }
        return cvm_writer_take(&w, ret);
}

/* --- reading --- */

static int refuse(const char *what, const char *why, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_IMAGE_FORMAT, EBADMSG, "'%s': %s", what, why);
}

static int read_bytes(int fd, const char *what, uint64_t offset, void *ret, size_t size, size_t *ret_size,
                      struct cvm_error *err) {
        ssize_t n = cvm_read_at(fd, offset, ret, size);

        if (n < 0)
                return cvm_fail(err, &CVM_CODE_FILE, (int)-n, "'%s' cannot be read: %s", what,
                                strerror((int)-n));
        *ret_size = (size_t)n;
        return 0;
}

static int check_entry(int fd, const char *what, struct cvm_error *err) {
        uint8_t bytes[8], expected[8];
        uint64_t psw;
        size_t n = 0;
        int r = read_bytes(fd, what, 0, bytes, sizeof bytes, &n, err);

        se_short_psw(SE_ENTRY_MASK, SE_ENTRY_AT, &psw);
        put(psw, sizeof expected, expected);
        if (r >= 0 && (n != sizeof bytes || memcmp(bytes, expected, n) != 0))
                return refuse(what, "it does not begin in its loader", err);
        return r;
}

/* The bytes of the IPIB, exactly as long as it says; the file ends with it. */
static int load_ipib(int fd, const char *what, uint64_t at, uint8_t ret[IPIB_MAX], size_t *ret_size,
                     struct cvm_error *err) {
        struct cvm_reader r;
        struct stat st;
        size_t n = 0;
        uint32_t size;
        int e;

        if (at % SE_PAGE != 0 || at > INT64_MAX - IPIB_MAX || fstat(fd, &st) < 0 ||
            (uint64_t)st.st_size < at)
                return refuse(what, "there is no list of components where its metadata says", err);
        e = read_bytes(fd, what, at, ret, IPIB_MAX, &n, err);
        if (e < 0)
                return e;
        r = cvm_reader_of(ret, n);
        size = cvm_read_u32be(&r);
        if (n < IPIB_FRONT + IPIB_COMPONENT || size != n || (uint64_t)st.st_size != at + size)
                return refuse(what, "the image does not end with the list of its components", err);
        *ret_size = n;
        return 0;
}

static int read_ipib(const uint8_t *bytes, size_t size, const char *what, struct se_image *image,
                     struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(bytes, size);
        uint64_t address, header_size;
        uint8_t version, pv_version, type;
        uint32_t block, n;

        cvm_read_view(&r, 7);
        version = cvm_read_u8(&r);
        block = cvm_read_u32be(&r);
        type = cvm_read_u8(&r);
        cvm_read_view(&r, 3 + 8 + 87);
        pv_version = cvm_read_u8(&r);
        cvm_read_view(&r, 4);
        n = cvm_read_u32be(&r);
        address = cvm_read_u64be(&r);
        header_size = cvm_read_u64be(&r);
        if (r.failed || version != IPIB_VERSION || pv_version != IPIB_VERSION || type != IPIB_TYPE ||
            block != size - 8)
                return refuse(what, "its list of components is of another kind or version", err);
        if (n < 1 || n > SE_COMPONENTS_MAX || size != IPIB_FRONT + n * IPIB_COMPONENT)
                return refuse(what, "its list of components has another size than it says", err);
        if (address != image->place.header || header_size != image->header.size)
                return refuse(what, "its list of components names another header", err);
        for (size_t i = 0; i < n; i++) {
                image->components[i].prefix = cvm_read_u64be(&r);
                image->components[i].address = cvm_read_u64be(&r);
                image->components[i].size = cvm_read_u64be(&r);
        }
        image->n_components = n;
        return 0;
}

static int check_components(const struct se_image *image, const char *what, struct cvm_error *err) {
        uint64_t end = image->place.header + image->header.size, pages = 0, prefix = 0;

        for (size_t i = 0; i < image->n_components; i++) {
                const struct se_component *c = &image->components[i];

                if (c->address % SE_PAGE != 0 || c->size % SE_PAGE != 0 || c->size == 0)
                        return refuse(what, "a component is not made of whole pages", err);
                if (c->address < end || c->address > image->place.ipib ||
                    c->size > image->place.ipib - c->address)
                        return refuse(what, "its components are out of order or overlap", err);
                if (c->prefix <= prefix)
                        return refuse(what, "the tweaks of its components do not grow", err);
                end = c->address + c->size;
                prefix = c->prefix;
                pages += c->size / SE_PAGE;
        }
        if (end != image->place.ipib)
                return refuse(what, "there is something between its components and their list", err);
        return pages == image->header.digests.n_pages
                               ? 0
                               : refuse(what, "its header counts other pages than its components have", err);
}

int se_image_read(int fd, const char *what, struct se_image *ret, struct cvm_error *err) {
        struct se_image image = { 0 };
        uint8_t ipib[IPIB_MAX];
        size_t size = 0;
        int r = se_header_find(fd, what, &image.place, &image.header, err);

        if (r >= 0 && !image.place.has_metadata)
                return refuse(what,
                              "it is a header alone, or an image that does not say where its parts are",
                              err);
        if (r >= 0 && image.place.version != METADATA_VERSION)
                return refuse(what, "its metadata is of another version", err);
        if (r >= 0 && image.place.header < SE_HEADER_MIN)
                return refuse(what, "its header is where older tools do not look", err);
        if (r >= 0)
                r = check_entry(fd, what, err);
        if (r >= 0)
                r = load_ipib(fd, what, image.place.ipib, ipib, &size, err);
        if (r >= 0)
                r = read_ipib(ipib, size, what, &image, err);
        if (r >= 0)
                r = check_components(&image, what, err);
        if (r >= 0)
                *ret = image;
        return r;
}
