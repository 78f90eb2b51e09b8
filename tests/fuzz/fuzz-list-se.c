/* A list of an ultravisor's secret store from any bytes: refused with words, or as many lines as it says. */
#include <ctype.h>
#include <stdlib.h>

#include "attest/list-se.h"
#include "base/macros.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(cvm_freep) char *lines = NULL;
        struct cvm_error err = { 0 };
        size_t n = 0;

        if (se_list_lines(data, size, &lines, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_AGENT_STORE && !lines);
                return 0;
        }
        for (const char *p = lines; *p; p++) {
                FUZZ_REQUIRE(isprint((unsigned char)*p) || *p == '\n');
                n += *p == '\n';
        }
        FUZZ_REQUIRE(n == (size_t)(data[0] << 8 | data[1]));
        FUZZ_REQUIRE(size >= SE_LIST_HEAD_SIZE + n * SE_LISTED_SIZE);
        return 0;
}
