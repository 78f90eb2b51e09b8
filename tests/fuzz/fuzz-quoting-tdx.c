/* A quoting service's answer from any bytes: read within its bounds, or refused with words. */
#include "launch/quoting-tdx.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct quoting_platform platform;
        struct cvm_error err = { 0 };

        if (quoting_read_platform(data, size, &platform, &err) < 0)
                FUZZ_REQUIRE(err.code);
        else
                FUZZ_REQUIRE(platform.ids_at + platform.ids_size == size);
        return 0;
}
