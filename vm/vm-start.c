/*
 * From a request to a running guest, and what the driver tells on the way:
 *
 *      begin -> simulation root, accelerator, files -> `starting` durable -> spawn (waits) -> trace durable
 *            -> go -> up -> (held: awaiting-approval, until a permit) -> cont -> running, a new boot
 *
 * Each arrow may fail or meet the end of the process; all ends come together in on_gone().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/time.h"
#include "vm/capacity.h"
#include "vm/program.h"
#include "vm/steps.h"
#include "vm/vm-dump.h"

static void no_answer(void *ctx, struct cvm_error *err) {
        /* what a command brings about is told by events; a refusal shows as their absence */
}

/* The process is gone, or never came to be. */
static void ended(struct vm *vm, enum vm_event event, const struct cvm_error *why) {
        struct operation *operation = vm->operation;
        struct cvm_error none = { 0 };

        vm_work_cancel(vm);
        vm_links_close(vm);
        vm->timer = sd_event_source_disable_unref(vm->timer);
        vm->guest = NULL;
        vm->up = vm->adopted = vm->meddled = vm->stands = false;
        vm->deferred = 0;
        vm->commanded = NULL;
        vm_dump_lost(vm);
        vm->row.pid = 0;
        vm->row.start_time = 0;
        memset(vm->row.kept, 0, sizeof vm->row.kept);
        vm->sim.store = (struct sim_store){ 0 };
        (void)vm_keep_sim_store(vm);
        (void)vm_handle(vm, event, why, &none);
        vm_handle_trust(vm, EV_NEW_BOOT, NULL);
        vm_set_waits_for(vm, "");
        vm->plan = plan_free(vm->plan);
        capacity_leave(vm);
        if (vm->wants_restart && vm_begin_start(vm, operation, &none) < 0)
                operation_fail(operation, &none);
        else if (!vm->wants_restart && vm->wants_stop)
                operation_done(operation, NULL);
        else if (why->code)
                operation_fail(operation, why);
        else if (operation && !vm->wants_restart) {
                cvm_fail(&none, &CVM_CODE_WRONG_STATE, ECANCELED, "'%s' has ended meanwhile", vm->row.name);
                operation_fail(operation, &none);
        }
        if (!vm->wants_stop && !vm->wants_restart && !vm->refused)
                vm_plan_restart(vm, event == EV_DIED);
        vm->wants_stop = vm->wants_restart = vm->expected = vm->refused = false;
}

static void fail_start(struct vm *vm, struct cvm_error *why) {
        ended(vm, EV_DIED, why);
}

static void cancel_start(struct vm *vm) {
        manager_forget_sim_root(vm);
        driver_probe_forget(vm);
        driver_forget_check(vm);
        vm_work_cancel(vm);
        vm->plan = plan_free(vm->plan);
        capacity_leave(vm);
}

/* Before anything has begun: the VM stays what it was. */
static void call_off(struct vm *vm, const struct cvm_error *why) {
        cancel_start(vm);
        operation_fail(vm->operation, why);
}

/* After the last file: the state is durable before anything is started. */
static void on_loaded(struct vm *vm, struct cvm_error *err) {
        struct cvm_error why = { 0 };
        int r;

        if (err) {
                call_off(vm, err);
                return;
        }
        cvm_fault_point("start-before-state");
        r = vm_handle(vm, EV_START, NULL, &why);
        if (r < 0)
                call_off(vm, &why);
}

static void on_plan_checked(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        if (err)
                call_off(vm, err);
        else
                vm_load(vm, on_loaded);
}

static void on_probed(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        if (err && vm->definition->accel == ACCEL_KVM) {
                call_off(vm, err);
                return;
        }
        vm->use_kvm = !err;
        vm_load(vm, on_loaded);
}

/* KVM only where it has run a guest of this CPU: a device that opens is no proof. A confidential guest has
 * no choice; whether QEMU can make it is asked instead. */
static void choose_accelerator(struct vm *vm, struct cvm_error *err) {
        bool wanted = vm->definition->accel == ACCEL_KVM ||
                      (vm->definition->accel == ACCEL_AUTO && vm->manager->facts.has_kvm);
        const struct driver_probe kvm = { vm->plan->platform->binary, vm->plan->platform->machine,
                                          vm->plan->cpu, "kvm", vm->row.uid };
        struct cvm_error why = { 0 };

        if (err) {
                call_off(vm, err);
                return;
        }
        vm->use_kvm = vm->plan->guest.type;
        if (vm->use_kvm) {
                if (vm->driver->check_plan(vm->manager->event, vm->plan, vm->row.uid, on_plan_checked, vm,
                                           &why) < 0)
                        call_off(vm, &why);
        } else if (!wanted)
                vm_load(vm, on_loaded);
        else if (vm->driver->probe(vm->manager->event, &kvm, on_probed, vm, &why) < 0)
                call_off(vm, &why);
}

