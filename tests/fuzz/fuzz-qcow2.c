/* The first bytes of a file as a qcow2 header: what passes names no other file. */
#include "tests/fuzz/fuzz.h"
#include "worker/qcow2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct cvm_error err = { 0 };
        uint64_t virtual_size;

        if (qcow2_check(data, size < QCOW2_HEADER_MAX ? size : QCOW2_HEADER_MAX, &virtual_size, &err) < 0) {
                FUZZ_REQUIRE(err.text[0]);
                return 0;
        }
        for (size_t i = 8; i < 16; i++) /* backing_file_offset */
                FUZZ_REQUIRE(data[i] == 0);
        return 0;
}
