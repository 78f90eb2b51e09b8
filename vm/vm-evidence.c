/*
 * Evidence: the guest's report with all that is needed to check it elsewhere, as a bundle. Beside the
 * owners' requests, the daemon asks once for itself at each boot and lets a worker appraise it: an honest
 * operator learns early that something is wrong, and nobody else needs to believe it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "launch/prediction.h"
#include "vm/steps.h"
#include "worker/wire.h"

#define EVIDENCE_USEC (60ull * 1000000)
#define CHECK_USEC (30ull * 1000000)

struct request {
        struct vm *vm;               /* borrowed; outlives the link that answers */
        struct operation *operation; /* borrowed; NULL: the daemon's own check */
        uint8_t nonce[CVM_NONCE_SIZE];
};

static int copy_bytes(struct cvm_bytes *ret, const void *data, size_t size) {
        ret->data = malloc(size ? size : 1);
        if (!ret->data)
                return -ENOMEM;
        memcpy(ret->data, data, size);
        ret->size = size;
        return 0;
}

static int fill_texts(const struct vm *vm, struct bundle *bundle) {
        bundle->uuid = strdup(vm->row.id);
        bundle->boot_id = strdup(vm->row.boot_id ? vm->row.boot_id : "");
        bundle->agent = strdup(vm->agent_name ? vm->agent_name : "");
        bundle->binding = vm->row.binding ? strdup(vm->row.binding) : NULL;
        if (!bundle->uuid || !bundle->boot_id || !bundle->agent || (vm->row.binding && !bundle->binding))
                return -ENOMEM;
        return vm->row.binding ? copy_bytes(&bundle->owner, vm->definition->owner.data,
                                            vm->definition->owner.size)
                               : 0;
}

static int make_bundle(const struct vm *vm, const struct msg_evidence *evidence, char **ret,
                       struct cvm_error *err) {
        CVM_CLEANUP(bundle_done)
        struct bundle bundle = {
                .version = 1,
                .platform = (int)platform_by_name(vm->row.platform)->id,
                .simulated = vm->definition->simulate,
                .suite = CVM_SUITE,
                .keyset = vm->keyset,
                .generation = evidence->generation,
                .has_chain_head = true,
        };
        struct audit_head head;
        int r = fill_texts(vm, &bundle);

        if (r >= 0)
                r = copy_bytes(&bundle.report, evidence->report.data, evidence->report.size);
        if (r >= 0 && evidence->event_log.size > 0)
                r = copy_bytes(&bundle.event_log, evidence->event_log.data, evidence->event_log.size);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a bundle");
        memcpy(bundle.nonce, evidence->nonce, sizeof bundle.nonce);
        journal_head(vm->manager->journal, &head);
        memcpy(bundle.chain_head, head.hash, sizeof bundle.chain_head);
        r = evidence_add_table(&bundle, evidence->certificates.data, evidence->certificates.size, err);
        if (r < 0)
                return cvm_while(err, r, "the certificates of '%s'", vm->row.name);
        *ret = bundle_write(&bundle);
        return *ret ? 0 : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a bundle");
}

static void on_checked(void *ctx, json_object *answer, struct cvm_error *err) {
        struct vm *vm = ctx;
        struct cvm_json place = cvm_json_root(answer, "the worker's answer");
        const char *result = "";

        vm->check = NULL;
        if (err || cvm_json_get_text(&place, "result", &result, NULL) < 0)
                return; /* could not check: that is no refusal */
        if (strcmp(result, verdict_result_texts[VERDICT_ACCEPTED]) == 0)
                vm_handle_trust(vm, EV_CHECKED, "cvmd");
        else if (strcmp(result, verdict_result_texts[VERDICT_REFUSED]) == 0)
                vm_handle_trust(vm, EV_CHECK_REFUSED, "cvmd");
}

/* Registers too, and what they cover; rows of before have none. */
static int read_prediction(const struct vm *vm, struct policy_register *registers, struct policy_inputs *ret,
                           struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_json root;
        int r;

        if (!vm->row.prediction)
                return 0;
        r = cvm_json_parse(vm->row.prediction, strlen(vm->row.prediction), "prediction", &node, err);
        if (r < 0)
                return r;
        root = cvm_json_root(node, "prediction");
        ret->registers = registers;
        r = prediction_read_registers(&root, platform_by_name(vm->row.platform), registers,
                                      &ret->n_registers, err);
        return r < 0 ? r : prediction_read_covers(&root, &ret->covers, err);
}

