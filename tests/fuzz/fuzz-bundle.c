/* A bundle from any text; what is accepted is written and read again alike. */
#include <string.h>

#include "attest/bundle.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 }, again = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        if (bundle_read(data, size, "fuzz", &bundle, &err) < 0)
                return 0;
        text = bundle_write(&bundle);
        FUZZ_REQUIRE(text && bundle_read(text, strlen(text), "fuzz", &again, &err) == 0);
        FUZZ_REQUIRE(again.n_certificates == bundle.n_certificates && again.generation == bundle.generation);
        return 0;
}
