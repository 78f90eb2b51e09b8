#include "cli/each-vm.h"

#include "cli/output.h"

static int check_one(sd_bus *bus, const char *path, const char *name, const void *method,
                     struct cvm_error *err) {
        int r = bus_call(bus, path, CVMD_VM_INTERFACE, "Check", NULL, err, "s", method);

        if (r >= 0)
                output_say("%s: %s would be taken now; nothing was done", name, (const char *)method);
        return r;
}

static int run_one(sd_bus *bus, const char *name, each_vm_fn one, const void *ctx, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        int r = bus_vm_path(bus, name, &path, err);

        if (r >= 0)
                r = one(bus, path, name, ctx, err);
        return r < 0 ? cvm_while(err, r, "'%s'", name) : 0;
}

int each_vm(const struct arguments *arguments, const char *method, each_vm_fn one, const void *ctx,
            struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        bool dry_run = argument(arguments, "dry-run");
        int r = bus_open(&bus, err), first = 0;

        for (size_t i = 0; r >= 0 && i < arguments->n_words; i++) {
                struct cvm_error why = { 0 };
                int failed = run_one(bus, arguments->words[i], dry_run ? check_one : one,
                                     dry_run ? method : ctx, &why);

                if (failed < 0 && first < 0)
                        (void)output_failure(&why, failed);
                else if (failed < 0) {
                        first = failed;
                        *err = why;
                }
        }
        return r < 0 ? r : first;
}
