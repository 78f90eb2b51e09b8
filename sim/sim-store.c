#include "sim/sim-store.h"

#include <string.h>

void sim_store_clear(struct sim_store *store) {
        struct sim_store empty = { .image_extends = store->image_extends };

        if (store->image_extends)
                memcpy(empty.extension, store->extension, sizeof empty.extension);
        *store = empty;
}
