#include "vm/capacity.h"

#include <inttypes.h>
#include <stdio.h>

#include "launch/host-capacity.h"
#include "launch/platform.h"
#include "vm/steps.h"

#define SETTLE_USEC 10000000ull /* the kernel gives identifiers back behind the end of a process */

static bool is_on_hardware(const struct vm *vm) {
        return !vm->definition->simulate;
}

/* What is being prepared has a plan too, but nothing to start from. */
static bool is_starting(const struct vm *vm) {
        return !vm->guest && vm->plan && vm->row.measurement_size;
}

static struct host_claims claims_beside(const struct vm *vm, const struct vm *except) {
        const struct manager *m = vm->manager;
        struct host_claims claims = { 0 };

        for (size_t i = 0; i < m->n_vms; i++)
                if (m->vms[i] != vm && m->vms[i] != except && is_on_hardware(m->vms[i]) &&
                    strcmp(m->vms[i]->row.platform, vm->row.platform) == 0) {
                        claims.running += m->vms[i]->guest != NULL;
                        claims.pending += is_starting(m->vms[i]) ||
                                          (!m->vms[i]->guest && m->vms[i]->definition->reserve);
                }
        return claims;
}

int capacity_check(const struct vm *vm, const struct vm *except, struct cvm_error *err) {
        const struct platform *platform = platform_by_name(vm->row.platform);
        const struct host_claims claims = claims_beside(vm, except);

        return is_on_hardware(vm) && platform ? host_capacity_check(manager_host_root(vm->manager),
                                                                    platform->id, &claims, err)
                                              : 0;
}

/* Nothing of ours runs or is about to, whatever its platform. */
static bool is_alone(const struct vm *vm) {
        const struct manager *m = vm->manager;

        for (size_t i = 0; i < m->n_vms; i++)
                if (m->vms[i] != vm && is_on_hardware(m->vms[i]) &&
                    (m->vms[i]->guest || is_starting(m->vms[i])))
                        return false;
        return true;
}

static int count(const struct manager *m, enum cvm_platform_id id, uint64_t *ret) {
        struct cvm_error silent = { 0 };

        return host_capacity_used(manager_host_root(m), id, ret, &silent);
}

int capacity_take(struct vm *vm, struct cvm_error *err) {
        struct capacity *c = &vm->manager->capacity;
        int r = vm->wants_restart ? 0 : capacity_check(vm, NULL, err); /* its place may still be counted */

        if (r < 0 || !is_on_hardware(vm) || !is_alone(vm))
                return r;
        if (c->settling) { /* what the last ones left is not counted yet: it is, when this one has ended */
                c->settling = sd_event_source_disable_unref(c->settling);
                return 0;
        }
        c->platform = vm->plan->platform->id;
        c->is_known = count(vm->manager, c->platform, &c->before) >= 0;
        return 0;
}

static void tell_leak(struct manager *m, uint64_t now) {
        json_object *event = json_object_new_object();
        char text[200];

        snprintf(text, sizeof text,
                 "%" PRIu64 " identifiers (ASIDs) are taken, %" PRIu64
                 " were before the first guest: unless other programs started encrypted guests, the rest has leaked",
                 now, m->capacity.before);
        fprintf(stderr, "cvmd: %s\n", text);
        json_object_object_add(event, "event", json_object_new_string("capacity"));
        json_object_object_add(event, "capacity", json_object_new_string("leaked"));
        json_object_object_add(event, "leaked", json_object_new_uint64(m->capacity.leaked));
        json_object_object_add(event, "reason", json_object_new_string(text));
        journal_event(m->journal, event);
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata) {
        struct manager *m = userdata;
        uint64_t now;

        m->capacity.settling = sd_event_source_disable_unref(m->capacity.settling);
        if (count(m, m->capacity.platform, &now) < 0)
                return 0;
        m->capacity.leaked = now > m->capacity.before ? now - m->capacity.before : 0;
        if (m->capacity.leaked)
                tell_leak(m, now);
        return 0;
}

void capacity_leave(struct vm *vm) {
        struct manager *m = vm->manager;
        uint64_t wait_usec = m->config.settle_usec ? m->config.settle_usec : SETTLE_USEC;

        if (!is_on_hardware(vm) || !m->capacity.is_known || m->capacity.settling || !is_alone(vm))
                return;
        (void)sd_event_add_time_relative(m->event, &m->capacity.settling, CLOCK_MONOTONIC, wait_usec, 0,
                                         on_settled, m);
}
