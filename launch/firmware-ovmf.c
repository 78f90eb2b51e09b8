#include "launch/firmware-ovmf.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

#define FOOTER_END 32 /* the table ends this far before the end of the image */
#define ENTRY_MIN 18  /* u16 length, GUID */

/* GUIDs as they stand in the image: the first three groups little-endian. */
static const uint8_t guid_footer[16] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                         0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };
static const uint8_t guid_reset[16] = { 0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
                                        0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e };
static const uint8_t guid_hashes[16] = { 0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
                                         0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54 };
static const uint8_t guid_metadata[16] = { 0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
                                           0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc };

struct image {
        const uint8_t *bytes;
        size_t size;
        struct ovmf *ovmf;
        bool seen[3]; /* entries, by their row below */
};

static int refuse(struct cvm_error *err, const char *words) {
        return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL, "the firmware's %s", words);
}

static int read_reset(struct image *image, struct cvm_reader data, struct cvm_error *err) {
        image->ovmf->reset_eip = cvm_read_u32le(&data);
        image->ovmf->has_reset = true;
        return cvm_reader_done(&data) ? 0 : refuse(err, "reset block has a wrong length");
}

static int read_hashes(struct image *image, struct cvm_reader data, struct cvm_error *err) {
        image->ovmf->hashes_gpa = cvm_read_u32le(&data);
        image->ovmf->hashes_size = cvm_read_u32le(&data);
        /* Builds without room for kernel hashes say so with zeros. */
        image->ovmf->has_hashes = image->ovmf->hashes_gpa && image->ovmf->hashes_size;
        return cvm_reader_done(&data) ? 0 : refuse(err, "kernel hashes entry has a wrong length");
}

static int check_section(const struct ovmf_section *s, struct cvm_error *err) {
        if (s->gpa % OVMF_PAGE || s->size % OVMF_PAGE || s->size == 0)
                return refuse(err, "metadata has a section that is not whole pages");
        if (s->size > UINT32_MAX - s->gpa || s->size > OVMF_SIZE_MAX)
                return refuse(err, "metadata has a section outside the first 4 GiB or of absurd size");
        if ((s->type == OVMF_SECTION_SECRETS || s->type == OVMF_SECTION_CPUID) && s->size != OVMF_PAGE)
                return refuse(err, "secrets or CPUID section is not one page");
        if ((s->type < OVMF_SECTION_MEMORY || s->type > OVMF_SECTION_SVSM_CAA) &&
            s->type != OVMF_SECTION_KERNEL_HASHES)
                return refuse(err, "metadata has a section of unknown type");
        return 0;
}

static int read_sections(struct image *image, size_t offset, struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(image->bytes + image->size - offset, offset);
        const uint8_t *magic = cvm_read_view(&r, 4);
        uint32_t length = cvm_read_u32le(&r), version = cvm_read_u32le(&r), count = cvm_read_u32le(&r);

        if (r.failed || memcmp(magic, "ASEV", 4) != 0)
                return refuse(err, "SEV metadata is not where its entry points");
        if (version != 1)
                return refuse(err, "SEV metadata is of an unknown version");
        if (count > OVMF_SECTIONS_MAX || length != 16 + 12 * count || 12 * count > r.left)
                return refuse(err, "SEV metadata has a wrong length");
        for (uint32_t i = 0; i < count; i++) {
                struct ovmf_section *s = &image->ovmf->sections[i];
                int e;

                s->gpa = cvm_read_u32le(&r);
                s->size = cvm_read_u32le(&r);
                s->type = cvm_read_u32le(&r);
                e = check_section(s, err);
                if (e < 0)
                        return e;
        }
        image->ovmf->n_sections = count;
        image->ovmf->has_metadata = true;
        return 0;
}

static int read_metadata(struct image *image, struct cvm_reader data, struct cvm_error *err) {
        uint32_t offset = cvm_read_u32le(&data);

        if (!cvm_reader_done(&data) || offset > image->size)
                return refuse(err, "SEV metadata entry points outside the image");
        return read_sections(image, offset, err);
}

