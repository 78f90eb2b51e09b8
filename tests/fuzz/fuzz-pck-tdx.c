/* Certificates in PEM, or a PCK certificate's extension alone, from any bytes. */
#include "attest/pck-tdx.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        struct cvm_error err = { 0 };
        struct tdx_platform platform;

        if (tdx_platform_read(data, size, &platform, &err) < 0)
                FUZZ_REQUIRE(err.code == &CVM_CODE_REPORT_CHAIN);
        err = (struct cvm_error){ 0 };
        if (tdx_certificates_read(data, size, &chain, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_REPORT_CHAIN || err.code == &CVM_CODE_NO_MEMORY);
                return 0;
        }
        FUZZ_REQUIRE(chain.n <= TDX_CHAIN_MAX);
        for (size_t i = 0; i < chain.n; i++) {
                FUZZ_REQUIRE(chain.links[i].x509 && chain.links[i].role < TDX_ROLE_MAX_);
                tdx_platform_of(&chain.links[i], &platform, NULL);
        }
        return 0;
}
