/* A kernel of any bytes: its tables stay inside it, and the digest does not depend on what stands in the
 * checksum; its setup header is changed in place or not at all. */
#include <stdlib.h>
#include <string.h>

#include "launch/authenticode.h"
#include "launch/setup-header.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t *image = malloc(size ? size : 1), digest[CVM_SHA384_SIZE], again[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };
        int r;

        memcpy(image, data, size);
        r = authenticode_sha384(image, size, digest, &err);
        FUZZ_REQUIRE(r == 0 || err.code == &CVM_CODE_KERNEL);
        if (!setup_header_rewrite(image, size, 2ull << 30, size))
                FUZZ_REQUIRE(memcmp(image, data, size) == 0);
        else if (r == 0) /* the tables are where they were */
                (void)authenticode_sha384(image, size, again, &err);
        free(image);
        return 0;
}
