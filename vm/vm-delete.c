/*
 * Deleting: only a VM without a process. The record says what the host has seen and done, in the host's
 * name, and whether the guest itself proved its end (BYE). Disks that users brought are left alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/time.h"
#include "vm/steps.h"
#include "vm/record.h"

static void add_text(json_object *node, const char *key, const char *text) {
        json_object_object_add(node, key, text ? json_object_new_string(text) : NULL);
}

static void add_time(json_object *node, const char *key, uint64_t msec) {
        char text[CVM_TIME_TEXT];

        cvm_time_format(msec, text);
        add_text(node, key, msec ? text : NULL);
}

int record_make(const struct vm *vm, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        json_object *host = json_object_new_object(), *guest = json_object_new_object();
        CVM_CLEANUP(cvm_freep) char *payload = NULL;
        struct audit_head head;
        char hex[2 * CVM_SHA256_SIZE + 1];

        json_object_object_add(node, "version", json_object_new_int(1));
        add_text(node, "uuid", vm->row.id);
        add_text(node, "name", vm->row.name);
        add_text(node, "platform", vm->row.platform);
        json_object_object_add(node, "simulated", json_object_new_boolean(vm->definition->simulate));
        json_object_object_add(node, "generation", json_object_new_uint64(vm->row.generation));
        add_text(host, "last_state", vm_state_text(vm->state));
        add_text(host, "reason", vm->row.state_reason);
        json_object_object_add(host, "process_reaped", json_object_new_boolean(vm->row.pid == 0));
        add_text(host, "disks", vm->definition->n_disks ? "left as they are" : "none");
        add_time(host, "created", vm->row.created_msec);
        add_time(host, "started", vm->row.started_msec);
        add_time(host, "deleted", cvm_time_now());
        journal_head(vm->manager->journal, &head);
        cvm_hex(head.hash, sizeof head.hash, hex);
        add_text(host, "chain_head", hex);
        json_object_object_add(node, "host_says", host);
        add_text(guest, "bye", vm->row.bye);
        json_object_object_add(node, "guest_proves", guest);
        payload = cvm_json_text(node);
        if (!payload)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a record");
        return cvm_envelope_sign(CVM_ENVELOPE_RECORD, payload, strlen(payload), vm->manager->record_key, ret,
                                 err);
}

static void remove_runtime_dir(const struct vm *vm) {
        char dir[4096];

        vm_do_release((void *)vm, NULL);
        vm_remove_files(vm, (const char *const[]){ "stderr.log", "console.log", "console.log.0",
                                                   "console.log.1", "console.log.2", DRIVER_DOMAIN_FILE,
                                                   NULL }); /* numbers: virtlogd's */
        if (vm_runtime_dir(vm, dir, sizeof dir) == 0)
                rmdir(dir);
}

/* Record and removal are one transaction: there is never a VM without its row and without its record. */
static int remove_durably(struct vm *vm, const char *record, struct cvm_error *err) {
        struct manager *m = vm->manager;
        int r;

        cvm_fault_point("delete-before-record");
        manager_audit_transition(m, vm, "deleted", "ok");
        r = store_add_record(m->store, vm->row.id, vm->row.name, record, err);
        if (r >= 0)
                r = store_remove_vm(m->store, vm->row.id, err);
        if (r >= 0)
                r = manager_owe_removal(vm, err);
        if (r >= 0) {
                vm->dirty = false;
                r = journal_commit(m->journal, err);
        }
        cvm_fault_point("delete-after-record");
        return r;
}

int vm_delete(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *record = NULL;
        struct manager *m = vm->manager;
        int r = vm_check_verb(vm, VERB_DELETE, err);

        if (r < 0)
                return r;
        r = record_make(vm, &record, err);
        if (r >= 0)
                r = operation_new(m, "delete", vm, caller, ret, err);
        if (r < 0)
                return r;
        r = remove_durably(vm, record, err);
        if (r < 0) {
                vm_touch(vm);
                operation_fail(*ret, err);
                return r;
        }
        operation_done(*ret, TAKE_PTR(record));
        remove_runtime_dir(vm);
        manager_pay_removal(m, vm->row.id, vm->row.driver);
        manager_remove_vm(m, vm);
        return 0;
}
