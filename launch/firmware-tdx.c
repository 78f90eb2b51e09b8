#include "launch/firmware-tdx.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "launch/firmware-ovmf.h"

#define MEASURED 1u /* attribute MR.EXTEND; there is no other that QEMU knows */
#define HEADER 16
#define SECTION 32

/* e47a6535-984a-4798-865e-4685a7bf8ec2, as it stands in the image */
static const uint8_t guid_metadata[16] = { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
                                           0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 };

static int refuse(struct cvm_error *err, const char *words) {
        return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL, "the firmware's %s", words);
}

static int check_memory(const struct tdvf_section *s, struct cvm_error *err) {
        if (s->size == 0 || s->size % TDVF_PAGE || s->gpa % TDVF_PAGE || s->size > OVMF_SIZE_MAX ||
            s->gpa > UINT64_MAX - s->size)
                return refuse(err, "TDX metadata has a section that is not whole pages, or of absurd size");
        if (s->type > TDVF_MEMORY)
                return refuse(err, "TDX metadata has a section of a type that QEMU does not add");
        return 0;
}

/* QEMU adds as many bytes as the memory has, from where the section's bytes begin. */
static int check_bytes(const struct tdvf_section *s, uint32_t raw, uint32_t attributes, size_t image_size,
                       struct cvm_error *err) {
        if (attributes & ~MEASURED)
                return refuse(err, "TDX metadata has an attribute that QEMU does not know");
        if (!tdvf_has_bytes(s) && (raw || s->is_measured))
                return refuse(err, "TDX metadata has contents for memory that the host fills in");
        if (tdvf_has_bytes(s) &&
            (raw == 0 || raw > s->size || s->offset > image_size || s->size > image_size - s->offset))
                return refuse(err, "TDX metadata has a section outside the image");
        return 0;
}

static int check_overlap(const struct tdvf *tdvf, struct cvm_error *err) {
        for (size_t i = 0; i < tdvf->n_sections; i++)
                for (size_t k = 0; k < i; k++) {
                        const struct tdvf_section *a = &tdvf->sections[i], *b = &tdvf->sections[k];

                        if (a->gpa < b->gpa + b->size && b->gpa < a->gpa + a->size)
                                return refuse(err, "TDX metadata has sections that overlap");
                }
        return 0;
}

static int read_section(struct cvm_reader *r, size_t image_size, struct tdvf_section *ret,
                        struct cvm_error *err) {
        uint32_t raw, attributes;
        int e;

        ret->offset = cvm_read_u32le(r);
        raw = cvm_read_u32le(r);
        ret->gpa = cvm_read_u64le(r);
        ret->size = cvm_read_u64le(r);
        ret->type = cvm_read_u32le(r);
        attributes = cvm_read_u32le(r);
        ret->is_measured = attributes & MEASURED;
        e = check_memory(ret, err);
        return e < 0 ? e : check_bytes(ret, raw, attributes, image_size, err);
}

static int read_sections(struct cvm_reader r, size_t image_size, struct tdvf *ret, struct cvm_error *err) {
        const uint8_t *magic = cvm_read_view(&r, 4);
        uint32_t length = cvm_read_u32le(&r), version = cvm_read_u32le(&r), count = cvm_read_u32le(&r);
        size_t hand_offs = 0;
        int e = 0;

        if (r.failed || memcmp(magic, "TDVF", 4) != 0)
                return refuse(err, "TDX metadata is not where its entry points");
        if (version != 1)
                return refuse(err, "TDX metadata is of an unknown version");
        if (count < 2 || count > TDVF_SECTIONS_MAX || length != HEADER + SECTION * count ||
            SECTION * count > r.left)
                return refuse(err, "TDX metadata has a wrong length");
        for (uint32_t i = 0; e >= 0 && i < count; i++) {
                e = read_section(&r, image_size, &ret->sections[i], err);
                hand_offs += ret->sections[i].type == TDVF_HAND_OFF;
        }
        ret->n_sections = count;
        if (e >= 0 && hand_offs != 1)
                return refuse(err, "TDX metadata must have one place for what the host says of the memory");
        return e < 0 ? e : check_overlap(ret, err);
}

int tdvf_read(const uint8_t *bytes, size_t size, struct tdvf *ret, struct cvm_error *err) {
        struct tdvf tdvf = { 0 };
        struct cvm_reader data;
        uint32_t offset;
        int r = ovmf_find(bytes, size, guid_metadata, &data, err);

        if (r < 0)
                return r;
        if (r == 0)
                return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL, "the firmware has no TDX metadata");
        offset = cvm_read_u32le(&data);
        if (!cvm_reader_done(&data) || offset > size)
                return refuse(err, "TDX metadata entry points outside the image");
        r = read_sections(cvm_reader_of(bytes + size - offset, offset), size, &tdvf, err);
        if (r >= 0)
                *ret = tdvf;
        return r;
}
