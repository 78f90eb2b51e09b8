#include "vm/operation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm/steps.h"

#define KEPT_USEC (600ull * 1000000)

const char *const operation_state_texts[] = {
        [OPERATION_RUNNING] = "running",
        [OPERATION_DONE] = "done",
        [OPERATION_FAILED] = "failed",
        [OPERATION_CANCELLED] = "cancelled",
};

struct operation {
        struct operation *next;
        struct manager *manager; /* borrowed */
        struct vm *vm;           /* borrowed; NULL once it has ended or for none */
        char id[24], kind[32], vm_id[CVM_UUID_TEXT];
        uint32_t uid;
        const char *phase;
        uint32_t percent;
        enum operation_state state;
        char *result;
        struct cvm_error why;
        void (*cancel)(struct vm *vm);
        sd_event_source *expiry;
};

static void free_one(struct operation *o) {
        sd_event_source_disable_unref(o->expiry);
        free(o->result);
        free(o);
}

static void unlink_one(struct operation *o) {
        struct operation **p = &o->manager->operations;

        while (*p != o)
                p = &(*p)->next;
        *p = o->next;
}

static int on_expiry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct operation *o = userdata;
        const struct manager_observer *observer = &o->manager->observer;

        unlink_one(o);
        if (observer->operation_removed)
                observer->operation_removed(observer->ctx, o->id);
        free_one(o);
        return 0;
}

static void tell(struct operation *o) {
        const struct manager_observer *observer = &o->manager->observer;

        if (observer->operation_changed)
                observer->operation_changed(observer->ctx, o);
}

int operation_new(struct manager *m, const char *kind, struct vm *vm, const struct caller *caller,
                  struct operation **ret, struct cvm_error *err) {
        struct operation *o;

        if (caller->uid != 0 && m->config.operations_per_user &&
            operation_count(m, caller->uid) >= m->config.operations_per_user)
                return cvm_fail(err, &CVM_CODE_QUOTA, EDQUOT, "you have %u operations under way already",
                                m->config.operations_per_user);
        o = calloc(1, sizeof *o);
        if (!o)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "beginning '%s'", kind);
        *o = (struct operation){
                .manager = m, .vm = vm, .uid = caller->uid, .phase = "beginning", .next = m->operations
        };
        snprintf(o->id, sizeof o->id, "%" PRIu64, ++m->last_operation);
        snprintf(o->kind, sizeof o->kind, "%s", kind);
        if (vm)
                snprintf(o->vm_id, sizeof o->vm_id, "%s", vm->row.id);
        m->operations = o;
        if (m->observer.operation_added)
                m->observer.operation_added(m->observer.ctx, o);
        *ret = o;
        return 0;
}

size_t operation_count(const struct manager *m, uint32_t uid) {
        size_t n = 0;

        for (const struct operation *o = m->operations; o; o = o->next)
                n += o->state == OPERATION_RUNNING && o->uid == uid;
        return n;
}

void operation_phase(struct operation *o, const char *phase, uint32_t percent) {
        if (!o || o->state != OPERATION_RUNNING)
                return;
        o->phase = phase;
        o->percent = percent;
        tell(o);
}

void operation_set_cancel(struct operation *o, void (*cancel)(struct vm *vm)) {
        if (o)
                o->cancel = cancel;
}

static void end(struct operation *o, enum operation_state state) {
        struct vm *vm = o->vm;

        o->state = state;
        o->cancel = NULL;
        o->vm = NULL;
        if (state == OPERATION_DONE)
                o->percent = 100;
        if (vm && vm->operation == o) {
                vm->operation = NULL;
                vm->changed = true;
        }
        (void)sd_event_add_time_relative(o->manager->event, &o->expiry, CLOCK_MONOTONIC, KEPT_USEC, 0,
                                         on_expiry, o);
        tell(o);
}

void operation_done(struct operation *o, char *result) {
        CVM_CLEANUP(cvm_freep) char *owned = result;

        if (!o || o->state != OPERATION_RUNNING)
                return;
        o->result = TAKE_PTR(owned);
        o->phase = "done";
        end(o, OPERATION_DONE);
}

void operation_fail(struct operation *o, const struct cvm_error *err) {
        if (!o || o->state != OPERATION_RUNNING)
                return;
        o->why = *err;
        end(o, err->code == &CVM_CODE_CANCELLED ? OPERATION_CANCELLED : OPERATION_FAILED);
}

int operation_cancel(struct operation *o, struct cvm_error *err) {
        struct cvm_error why = { 0 };
        void (*cancel)(struct vm * vm) = o->cancel;
        struct vm *vm = o->vm;

        if (o->state != OPERATION_RUNNING)
                return cvm_fail(err, &CVM_CODE_WRONG_STATE, EALREADY, "the operation has ended already");
        if (!cancel || !vm)
                return cvm_fail(err, &CVM_CODE_NOT_CANCELLABLE, EBUSY,
                                "the operation cannot be undone any more");
        cvm_fail(&why, &CVM_CODE_CANCELLED, ECANCELED, "the operation was cancelled");
        operation_fail(o, &why);
        cancel(vm);
        return 0;
}

void operation_forget_vm(struct manager *m, const struct vm *vm) {
        for (struct operation *o = m->operations; o; o = o->next)
                if (o->vm == vm)
                        o->vm = NULL;
}

void operation_free_all(struct manager *m) {
        while (m->operations) {
                struct operation *o = m->operations;

                m->operations = o->next;
                free_one(o);
        }
}

void operation_look(const struct operation *o, struct operation_view *ret) {
        *ret = (struct operation_view){
                .id = o->id,
                .kind = o->kind,
                .vm_id = o->vm_id,
                .owner_uid = o->uid,
                .phase = o->phase,
                .progress = o->percent,
                .state = o->state,
                .result = o->result ? o->result : "",
                .code = o->state == OPERATION_FAILED || o->state == OPERATION_CANCELLED
                                        ? cvm_error_code(&o->why)
                                        : NULL,
                .text = o->why.text,
        };
}

struct operation *manager_operation(struct manager *m, const char *id) {
        struct operation *o = m->operations;

        while (o && strcmp(o->id, id) != 0)
                o = o->next;
        return o;
}

struct operation *manager_operation_at(struct manager *m, size_t i) {
        struct operation *o = m->operations;

        while (o && i-- > 0)
                o = o->next;
        return o;
}
