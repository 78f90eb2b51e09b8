#include "vm/disk-fill.h"

#include <unistd.h>

#include "base/fd.h"

#define CLUSTER (64u << 10)
#define L1_ENTRY_COVERS (512ull << 20) /* a cluster of L2 entries, a cluster each */
#define REFCOUNTS_AT CLUSTER
#define REFCOUNT_BLOCK_AT (2 * CLUSTER)
#define L1_AT (3 * CLUSTER)

static uint32_t l1_entries(uint64_t size) {
        return (uint32_t)((size + L1_ENTRY_COVERS - 1) / L1_ENTRY_COVERS);
}

static size_t clusters(uint64_t size) {
        return L1_AT / CLUSTER + ((size_t)l1_entries(size) * 8 + CLUSTER - 1) / CLUSTER;
}

static void write_header(struct cvm_writer *w, uint64_t size) {
        cvm_write_copy(w, "QFI\xfb", 4);
        cvm_write_u32be(w, 3);
        cvm_write_zeros(w, 8 + 4); /* no backing file */
        cvm_write_u32be(w, 16);    /* cluster bits */
        cvm_write_u64be(w, size);
        cvm_write_u32be(w, 0); /* not encrypted */
        cvm_write_u32be(w, l1_entries(size));
        cvm_write_u64be(w, L1_AT);
        cvm_write_u64be(w, REFCOUNTS_AT);
        cvm_write_u32be(w, 1);
        cvm_write_zeros(w, 4 + 8);     /* no snapshots */
        cvm_write_zeros(w, 8 + 8 + 8); /* no features */
        cvm_write_u32be(w, 4);         /* refcounts of 16 bits */
        cvm_write_u32be(w, 104);       /* length of the header; no extensions follow */
        cvm_write_zeros(w, REFCOUNTS_AT - w->bytes.size);
}

/* All L1 entries are zero: holes. One block of refcounts is enough for the largest table of a PiB. */
static int fill_qcow2(int fd, uint64_t size) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        write_header(&w, size);
        cvm_write_u64be(&w, REFCOUNT_BLOCK_AT);
        cvm_write_zeros(&w, REFCOUNT_BLOCK_AT - w.bytes.size);
        for (size_t i = 0; i < clusters(size); i++)
                cvm_write_u16be(&w, 1);
        if (w.failed)
                return -ENOMEM;
        if (ftruncate(fd, (off_t)(clusters(size) * CLUSTER)) < 0)
                return -errno;
        return cvm_write_all(fd, w.bytes.data, w.bytes.size);
}

static int fill_raw(int fd, uint64_t size) {
        return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

int disk_fill(int fd, const struct definition_disk *disk) {
        static int (*const fills[])(int fd,
                                    uint64_t size) = { [DISK_RAW] = fill_raw, [DISK_QCOW2] = fill_qcow2 };

        return fills[disk->format](fd, disk->size);
}
