/* A binding from any text; written again and again it has the same bytes. */
#include <string.h>

#include "attest/binding.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(binding_done) struct binding binding = { 0 }, again = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes first = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes second = { 0 };
        struct cvm_error err = { 0 };

        if (binding_read(data, size, &binding, &err) < 0)
                return 0;
        FUZZ_REQUIRE(binding_write(&binding, &first, &err) == 0);
        FUZZ_REQUIRE(binding_read(first.data, first.size, &again, &err) == 0);
        FUZZ_REQUIRE(binding_write(&again, &second, &err) == 0);
        FUZZ_REQUIRE(cvm_equal(first.data, first.size, second.data, second.size));
        return 0;
}
