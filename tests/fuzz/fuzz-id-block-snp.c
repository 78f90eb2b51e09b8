/* An ID block and its authentication from any bytes: the block first, what follows is the authentication. */
#include "launch/id-block-snp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t first = size < SNP_ID_BLOCK_SIZE ? size : SNP_ID_BLOCK_SIZE;
        struct snp_id_block block;
        struct snp_id_keys keys = { 0 };
        struct cvm_error err = { 0 };

        if (snp_id_block_verify(data, first, data + first, size - first, &block, &keys, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_ID_BLOCK);
                return 0;
        }
        FUZZ_REQUIRE(first == SNP_ID_BLOCK_SIZE && size - first <= SNP_ID_AUTH_SIZE);
        return 0;
}