int vm_begin_start(struct vm *vm, struct operation *operation, struct cvm_error *err) {
        struct vm_edge edge = vm_next(vm->state, EV_START);
        char program[PROGRAM_IDENTITY_MAX];
        int r;

        if (!edge.allowed)
                return cvm_fail(err,
                                vm_state_is_fenced(vm->state) ? &CVM_CODE_FENCED : &CVM_CODE_WRONG_STATE,
                                EBUSY, "'%s' is %s and cannot %s", vm->row.name, vm_state_text(vm->state),
                                vm_event_text(EV_START));
        if (!vm->row.measurement_size)
                return cvm_fail(err, &CVM_CODE_UNPREPARED, EBUSY,
                                "'%s' was never prepared: its boot files are not kept", vm->row.name);
        vm->plan = plan_free(vm->plan);
        r = host_read(manager_host_root(vm->manager), &vm->manager->facts,
                      err); /* its services come and go */
        if (r >= 0)
                r = plan_make(vm->definition, &vm->manager->facts, &vm->binding, &vm->plan, err);
        if (r >= 0)
                r = plan_check_host(vm->plan, &vm->manager->facts, vm->row.prediction, err);
        if (r >= 0)
                r = program_identity(vm->plan->platform->binary, program, err);
        if (r >= 0)
                r = capacity_take(vm, err);
        if (r < 0) {
                vm->plan = plan_free(vm->plan);
                return r;
        }
        if (vm_use_driver(vm, manager_driver(vm->manager, definition_driver(vm->definition))) < 0) {
                cancel_start(vm);
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "starting '%s'", vm->row.name);
        }
        vm->timer = sd_event_source_disable_unref(vm->timer);
        vm->operation = operation;
        operation_phase(operation, "loading", 50);
        operation_set_cancel(operation, cancel_start);
        if (vm->plan->simulated)
                manager_need_sim_root(vm, choose_accelerator);
        else
                choose_accelerator(vm, NULL);
        return 0;
}

static int make_runtime_dir(const struct vm *vm, char dir[4096], struct cvm_error *err) {
        char parent[4096];

        snprintf(parent, sizeof parent, "%s/vm", vm->manager->config.runtime_dir);
        if (vm_runtime_dir(vm, dir, 4096) < 0)
                return -ENAMETOOLONG;
        if ((mkdir(parent, 0700) < 0 && errno != EEXIST) || (mkdir(dir, 0700) < 0 && errno != EEXIST) ||
            chmod(parent, 0711) < 0) /* a guest's own user comes through, whatever the umask */
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", dir, strerror(errno));
        return 0;
}

static struct driver_start driver_start_of(struct vm *vm, const char *dir) {
        return (struct driver_start){
                .event = vm->manager->event,
                .plan = vm->plan,
                .name = vm->row.name,
                .uuid = vm->row.id,
                .runtime_dir = dir,
                .files = vm->work.files,
                .uid = vm->row.uid,
                .use_kvm = vm->use_kvm,
                .has_begun = vm->state != VM_STARTING && vm->state != VM_AWAITING_APPROVAL,
                .on_event = vm_on_driver,
                .ctx = vm,
        };
}

static void do_go(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;
        struct cvm_error why = { 0 };

        if (!vm->guest)
                return;
        cvm_fault_point("start-before-go");
        if (err || vm->driver->go(vm->guest, &why) < 0) {
                /* Its end will be told by the driver; the reason is ours. */
                operation_fail(vm->operation, err ? err : &why);
                vm->driver->kill(vm->guest);
                return;
        }
        operation_phase(vm->operation, "starting QEMU", 70);
        cvm_fault_point("start-after-go");
}

static void close_files(struct vm *vm) {
        while (vm->work.n_files > 0)
                cvm_close(vm->work.files[--vm->work.n_files]);
}

/* How it is found again; not less than was stored already. */
static void take_trace(struct vm *vm) {
        struct driver_trace trace = { 0 };

        vm->driver->trace(vm->guest, &trace);
        vm->row.pid = trace.pid;
        vm->row.start_time = trace.start_time;
        if (!vm->meddled)
                memcpy(vm->row.kept, trace.kept, sizeof trace.kept);
        vm_touch(vm);
}

static void on_spawned(struct vm *vm) {
        cvm_fault_point("start-after-spawn");
        take_trace(vm);
        (void)journal_then(vm->manager->journal, do_go, vm);
}

