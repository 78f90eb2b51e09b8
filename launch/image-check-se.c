/* What an image holds: its pages against its header, and against what it was made of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "launch/image-se.h"
#include "launch/pages-se.h"

#define PIECE (16 * SE_PAGE)

static int refuse(const char *what, const char *why, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_IMAGE_CHANGED, EBADMSG, "'%s': %s", what, why);
}

static int read_pages(int fd, const char *what, uint64_t offset, uint8_t *ret, size_t size,
                      struct cvm_error *err) {
        ssize_t n = cvm_read_at(fd, offset, ret, size);

        if (n < 0)
                return cvm_fail(err, &CVM_CODE_FILE, (int)-n, "'%s' cannot be read: %s", what,
                                strerror((int)-n));
        return (size_t)n == size ? 0
                                 : cvm_fail(err, &CVM_CODE_IMAGE_FORMAT, EBADMSG,
                                            "'%s' became shorter while it was read", what);
}

static size_t piece_of(const struct se_component *c, uint64_t offset) {
        return c->size - offset < PIECE ? (size_t)(c->size - offset) : PIECE;
}

static int compare_digests(const struct se_digests *a, const struct se_digests *b, const char *what,
                           struct cvm_error *err) {
        if (memcmp(a->pages, b->pages, CVM_SHA512_SIZE) != 0)
                return refuse(what, "the digest of its pages (PLD) is not the header's: a page was changed",
                              err);
        if (memcmp(a->addresses, b->addresses, CVM_SHA512_SIZE) != 0)
                return refuse(what, "the digest of its addresses (ALD) is not the header's", err);
        return memcmp(a->tweaks, b->tweaks, CVM_SHA512_SIZE) == 0
                               ? 0
                               : refuse(what, "the digest of its tweaks (TLD) is not the header's", err);
}

int se_image_check(int fd, const char *what, const struct se_image *image, struct cvm_error *err) {
        CVM_CLEANUP(se_pages_freep) struct se_pages *pages = NULL;
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret room = { 0 };
        struct se_digests digests;
        int r = se_pages_new(&pages, err);

        if (r >= 0 && cvm_secret_new(PIECE, &room) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "checking an image");
        for (size_t i = 0; r >= 0 && i < image->n_components; i++) {
                const struct se_component *c = &image->components[i];

                for (uint64_t at = 0; r >= 0 && at < c->size; at += PIECE) {
                        r = read_pages(fd, what, c->address + at, room.data, piece_of(c, at), err);
                        if (r >= 0)
                                r = se_pages_add(pages, c->prefix, c->address, at, room.data,
                                                 piece_of(c, at), err);
                }
        }
        if (r >= 0)
                r = se_pages_digests(pages, &digests, err);
        return r < 0 ? r : compare_digests(&digests, &image->header.digests, what, err);
}

/* --- opened with the header key --- */

static bool is_encrypted(const struct se_image *image) {
        return !(image->header.pcf & SE_PCF_PLAIN);
}

/* The loader's last pages, at most two, in which its arguments stand; they may lie across the two. */
static int load_tail(int fd, const char *what, const struct se_image *image, const struct se_keys *keys,
                     const struct se_component *c, struct cvm_secret *ret, struct cvm_error *err) {
        size_t size = c->size < 2ull * SE_PAGE ? (size_t)c->size : 2 * SE_PAGE;
        uint64_t at = c->size - size;
        int r;

        if (cvm_secret_new(size, ret) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "checking an image");
        r = read_pages(fd, what, c->address + at, ret->data, size, err);
        if (r >= 0 && is_encrypted(image))
                r = se_pages_decrypt(keys->image, c->prefix, at, ret->data, size, err);
        return r;
}

/* The arguments end with an address, 0x10000, and behind them is only padding: the last byte that is not
 * zero is the 1 in it. */
