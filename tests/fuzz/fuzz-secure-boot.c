/* An image's signatures and a firmware's keys from any bytes: a yes or a no, and nothing that is read
 * outside them. The first two bytes say where the keys end. */
#include <string.h>

#include "launch/secure-boot.h"
#include "launch/variable-store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/launch/make-variables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t keys = size < 2 ? 0 : data[0] | (size_t)data[1] << 8, at;
        struct cvm_bytes signatures = { 0 };
        uint8_t store[STORE_SIZE];

        if (size < 2 || keys > size - 2 || keys > STORE_SIZE - 512)
                return 0;
        at = store_make(store);
        at = store_add(store, at, 0x3f, VARIABLE_GUID_GLOBAL, "PK", "key", 3);
        store_add(store, at, 0x3f, VARIABLE_GUID_SECURITY, "db", data + 2, keys);
        signatures.data = (uint8_t *)data + 2 + keys; /* borrowed */
        signatures.size = size - 2 - keys;
        (void)secure_boot_takes(store, sizeof store, &signatures);
        return 0;
}
