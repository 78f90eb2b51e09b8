/* A file of the state directory as the simulation root: read whole with a root certificate, or refused. */
#include "sim/sim.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = NULL;
        CVM_CLEANUP(cvm_freep) char *pem = NULL;
        struct cvm_error err = { 0 };

        if (sim_root_read(data, size, &root, &err) < 0)
                return 0;
        FUZZ_REQUIRE(sim_root_certificates(root, &pem, &err) == 0);
        return 0;
}