static const uint8_t *find_arguments(const struct cvm_secret *tail, size_t *ret_end) {
        size_t end = tail->size;

        while (end > 0 && tail->data[end - 1] == 0)
                end--;
        end += 2;
        if (end > tail->size || end < SE_STAGE3B_ARGUMENTS || end + SE_PAGE <= tail->size)
                return NULL;
        *ret_end = end;
        return tail->data + end - SE_STAGE3B_ARGUMENTS;
}

/* A length that a component of that many pages can have; an empty one has a page too. */
static bool length_fits(const struct se_component *c, uint64_t length) {
        return length <= c->size && (length > c->size - SE_PAGE || (length == 0 && c->size == SE_PAGE));
}

static int take_lengths(struct se_image *image, const uint8_t *arguments, const char *what,
                        struct cvm_error *err) {
        static const enum se_kind kinds[] = { SE_KERNEL, SE_CMDLINE, SE_RAMDISK };
        uint8_t expected[SE_STAGE3B_ARGUMENTS];
        struct cvm_reader r = cvm_reader_of(arguments, SE_STAGE3B_ARGUMENTS);

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                const struct se_component *found = se_image_component(image, kinds[i]);
                uint64_t length;

                cvm_read_u64be(&r);
                length = cvm_read_u64be(&r);
                if (!found)
                        continue;
                if (!length_fits(found, length))
                        return refuse(what, "its loader was given another length of a component", err);
                image->components[found - image->components].length = length;
        }
        se_stage3b_arguments(image, expected);
        return memcmp(arguments, expected, sizeof expected) == 0
                               ? 0
                               : refuse(what, "its loader was given other components than the image has",
                                        err);
}

int se_image_open(int fd, const char *what, struct se_image *image, struct se_keys *keys,
                  struct se_entry *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret tail = { 0 };
        const struct se_component *loader = se_image_component(image, SE_STAGE3B);
        const uint8_t *arguments;
        struct se_entry entry;
        size_t end;
        int r = se_header_open(&image->header, keys, &entry, err);

        if (r < 0)
                return cvm_while(err, r, "'%s'", what);
        if (!loader || entry.psw_address != loader->address || entry.psw_mask != SE_ENTRY_MASK)
                return refuse(what, "its header does not begin in its loader", err);
        r = load_tail(fd, what, image, keys, loader, &tail, err);
        if (r < 0)
                return r;
        arguments = find_arguments(&tail, &end);
        if (!arguments)
                return refuse(what, "its loader was given no components", err);
        image->components[loader - image->components].length = loader->size - tail.size + end;
        r = take_lengths(image, arguments, what, err);
        if (r >= 0)
                *ret = entry;
        return r;
}

/* --- compared with what it was made of --- */

ssize_t se_source_read(const struct se_source *source, uint64_t offset, uint8_t *ret, size_t size,
                       struct cvm_error *err) {
        ssize_t n;

        if (source->fd >= 0) {
                n = cvm_read_at(source->fd, offset, ret, size);
                return n >= 0 ? n
                              : cvm_fail(err, &CVM_CODE_FILE, (int)-n, "%s cannot be read: %s", source->name,
                                         strerror((int)-n));
        }
        if (offset >= source->size)
                return 0;
        n = (ssize_t)(source->size - offset < size ? source->size - offset : size);
        memcpy(ret, source->data + offset, (size_t)n);
        return n;
}

static int differs(const char *what, const struct se_source *source, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_IMAGE_CHANGED, EBADMSG, "'%s' was not made with %s", what,
                        source->name);
}

