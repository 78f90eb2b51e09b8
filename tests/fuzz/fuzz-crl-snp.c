/* A revocation list from any bytes; what is taken has the dates of a validity. */
#include "attest/crl-snp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(crl_done) struct crl crl = { 0 };
        struct cvm_error err = { 0 };

        if (snp_crl_read(data, size, &crl, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_CRL || err.code == &CVM_CODE_NO_MEMORY);
                return 0;
        }
        FUZZ_REQUIRE(crl.crl && size <= CRL_MAX);
        return 0;
}
