/* A guest's memory in a file, where its owner and the host allow it. */
#include <errno.h>

#include "vm/steps.h"

int vm_check_dump(const struct vm *vm, struct cvm_error *err) {
        const struct platform *platform = platform_by_name(vm->row.platform);
        bool simulated = vm->definition->simulate;

        if (!platform->check_dump)
                return cvm_fail(err, &CVM_CODE_DUMP_NONE, EOPNOTSUPP,
                                "%s has no dumps: the guest's memory is its own, and the host would get "
                                "ciphertext or nothing",
                                platform->title);
        if (simulated && sim_guest_forbids_dump(&vm->sim))
                return cvm_fail(err, &CVM_CODE_DUMP_DENIED, EACCES,
                                "a secret that was added in this boot forbids dumps");
        return platform->check_dump(vm->row.prediction, simulated ? NULL : &vm->manager->facts, err);
}
