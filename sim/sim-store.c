#include "sim/sim-store.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"

enum {
        FLAG_IMAGE_EXTENDS = 1,
        FLAG_LOCKED = 2,
        FLAG_FORBIDS_DUMP = 4,
        FLAG_IMAGE_TAKES_KEY = 8,
        FLAGS = 15
};

void sim_store_clear(struct sim_store *store) {
        struct sim_store empty = { .image_extends = store->image_extends,
                                   .image_takes_key = store->image_takes_key };

        if (store->image_extends)
                memcpy(empty.extension, store->extension, sizeof empty.extension);
        *store = empty;
}

#define REQUEST_SIZE (sizeof((struct sim_store *)NULL)->tags[0] + 4 + sizeof((struct sim_kept *)NULL)->id)

/* u8 flags, extension; tag, u16 type, u16 size and id of each request */
int sim_store_write(const struct sim_store *store, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t flags = (uint8_t)((store->image_extends ? FLAG_IMAGE_EXTENDS : 0) |
                                  (store->locked ? FLAG_LOCKED : 0) |
                                  (store->forbids_dump ? FLAG_FORBIDS_DUMP : 0) |
                                  (store->image_takes_key ? FLAG_IMAGE_TAKES_KEY : 0));

        if (flags || store->n) {
                cvm_write_u8(&w, flags);
                cvm_write_copy(&w, store->extension, sizeof store->extension);
        }
        for (size_t i = 0; i < store->n; i++) {
                cvm_write_copy(&w, store->tags[i], sizeof store->tags[i]);
                cvm_write_u16be(&w, store->kept[i].type);
                cvm_write_u16be(&w, store->kept[i].size);
                cvm_write_copy(&w, store->kept[i].id, sizeof store->kept[i].id);
        }
        return cvm_writer_take(&w, ret);
}

int sim_store_read(const struct cvm_bytes *bytes, struct sim_store *ret) {
        struct cvm_reader r = cvm_reader_of(bytes->data, bytes->size);
        struct sim_store store = { 0 };
        uint8_t flags = bytes->size ? cvm_read_u8(&r) : 0;

        if (bytes->size)
                cvm_read_copy(&r, store.extension, sizeof store.extension);
        store.n = r.left / REQUEST_SIZE;
        if (store.n > SIM_STORE_MAX || flags & ~FLAGS)
                return -EBADMSG;
        for (size_t i = 0; i < store.n; i++) {
                cvm_read_copy(&r, store.tags[i], sizeof store.tags[i]);
                store.kept[i].type = cvm_read_u16be(&r);
                store.kept[i].size = cvm_read_u16be(&r);
                cvm_read_copy(&r, store.kept[i].id, sizeof store.kept[i].id);
        }
        if (!cvm_reader_done(&r))
                return -EBADMSG;
        store.image_extends = flags & FLAG_IMAGE_EXTENDS;
        store.locked = flags & FLAG_LOCKED;
        store.forbids_dump = flags & FLAG_FORBIDS_DUMP;
        store.image_takes_key = flags & FLAG_IMAGE_TAKES_KEY;
        *ret = store;
        return 0;
}
