#include "vm/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/time.h"
#include "vm/steps.h"

static void do_nothing(void *ctx, struct cvm_error *err) {
}

/* What each action of the table does, behind the commit. */
static const journal_then_fn actions[] = {
        [DO_NOTHING] = do_nothing,
        [DO_SPAWN] = vm_do_spawn,
        [DO_CONTINUE] = vm_do_continue,
        [DO_SHUT_DOWN] = vm_do_shut_down,
        [DO_RELEASE] = vm_do_release,
        [DO_FORGET] = do_nothing, /* forgotten at once (vm_expect_agent): dropping waits for no commit */
        [DO_RELAY_SECRETS] = vm_do_relay_secrets,
        [DO_JUDGE_REFUSED] = vm_do_judge_refused,
};

static int set_text(char **text, const char *value) {
        char *copy = value ? strdup(value) : NULL;

        if (value && !copy)
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 0;
}

void vm_touch(struct vm *vm) {
        vm->dirty = vm->changed = true;
        journal_touch(vm->manager->journal);
}

void vm_note(struct vm *vm, const char *what, const char *value, const struct cvm_error *why) {
        json_object *event = json_object_new_object();

        json_object_object_add(event, "event", json_object_new_string(what));
        json_object_object_add(event, "vm", json_object_new_string(vm->row.id));
        json_object_object_add(event, "name", json_object_new_string(vm->row.name));
        json_object_object_add(event, what, json_object_new_string(value));
        if (why && why->code) {
                json_object_object_add(event, "code", json_object_new_string(why->code->id));
                json_object_object_add(event, "reason", json_object_new_string(why->text));
        }
        journal_event(vm->manager->journal, event);
}

/* The only writer of the state. */
static void enter(struct vm *vm, enum vm_state next, const struct cvm_error *why) {
        char what[64];

        vm->state = next;
        (void)set_text(&vm->row.state, vm_state_text(next));
        (void)set_text(&vm->row.state_code, why && why->code ? why->code->id : NULL);
        (void)set_text(&vm->row.state_reason, why && why->code ? why->text : NULL);
        snprintf(what, sizeof what, "state %s", vm_state_text(next));
        manager_audit_transition(vm->manager, vm, what, why && why->code ? why->code->id : "ok");
        vm_note(vm, "state", vm_state_text(next), why);
        vm_touch(vm);
}

void vm_set_reason(struct vm *vm, const struct cvm_error *why) {
        (void)set_text(&vm->row.state_code, why ? cvm_error_code(why)->id : NULL);
        (void)set_text(&vm->row.state_reason, why ? why->text : NULL);
        vm_touch(vm);
}

int vm_handle(struct vm *vm, enum vm_event event, const struct cvm_error *why, struct cvm_error *err) {
        struct vm_edge edge = vm_next(vm->state, event);
        int r;

        if (!edge.allowed)
                return cvm_fail(err,
                                vm_state_is_fenced(vm->state) ? &CVM_CODE_FENCED : &CVM_CODE_WRONG_STATE,
                                EBUSY, "'%s' is %s and cannot %s", vm->row.name, vm_state_text(vm->state),
                                vm_event_text(event));
        enter(vm, edge.next, why);
        r = journal_then(vm->manager->journal, actions[edge.action], vm);
        return r < 0 ? cvm_while(err, r, "'%s'", vm->row.name) : 0;
}

/* The only writer of the trust. */
void vm_handle_trust(struct vm *vm, enum vm_event event, const char *by) {
        struct trust_edge edge = trust_next(vm->trust, event);
        char what[64];

        if (!edge.allowed)
                return;
        if (vm->trust != edge.next) {
                snprintf(what, sizeof what, "trust %s", vm_trust_text(edge.next));
                manager_audit_transition(vm->manager, vm, what, "ok");
                vm_note(vm, "trust", vm_trust_text(edge.next), NULL);
        }
        vm->trust = edge.next;
        (void)set_text(&vm->row.trust, vm_trust_text(edge.next));
        (void)set_text(&vm->row.trust_by, edge.next == TRUST_UNVERIFIED ? NULL : by);
        vm_touch(vm);
        (void)journal_then(vm->manager->journal, actions[edge.action], vm);
}

