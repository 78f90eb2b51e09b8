#include "worker/qcow2.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"

#define MAGIC 0x514649fbu /* "QFI\xfb" */
#define INCOMPATIBLE_DATA_FILE (1ull << 2)
#define INCOMPATIBLE_KNOWN \
        (1ull << 0 | 1ull << 1 | 1ull << 3 | 1ull << 4) /* dirty, corrupt, compression, extended L2 */
#define EXTENSION_END 0u
#define EXTENSION_BACKING_FORMAT 0xe2792acau
#define EXTENSION_DATA_FILE 0x44415441u

struct header {
        uint32_t version, backing_size, cluster_bits, crypt_method, header_length;
        uint64_t backing_offset, virtual_size, incompatible;
};

static int format(struct cvm_error *err, const char *words) {
        return cvm_fail(err, &CVM_CODE_DISK_FORMAT, EINVAL, "the qcow2 image %s", words);
}

static int read_header(struct cvm_reader *r, struct header *h, struct cvm_error *err) {
        if (cvm_read_u32be(r) != MAGIC)
                return format(err, "has no qcow2 header");
        h->version = cvm_read_u32be(r);
        h->backing_offset = cvm_read_u64be(r);
        h->backing_size = cvm_read_u32be(r);
        h->cluster_bits = cvm_read_u32be(r);
        h->virtual_size = cvm_read_u64be(r);
        h->crypt_method = cvm_read_u32be(r);
        (void)cvm_read_view(r, 36); /* tables and snapshots */
        h->header_length = 72;
        if (h->version == 3) {
                h->incompatible = cvm_read_u64be(r);
                (void)cvm_read_view(r, 16); /* compatible and autoclear bits */
                (void)cvm_read_u32be(r);    /* refcount order */
                h->header_length = cvm_read_u32be(r);
        }
        if (r->failed)
                return format(err, "is shorter than its header");
        return 0;
}

static int check_header(const struct header *h, struct cvm_error *err) {
        if (h->version != 2 && h->version != 3)
                return format(err, "is of an unknown version");
        if (h->backing_offset || h->backing_size)
                return cvm_fail(err, &CVM_CODE_DISK_BACKING, EINVAL, "the qcow2 image names a backing file");
        if (h->incompatible & INCOMPATIBLE_DATA_FILE)
                return cvm_fail(err, &CVM_CODE_DISK_DATA_FILE, EINVAL,
                                "the qcow2 image has an external data file");
        if (h->incompatible & ~INCOMPATIBLE_KNOWN)
                return format(err, "has features that are not known");
        if (h->crypt_method)
                return format(err, "is encrypted by QEMU, whose key the host would have to hold");
        if (h->cluster_bits < 9 || h->cluster_bits > 21 || h->virtual_size == 0 ||
            h->virtual_size > 1ull << 50)
                return format(err, "has impossible sizes");
        if (h->version == 3 && (h->header_length < 104 || h->header_length % 8))
                return format(err, "has a header of impossible length");
        return 0;
}

/* A data file's or backing format's name counts as one whatever the feature bits say. */
static int check_extensions(struct cvm_reader r, struct cvm_error *err) {
        for (;;) {
                uint32_t type = cvm_read_u32be(&r), length = cvm_read_u32be(&r);

                if (r.failed || type == EXTENSION_END)
                        return r.failed ? format(err, "has header extensions without end") : 0;
                if (type == EXTENSION_DATA_FILE)
                        return cvm_fail(err, &CVM_CODE_DISK_DATA_FILE, EINVAL,
                                        "the qcow2 image names an external data file");
                if (type == EXTENSION_BACKING_FORMAT)
                        return cvm_fail(err, &CVM_CODE_DISK_BACKING, EINVAL,
                                        "the qcow2 image names the format of a backing file");
                if (length > QCOW2_HEADER_MAX)
                        return format(err, "has a header extension of absurd length");
                (void)cvm_read_view(&r, (length + 7u) & ~7u);
        }
}

int qcow2_check(const uint8_t *bytes, size_t size, uint64_t *ret_virtual_size, struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(bytes, size);
        struct header h = { 0 };
        int e = read_header(&r, &h, err);

        if (e >= 0)
                e = check_header(&h, err);
        if (e < 0)
                return e;
        if (h.header_length > size)
                return format(err, "is shorter than its header");
        e = check_extensions(cvm_reader_of(bytes + h.header_length, size - h.header_length), err);
        if (e >= 0)
                *ret_virtual_size = h.virtual_size;
        return e;
}
