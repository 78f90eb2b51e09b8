/* Every entry that is given out lies inside the table, and its certificates can be taken apart. */
#include "attest/cert-table-snp.h"
#include "attest/evidence.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
        struct snp_cert_entry entries[SNP_CERT_TABLE_ENTRIES];
        struct cvm_error err = { 0 };
        size_t n;

        if (snp_cert_table_read(data, size, entries, &n, &err) < 0)
                return 0;
        FUZZ_REQUIRE(n <= SNP_CERT_TABLE_ENTRIES);
        for (size_t i = 0; i < n; i++)
                FUZZ_REQUIRE(entries[i].data >= data && entries[i].size <= size &&
                             entries[i].data + entries[i].size <= data + size);
        evidence_add_table(&bundle, data, size, &err);
        return 0;
}
