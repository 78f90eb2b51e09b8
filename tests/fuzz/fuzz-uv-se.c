/* What a kernel tells of its ultravisor, from any text: within bounds, or refused. */
#include <string.h>

#include "launch/uv-se.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char text[4096];
        uint8_t keys[UV_KEYS_MAX][CVM_SHA256_SIZE];
        struct uv_mask mask;
        uint64_t number;
        size_t n = 0;

        if (size >= sizeof text)
                return 0;
        memcpy(text, data, size);
        text[size] = 0;
        if (uv_parse_number(text, &number) == 0)
                FUZZ_REQUIRE(number < 1000000000000000000ull);
        if (uv_parse_mask(text, &mask) == 0)
                FUZZ_REQUIRE(strlen(text) <= UV_MASK_WORDS * 19);
        if (uv_parse_keys(text, keys, &n) == 0)
                FUZZ_REQUIRE(n <= UV_KEYS_MAX && strlen(text) >= n * 2 * CVM_SHA256_SIZE);
        return 0;
}
