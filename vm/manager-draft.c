/*
 * Drafts: definitions that are prepared and measured like a VM's and are none. One becomes the new
 * definition of a VM (update), or only its measurement is told (measure, or an update's dry run).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vm/steps.h"

static void drop(struct vm *draft) {
        struct vm **p = &draft->manager->drafts;

        while (*p != draft)
                p = &(*p)->next;
        *p = draft->next;
        vm_free(draft);
}

void manager_free_drafts(struct manager *m) {
        while (m->drafts)
                drop(m->drafts);
}

/* Whoever prepares it finds that nobody waits any more, and drops it. */
static void cancel(struct vm *vm) {
        for (struct vm *draft = vm->manager->drafts; draft; draft = draft->next)
                if (draft == vm || draft->draft_of == vm) {
                        draft->operation = NULL;
                        draft->draft_of = NULL;
                }
}

/* Takes the draft. */
static int prepare(struct vm *draft, struct operation *operation, vm_then_fn then, struct cvm_error *err) {
        int r;

        draft->next = draft->manager->drafts;
        draft->manager->drafts = draft;
        draft->operation = operation;
        operation_set_cancel(operation, cancel);
        r = vm_prepare(draft, then, err);
        if (r < 0) {
                operation_fail(operation, err);
                drop(draft);
        }
        return r;
}

static void on_measured(struct vm *draft, struct cvm_error *err) {
        struct operation *operation = draft->operation;

        if (err)
                operation_fail(operation, err);
        else
                operation_done(operation, TAKE_PTR(draft->row.prediction));
        drop(draft);
}

int manager_measure(struct manager *m, const struct create_options *options, const struct caller *caller,
                    struct operation **ret, struct cvm_error *err) {
        CVM_CLEANUP(vm_freep) struct vm *draft = NULL;
        int r = vm_make(m, options, caller, NULL, true, &draft, err);

        if (r >= 0)
                r = operation_new(m, "measure", draft, caller, ret, err);
        return r < 0 ? r : prepare(TAKE_PTR(draft), *ret, on_measured, err);
}

/* What the operator must see before it applies. */
static char *comparison(const struct vm *vm, const struct vm *draft, bool applied) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        char before[2 * sizeof vm->row.measurement + 1], after[2 * sizeof vm->row.measurement + 1];

        cvm_hex(vm->row.measurement, vm->row.measurement_size, before);
        cvm_hex(draft->row.measurement, draft->row.measurement_size, after);
        json_object_object_add(node, "old_measurement", json_object_new_string(before));
        json_object_object_add(node, "new_measurement", json_object_new_string(after));
        json_object_object_add(node, "changed", json_object_new_boolean(strcmp(before, after) != 0));
        json_object_object_add(node, "applied", json_object_new_boolean(applied));
        return cvm_json_text(node);
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t size) {
        while (size-- > 0) {
                uint8_t t = a[size];

                a[size] = b[size];
                b[size] = t;
        }
}
#define SWAP(a, b) swap_bytes((uint8_t *)&(a), (uint8_t *)&(b), sizeof(a))

/* All that follows from a definition changes hands; the life of the VM stays. Twice is not at all. */
static void take_over(struct vm *vm, struct vm *draft) {
        SWAP(vm->row.definition, draft->row.definition);
        SWAP(vm->row.binding, draft->row.binding);
        SWAP(vm->row.platform, draft->row.platform);
        SWAP(vm->definition, draft->definition);
        SWAP(vm->binding, draft->binding);
        SWAP(vm->passed, draft->passed);
        SWAP(vm->n_passed, draft->n_passed);
        SWAP(vm->row.user_uid, draft->row.user_uid);
        SWAP(vm->row.may_name_paths, draft->row.may_name_paths);
        SWAP(vm->row.measurement, draft->row.measurement);
        SWAP(vm->row.measurement_size, draft->row.measurement_size);
        SWAP(vm->row.policy, draft->row.policy);
        SWAP(vm->row.prediction, draft->row.prediction);
        SWAP(vm->row.pins, draft->row.pins);
        SWAP(vm->row.pinned, draft->row.pinned);
        vm_touch(vm);
}

/* Durable, or as before. */
static int apply(struct vm *vm, struct vm *draft, struct cvm_error *err) {
        int r;

        draft->plan = plan_free(draft->plan); /* it points into the definition */
        take_over(vm, draft);
        manager_audit_transition(vm->manager, vm, "updated", "ok");
        r = journal_commit(vm->manager->journal, err);
        if (r < 0)
                take_over(vm, draft);
        return r;
}

static void on_prepared(struct vm *draft, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *result = NULL;
        struct operation *operation = draft->operation;
        struct vm *vm = draft->draft_of;
        struct cvm_error why = { 0 };

        if (err)
                operation_fail(operation, err);
        else if (vm) {
                result = comparison(vm, draft, !draft->dry_run);
                if (!draft->dry_run && apply(vm, draft, &why) < 0)
                        operation_fail(operation, &why);
                else
                        operation_done(operation, TAKE_PTR(result));
        }
        drop(draft);
}

static int check_update(const struct vm *vm, const struct vm *draft, struct cvm_error *err) {
        if (strcmp(draft->row.id, vm->row.id) != 0 || strcmp(draft->row.name, vm->row.name) != 0)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'name' and 'uuid' of '%s' stay what they are: leave them out or as they were",
                                vm->row.name);
        return vm_check_resources(draft, vm, err);
}

int vm_update(struct vm *vm, const struct create_options *options, bool dry_run, const struct caller *caller,
              struct operation **ret, struct cvm_error *err) {
        CVM_CLEANUP(vm_freep) struct vm *draft = NULL;
        int r;

        if (vm_state_has_process(vm->state) || vm_state_is_fenced(vm->state))
                return cvm_fail(err, &CVM_CODE_WRONG_STATE, EBUSY,
                                "'%s' is %s: stop it before its definition changes", vm->row.name,
                                vm_state_text(vm->state));
        r = vm_make(vm->manager, options, caller, vm, false, &draft, err);
        if (r >= 0)
                r = check_update(vm, draft, err);
        if (r >= 0)
                r = vm_begin(vm, "update", caller, ret, err);
        if (r < 0)
                return r;
        draft->draft_of = vm;
        draft->dry_run = dry_run;
        return prepare(TAKE_PTR(draft), *ret, on_prepared, err);
}
