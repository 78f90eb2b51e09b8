/* A variable store of any bytes: what is found lies inside it. */
#include "launch/variable-store.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const names[] = { "SecureBoot", "PK", "KEK", "db", "" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                struct cvm_reader found = { 0 };
                const char *guid = i % 2 ? VARIABLE_GUID_GLOBAL : VARIABLE_GUID_SECURITY;
                int r = variable_find(data, size, guid, names[i], &found);

                FUZZ_REQUIRE(r == 0 || r == 1 || r == -22);
                FUZZ_REQUIRE(r != 1 || (found.next >= data && found.next + found.left <= data + size));
        }
        return 0;
}
