/* A verdict from any text; what is accepted has no reason against it, and is written as it was meant. */
#include <string.h>

#include "attest/verdict.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 }, again = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        if (verdict_read(data, size, &verdict, &err) < 0)
                return 0;
        for (size_t i = 0; verdict.result == VERDICT_ACCEPTED && i < verdict.n_reasons; i++)
                FUZZ_REQUIRE(verdict.reasons[i].code->fault != CVM_FAULT_EVIDENCE_NO &&
                             verdict.reasons[i].code->fault != CVM_FAULT_EVIDENCE_UNKNOWN);
        text = verdict_write(&verdict);
        FUZZ_REQUIRE(text && verdict_read(text, strlen(text), &again, &err) == 0);
        FUZZ_REQUIRE(again.result == verdict.result);
        return 0;
}
