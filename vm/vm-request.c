/* What can be asked of a VM's life: each checks, notes its operation, and lets the driver do it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/time.h"
#include "vm/steps.h"
#include "vm/stderr-words.h"
#include "vm/vm-dump.h"

#define DOMAIN_MAX (1u << 20)
#define STOP_USEC (120ull * 1000000)

int vm_begin(struct vm *vm, const char *kind, const struct caller *caller, struct operation **ret,
             struct cvm_error *err) {
        int r = vm_check_idle(vm, err);

        if (r >= 0)
                r = operation_new(vm->manager, kind, vm, caller, ret, err);
        if (r >= 0) {
                vm->operation = *ret;
                vm->changed = true;
                journal_touch(vm->manager->journal);
        }
        return r;
}

#define IN(state) (1u << (state))

static int check_hears(const struct vm *vm, struct cvm_error *err) {
        return vm->state != VM_PAUSED
                               ? 0
                               : cvm_fail(err, &CVM_CODE_WRONG_STATE, EBUSY,
                                          "'%s' is paused and hears no power button: resume it first, or "
                                          "kill it",
                                          vm->row.name);
}

/* What a verb needs: a state from which the table lets its event happen, or one of these; and mostly a guest
 * that can be told. A kill goes before everything else that is under way. */
static const struct {
        enum vm_event event;
        unsigned states;    /* 0: the table decides */
        const char *cannot; /* NULL: the event's words */
        bool needs_guest, goes_first;
        int (*check)(const struct vm *vm, struct cvm_error *err); /* NULL, or what comes before its state */
} verbs[VERB_MAX_] = {
        [VERB_START] = { .event = EV_START },
        [VERB_STOP] = { .event = EV_STOP, .needs_guest = true, .check = check_hears },
        [VERB_RESTART] = { .event = EV_STOP, .needs_guest = true, .check = check_hears },
        [VERB_KILL] = { .states = ~(IN(VM_MIGRATING) | IN(VM_IN_DOUBT)),
                        .cannot = "be killed",
                        .needs_guest = true,
                        .goes_first = true },
        [VERB_PAUSE] = { .states = IN(VM_RUNNING), .cannot = "be paused", .needs_guest = true },
        [VERB_RESUME] = { .states = IN(VM_PAUSED), .cannot = "be resumed", .needs_guest = true },
        [VERB_RESET] = { .states = IN(VM_RUNNING) | IN(VM_PAUSED),
                         .cannot = "be reset",
                         .needs_guest = true },
        [VERB_DUMP] = { .states = IN(VM_RUNNING) | IN(VM_PAUSED),
                        .cannot = "be dumped",
                        .needs_guest = true,
                        .check = vm_check_dump },
        [VERB_DELETE] = { .states = IN(VM_DEFINED) | IN(VM_STOPPED) | IN(VM_FAILED),
                          .cannot = "be deleted: stop it first" },
};

static int refuse(const struct vm *vm, const char *cannot, struct cvm_error *err) {
        return cvm_fail(err, vm_state_is_fenced(vm->state) ? &CVM_CODE_FENCED : &CVM_CODE_WRONG_STATE, EBUSY,
                        "'%s' is %s and cannot %s", vm->row.name, vm_state_text(vm->state), cannot);
}

int vm_check_verb(const struct vm *vm, enum vm_verb verb, struct cvm_error *err) {
        bool allowed = verbs[verb].states ? verbs[verb].states & IN(vm->state)
                                          : vm_next(vm->state, verbs[verb].event).allowed;
        const char *cannot = verbs[verb].cannot ? verbs[verb].cannot : vm_event_text(verbs[verb].event);
        int r = verbs[verb].check ? verbs[verb].check(vm, err) : 0;

        if (r < 0)
                return r;
        if (!allowed || (verbs[verb].needs_guest && !vm->guest))
                return refuse(vm, cannot, err);
        return verbs[verb].goes_first ? 0 : vm_check_idle(vm, err);
}

int vm_start(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err) {
        struct operation *operation;
        int r = vm_check_verb(vm, VERB_START, err);

        if (r < 0)
                return r;
        r = vm_begin(vm, "start", caller, &operation, err);
        if (r < 0)
                return r;
        *ret = operation;
        r = vm_begin_start(vm, operation, err);
        if (r < 0)
                operation_fail(operation, err);
        return r;
}