/* What the daemon itself expects: its own prediction, on any host. */
static int own_policy(const struct vm *vm, char **ret, struct cvm_error *err) {
        static const char *const any[] = { "any", NULL };
        bool kernel = vm->definition->kernel;
        uint8_t binding[CVM_SHA384_SIZE], root[CVM_SHA256_SIZE];
        struct policy_register registers[POLICY_REGISTERS_MAX];
        struct policy_inputs inputs = {
                .platform = (int)platform_by_name(vm->row.platform)->id,
                .class_ = vm->definition->simulate ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE,
                .measurement = vm->row.measurement,
                .covers = { true, kernel, kernel, kernel, false, CVM_COVERED_NONE },
                .binding = vm->row.binding ? binding : NULL,
                .hosts = any,
                .min_tcb = "\"any\"",
                .debug = platform_by_name(vm->row.platform)->is_debug(vm->row.policy),
                .serial = 1,
        };

        int r;

        vm_binding_digest(vm, binding);
        if (kernel && vm->row.binding && vm->definition->root != CVM_ROOT_NONE)
                inputs.covers.root = vm->definition->root == CVM_ROOT_LUKS ? CVM_COVERED_OWNER_KEYED
                                                                           : CVM_COVERED_VERITY;
        if (vm->definition->simulate) {
                sim_root_digest(vm->manager->sim_root, (enum cvm_platform_id)inputs.platform, root);
                inputs.simulation_root = root;
        }
        r = read_prediction(vm, registers, &inputs, err);
        return r < 0 ? r : policy_make(&inputs, ret, err);
}

static int start_check(struct vm *vm, const char *bundle, const uint8_t nonce[CVM_NONCE_SIZE],
                       struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        CVM_CLEANUP(cvm_freep) char *policy = NULL;
        char hex[2 * CVM_NONCE_SIZE + 1], owner[2 * CVM_SPKI_SIZE + 1];
        int r = own_policy(vm, &policy, err);

        if (r < 0)
                return r;
        cvm_hex(nonce, CVM_NONCE_SIZE, hex);
        json_object_object_add(request, "bundle", json_object_new_string(bundle));
        json_object_object_add(request, "policy", json_object_new_string(policy));
        json_object_object_add(request, "nonce", json_object_new_string(hex));
        if (vm->definition->owner.size == CVM_SPKI_SIZE) {
                cvm_hex(vm->definition->owner.data, CVM_SPKI_SIZE, owner);
                json_object_object_add(request, "owner", json_object_new_string(owner));
        }
        return worker_run_start(vm->manager->event, WORKER_VERB_CHECK, request, NULL, 0, CHECK_USEC,
                                on_checked, vm, &vm->check, err);
}

static void take_evidence(struct request *request, const struct msg_evidence *evidence) {
        CVM_CLEANUP(cvm_freep) char *bundle = NULL;
        struct cvm_error err = { 0 };
        struct vm *vm = request->vm;
        int r = make_bundle(vm, evidence, &bundle, &err);

        if (request->operation && r >= 0)
                operation_done(request->operation, TAKE_PTR(bundle));
        else if (request->operation)
                operation_fail(request->operation, &err);
        else if (r >= 0 && !vm->check)
                (void)start_check(vm, bundle, request->nonce, &err);
}

static void on_evidence(void *ctx, const void *message, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) struct request *request = ctx;

        if (message)
                take_evidence(request, message);
        else if (request->operation)
                operation_fail(request->operation, err);
}

static int ask(struct vm *vm, struct operation *operation, const struct msg_evidence_request *question,
               struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) struct request *request = calloc(1, sizeof *request);
        int r;

        if (!request)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking for evidence");
        request->vm = vm;
        request->operation = operation;
        memcpy(request->nonce, question->nonce, sizeof request->nonce);
        r = agent_link_evidence(vm->agent, question, EVIDENCE_USEC, on_evidence, request, err);
        if (r >= 0)
                (void)TAKE_PTR(request);
        return r;
}

void vm_check(struct vm *vm) {
        const struct evidence_ops *ops = evidence_ops_find((int)platform_by_name(vm->row.platform)->id);
        struct msg_evidence_request question = { 0 };
        struct cvm_error err = { 0 };

        if (vm->meddled || (vm->trust != TRUST_UNVERIFIED && vm->trust != TRUST_UNVERIFIABLE))
                return;
        if (ops && ops->use_kept) /* only who made a request can check the answer to it: the owner */
                return;
        cvm_random(question.nonce, sizeof question.nonce);
        (void)ask(vm, NULL, &question, &err);
}

static void cancel_reading(struct vm *vm) {
        /* the answer, when it comes, finds its operation ended */
}

int vm_evidence(struct vm *vm, const uint8_t nonce[CVM_NONCE_SIZE], const struct cvm_bytes *request,
                const struct caller *caller, struct operation **ret, struct cvm_error *err) {
        struct msg_evidence_request question = { .request = *request };
        int r;

        memcpy(question.nonce, nonce, sizeof question.nonce);
        if (!vm->agent || vm->state == VM_PAUSED || vm->state == VM_AWAITING_APPROVAL)
                return cvm_fail(err, &CVM_CODE_WRONG_STATE, EBUSY,
                                "'%s' is %s: only a running guest gives evidence", vm->row.name,
                                vm_state_text(vm->state));
        r = operation_new(vm->manager, "evidence", vm, caller, ret, err);
        if (r < 0)
                return r;
        operation_phase(*ret, vm->heard ? "asking the guest" : "waiting for the guest agent", 50);
        operation_set_cancel(*ret, cancel_reading);
        r = ask(vm, *ret, &question, err);
        if (r < 0)
                operation_fail(*ret, err);
        return r;
}
