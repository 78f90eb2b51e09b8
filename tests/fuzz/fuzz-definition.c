/* A definition from any text; what is accepted has sizes, texts and a command line that QEMU can be given.
 */
#include <string.h>

#include "launch/plan.h"
#include "tests/fuzz/fuzz.h"

/* No text that becomes part of an option can end it and begin another. */
static void require_one_option(const char *text) {
        FUZZ_REQUIRE(!text || !strpbrk(text, ",=\n\r \t/"));
}

static void require_options(const struct definition *d) {
        require_one_option(d->name);
        require_one_option(d->uuid);
        require_one_option(d->cpu_model);
        for (size_t i = 0; i < d->n_disks; i++)
                require_one_option(d->disks[i].serial);
        for (size_t i = 0; i < d->n_nics; i++) {
                require_one_option(d->nics[i].name);
                require_one_option(d->nics[i].mac);
                for (size_t k = 0; k < d->nics[i].n_forwards; k++)
                        require_one_option(d->nics[i].forwards[k].host_address);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(definition_freep) struct definition *d = NULL;
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_error err = { 0 };

        if (definition_read(data, size, "fuzz", &d, &err) < 0) {
                FUZZ_REQUIRE(err.code && *err.text);
                return 0;
        }
        FUZZ_REQUIRE(d->vcpus >= 1 && d->vcpus <= DEFINITION_VCPUS_MAX);
        FUZZ_REQUIRE(d->memory >= DEFINITION_MEMORY_MIN && d->memory <= DEFINITION_MEMORY_MAX);
        require_options(d);
        if (d->uuid && d->owner.size) {
                FUZZ_REQUIRE(definition_binding(d, CVM_PLATFORM_SEV_SNP, 1, &binding, &err) == 0);
                FUZZ_REQUIRE(definition_check_binding(d, CVM_PLATFORM_SEV_SNP, &binding, &err) == 0);
        }
        if (plan_make(d, NULL, NULL, &plan, &err) < 0)
                return 0;
        FUZZ_REQUIRE(plan->simulated && strlen(plan->cmdline) < DEFINITION_CMDLINE_MAX);
        node = plan_json(plan);
        FUZZ_REQUIRE(node);
        return 0;
}
