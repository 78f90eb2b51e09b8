/* Making VMs: what is checked before one exists, and the operation that prepares (and starts) it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/time.h"
#include "vm/model.h"

/* A definition's text with name and uuid in it: both may be made here. */
static int complete(const struct create_options *options, char **ret_text, struct definition **ret,
                    struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        char uuid[CVM_UUID_TEXT], name[32];
        int r = cvm_json_parse(options->definition, options->definition_size, "definition", &node, err);

        if (r < 0)
                return r;
        if (json_object_is_type(node, json_type_object) && !json_object_object_get_ex(node, "uuid", NULL)) {
                cvm_uuid_make(uuid);
                json_object_object_add(node, "uuid", json_object_new_string(uuid));
        }
        if (json_object_is_type(node, json_type_object) && !json_object_object_get_ex(node, "name", NULL)) {
                const char *id = json_object_get_string(json_object_object_get(node, "uuid"));

                snprintf(name, sizeof name, "vm-%.8s", id ? id : "");
                json_object_object_add(node, "name", json_object_new_string(name));
        }
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

static int check_unique(struct manager *m, const struct definition *d, struct cvm_error *err) {
        if (manager_vm(m, d->name) || manager_vm(m, d->uuid))
                return cvm_fail(err, &CVM_CODE_EXISTS, EEXIST,
                                "there is a VM of the name '%s' or of its uuid already", d->name);
        for (size_t i = 0; i < m->n_vms; i++)
                for (size_t k = 0; k < m->vms[i]->definition->n_disks; k++)
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

static int make_vm(struct manager *m, const struct create_options *options, const struct caller *caller,
                   struct vm **ret, struct cvm_error *err) {
        CVM_CLEANUP(definition_freep) struct definition *d = NULL;
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(vm_row_done) struct vm_row row = { 0 };
        CVM_CLEANUP(vm_freep) struct vm *vm = NULL;
        struct vm **grown;
        int r = complete(options, &row.definition, &d, err);

        if (r >= 0)
                r = plan_make(d, &m->facts, &plan, err);
        if (r >= 0)
                r = check_binding(d, plan->platform, options->binding, err);
        if (r >= 0)
                r = check_unique(m, d, err);
        if (r >= 0)
                r = check_network(m, d, err);
        if (r >= 0)
                r = check_quota(m, caller, err);
        if (r >= 0)
                r = choose_uid(m, &row.uid, err);
        if (r < 0)
                return r;
        row.id = strdup(d->uuid);
        row.name = strdup(d->name);
        row.binding = options->binding ? strdup(options->binding) : NULL;
        row.platform = strdup(plan->platform->name);
        row.user_uid = caller->uid;
        row.state = strdup(vm_state_text(VM_DEFINED));
        row.trust = strdup(vm_trust_text(TRUST_UNVERIFIED));
        row.created_msec = cvm_time_now();
        if (!row.id || !row.name || !row.platform || !row.state || !row.trust)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a VM");
        r = vm_new(m, &row, &vm, err);
        grown = r < 0 ? NULL : reallocarray(m->vms, m->n_vms + 1, sizeof *grown);
        if (r >= 0 && (!grown || keep_passed(vm, options) < 0))
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a VM");
        if (grown)
                m->vms = grown;
        if (r < 0)
                return r;
        /* The plan points into the definition it was made from: the VM makes its own. */
        r = plan_make(vm->definition, &m->facts, &vm->plan, err);
        if (r < 0)
                return r;
        vm->may_name_paths = options->may_name_paths;
        grown[m->n_vms++] = vm;
        *ret = TAKE_PTR(vm);
        return 0;
}

static void on_prepared(struct vm *vm, struct cvm_error *err) {
        struct operation *operation = vm->operation;
        struct operation_view view = { .kind = "" };
        struct cvm_error why = { 0 };

        vm->plan = plan_free(vm->plan);
        if (operation)
                operation_look(operation, &view);
        cvm_fault_point("create-prepared");
        if (err)
                operation_fail(operation, err);
        else if (strcmp(view.kind, "launch") != 0)
                operation_done(operation, NULL);
        else if (vm_begin_start(vm, operation, &why) < 0)
                operation_fail(operation, &why);
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
        r = operation_new(m, options->start ? "launch" : "create", *ret_vm, caller, ret, err);
        if (r >= 0)
                operation_done(*ret, NULL);
        return r < 0 ? r : 1;
}

int manager_create(struct manager *m, const struct create_options *options, const struct caller *caller,
                   struct vm **ret_vm, struct operation **ret_operation, struct cvm_error *err) {
        uint8_t digest[CVM_SHA256_SIZE];
        struct vm *vm;
        int r = 0;

        cvm_sha256(options->definition, options->definition_size, digest);
        if (options->request_id)
                r = find_again(m, options, digest, caller, ret_vm, ret_operation, err);
        if (r != 0)
                return r < 0 ? r : 0;
        r = make_vm(m, options, caller, &vm, err);
        if (r < 0)
                return r;
        r = operation_new(m, options->start ? "launch" : "create", vm, caller, ret_operation, err);
        if (r >= 0 && options->request_id)
                r = store_add_request(m->store, caller->uid, options->request_id, digest, vm->row.id, err);
        if (r >= 0) {
                vm->operation = *ret_operation;
                vm_touch(vm);
                manager_audit_transition(m, vm, "created", "ok");
                r = journal_commit(m->journal, err);
        }
        if (r < 0) {
                manager_remove_vm(m, vm);
                return cvm_while(err, r, "creating a VM");
        }
        if (m->observer.vm_added)
                m->observer.vm_added(m->observer.ctx, vm);
        *ret_vm = vm;
        vm_prepare(vm, on_prepared);
        return 0;
}
