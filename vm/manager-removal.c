/*
 * What a driver keeps outside of a VM (a domain of libvirt) goes with the VM, whatever happens in between:
 * it is owed from the transaction in which the VM goes until the driver says that it is removed, and asked
 * for again after each start of the daemon.
 */
#include <string.h>

#include "vm/steps.h"

int manager_owe_removal(const struct vm *vm, struct cvm_error *err) {
        return vm->row.driver && vm->driver->remove
                               ? store_owe_removal(vm->manager->store, vm->row.id, vm->row.driver, err)
                               : 0;
}

static void on_removed(void *ctx, const char *uuid) {
        struct manager *m = ctx;

        if (store_forget_removal(m->store, uuid, NULL) >= 0) /* else it is asked for once more */
                journal_touch(m->journal);
}

void manager_pay_removal(struct manager *m, const char *id, const char *name) {
        const struct driver *driver = name ? manager_driver(m, name) : NULL;

        if (driver && driver->remove)
                driver->remove(m->event, id, on_removed, m);
}

/* A VM that took up the driver again has its domain still. */
static void pay(void *ctx, const char *id, const char *name) {
        struct manager *m = ctx;
        const struct vm *vm = manager_vm(m, id);

        if (!vm || !vm->row.driver || strcmp(vm->row.driver, name) != 0)
                manager_pay_removal(m, id, name);
}

void manager_pay_removals(struct manager *m) {
        struct cvm_error err = { 0 };

        (void)store_each_removal(m->store, pay, m, &err);
}
