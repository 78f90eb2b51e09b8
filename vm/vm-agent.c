/*
 * What the guest's agent tells, in the model: its keyset names the boot, its status says what it waits for,
 * its BYE proves its end. A guest may say anything; it speaks only for itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "launch/prediction.h"
#include "vm/steps.h"

/* Text of a guest, for people's eyes. */
static void take_agent_name(struct vm *vm, const char *name) {
        free(vm->agent_name);
        vm->agent_name = name ? strndup(name, 128) : NULL;
        if (vm->agent_name)
                cvm_text_clean(vm->agent_name, strlen(vm->agent_name), false);
}

static void on_welcome(void *ctx, const struct cvm_keyset *keyset, const struct msg_welcome *welcome) {
        uint8_t digest[CVM_SHA384_SIZE];
        struct vm *vm = ctx;

        cvm_keyset_digest(keyset, digest);
        /* Another keyset is another boot, whether or not QEMU has told of a reset. */
        if (!cvm_is_zero(vm->row.keyset, sizeof digest) &&
            memcmp(vm->row.keyset, digest, sizeof digest) != 0)
                vm_new_boot(vm);
        vm->agent_timer = sd_event_source_disable_unref(vm->agent_timer);
        memcpy(vm->row.keyset, digest, sizeof digest);
        vm->keyset = *keyset;
        vm->heard = true;
        vm->adopted = false;
        take_agent_name(vm, welcome->agent);
        vm_note(vm, "agent", "answers", NULL);
        vm_touch(vm);
        vm_check(vm);
        if (vm->state == VM_STOPPING) /* asked while it booted, when nobody could hear it */
                agent_link_stop(vm->agent, false);
}

static void on_status(void *ctx, const struct msg_status *status) {
        struct vm *vm = ctx;
        char waits_for[80];

        snprintf(waits_for, sizeof waits_for, "%s", status->waits_for ? status->waits_for : "");
        cvm_text_clean(waits_for, strlen(waits_for), false);
        vm_set_waits_for(vm, waits_for);
        vm->agent_provisioned = status->provisioned;
        if (vm->row.generation != status->generation) {
                vm->row.generation = status->generation;
                vm_touch(vm);
        }
        vm_note_provisioned(vm);
}

static void on_bye_durable(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        if (!err && vm->agent)
                agent_link_ack_bye(vm->agent);
}

static void on_bye(void *ctx, const char *envelope, const struct bye *bye) {
        struct vm *vm = ctx;
        char *copy = strdup(envelope);

        if (!copy)
                return; /* not acknowledged: the guest says it again */
        free(vm->row.bye);
        vm->row.bye = copy;
        manager_audit_transition(vm->manager, vm, "bye of the guest", "ok");
        vm_note(vm, "agent", "said BYE", NULL);
        vm_touch(vm);
        (void)journal_then(vm->manager->journal, on_bye_durable, vm);
}

static void on_broken(void *ctx, struct cvm_error *why) {
        vm_note(ctx, "agent", "broke the protocol", why);
}

static void on_binding_refused(void *ctx, struct cvm_error *why) {
        vm_note(ctx, "agent", "refused the binding", why);
}

static const struct agent_link_handlers handlers = {
        .welcome = on_welcome,
        .status = on_status,
        .bye = on_bye,
        .broken = on_broken,
        .binding_refused = on_binding_refused,
};

static int on_agent_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct vm *vm = userdata;

        vm->agent_timer = sd_event_source_disable_unref(vm->agent_timer);
        vm_handle_trust(vm, EV_NO_AGENT, "cvmd");
        return 0;
}

int vm_require_heard(const struct vm *vm, struct cvm_error *err) {
        if (vm->heard)
                return 0;
        return cvm_fail(err, &CVM_CODE_NO_AGENT, EAGAIN, "the agent of '%s' has not answered in this boot%s",
                        vm->row.name, vm->adopted ? " since the daemon found it again" : "");
}

