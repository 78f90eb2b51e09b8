/* A domain's XML from any text: what comes of it is a definition, and all else is told. */
#include <string.h>

#include "launch/definition.h"
#include "tests/fuzz/fuzz.h"
#include "worker/adopt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(cvm_json_putp) json_object *adopted = NULL;
        CVM_CLEANUP(definition_freep) struct definition *definition = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        if (adopt(data, size, "fuzz", &adopted, &err) < 0) {
                FUZZ_REQUIRE(err.code);
                return 0;
        }
        text = cvm_json_text(json_object_object_get(adopted, "definition"));
        FUZZ_REQUIRE(text && definition_read(text, strlen(text), "fuzz", &definition, &err) >= 0);
        FUZZ_REQUIRE(json_object_is_type(json_object_object_get(adopted, "left_out"), json_type_array));
        return 0;
}
