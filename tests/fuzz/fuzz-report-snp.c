/* What is read is written back byte for byte: no bit of a report is lost or made up. */
#include <string.h>

#include "attest/report-snp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct snp_report report;
        uint8_t again[SNP_REPORT_SIZE];

        if (snp_report_read(data, size, &report, NULL) < 0)
                return 0;
        snp_report_write(&report, again);
        FUZZ_REQUIRE(size == sizeof again && memcmp(again, data, size) == 0);
        return 0;
}
