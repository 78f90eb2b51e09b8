/* A simulated store as the daemon keeps it: what is read is what is written again, and a boot empties it. */
#include <string.h>

#include "sim/sim-store.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct cvm_bytes bytes = { (uint8_t *)data, size };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes again = { 0 };
        struct sim_store store = { 0 };

        if (sim_store_read(&bytes, &store) < 0)
                return 0;
        FUZZ_REQUIRE(store.n <= SIM_STORE_MAX && sim_store_write(&store, &again) == 0);
        if (store.n || store.locked || store.forbids_dump || store.image_extends || store.image_takes_key)
                FUZZ_REQUIRE(again.size == size && memcmp(again.data, data, size) == 0);
        else
                FUZZ_REQUIRE(again.size == 0);
        sim_store_clear(&store);
        FUZZ_REQUIRE(store.n == 0 && !store.locked && !store.forbids_dump);
        return 0;
}
