/* Any text as cvmd.conf, over the defaults: refused with words, or whole. */
#include "daemon/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(config_done) struct config config = { 0 };
        struct cvm_error err = { 0 };

        FUZZ_REQUIRE(config_defaults(&config, &err) == 0);
        if (config_read(&config, (const char *)data, size, "fuzz", &err) < 0)
                FUZZ_REQUIRE(err.text[0]);
        FUZZ_REQUIRE(config.state_dir[0] == '/' && config.vms_per_user <= 1u << 20);
        return 0;
}
