/* Making VMs: what is checked before one exists, and the operation that prepares (and starts) it. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/time.h"
#include "vm/capacity.h"
#include "vm/steps.h"

static void add_if_absent(json_object *node, const char *key, const char *value) {
        if (json_object_is_type(node, json_type_object) && !json_object_object_get_ex(node, key, NULL))
                json_object_object_add(node, key, json_object_new_string(value));
}

/* A definition's text with name and uuid in it: those of `like`, or made here. */
static int complete(const struct create_options *options, const struct vm *like, char **ret_text,
                    struct definition **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        char uuid[CVM_UUID_TEXT], name[32];
        const char *id;
        int r = cvm_json_parse(options->definition, options->definition_size, "definition", &node, err);

        if (r < 0)
                return r;
        cvm_uuid_make(uuid);
        add_if_absent(node, "uuid", like ? like->row.id : uuid);
        id = json_object_get_string(json_object_object_get(node, "uuid"));
        snprintf(name, sizeof name, "vm-%.8s", id ? id : "");
        add_if_absent(node, "name", like ? like->row.name : name);
        *ret_text = cvm_json_text(node);
        if (!*ret_text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading a definition");
        return definition_read(*ret_text, strlen(*ret_text), "definition", ret, err);
}

static int check_binding(const struct definition *d, const struct platform *platform, const char *envelope,
                         struct cvm_error *err) {
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        int r;

        if (!d->owner.size && !envelope)
                return 0;
        if (!d->owner.size)
                return cvm_fail(err, &CVM_CODE_UNOWNED, EINVAL,
                                "a binding was given, but the definition has no 'owner'");
        if (!envelope)
                return cvm_fail(err, &CVM_CODE_BINDING_DEFINITION, EINVAL,
                                "the definition has an 'owner', so it needs the binding that she signed");
        r = binding_open(envelope, strlen(envelope), d->owner.data, &binding, &payload, err);
        return r < 0 ? r : definition_check_binding(d, platform->id, &binding, err);
}

static int check_name(struct manager *m, const struct definition *d, struct cvm_error *err) {
        if (manager_vm(m, d->name) || manager_vm(m, d->uuid))
                return cvm_fail(err, &CVM_CODE_EXISTS, EEXIST,
                                "there is a VM of the name '%s' or of its uuid already", d->name);
        return 0;
}

/* A writable disk belongs to one VM; `except` is the one that this definition is for. */
static int check_disks(const struct manager *m, const struct definition *d, const struct vm *except,
                       struct cvm_error *err) {
        for (size_t i = 0; i < m->n_vms; i++)
                for (size_t k = 0; m->vms[i] != except && k < m->vms[i]->definition->n_disks; k++)
                        for (size_t n = 0; n < d->n_disks; n++) {
                                const struct definition_disk *a = &m->vms[i]->definition->disks[k],
                                                             *b = &d->disks[n];

                                if (strcmp(a->path, b->path) == 0 && (!a->readonly || !b->readonly))
                                        return cvm_fail(err, &CVM_CODE_DISK_IN_USE, EBUSY,
                                                        "disk '%s' belongs to '%s'", b->path,
                                                        m->vms[i]->row.name);
                        }
        return 0;
}

static int check_network(const struct manager *m, const struct definition *d, struct cvm_error *err) {
        for (size_t i = 0; i < d->n_nics; i++) {
                const struct definition_nic *nic = &d->nics[i];
                char *const *allowed = nic->type == NIC_TAP ? m->config.taps : m->config.bridges;
                bool found = nic->type < NIC_TAP;

                for (; !found && allowed && *allowed; allowed++)
                        found = strcmp(*allowed, nic->name) == 0;
                if (!found)
                        return cvm_fail(err, &CVM_CODE_NETWORK, EACCES,
                                        "'%s' is no tap or bridge that the daemon's configuration allows",
                                        nic->name);
        }
        return 0;
}

/* Whose it is: the account that the definition names, whom it belonged to before, or who asks. */
static int choose_user(const struct definition *d, const struct create_options *options,
                       const struct caller *caller, const struct vm *like, uint32_t *ret,
                       struct cvm_error *err) {
        const struct passwd *account = d->user ? getpwnam(d->user) : NULL;

        *ret = like ? like->row.user_uid : caller->uid;
        if (!d->user)
                return 0;
        if (!account)
                return cvm_fail(err, &CVM_CODE_FIELD, ENOENT, "'user' names no account of this host: '%s'",
                                d->user);
        if (account->pw_uid != *ret && !options->may_name_paths)
                return cvm_fail(err, &CVM_CODE_DENIED, EACCES,
                                "only operators give VMs to other users, such as '%s'", d->user);
        *ret = account->pw_uid;
        return 0;
}

static int check_quota(const struct manager *m, const struct caller *caller, struct cvm_error *err) {
        size_t n = 0;

        for (size_t i = 0; i < m->n_vms; i++)
                n += m->vms[i]->row.user_uid == caller->uid;
        if (caller->uid != 0 && m->config.vms_per_user && n >= m->config.vms_per_user)
                return cvm_fail(err, &CVM_CODE_QUOTA, EDQUOT, "you have %u VMs already",
                                m->config.vms_per_user);
        return 0;
}

/* An own numeric user for the VM's process: the lowest of the range that no VM has. */
static int choose_uid(const struct manager *m, uint32_t *ret, struct cvm_error *err) {
        *ret = 0;
        for (uint32_t uid = m->config.uid_first; uid - m->config.uid_first < m->config.uid_count; uid++) {
                bool taken = false;

                for (size_t i = 0; i < m->n_vms; i++)
                        taken |= m->vms[i]->row.uid == uid;
                if (!taken) {
                        *ret = uid;
                        return 0;
                }
        }
        if (m->config.uid_count)
                return cvm_fail(err, &CVM_CODE_QUOTA, EDQUOT, "all %u user numbers for VMs are taken",
                                m->config.uid_count);
        return 0;
}

static int keep_passed(struct vm *vm, const struct create_options *options) {
        if (options->n_files == 0)
                return 0;
        vm->passed = calloc(options->n_files, sizeof *vm->passed);
        if (!vm->passed)
                return -ENOMEM;
        for (size_t i = 0; i < options->n_files; i++) {
                vm->passed[i].fd = fcntl(options->files[i].fd, F_DUPFD_CLOEXEC, 3);
                vm->passed[i].name = strdup(options->files[i].name);
                vm->n_passed = i + 1;
                if (vm->passed[i].fd < 0 || !vm->passed[i].name)
                        return -ENOMEM;
        }
        return 0;
}

static int fill_row(struct vm_row *row, const struct definition *d, const struct platform *platform,
                    const char *binding, struct cvm_error *err) {
        row->id = strdup(d->uuid);
        row->name = strdup(d->name);
        row->binding = binding ? strdup(binding) : NULL;
        row->platform = strdup(platform->name);
        row->state = strdup(vm_state_text(VM_DEFINED));
        row->trust = strdup(vm_trust_text(TRUST_UNVERIFIED));
        row->created_msec = cvm_time_now();
        if (!row->id || !row->name || !row->platform || !row->state || !row->trust ||
            (binding && !row->binding))
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a VM");
        return 0;
}

int vm_make(struct manager *m, const struct create_options *options, const struct caller *caller,
            const struct vm *like, bool predict_only, struct vm **ret, struct cvm_error *err) {
        CVM_CLEANUP(definition_freep) struct definition *d = NULL;
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(vm_row_done) struct vm_row row = { 0 };
        CVM_CLEANUP(vm_freep) struct vm *vm = NULL;
        int r = complete(options, like, &row.definition, &d, err);

        if (r >= 0)
                r = predict_only ? plan_predict(d, &plan, err) : plan_make(d, &m->facts, NULL, &plan, err);
        if (r >= 0 && !predict_only)
                r = check_binding(d, plan->platform, options->binding, err);
        if (r >= 0)
                r = choose_user(d, options, caller, like, &row.user_uid, err);
        if (r >= 0)
                r = fill_row(&row, d, plan->platform, options->binding, err);
        if (r >= 0)
                r = vm_new(m, &row, &vm, err);
        if (r >= 0 && keep_passed(vm, options) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a VM");
        /* The plan points into the definition it was made from: the VM makes its own. */
        if (r >= 0)
                r = predict_only ? plan_predict(vm->definition, &vm->plan, err)
                                 : plan_make(vm->definition, &m->facts, &vm->binding, &vm->plan, err);
        if (r < 0)
                return r;
        vm->row.may_name_paths = options->may_name_paths;
        *ret = TAKE_PTR(vm);
        return 0;
}

int vm_check_resources(const struct vm *vm, const struct vm *except, struct cvm_error *err) {
        int r = check_disks(vm->manager, vm->definition, except, err);

        if (r >= 0)
                r = check_network(vm->manager, vm->definition, err);
        return r < 0 || !vm->definition->reserve ? r : capacity_check(vm, except, err);
}

static int make_vm(struct manager *m, const struct create_options *options, const struct caller *caller,
                   struct vm **ret, struct cvm_error *err) {
        CVM_CLEANUP(vm_freep) struct vm *vm = NULL;
        struct vm **grown;
        int r = vm_make(m, options, caller, NULL, false, &vm, err);

        if (r >= 0)
                r = check_name(m, vm->definition, err);
        if (r >= 0)
                r = vm_check_resources(vm, NULL, err);
        if (r >= 0)
                r = check_quota(m, caller, err);
        if (r >= 0)
                r = choose_uid(m, &vm->row.uid, err);
        if (r < 0)
                return r;
        grown = reallocarray(m->vms, m->n_vms + 1, sizeof *grown);
        if (!grown)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a VM");
        m->vms = grown;
        grown[m->n_vms++] = vm;
        *ret = TAKE_PTR(vm);
        return 0;
}

static bool is_launch(const struct operation *operation) {
        struct operation_view view;

        operation_look(operation, &view);
        return strcmp(view.kind, "launch") == 0;
}

/* What could not be prepared was never made: nothing of it stays but the audit rows. */
static void undo(struct vm *vm, const struct cvm_error *why) {
        struct manager *m = vm->manager;
        struct cvm_error none = { 0 };
        int r;

        manager_audit_transition(m, vm, "creation undone", cvm_error_code(why)->id);
        r = store_remove_vm(m->store, vm->row.id, &none);
        if (r >= 0)
                r = store_forget_request(m->store, vm->row.id, &none);
        vm->dirty = r < 0;
        if (r >= 0)
                r = journal_commit(m->journal, &none);
        if (r < 0)
                vm_set_reason(vm, why); /* it stays until it can be removed */
        operation_fail(vm->operation, why);
        if (r >= 0)
                manager_remove_vm(m, vm);
}

static void go_on(struct vm *vm) {
        struct operation *operation = vm->operation;
        struct cvm_error why = { 0 };

        vm->plan = plan_free(vm->plan);
        vm_set_reason(vm, NULL);
        cvm_fault_point("create-prepared");
        if (!operation || !is_launch(operation))
                operation_done(operation, NULL);
        else if (vm_begin_start(vm, operation, &why) < 0)
                operation_fail(operation, &why);
}

static void on_prepared(struct vm *vm, struct cvm_error *err) {
        if (err)
                undo(vm, err);
        else
                go_on(vm);
}

/* It had been promised before the daemon was interrupted: it stays, with the reason why it cannot start. */
static void on_finished(struct vm *vm, struct cvm_error *err) {
        struct cvm_error why = { 0 };

        if (!err) {
                go_on(vm);
                return;
        }
        vm->plan = plan_free(vm->plan);
        cvm_fail(&why, &CVM_CODE_UNPREPARED, EAGAIN, "%s", err->text);
        vm_set_reason(vm, &why);
        operation_fail(vm->operation, &why);
}

static int finish(struct vm *vm, const char *kind, const struct caller *caller, struct operation **ret,
                  struct cvm_error *err) {
        int r;

        vm->plan = plan_free(vm->plan);
        r = plan_make(vm->definition, &vm->manager->facts, &vm->binding, &vm->plan, err);
        if (r >= 0)
                r = vm_begin(vm, kind, caller, ret, err);
        return r < 0 ? r : vm_prepare(vm, on_finished, err);
}

void manager_finish_creates(struct manager *m) {
        for (size_t i = 0; i < m->n_vms; i++) {
                struct vm *vm = m->vms[i];
                const struct caller caller = { .uid = vm->row.user_uid, .bus_name = "cvmd" };
                struct operation *operation;
                struct cvm_error err = { 0 };

                if (vm->state == VM_DEFINED && !vm->row.measurement_size &&
                    finish(vm, "create", &caller, &operation, &err) < 0)
                        vm_set_reason(vm, &err);
        }
}

/* The same request after an interruption: it goes on from where it was. */
static int resume(struct vm *vm, const struct create_options *options, const struct caller *caller,
                  struct operation **ret, struct cvm_error *err) {
        const char *kind = options->start ? "launch" : "create";
        int r;

        if (!vm->row.measurement_size) {
                if (vm->n_passed == 0 && keep_passed(vm, options) < 0)
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a VM");
                return finish(vm, kind, caller, ret, err);
        }
        if (options->start && vm->state == VM_DEFINED) {
                r = vm_begin(vm, kind, caller, ret, err);
                return r < 0 ? r : vm_begin_start(vm, *ret, err);
        }
        r = operation_new(vm->manager, kind, vm, caller, ret, err);
        if (r >= 0)
                operation_done(*ret, NULL);
        return r;
}

/* The same request again: the VM it made, and an operation that is done or still under way. */
static int find_again(struct manager *m, const struct create_options *options,
                      const uint8_t digest[CVM_SHA256_SIZE], const struct caller *caller, struct vm **ret_vm,
                      struct operation **ret, struct cvm_error *err) {
        uint8_t before[CVM_SHA256_SIZE];
        CVM_CLEANUP(cvm_freep) char *id = NULL;
        int r = store_find_request(m->store, caller->uid, options->request_id, before, &id, err);

        if (r <= 0)
                return r;
        *ret_vm = manager_vm(m, id);
        if (memcmp(before, digest, sizeof before) != 0)
                return cvm_fail(err, &CVM_CODE_EXISTS, EEXIST,
                                "request '%.60s' was made before with another definition",
                                options->request_id);
        if (!*ret_vm)
                return cvm_fail(err, &CVM_CODE_NO_VM, ENOENT, "the VM of request '%.60s' was deleted since",
                                options->request_id);
        for (size_t i = 0; (*ret = manager_operation_at(m, i)); i++) {
                struct operation_view view;

                operation_look(*ret, &view);
                if (strcmp(view.vm_id, id) == 0 &&
                    (strcmp(view.kind, "launch") == 0 || strcmp(view.kind, "create") == 0))
                        return 1;
        }
        r = resume(*ret_vm, options, caller, ret, err);
        return r < 0 ? r : 1;
}

int manager_create(struct manager *m, const struct create_options *options, const struct caller *caller,
                   struct vm **ret_vm, struct operation **ret_operation, struct cvm_error *err) {
        uint8_t digest[CVM_SHA256_SIZE];
        struct vm *vm = NULL;
        int r = 0;

        cvm_sha256(options->definition, options->definition_size, digest);
        if (options->request_id)
                r = find_again(m, options, digest, caller, ret_vm, ret_operation, err);
        if (r != 0)
                return r < 0 ? r : 0;
        r = make_vm(m, options, caller, &vm, err);
        if (r < 0)
                return r;
        r = operation_new(m, options->start ? "launch" : "create", vm, caller, &vm->operation, err);
        if (r >= 0 && options->request_id)
                r = store_add_request(m->store, caller->uid, options->request_id, digest, vm->row.id, err);
        if (r >= 0) {
                vm_touch(vm);
                manager_audit_transition(m, vm, "created", "ok");
                r = journal_commit(m->journal, err);
        }
        if (r >= 0)
                r = vm_prepare(vm, on_prepared, err);
        if (r < 0) {
                r = cvm_while(err, r, "creating a VM");
                operation_fail(vm->operation, err);
                manager_remove_vm(m, vm);
                return r;
        }
        if (m->observer.vm_added)
                m->observer.vm_added(m->observer.ctx, vm);
        *ret_vm = vm;
        *ret_operation = vm->operation;
        return 0;
}