void vm_do_spawn(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;
        struct driver_start start;
        struct cvm_error why = { 0 };
        char dir[4096];
        int r;

        if (err) {
                fail_start(vm, err);
                return;
        }
        cvm_fault_point("start-before-spawn");
        operation_set_cancel(vm->operation, NULL);
        r = make_runtime_dir(vm, dir, &why);
        vm_remove_files(vm, (const char *const[]){ DRIVER_DOMAIN_FILE, NULL });
        start = driver_start_of(vm, dir);
        if (r >= 0)
                r = vm->driver->spawn(&start, &vm->guest, &why);
        close_files(vm);
        if (r < 0) {
                (void)cvm_error_text(&why, r);
                fail_start(vm, &why);
                return;
        }
        vm->row.started_msec = cvm_time_now();
        vm->expected = false;
        vm_touch(vm);
        if (r == 0)
                on_spawned(vm);
}

void vm_do_continue(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;
        struct cvm_error why = { 0 };

        if (!err && vm->guest && vm->driver->command(vm->guest, DRIVER_CONT, no_answer, vm, &why) < 0)
                vm->driver->kill(vm->guest);
}

void vm_do_release(void *ctx, struct cvm_error *err) {
        /* the logs stay, for `cvmctl logs` */
        vm_remove_files(ctx,
                        (const char *const[]){ "qmp.sock", "agent.sock", "tee.sock", "console.sock", NULL });
        vm_remove_files(ctx, (const char *const[]){ driver_boot_files[PLAN_FIRMWARE],
                                                    driver_boot_files[PLAN_KERNEL],
                                                    driver_boot_files[PLAN_INITRD], NULL });
}

/* Found before its first instruction, in a start that was durable and holds for nobody: it goes on. Where it
 * runs already, or was paused, that has been told by now. */
static void finish_start(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        if (vm->state == VM_STARTING && !vm->definition->hold)
                vm_do_continue(vm, err);
}

/* Up: held, or on to the first instruction. A guest that was found again is left as it was found. */
static void on_up(struct vm *vm) {
        struct cvm_error err = { 0 };

        take_trace(vm);
        vm_command_deferred(vm);
        if (!vm->agent)
                vm_links_open(vm);
        if (vm->adopted)
                vm_expect_agent(vm);
        if (vm->adopted && vm->state == VM_STARTING)
                (void)journal_then(vm->manager->journal, finish_start, vm);
        if (vm->state != VM_AWAITING_APPROVAL && (vm->state != VM_STARTING || vm->adopted))
                return;
        if (!vm->definition->hold) {
                vm_do_continue(vm, NULL);
                return;
        }
        cvm_random(vm->start_nonce, sizeof vm->start_nonce);
        if (vm->state == VM_STARTING)
                (void)vm_handle(vm, EV_HELD, NULL, &err);
        vm_set_waits_for(vm, "start-permit");
        operation_phase(vm->operation, "waiting for a start permit", 80);
}

/* What people must know of it, for whoever waits for its start; NULL: nothing. */
static char *notes(const struct vm *vm) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;

        if (!vm->plan || !vm->plan->notes)
                return NULL;
        node = json_object_new_object();
        json_object_object_add(node, "notes", cvm_json_write_texts(&vm->plan->notes));
        return cvm_json_text(node);
}

static void on_running(struct vm *vm) {
        struct cvm_error err = { 0 };
        enum vm_state before = vm->state;

        vm->stands = false;
        if (before == VM_PAUSED) {
                (void)vm_handle(vm, EV_RESUME, NULL, &err);
                if (!vm_dump_runs(vm))
                        operation_done(vm->operation, NULL);
        }
        if (before != VM_STARTING)
                return;
        cvm_fault_point("start-before-running");
        vm_set_waits_for(vm, "");
        vm_new_boot(vm);
        vm->adopted = false;
        (void)vm_handle(vm, EV_RUNNING, NULL, &err);
        operation_done(vm->operation, notes(vm));
}

static void on_paused(struct vm *vm) {
        struct cvm_error err = { 0 };

        vm->stands = true;
        if (vm->state == VM_RUNNING || (vm->state == VM_STARTING && vm->adopted)) {
                const struct cvm_error *dumped = vm_dump_reason(vm);

                (void)vm_handle(vm, EV_PAUSE, dumped, &err);
                if (!dumped)
                        operation_done(vm->operation, NULL);
        }
}