int vm_keep_sim_store(struct vm *vm) {
        cvm_bytes_done(&vm->row.sim_store);
        vm_touch(vm);
        return sim_store_write(&vm->sim.store, &vm->row.sim_store);
}

void vm_new_boot(struct vm *vm) {
        char boot_id[CVM_UUID_TEXT];

        cvm_uuid_make(boot_id);
        (void)set_text(&vm->row.boot_id, boot_id);
        (void)set_text(&vm->row.bye, NULL);
        (void)set_text(&vm->row.verdict, NULL);
        memset(vm->row.keyset, 0, sizeof vm->row.keyset);
        vm->row.generation = 0;
        vm->row.verdict_msec = 0;
        vm_expect_agent(vm);
        sim_guest_boot(&vm->sim, boot_id);
        (void)vm_keep_sim_store(vm); /* a new boot's: without memory for it there is none */
        vm_note(vm, "boot", boot_id, NULL);
        vm_handle_trust(vm, EV_NEW_BOOT, NULL);
}

void vm_set_waits_for(struct vm *vm, const char *what) {
        if (strcmp(vm->waits_for ? vm->waits_for : "", what) == 0)
                return;
        (void)set_text(&vm->waits_for, what);
        vm->changed = true;
        journal_touch(vm->manager->journal);
}

int vm_use_driver(struct vm *vm, const struct driver *driver) {
        struct cvm_error err = { 0 };

        if (vm->driver != driver && manager_owe_removal(vm, &err) >= 0)
                manager_pay_removal(vm->manager, vm->row.id, vm->row.driver);
        vm->driver = driver;
        return set_text(&vm->row.driver, driver->name);
}

int vm_check_idle(const struct vm *vm, struct cvm_error *err) {
        struct operation_view view;

        if (!vm->operation)
                return 0;
        operation_look(vm->operation, &view);
        return cvm_fail(err, &CVM_CODE_WRONG_STATE, EBUSY, "'%s' is busy: '%s' is under way (operation %s)",
                        vm->row.name, view.kind, view.id);
}

int vm_runtime_dir(const struct vm *vm, char *ret, size_t size) {
        return snprintf(ret, size, "%s/vm/%s", vm->manager->config.runtime_dir, vm->row.id) < (int)size
                               ? 0
                               : -ENAMETOOLONG;
}

void vm_remove_files(const struct vm *vm, const char *const *names) {
        char dir[4096], path[4200];

        if (vm_runtime_dir(vm, dir, sizeof dir) < 0)
                return;
        for (; *names; names++) {
                snprintf(path, sizeof path, "%s/%s", dir, *names);
                unlink(path);
        }
}

static int open_binding(struct vm *vm, struct cvm_error *err) {
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };

        if (!vm->row.binding)
                return 0;
        return binding_open(vm->row.binding, strlen(vm->row.binding), vm->definition->owner.data, &binding,
                            &vm->binding, err);
}

/* What its simulated hardware knew when the daemon went. */
static int remember_sim_guest(struct vm *vm, struct cvm_error *err) {
        if (vm->row.boot_id)
                sim_guest_boot(&vm->sim, vm->row.boot_id);
        return sim_store_read(&vm->row.sim_store, &vm->sim.store) < 0
                               ? cvm_fail(err, &CVM_CODE_STORE, EINVAL,
                                          "'%s' has a secret store in the store that is none", vm->row.name)
                               : 0;
}

