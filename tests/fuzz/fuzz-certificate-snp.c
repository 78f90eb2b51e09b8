/* A certificate with AMD's extensions; what is accepted has a role and a product. */
#include "attest/certificate-snp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(snp_certificate_done) struct snp_certificate certificate = { 0 };
        struct cvm_error err = { 0 };

        if (snp_certificate_read(data, size, &certificate, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_REPORT_CHAIN);
                return 0;
        }
        FUZZ_REQUIRE(certificate.role < SNP_ROLE_MAX_ && certificate.product < SNP_PRODUCT_MAX_);
        return 0;
}
