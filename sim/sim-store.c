#include "sim/sim-store.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"

enum { FLAG_IMAGE_EXTENDS = 1, FLAG_LOCKED = 2, FLAG_FORBIDS_DUMP = 4 };

void sim_store_clear(struct sim_store *store) {
        struct sim_store empty = { .image_extends = store->image_extends };

        if (store->image_extends)
                memcpy(empty.extension, store->extension, sizeof empty.extension);
        *store = empty;
}

/* u8 flags, extension, tags */
int sim_store_write(const struct sim_store *store, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t flags = (uint8_t)((store->image_extends ? FLAG_IMAGE_EXTENDS : 0) |
                                  (store->locked ? FLAG_LOCKED : 0) |
                                  (store->forbids_dump ? FLAG_FORBIDS_DUMP : 0));

        if (flags || store->n) {
                cvm_write_u8(&w, flags);
                cvm_write_copy(&w, store->extension, sizeof store->extension);
                cvm_write_copy(&w, store->tags, store->n * sizeof store->tags[0]);
        }
        return cvm_writer_take(&w, ret);
}

int sim_store_read(const struct cvm_bytes *bytes, struct sim_store *ret) {
        struct cvm_reader r = cvm_reader_of(bytes->data, bytes->size);
        struct sim_store store = { 0 };
        uint8_t flags = bytes->size ? cvm_read_u8(&r) : 0;

        if (bytes->size)
                cvm_read_copy(&r, store.extension, sizeof store.extension);
        store.n = r.left / sizeof store.tags[0];
        if (store.n > SIM_STORE_MAX || flags & ~(FLAG_IMAGE_EXTENDS | FLAG_LOCKED | FLAG_FORBIDS_DUMP))
                return -EBADMSG;
        cvm_read_copy(&r, store.tags, store.n * sizeof store.tags[0]);
        if (!cvm_reader_done(&r))
                return -EBADMSG;
        store.image_extends = flags & FLAG_IMAGE_EXTENDS;
        store.locked = flags & FLAG_LOCKED;
        store.forbids_dump = flags & FLAG_FORBIDS_DUMP;
        *ret = store;
        return 0;
}