void vm_expect_agent(struct vm *vm) {
        struct cvm_error why = { 0 };

        cvm_fail(&why, &CVM_CODE_BOOT_CHANGED, ECONNRESET, "'%s' began a new boot", vm->row.name);
        vm_forget_secrets(vm, &why);
        vm->heard = false;
        vm->agent_provisioned = vm->has_receipt = false;
        vm->agent_timer = sd_event_source_disable_unref(vm->agent_timer);
        if (vm->manager->config.agent_deadline_usec)
                (void)sd_event_add_time_relative(vm->manager->event, &vm->agent_timer, CLOCK_MONOTONIC,
                                                 vm->manager->config.agent_deadline_usec, 0,
                                                 on_agent_deadline, vm);
}

/* What its firmware and kernel would have measured, or its image says; rows of before have no prediction. */
static int simulate_prediction(struct vm *vm, const struct platform *platform, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_json root;
        int r;

        cvm_bytes_done(&vm->sim.event_log);
        vm->sim.image_size = 0;
        if (!vm->row.prediction)
                return 0;
        r = cvm_json_parse(vm->row.prediction, strlen(vm->row.prediction), "prediction", &node, err);
        root = cvm_json_root(node, "prediction");
        if (r >= 0)
                r = prediction_read_parts(&root, vm->sim.image, sizeof vm->sim.image, &vm->sim.image_size,
                                          err);
        return r < 0 ? r : prediction_simulate_log(&root, platform, &vm->sim.event_log, err);
}

/* What the simulated hardware knows of this guest, fixed at its start. */
static int describe_sim_guest(struct vm *vm, struct cvm_error *err) {
        const struct platform *platform = platform_by_name(vm->row.platform);

        vm->sim.platform = platform->id;
        vm->sim.policy = vm->row.policy;
        memcpy(vm->sim.measurement, vm->row.measurement, sizeof vm->sim.measurement);
        memset(vm->sim.host_data, 0, sizeof vm->sim.host_data);
        memset(vm->sim.owner, 0, sizeof vm->sim.owner);
        if (vm->binding.size) {
                if (platform->host_data)
                        platform->host_data(vm->binding.data, vm->binding.size, vm->sim.host_data);
                cvm_key_id(vm->definition->owner.data, vm->sim.owner);
        }
        return simulate_prediction(vm, platform, err);
}

static void on_kept(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        cvm_fault_point("store-before-answer");
        if (vm->tee)
                tee_link_kept(vm->tee, !err);
}

static int keep_store(void *ctx) {
        struct vm *vm = ctx;
        int r = vm_keep_sim_store(vm);

        return r < 0 ? r : journal_then(vm->manager->journal, on_kept, vm);
}

static int open_links(struct vm *vm, const char *dir, struct cvm_error *err) {
        struct manager *m = vm->manager;
        char path[4200];
        int r = driver_channel_path(dir, PLAN_CHANNEL_AGENT, path, sizeof path);

        if (r >= 0)
                r = agent_link_new(m->event, path, &handlers, vm, &vm->agent, err);
        if (r >= 0 && vm->row.binding)
                r = agent_link_set_binding(vm->agent, vm->row.binding, &vm->definition->owner,
                                           &vm->definition->service);
        if (r < 0 || !vm->definition->simulate || !m->sim_root)
                return r;
        r = describe_sim_guest(vm, err);
        if (r >= 0)
                r = driver_channel_path(dir, PLAN_CHANNEL_TEE, path, sizeof path);
        if (r >= 0)
                r = tee_link_new(m->event, path, m->sim_root, &vm->sim, &vm->tee, err);
        if (r >= 0)
                tee_link_set_keeper(vm->tee, keep_store, vm);
        return r;
}

void vm_links_open(struct vm *vm) {
        struct cvm_error err = { 0 };
        char dir[4096];
        int r = vm_runtime_dir(vm, dir, sizeof dir);

        vm_links_close(vm);
        if (r >= 0)
                r = open_links(vm, dir, &err);
        if (r < 0) {
                (void)cvm_error_text(&err, r);
                vm_note(vm, "agent", "cannot be linked", &err);
        }
}

void vm_links_close(struct vm *vm) {
        struct agent_link *agent = vm->agent;

        vm->agent_timer = sd_event_source_disable_unref(vm->agent_timer);
        vm->check = worker_run_cancel(vm->check);
        vm->agent = NULL;
        agent_link_free(agent);
        vm->tee = tee_link_free(vm->tee);
        vm->heard = false;
}