/* The guest does not end after all: nothing is killed unasked. */
static void give_up_stop(struct vm *vm, const struct cvm_error *why) {
        struct cvm_error none = { 0 };

        vm->timer = sd_event_source_disable_unref(vm->timer);
        vm->wants_stop = vm->wants_restart = false;
        (void)vm_handle(vm, vm->stands ? EV_PAUSE : EV_STOP_TIMEOUT, NULL, &none);
        operation_fail(vm->operation, why);
}

/* A command whose effect is told by an event; its refusal ends the operation that asked for it. */
static void on_command(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        if (!err || vm->commanded != vm->operation)
                return;
        if (vm->state == VM_STOPPING)
                give_up_stop(vm, err);
        else
                operation_fail(vm->operation, err);
}

/* A guest that was just found again has no monitor for a moment: the command waits for it. */
static int send_command(struct vm *vm, enum driver_command what, struct cvm_error *err) {
        vm->commanded = vm->operation;
        vm->resets = what == DRIVER_RESET_GUEST;
        if (!vm->up) {
                vm->deferred = 1 + (int)what;
                return 0;
        }
        return vm->driver->command(vm->guest, what, on_command, vm, err);
}

void vm_command_deferred(struct vm *vm) {
        int what = vm->deferred - 1;
        struct cvm_error err = { 0 };

        vm->up = true;
        vm->deferred = 0;
        if (what >= 0 && send_command(vm, (enum driver_command)what, &err) < 0)
                on_command(vm, &err);
}

static int command(struct vm *vm, const char *kind, enum driver_command what, const struct caller *caller,
                   struct operation **ret, struct cvm_error *err) {
        int r = vm_begin(vm, kind, caller, ret, err);

        if (r < 0)
                return r;
        r = send_command(vm, what, err);
        if (r < 0)
                operation_fail(*ret, err);
        return r;
}

int vm_pause(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err) {
        int r = vm_check_verb(vm, VERB_PAUSE, err);

        return r < 0 ? r : command(vm, "pause", DRIVER_PAUSE, caller, ret, err);
}

int vm_resume(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err) {
        int r = vm_check_verb(vm, VERB_RESUME, err);

        return r < 0 ? r : command(vm, "resume", DRIVER_CONT, caller, ret, err);
}

int vm_reset(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err) {
        int r = vm_check_verb(vm, VERB_RESET, err);

        return r < 0 ? r : command(vm, "reset", DRIVER_RESET_GUEST, caller, ret, err);
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        struct vm *vm = userdata;
        struct cvm_error why = { 0 };

        cvm_fail(&why, &CVM_CODE_TIMEOUT, ETIMEDOUT,
                 "'%s' did not end in time; it %s (kill ends it by force)", vm->row.name,
                 vm->stands ? "is still paused" : "runs on");
        give_up_stop(vm, &why);
        return 0;
}

/* Asked in two ways at once: its power button, and its agent (which answers in an initrd too). */
void vm_do_shut_down(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;
        struct cvm_error why = { 0 };

        if (err || !vm->guest)
                return; /* not durable: the stop's deadline ends it */
        if (vm->agent)
                agent_link_stop(vm->agent, false);
        if (send_command(vm, DRIVER_POWERDOWN, &why) < 0)
                on_command(vm, &why);
}

static int stop(struct vm *vm, const char *kind, uint64_t timeout_usec, const struct caller *caller,
                struct operation **ret, struct cvm_error *err) {
        bool held = vm->state == VM_AWAITING_APPROVAL;
        int r = vm_check_verb(vm, VERB_STOP, err);

        if (r >= 0)
                r = vm_begin(vm, kind, caller, ret, err);
        if (r < 0)
                return r;
        operation_phase(*ret, "waiting for the guest to end", 50);
        vm->wants_stop = true;
        r = vm_handle(vm, EV_STOP, NULL, err);
        if (r >= 0)
                r = sd_event_add_time_relative(vm->manager->event, &vm->timer, CLOCK_MONOTONIC,
                                               timeout_usec ? timeout_usec : STOP_USEC, 0, on_stop_timeout,
                                               vm);
        if (r < 0)
                operation_fail(*ret, err);
        if (held)
                vm->driver->kill(vm->guest); /* not one instruction has run: there is nobody to ask */
        return r;
}

int vm_stop(struct vm *vm, uint64_t timeout_usec, const struct caller *caller, struct operation **ret,
            struct cvm_error *err) {
        return stop(vm, "stop", timeout_usec, caller, ret, err);
}