int vm_new(struct manager *m, struct vm_row *row, struct vm **ret, struct cvm_error *err) {
        CVM_CLEANUP(vm_freep) struct vm *vm = calloc(1, sizeof *vm);
        int r;

        if (!vm)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a VM");
        vm->manager = m;
        vm->work.memory = -EBADF;
        vm->row = *row;
        *row = (struct vm_row){ 0 };
        vm->driver = manager_driver(m, vm->row.driver);
        vm->state = vm_state_of(vm->row.state);
        vm->trust = vm_trust_of(vm->row.trust);
        if (vm->state == VM_STATE_MAX_ || vm->trust == VM_TRUST_MAX_)
                return cvm_fail(err, &CVM_CODE_STORE, EINVAL, "'%s' has an unknown state in the store",
                                vm->row.name);
        r = definition_read(vm->row.definition, strlen(vm->row.definition), vm->row.name, &vm->definition,
                            err);
        if (r >= 0)
                r = open_binding(vm, err);
        if (r >= 0)
                r = remember_sim_guest(vm, err);
        if (r < 0)
                return r;
        if (!vm->definition->name)
                vm->definition->name = strdup(vm->row.name);
        if (!vm->definition->uuid)
                vm->definition->uuid = strdup(vm->row.id);
        *ret = TAKE_PTR(vm);
        return 0;
}

struct vm *vm_free(struct vm *vm) {
        if (!vm)
                return NULL;
        if (vm->manager->journal)
                journal_forget(vm->manager->journal, vm);
        vm_work_cancel(vm);
        driver_probe_forget(vm);
        driver_forget_check(vm);
        manager_forget_sim_root(vm);
        operation_forget_vm(vm->manager, vm);
        vm->timer = sd_event_source_disable_unref(vm->timer);
        vm_links_close(vm);
        vm_forget_secrets(vm, NULL);
        if (vm->guest)
                vm->guest = vm->driver->release(vm->guest);
        for (size_t i = 0; i < vm->n_passed; i++) {
                cvm_close(vm->passed[i].fd);
                free((char *)vm->passed[i].name);
        }
        free(vm->passed);
        plan_free(vm->plan);
        definition_free(vm->definition);
        cvm_bytes_done(&vm->binding);
        free(vm->waits_for);
        free(vm->agent_name);
        cvm_bytes_done(&vm->sim.event_log);
        vm_row_done(&vm->row);
        free(vm);
        return NULL;
}

static const char *text_of(const char *text) {
        return text ? text : "";
}

static const struct driver *driver_of(const struct vm *vm) {
        return vm->guest ? vm->driver : manager_driver(vm->manager, definition_driver(vm->definition));
}

void vm_look(const struct vm *vm, struct vm_view *ret) {
        const struct platform *platform = platform_by_name(vm->row.platform);

        *ret = (struct vm_view){
                .id = vm->row.id,
                .name = vm->row.name,
                .user = text_of(vm->definition->user),
                .user_uid = vm->row.user_uid,
                .state = vm->state,
                .state_reason = text_of(vm->row.state_reason),
                .state_code = text_of(vm->row.state_code),
                /* What was stored is not believed before the same boot has answered again. */
                .trust = vm->adopted ? TRUST_UNVERIFIED : vm->trust,
                .trust_by = vm->adopted ? "" : text_of(vm->row.trust_by),
                .platform = vm->row.platform,
                .driver = driver_of(vm)->name,
                .simulated = vm->definition->simulate,
                .debug = platform->is_debug(vm->row.policy),
                .has_owner = vm->definition->owner.size > 0,
                .measurement_size = vm->row.measurement_size,
                .image = platform->read_header ? text_of(vm->row.prediction) : "",
                .generation = vm->row.generation,
                .boot_id = text_of(vm->row.boot_id),
                .waits_for = text_of(vm->waits_for),
                .definition = vm->row.definition,
                .binding = text_of(vm->row.binding),
                .operation = "",
                .labels = vm->definition->labels,
                .created_msec = vm->row.created_msec,
                .started_msec = vm->row.started_msec,
                .pid = vm->row.pid,
        };
        if (vm->operation) {
                struct operation_view view;

                operation_look(vm->operation, &view);
                ret->operation = view.id;
        }
        memcpy(ret->measurement, vm->row.measurement, sizeof ret->measurement);
        if (vm->heard)
                memcpy(ret->keyset, vm->row.keyset, sizeof ret->keyset);
        memcpy(ret->start_nonce, vm->start_nonce, sizeof ret->start_nonce);
}