static const struct {
        const uint8_t *guid;
        int (*read)(struct image *image, struct cvm_reader data, struct cvm_error *err);
} entries[3] = {
        { guid_reset, read_reset },
        { guid_hashes, read_hashes },
        { guid_metadata, read_metadata },
};

/* Called for each entry, from the end of the table to its start. */
typedef int (*entry_fn)(void *ctx, const uint8_t *guid, struct cvm_reader data, struct cvm_error *err);

static int read_entry(void *ctx, const uint8_t *guid, struct cvm_reader data, struct cvm_error *err) {
        struct image *image = ctx;

        for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
                if (memcmp(guid, entries[i].guid, 16) != 0)
                        continue;
                if (image->seen[i])
                        return refuse(err, "table has an entry twice");
                image->seen[i] = true;
                return entries[i].read(image, data, err);
        }
        return 0; /* other programs' entries */
}

/* Entries are data, u16 length, GUID; the length counts all three. */
static int walk_entries(const uint8_t *bytes, size_t start, size_t end, entry_fn fn, void *ctx,
                        struct cvm_error *err) {
        while (end > start) {
                struct cvm_reader r;
                size_t length;
                int e;

                if (end - start < ENTRY_MIN)
                        return refuse(err, "table has a broken entry");
                r = cvm_reader_of(bytes + end - ENTRY_MIN, 2);
                length = cvm_read_u16le(&r);
                if (length < ENTRY_MIN || length > end - start)
                        return refuse(err, "table has an entry of impossible length");
                e = fn(ctx, bytes + end - 16, cvm_reader_of(bytes + end - length, length - ENTRY_MIN), err);
                if (e < 0)
                        return e;
                end -= length;
        }
        return 0;
}

static int walk(const uint8_t *bytes, size_t size, entry_fn fn, void *ctx, struct cvm_error *err) {
        struct cvm_reader r;
        size_t length, end;

        if (size == 0 || size % OVMF_PAGE || size > OVMF_SIZE_MAX)
                return refuse(err, "size is not a multiple of 4096 bytes, or absurd");
        end = size - FOOTER_END - ENTRY_MIN;
        if (memcmp(bytes + end + 2, guid_footer, 16) != 0)
                return 0;
        r = cvm_reader_of(bytes + end, 2);
        length = cvm_read_u16le(&r);
        if (length < ENTRY_MIN || length > size - FOOTER_END)
                return refuse(err, "table has an impossible length");
        return walk_entries(bytes, size - FOOTER_END - length, end, fn, ctx, err);
}

int ovmf_read(const uint8_t *bytes, size_t size, struct ovmf *ret, struct cvm_error *err) {
        struct ovmf ovmf = { 0 };
        struct image image = { .bytes = bytes, .size = size, .ovmf = &ovmf };
        int r = walk(bytes, size, read_entry, &image, err);

        if (r >= 0)
                *ret = ovmf;
        return r;
}

struct wanted {
        const uint8_t *guid;
        struct cvm_reader data;
        bool found;
};

static int take_wanted(void *ctx, const uint8_t *guid, struct cvm_reader data, struct cvm_error *err) {
        struct wanted *wanted = ctx;

        if (memcmp(guid, wanted->guid, 16) != 0)
                return 0;
        if (wanted->found)
                return refuse(err, "table has an entry twice");
        wanted->data = data;
        wanted->found = true;
        return 0;
}

int ovmf_find(const uint8_t *bytes, size_t size, const uint8_t guid[16], struct cvm_reader *ret,
              struct cvm_error *err) {
        struct wanted wanted = { .guid = guid };
        int r = walk(bytes, size, take_wanted, &wanted, err);

        if (r < 0)
                return r;
        if (wanted.found)
                *ret = wanted.data;
        return wanted.found;
}
