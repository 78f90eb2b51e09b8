/*
 * A guest's memory in a file, where its owner and the host allow it. QEMU stops the vCPUs meanwhile: the VM
 * is paused, and says why. The operation ends when the dump has ended and the guest runs again, if it did.
 */
#include "vm/vm-dump.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "vm/steps.h"

#define BACK_USEC 5000000ull
#define BACK_TRIES 24

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

/* Nothing is asked of the file's file system: it may be one that never answers. */
static int check_file(int fd, struct cvm_error *err) {
        int flags = fcntl(fd, F_GETFL);
        struct statx st;

        if (flags < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &st) < 0)
                return cvm_fail(err, &CVM_CODE_DUMP_FILE, EBADF, "the descriptor is none of a file");
        if (!S_ISREG(st.stx_mode))
                return cvm_fail(err, &CVM_CODE_DUMP_FILE, EINVAL, "the descriptor is not of a regular file");
        if ((flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
                return cvm_fail(err, &CVM_CODE_DUMP_FILE, EINVAL, "the file is not open for writing");
        if (st.stx_size > 0)
                return cvm_fail(err, &CVM_CODE_DUMP_FILE, ENOTEMPTY, "the file is not empty");
        return 0;
}

/* What people must know of it. */
static char *result_of(const struct vm *vm) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        json_object *notes = json_object_new_array();
        bool simulated = vm->definition->simulate;

        json_object_object_add(node, "encrypted", json_object_new_boolean(!simulated));
        if (!simulated)
                json_object_object_add(node, "platform", json_object_new_string(vm->row.platform));
        json_object_object_add(node, "notes", notes);
        json_object_array_add(notes,
                              json_object_new_string(
                                              simulated ? "SIMULATED: the dump has the guest's memory "
                                                          "in the clear, nothing is encrypted"
                                                        : platform_by_name(vm->row.platform)->dump_note));
        return cvm_json_text(node);
}

/* The operation is whoever's who knows its end. */
static void tell_end(struct vm *vm, const struct cvm_error *why) {
        vm->dump.under_way = false;
        manager_audit_transition(vm->manager, vm, "dump", why ? why->code->id : "ok");
        vm_note(vm, "dump", why ? "failed" : "done", why);
}

void vm_dump_lost(struct vm *vm) {
        struct cvm_error why = { 0 };

        if (!vm->dump.under_way)
                return;
        cvm_fail(&why, &CVM_CODE_DUMP_FAILED, ESRCH, "'%s' ended while it was dumped", vm->row.name);
        tell_end(vm, &why);
}

static void settle(struct vm *vm) {
        const struct cvm_error *why = vm->dump.why.code ? &vm->dump.why : NULL;
        struct operation *operation = vm->operation;

        vm->timer = sd_event_source_disable_unref(vm->timer);
        tell_end(vm, why);
        if (why)
                operation_fail(operation, why);
        else
                operation_done(operation, result_of(vm));
}

static void no_answer(void *ctx, struct cvm_error *err) {
        /* that it runs is told by an event */
}

static int on_back_time(sd_event_source *source, uint64_t usec, void *userdata);

static void wait_for_run(struct vm *vm) {
        vm->timer = sd_event_source_disable_unref(vm->timer);
        if (sd_event_add_time_relative(vm->manager->event, &vm->timer, CLOCK_MONOTONIC, BACK_USEC, 0,
                                       on_back_time, vm) < 0)
                settle(vm);
}

/* Whoever had to let it run again, libvirt, may have been restarted meanwhile. */
static int on_back_time(sd_event_source *source, uint64_t usec, void *userdata) {
        struct vm *vm = userdata;
        struct cvm_error none = { 0 };

        if (vm->state == VM_RUNNING || ++vm->dump.tries > BACK_TRIES) {
                settle(vm);
                return 0;
        }
        (void)vm->driver->command(vm->guest, DRIVER_CONT, no_answer, vm, &none);
        wait_for_run(vm);
        return 0;
}

bool vm_dump_runs(struct vm *vm) {
        if (!vm->dump.under_way)
                return false;
        vm->dump.back = true;
        if (vm->dump.ended)
                settle(vm);
        return true;
}

const struct cvm_error *vm_dump_reason(const struct vm *vm) {
        static const struct cvm_error reason = { .code = &CVM_CODE_DUMPING,
                                                 .text = "its memory is being dumped" };

        return vm->dump.under_way ? &reason : NULL;
}

static void on_progress(void *ctx, uint32_t percent) {
        struct vm *vm = ctx;

        if (!vm->dump.under_way)
                return;
        if (!vm->dump.began)
                cvm_fault_point("dump-begun");
        vm->dump.began = true;
        operation_phase(vm->operation, "writing the memory", percent);
}

static void on_dumped(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        if (!vm->dump.under_way)
                return;
        vm->dump.ended = true;
        if (err)
                vm->dump.why = *err;
        if (vm->dump.stops && vm->dump.began && !vm->dump.back)
                wait_for_run(vm);
        else
                settle(vm);
}

int vm_dump(struct vm *vm, int fd, const struct caller *caller, struct operation **ret,
            struct cvm_error *err) {
        int r = vm_check_verb(vm, VERB_DUMP, err);

        if (r >= 0)
                r = check_file(fd, err);
        if (r >= 0 && !vm->up)
                r = cvm_fail(err, &CVM_CODE_WRONG_STATE, EAGAIN,
                             "'%s' was found again just now: its monitor does not answer yet", vm->row.name);
        if (r >= 0)
                r = vm_begin(vm, "dump", caller, ret, err);
        if (r < 0)
                return r;
        memset(&vm->dump, 0, sizeof vm->dump);
        vm->dump.under_way = true;
        vm->dump.stops = vm->state == VM_RUNNING;
        vm_note(vm, "dump", "begun", NULL);
        r = vm->driver->dump(vm->guest, fd, on_progress, on_dumped, vm, err);
        if (r < 0) {
                vm->dump.why = *err;
                settle(vm);
        }
        return r;
}
