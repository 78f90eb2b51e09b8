#include "launch/image-build-se.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/names.h"
#include "base/parallel.h"
#include "launch/pages-se.h"

#define PIECE (64 * SE_PAGE)
#define KERNEL_MARK_AT 0x10008
#define KERNEL_CMDLINE_MAX_AT 0x10430
#define KERNEL_CMDLINE_DEFAULT 896

static int refuse(struct cvm_error *err, const char *name, const char *why) {
        return cvm_fail(err, &CVM_CODE_IMAGE_PART, EINVAL, "%s %s", name, why);
}

void se_random_done(struct se_random *random) {
        EVP_PKEY_free(random->customer);
        *random = (struct se_random){ 0 };
}

int se_random_make(struct se_random *ret, struct cvm_error *err) {
        *ret = (struct se_random){ 0 };
        cvm_random(ret->iv, sizeof ret->iv);
        cvm_random(ret->tweaks, sizeof ret->tweaks);
        return se_customer_key_make(&ret->customer, err);
}

void se_keys_fill(struct se_keys *keys) {
        if (cvm_is_zero(keys->protection, sizeof keys->protection))
                cvm_random(keys->protection, sizeof keys->protection);
        if (cvm_is_zero(keys->cck, sizeof keys->cck))
                cvm_random(keys->cck, sizeof keys->cck);
        if (cvm_is_zero(keys->image, sizeof keys->image))
                cvm_random(keys->image, sizeof keys->image);
}

/* --- what an image can be made of --- */

static int check_kernel(const struct se_source *kernel, uint64_t *ret_cmdline_max, struct cvm_error *err) {
        uint8_t front[4], mark[6], number[8] = { 0 };
        struct cvm_reader r = cvm_reader_of(number, sizeof number);
        ssize_t n = se_source_read(kernel, 0, front, sizeof front, err);

        if (n == sizeof front && memcmp(front,
                                        "\x7f"
                                        "ELF",
                                        4) == 0)
                return refuse(err, kernel->name, "is an ELF file: a raw kernel is needed");
        if (n >= 0)
                n = se_source_read(kernel, KERNEL_MARK_AT, mark, sizeof mark, err);
        if (n >= 0 && (n != sizeof mark || memcmp(mark, "S390EP", sizeof mark) != 0))
                return refuse(err, kernel->name, "is no kernel of s390x");
        if (n >= 0)
                n = se_source_read(kernel, KERNEL_CMDLINE_MAX_AT, number, sizeof number, err);
        if (n < 0)
                return (int)n;
        if (n != sizeof number)
                return refuse(err, kernel->name, "is cut off");
        *ret_cmdline_max = cvm_read_u64be(&r);
        if (*ret_cmdline_max == 0)
                *ret_cmdline_max = KERNEL_CMDLINE_DEFAULT;
        return 0;
}

static int check_parts(const struct se_build *in, struct cvm_error *err) {
        size_t length = in->cmdline ? strlen(in->cmdline) + 1 : 0;
        uint64_t max = 0;
        int r = check_kernel(&in->kernel, &max, err);

        if (r < 0)
                return r;
        if (length > max || length > SE_CMDLINE_MAX)
                return cvm_fail(err, &CVM_CODE_IMAGE_PART, EINVAL,
                                "the command line has %zu bytes, and %s takes %" PRIu64, length - 1,
                                in->kernel.name, max - 1);
        if (in->stage3a->size < SE_ENTRY_AT - SE_STAGE3A_AT + SE_STAGE3A_ARGUMENTS ||
            in->stage3a->size > SE_STAGE_MAX || in->stage3b->size < SE_STAGE3B_ARGUMENTS ||
            in->stage3b->size > SE_STAGE_MAX)
                return refuse(err, "the loader", "is too small or too large to be one");
        return 0;
}

