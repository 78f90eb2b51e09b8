/*
 * An answer of Intel's service from any bytes: one that says which object was asked for, the header's value
 * up to a NUL, the body. What is made of it is never larger than header and body in JSON's longest form, and
 * under a root that signed nothing nothing verifies.
 */
#include <string.h>

#include "collateral/source-tdx.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const names[] = {
                "root",        "root-crl",        "pck-platform-crl", "pck-processor-crl",
                "qe-identity", "tcb-10206f000000"
        };
        static const uint8_t root[CVM_SHA256_SIZE];
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        const char *name = names[size ? data[0] % ARRAY_SIZE(names) : 0];
        size_t length = size ? strnlen((const char *)data + 1, size - 1) : 0;
        struct collateral_facts facts;
        struct cvm_error err = { 0 };
        char header[4096];

        if (size < length + 2 || length >= sizeof header)
                return 0;
        memcpy(header, data + 1, length + 1);
        if (collateral_tdx.take(name, &(struct cvm_bytes){ (uint8_t *)data + length + 2, size - length - 2 },
                                header, &object, &err) < 0) {
                FUZZ_REQUIRE(err.code != NULL && !object.data);
                return 0;
        }
        FUZZ_REQUIRE(object.size <= 6 * size + 1000);
        FUZZ_REQUIRE(collateral_tdx.verify(name, &object, &object, root, 1800000000000ull, &facts, &err) <
                     0);
        FUZZ_REQUIRE(collateral_tdx.verify(name, &object, &object, NULL, 1800000000000ull, &facts, &err) <
                     0);
        return 0;
}
