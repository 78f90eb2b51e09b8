/* A quote or a TD report from any bytes; what is taken lies in them and is written back the same. */
#include <string.h>

#include "attest/quote-tdx.h"
#include "tests/fuzz/fuzz.h"

static void require_inside(const uint8_t *data, size_t size, const uint8_t *part, size_t part_size) {
        FUZZ_REQUIRE(part >= data && part_size <= size && (size_t)(part - data) <= size - part_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct cvm_error err = { 0 };
        struct tdx_quote quote;
        struct tdx_body body;
        uint8_t again[TDX_BODY_15_SIZE];

        if (tdx_tdreport_read(data, size, &body, &err) < 0)
                FUZZ_REQUIRE(err.code == &CVM_CODE_REPORT_FORMAT);
        err = (struct cvm_error){ 0 };
        if (tdx_quote_read(data, size, &quote, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_REPORT_FORMAT);
                return 0;
        }
        require_inside(data, size, quote.signed_bytes, quote.signed_size);
        require_inside(data, size, quote.signature, P256_SIZE);
        require_inside(data, size, quote.attestation_key, P256_SIZE);
        require_inside(data, size, quote.qe_report, TDX_QE_REPORT_SIZE);
        require_inside(data, size, quote.qe_signature, P256_SIZE);
        require_inside(data, size, quote.auth, quote.auth_size);
        require_inside(data, size, quote.chain, quote.chain_size);
        FUZZ_REQUIRE(memcmp(again, data + quote.signed_size - tdx_body_write(&quote.body, again),
                            quote.body.is_15 ? TDX_BODY_15_SIZE : TDX_BODY_10_SIZE) == 0);
        return 0;
}
