/* A policy from any text; what is accepted is of one class and has a root only where it may. */
#include "attest/policy-fields.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        struct cvm_error err = { 0 };

        if (policy_read(data, size, "fuzz", &policy, &err) < 0)
                return 0;
        FUZZ_REQUIRE(policy->has_simulation_root == (policy->class_ == CVM_CLASS_SIMULATED));
        FUZZ_REQUIRE(policy->binding.given != policy->unowned);
        return 0;
}