/* One piece: what the image has there, and what it would have if it were made of the source. */
static int compare_piece(int fd, const char *what, const struct se_component *c, uint64_t at,
                         const struct se_source *source, const uint8_t *image_key, uint8_t *room,
                         struct cvm_error *err) {
        size_t size = piece_of(c, at), length = 0;
        uint8_t *stored = room, *made = room + PIECE;
        ssize_t n;
        int r = read_pages(fd, what, c->address + at, stored, size, err);

        if (r < 0)
                return r;
        if (at < c->length)
                length = c->length - at < size ? (size_t)(c->length - at) : size;
        n = se_source_read(source, at, made, length, err);
        if (n < 0)
                return (int)n;
        if ((size_t)n != length)
                return differs(what, source, err);
        memset(made + n, 0, size - length);
        if (image_key)
                r = se_pages_encrypt(image_key, c->prefix, at, made, size, err);
        return r < 0 || memcmp(stored, made, size) == 0 ? r : differs(what, source, err);
}

int se_image_compare(int fd, const char *what, const struct se_image *image, const struct se_keys *keys,
                     enum se_kind kind, const struct se_source *source, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret room = { 0 };
        const struct se_component *c = se_image_component(image, kind);
        uint8_t more;
        ssize_t n;
        int r = 0;

        if (!c)
                return differs(what, source, err);
        if (cvm_secret_new(2 * PIECE, &room) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "comparing an image");
        for (uint64_t at = 0; r >= 0 && at < c->size; at += PIECE)
                r = compare_piece(fd, what, c, at, source, is_encrypted(image) ? keys->image : NULL,
                                  room.data, err);
        if (r < 0)
                return r;
        n = se_source_read(source, c->length, &more, 1, err);
        return n > 0 ? differs(what, source, err) : (int)n;
}

/* --- the loader --- */

static int compare_bytes(int fd, const char *what, uint64_t at, const struct cvm_bytes *made,
                         const char *why, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes stored = { .data = malloc(made->size), .size = made->size };
        int r;

        if (!stored.data)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "comparing an image");
        r = read_pages(fd, what, at, stored.data, stored.size, err);
        return r < 0 || memcmp(stored.data, made->data, made->size) == 0 ? r : refuse(what, why, err);
}

/* What no digest covers: nothing else is in it than a builder puts there. */
static int compare_unprotected(int fd, const char *what, const struct se_image *image,
                               const struct cvm_bytes *stage3a, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes front = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes ipib = { 0 };
        uint64_t at;
        int r;

        if (image->place.header != se_header_address(stage3a->size))
                return refuse(what, "the first stage of its loader is another one", err);
        if (se_front_write(image, stage3a, &front) < 0 || se_ipib_write(image, &ipib) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "comparing an image");
        at = front.size;
        for (size_t i = 0; i < image->n_components; at += image->components[i++].size)
                if (image->components[i].address != at)
                        return refuse(what, "there is something between its components", err);
        r = compare_bytes(fd, what, 0, &front,
                          "the first stage of its loader is another one, was told of other parts, or is not "
                          "alone with the header in its front",
                          err);
        return r < 0 ? r
                     : compare_bytes(fd, what, image->place.ipib, &ipib,
                                     "the list of its components has bytes that no builder puts there", err);
}

int se_image_compare_loader(int fd, const char *what, const struct se_image *image,
                            const struct se_keys *keys, const struct cvm_bytes *stage3a,
                            const struct cvm_bytes *stage3b, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes stage = { 0 };
        struct se_source source = { .fd = -1, .name = "this loader" };
        int r;

        if (stage3a->size < SE_STAGE3A_ARGUMENTS || stage3b->size < SE_STAGE3B_ARGUMENTS)
                return cvm_fail(err, &CVM_CODE_IMAGE_PART, EINVAL, "the loader is too small to be one");
        if (cvm_bytes_copy(stage3b->data, stage3b->size, &stage) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "comparing an image");
        se_stage3b_arguments(image, stage.data + stage.size - SE_STAGE3B_ARGUMENTS);
        source.data = stage.data;
        source.size = stage.size;
        r = se_image_compare(fd, what, image, keys, SE_STAGE3B, &source, err);
        return r < 0 ? r : compare_unprotected(fd, what, image, stage3a, err);
}