/* One operation for both halves: its end comes when the guest runs again. */
int vm_restart(struct vm *vm, uint64_t timeout_usec, const struct caller *caller, struct operation **ret,
               struct cvm_error *err) {
        int r = stop(vm, "restart", timeout_usec, caller, ret, err);

        if (r >= 0)
                vm->wants_restart = true;
        return r;
}

#define RESTART_FIRST_USEC (1000000ull)
#define RESTART_DOUBLINGS 8      /* four minutes at most */
#define RESTART_GOOD_MSEC 60000u /* it ran this long: the next failure is the first again */

static int on_restart_time(sd_event_source *source, uint64_t usec, void *userdata) {
        struct vm *vm = userdata;
        const struct caller caller = { .uid = vm->row.user_uid, .bus_name = "cvmd" };
        struct operation *operation;
        struct cvm_error err = { 0 };

        vm->timer = sd_event_source_disable_unref(vm->timer);
        if (vm_check_idle(vm, &err) >= 0)
                (void)vm_start(vm, &caller, &operation, &err);
        return 0;
}

void vm_plan_restart(struct vm *vm, bool died) {
        int when = vm->definition->restart;

        if (when != RESTART_ALWAYS && !(when == RESTART_ON_FAILURE && died))
                return;
        vm->failures = cvm_time_now() - vm->row.started_msec > RESTART_GOOD_MSEC ? 0 : vm->failures;
        (void)sd_event_add_time_relative(vm->manager->event, &vm->timer, CLOCK_MONOTONIC,
                                         RESTART_FIRST_USEC << vm->failures, 0, on_restart_time, vm);
        vm->failures += vm->failures < RESTART_DOUBLINGS;
}

int vm_kill(struct vm *vm, const struct caller *caller, struct operation **ret, struct cvm_error *err) {
        struct cvm_error why = { 0 };
        int r = vm_check_verb(vm, VERB_KILL, err);

        if (r < 0)
                return r;
        /* Killing goes before everything: what was under way ends with it. */
        cvm_fail(&why, &CVM_CODE_CANCELLED, ECANCELED, "'%s' was killed", vm->row.name);
        operation_fail(vm->operation, &why);
        vm->timer = sd_event_source_disable_unref(vm->timer);
        vm_dump_lost(vm);
        if (vm_begin(vm, "kill", caller, ret, err) < 0)
                return -EBUSY;
        vm->wants_stop = true;
        vm->wants_restart = false;
        vm->commanded = NULL; /* what was asked of the monitor fails with its end, and is nobody's failure */
        vm->driver->kill(vm->guest);
        return 0;
}

int vm_open_console(struct vm *vm, const struct caller *caller,
                    void (*done)(void *ctx, int fd, struct cvm_error *err), void *ctx,
                    struct cvm_error *err) {
        if (!vm->guest)
                return cvm_fail(err, &CVM_CODE_WRONG_STATE, ENOTCONN, "'%s' is %s: it has no console now",
                                vm->row.name, vm_state_text(vm->state));
        return vm->driver->console(vm->guest, done, ctx, err);
}

int vm_logs(struct vm *vm, size_t max_bytes, char **ret, struct cvm_error *err) {
        static const char *const names[] = { "stderr.log", "console.log" };
        char dir[4096], path[4200], *text = NULL;
        size_t room = max_bytes && max_bytes < (1u << 20) ? max_bytes : 1u << 18;

        if (vm_runtime_dir(vm, dir, sizeof dir) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, ENAMETOOLONG,
                                "the runtime directory's name is too long");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                CVM_CLEANUP(cvm_freep) char *tail = NULL, *before = text;

                snprintf(path, sizeof path, "%s/%s", dir, names[i]);
                tail = file_tail(path, room);
                text = NULL;
                if (asprintf(&text, "%s%s", before ? before : "", tail ? tail : "") < 0)
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading logs");
        }
        *ret = text;
        return 0;
}

int vm_xml(struct vm *vm, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        struct cvm_error silent = { 0 };
        char dir[4096], path[4200];

        if (vm_runtime_dir(vm, dir, sizeof dir) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, ENAMETOOLONG,
                                "the runtime directory's name is too long");
        snprintf(path, sizeof path, "%s/" DRIVER_DOMAIN_FILE, dir);
        if (cvm_read_file(path, DOMAIN_MAX, &text, &silent) < 0)
                return cvm_fail(err, &CVM_CODE_NO_XML, ENOENT,
                                "libvirt was given nothing at the last start of '%s'", vm->row.name);
        *ret = strndup((const char *)text.data, text.size);
        return *ret ? 0 : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", path);
}
