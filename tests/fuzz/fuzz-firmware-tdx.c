/* The TDX metadata of any image; what is accepted lies inside it, and measuring it stays there. */
#include "launch/measure-tdx.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct measure_inputs in = { .firmware = data, .firmware_size = size, .vcpus = 2 };
        struct measurement m = { 0 };
        struct cvm_error err = { 0 };
        struct tdvf tdvf = { 0 };
        uint64_t pages = 0;

        if (tdvf_read(data, size, &tdvf, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_FIRMWARE && tdvf.n_sections == 0);
                return 0;
        }
        FUZZ_REQUIRE(tdvf.n_sections >= 2 && tdvf.n_sections <= TDVF_SECTIONS_MAX);
        for (size_t i = 0; i < tdvf.n_sections; i++) {
                const struct tdvf_section *s = &tdvf.sections[i];

                FUZZ_REQUIRE(s->size && s->size % TDVF_PAGE == 0);
                FUZZ_REQUIRE(!tdvf_has_bytes(s) || s->offset + s->size <= size);
                pages += s->size / TDVF_PAGE;
        }
        if (pages > 1000) /* nothing new, only slower */
                return 0;
        FUZZ_REQUIRE(tdx_measure(&in, &m, &err) == 0 && m.size == CVM_SHA384_SIZE);
        return 0;
}