/* What the old boot was asked is answered first; then the channel begins anew. */
static void on_reset(struct vm *vm) {
        take_trace(vm); /* it may have another process now */
        if (vm->agent)
                agent_link_reset(vm->agent);
        vm_new_boot(vm);
        if (vm->resets && vm->commanded && vm->commanded == vm->operation)
                operation_done(vm->operation, NULL);
}

/* It may have begun another boot meanwhile: as after a restart of the daemon, nothing is believed before the
 * same boot has answered again. */
static void on_found(struct vm *vm) {
        vm->adopted = true;
        if (vm->agent)
                agent_link_reset(vm->agent);
        vm_expect_agent(vm);
        vm_touch(vm);
}

/* Until its next start; stored as a trace that fits nothing. */
static void on_changed(struct vm *vm, struct cvm_error *why) {
        vm->meddled = true;
        memset(vm->row.kept, 0, sizeof vm->row.kept);
        manager_audit_transition(vm->manager, vm, "changed by somebody else", why->code->id);
        vm_note(vm, "changed", "by somebody else", why);
        vm_set_reason(vm, why);
        vm_handle_trust(vm, EV_CHANGED, NULL);
}

static void on_gone(struct vm *vm, struct cvm_error *why) {
        struct cvm_error none = { 0 };

        vm->guest = vm->driver->release(vm->guest);
        if (vm->refused)
                cvm_fail(why, &CVM_CODE_REFUSED, EACCES, "'%s' was refused by %s", vm->row.name,
                         vm->row.trust_by ? vm->row.trust_by : "cvmd");
        if (!vm->refused && (vm->expected || vm->wants_stop || !why->code))
                ended(vm, EV_ENDED, &none);
        else
                ended(vm, EV_DIED, why);
}

void vm_on_driver(void *ctx, enum driver_event event, struct cvm_error *why) {
        struct vm *vm = ctx;

        if (event == DRIVER_SPAWNED)
                on_spawned(vm);
        else if (event == DRIVER_UP)
                on_up(vm);
        else if (event == DRIVER_RUNNING)
                on_running(vm);
        else if (event == DRIVER_PAUSED)
                on_paused(vm);
        else if (event == DRIVER_RESET && vm->state != VM_STARTING)
                on_reset(vm);
        else if (event == DRIVER_FOUND)
                on_found(vm);
        else if (event == DRIVER_CHANGED)
                on_changed(vm, why);
        else if (event == DRIVER_LISTENS && vm->agent)
                agent_link_wake(vm->agent);
        else if (event == DRIVER_RELAUNCH)
                vm->wants_restart = vm->expected = !vm->wants_stop;
        else if (event == DRIVER_SHUTDOWN)
                vm->expected = !why->code;
        else if (event == DRIVER_GONE)
                on_gone(vm, why);
}

/* Found alive in the middle of something: whoever asked for it is gone, so it ends in a state that is true.
 */
static void settle_adopted(struct vm *vm) {
        struct cvm_error none = { 0 };

        if (vm->state == VM_STOPPING)
                (void)vm_handle(vm, EV_STOP_TIMEOUT, NULL, &none);
        /* Nobody can tell any more whether a permit was given before the cut: not one instruction more. */
        if (vm->state == VM_STARTING && vm->definition->hold)
                vm->driver->kill(vm->guest);
}

/* After a restart of the daemon. A start that was cut before its trace was stored has no process: none can
 * live. */
void vm_adopt(struct vm *vm) {
        struct driver_trace trace = { vm->row.pid, vm->row.start_time };
        struct driver_start start;
        struct cvm_error why = { 0 };
        char dir[4096];
        int r = 0;

        if (!vm_state_has_process(vm->state))
                return;
        vm->adopted = true;
        /* for what is asked of the guest later; a host that offers it no more has nothing to compare */
        (void)plan_make(vm->definition, &vm->manager->facts, &vm->binding, &vm->plan, &why);
        memcpy(trace.kept, vm->row.kept, sizeof trace.kept);
        r = make_runtime_dir(vm, dir, &why);
        start = driver_start_of(vm, dir);
        if (r >= 0)
                r = vm->driver->adopt(&start, &trace, &vm->guest, &why);
        if (r > 0) {
                settle_adopted(vm);
                if (vm->state ==
                    VM_RUNNING) { /* its evidence may be asked for before the driver has found it */
                        vm_links_open(vm);
                        vm_expect_agent(vm);
                }
                return;
        }
        vm->adopted = false;
        cvm_fail(&why, &CVM_CODE_ENDED_AWAY, ESRCH, "%s",
                 trace.pid > 0 ? "it ended while the daemon was away"
                               : "the daemon was interrupted while it started");
        ended(vm, EV_DIED, &why);
}
