/* The tables of any firmware image; what is accepted is whole pages, and measuring it stays inside it. */
#include "launch/firmware-ovmf.h"
#include "launch/measure-snp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct measure_inputs in = {
                .firmware = data, .firmware_size = size, .vcpus = 2, .cpu_model = "EPYC", .has_kernel = true
        };
        struct measurement m = { 0 };
        struct cvm_error err = { 0 };
        struct ovmf ovmf = { 0 };
        size_t pages = 0;

        if (ovmf_read(data, size, &ovmf, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_FIRMWARE && ovmf.n_sections == 0);
                return 0;
        }
        FUZZ_REQUIRE(ovmf.n_sections <= OVMF_SECTIONS_MAX);
        for (size_t i = 0; i < ovmf.n_sections; i++) {
                FUZZ_REQUIRE(ovmf.sections[i].size && ovmf.sections[i].size % OVMF_PAGE == 0);
                pages += ovmf.sections[i].size / OVMF_PAGE;
        }
        if (pages > 1000) /* nothing new, only slower */
                return 0;
        if (snp_measure(&in, &m, &err) >= 0)
                FUZZ_REQUIRE(m.size == CVM_SHA384_SIZE && ovmf.has_metadata && ovmf.has_hashes &&
                             ovmf.has_reset);
        return 0;
}