static int check_hosts(const struct se_build *in, struct cvm_error *err) {
        uint8_t hashes[SE_SLOTS_MAX][SE_COORDINATES_SIZE];

        if (in->n_hosts < 1 || in->n_hosts > SE_SLOTS_MAX)
                return cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL,
                                "an image is built for 1 to %d hosts, not for %zu", SE_SLOTS_MAX,
                                in->n_hosts);
        for (size_t i = 0; i < in->n_hosts; i++) {
                int r = se_coordinates(in->hosts[i], "a host", hashes[i], err);

                for (size_t k = 0; r >= 0 && k < i; k++)
                        if (memcmp(hashes[k], hashes[i], sizeof hashes[i]) == 0)
                                r = cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL,
                                             "the host keys %zu and %zu are the same", k + 1, i + 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- writing --- */

struct builder {
        const struct se_build *in;
        int fd;
        struct se_image image;
        struct se_pages *pages;
        struct cvm_secret room; /* two pieces: what is read here is not encrypted yet */
        uint64_t next;          /* address */
};

static void builder_done(struct builder *b) {
        se_pages_free(b->pages);
        cvm_secret_done(&b->room);
}

static int write_at(struct builder *b, uint64_t at, const void *data, size_t size, struct cvm_error *err) {
        int r = cvm_write_at(b->fd, at, data, size);

        return r < 0 ? cvm_fail(err, &CVM_CODE_FILE, -r, "the image cannot be written: %s", strerror(-r))
                     : 0;
}

/* A component in pieces: while one is digested, which takes longest, the next is made and written. */
struct piece {
        uint8_t *data;
        uint64_t offset;
        size_t size; /* 0: there is none */
};

struct adding {
        struct builder *builder;
        struct se_component *component;
        const struct se_source *source;
        struct piece made, next;
        struct cvm_error errors[2];
        int results[2];
};

static int digest_made(struct adding *a, struct cvm_error *err) {
        return se_pages_add(a->builder->pages, a->component->prefix, a->component->address, a->made.offset,
                            a->made.data, a->made.size, err);
}

/* An empty source has one page all the same. */
static int make_next(struct adding *a, struct cvm_error *err) {
        struct builder *b = a->builder;
        struct se_component *c = a->component;
        struct piece *p = &a->next;
        ssize_t n = se_source_read(a->source, c->length, p->data, PIECE, err);
        int r = 0;

        if (n < 0)
                return (int)n;
        p->offset = c->size;
        p->size = n == 0 && c->size == 0 ? SE_PAGE : (size_t)se_whole_pages((uint64_t)n);
        memset(p->data + n, 0, p->size - (size_t)n);
        if (p->size && !(b->in->pcf & SE_PCF_PLAIN))
                r = se_pages_encrypt(b->in->keys->image, c->prefix, p->offset, p->data, p->size, err);
        if (r >= 0 && p->size)
                r = write_at(b, c->address + p->offset, p->data, p->size, err);
        c->length += (size_t)n;
        c->size += p->size;
        return r;
}

static void add_half(void *ctx, size_t half) {
        static int (*const halves[])(struct adding *, struct cvm_error *) = { digest_made, make_next };
        struct adding *a = ctx;

        a->results[half] = halves[half](a, &a->errors[half]);
}

static int add_pieces(struct adding *a, struct cvm_error *err) {
        do {
                struct piece made;

                cvm_parallel(2, add_half, a);
                for (size_t half = 0; half < 2; half++)
                        if (a->results[half] < 0) {
                                if (err)
                                        *err = a->errors[half];
                                return a->results[half];
                        }
                made = a->next;
                a->next.data = a->made.data;
                a->made = made;
        } while (a->made.size);
        return 0;
}

/* What was cut off or grew meanwhile is not what its owner meant. */
static int check_length(const struct se_source *source, uint64_t length, struct cvm_error *err) {
        struct stat st;

        if (source->fd < 0 || (fstat(source->fd, &st) == 0 && (uint64_t)st.st_size == length))
                return 0;
        return refuse(err, source->name, "changed while it was read");
}

static int add_component(struct builder *b, enum se_kind kind, const struct se_source *source,
                         struct cvm_error *err) {
        struct se_component *c = &b->image.components[b->image.n_components++];
        const uint8_t *random = b->in->random->tweaks[(kind - SE_KERNEL) / 10];
        struct adding adding = { .builder = b,
                                 .component = c,
                                 .source = source,
                                 .made = { .data = b->room.data },
                                 .next = { .data = b->room.data + PIECE } };
        int r;

        *c = (struct se_component){ .prefix = kind, .address = b->next };
        for (size_t i = 0; i < SE_TWEAK_RANDOM; i++)
                c->prefix = c->prefix << 8 | random[i];
        r = add_pieces(&adding, err);
        if (r >= 0)
                r = check_length(source, c->length, err);
        b->next = c->address + c->size;
        return r;
}

/* The second stage moves kernel, initrd and command line to where the kernel wants them: it is told where
 * they are. */
static int add_stage3b(struct builder *b, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes stage = { 0 };
        struct se_source source = { .fd = -1, .name = "the loader" };

        if (cvm_bytes_copy(b->in->stage3b->data, b->in->stage3b->size, &stage) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "building an image");
        se_stage3b_arguments(&b->image, stage.data + stage.size - SE_STAGE3B_ARGUMENTS);
        source.data = stage.data;
        source.size = stage.size;
        return add_component(b, SE_STAGE3B, &source, err);
}

static int add_components(struct builder *b, struct cvm_error *err) {
        const char *cmdline = b->in->cmdline;
        const struct se_source line = { .fd = -1,
                                        .data = (const uint8_t *)cmdline,
                                        .size = cmdline ? strlen(cmdline) + 1 : 0,
                                        .name = "the command line" };
        int r = add_component(b, SE_KERNEL, &b->in->kernel, err);

        if (r >= 0 && b->in->initrd)
                r = add_component(b, SE_RAMDISK, b->in->initrd, err);
        if (r >= 0 && cmdline)
                r = add_component(b, SE_CMDLINE, &line, err);
        return r < 0 ? r : add_stage3b(b, err);
}

static int make_header(struct builder *b, struct cvm_error *err) {
        const struct se_build *in = b->in;
        const struct se_component *loader = se_image_component(&b->image, SE_STAGE3B);
        struct se_header_inputs inputs = { .customer = in->random->customer,
                                           .hosts = in->hosts,
                                           .n_hosts = in->n_hosts,
                                           .keys = in->keys,
                                           .iv = in->random->iv,
                                           .pcf = in->pcf,
                                           .entry = { SE_ENTRY_MASK, loader->address, in->scf } };
        int r = se_pages_digests(b->pages, &inputs.digests, err);

        return r < 0 ? r : se_header_make(&inputs, &b->image.header, err);
}

static int write_ipib(struct builder *b, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes ipib = { 0 };

        b->image.place.ipib = b->next;
        if (se_ipib_write(&b->image, &ipib) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "building an image");
        return write_at(b, b->image.place.ipib, ipib.data, ipib.size, err);
}

/* Last, so that a file of a build that failed does not begin like an image. */
static int write_front(struct builder *b, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes front = { 0 };

        if (se_front_write(&b->image, b->in->stage3a, &front) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "building an image");
        return write_at(b, 0, front.data, front.size, err);
}

int se_image_build(const struct se_build *in, int fd, struct se_image *ret, struct cvm_error *err) {
        CVM_CLEANUP(builder_done) struct builder b = { .in = in, .fd = fd };
        int r = check_parts(in, err);

        if (r >= 0)
                r = check_hosts(in, err);
        if (r >= 0)
                r = se_pages_new(&b.pages, err);
        if (r >= 0 && cvm_secret_new((size_t)2 * PIECE, &b.room) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "building an image");
        if (r < 0)
                return r;
        b.image.place = (struct se_place){ .header = se_header_address(in->stage3a->size),
                                           .has_metadata = true,
                                           .version = 1 };
        b.next = b.image.place.header + se_whole_pages(se_header_size(in->n_hosts));
        r = add_components(&b, err);
        if (r >= 0)
                r = make_header(&b, err);
        if (r >= 0)
                r = write_ipib(&b, err);
        if (r >= 0)
                r = write_front(&b, err);
        if (r >= 0)
                *ret = b.image;
        return r;
}
