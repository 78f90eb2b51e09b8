/* Domain capabilities from any text: nothing, or a word on the platform. */
#include "tests/fuzz/fuzz.h"
#include "worker/libvirt-abilities.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        for (size_t i = 0; platform_at(i); i++) {
                CVM_CLEANUP(cvm_json_putp) json_object *abilities = NULL;
                struct cvm_error err = { 0 };

                if (platform_at(i)->libvirt &&
                    libvirt_abilities(data, size, platform_at(i), &abilities, &err) >= 0)
                        FUZZ_REQUIRE(json_object_is_type(json_object_object_get(abilities, "listed"),
                                                         json_type_boolean));
        }
        return 0;
}
