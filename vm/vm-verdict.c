/* What the owner says of a VM: verdicts, approvals and start permits. Only her key, or for verdicts her
 * service's, counts; what comes is for this VM, this binding and this very boot, or it is refused. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/verdict.h"
#include "base/time.h"
#include "vm/steps.h"

#define APPROVE_USEC (60ull * 1000000)

int vm_owner_key(const struct vm *vm, EVP_PKEY **ret, struct cvm_error *err) {
        const struct cvm_bytes *owner = &vm->definition->owner;

        if (!owner->size)
                return cvm_fail(err, &CVM_CODE_UNOWNED, EINVAL, "'%s' has no owner", vm->row.name);
        return cvm_key_from_spki(CVM_KEY_SIGN, owner->data, owner->size, ret, err);
}

void vm_binding_digest(const struct vm *vm, uint8_t ret[CVM_SHA384_SIZE]) {
        cvm_sha384(vm->binding.data, vm->binding.size, ret);
}

int vm_open_signed(const struct vm *vm, const char *envelope, enum cvm_envelope_type type,
                   struct cvm_bytes *ret_payload, uint8_t ret_digest[CVM_SHA384_SIZE],
                   uint8_t ret_signer[CVM_SHA384_SIZE], struct cvm_error *err) {
        const struct cvm_bytes *signer = &vm->definition->owner, *service = &vm->definition->service;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        int r = vm_owner_key(vm, &key, err);

        if (r < 0)
                return r;
        r = cvm_envelope_open(envelope, strlen(envelope), type, key, ret_payload, ret_digest, err);
        if (r < 0 && service->size) {
                *err = (struct cvm_error){ 0 };
                EVP_PKEY_freep(&key);
                key = NULL;
                signer = service;
                r = cvm_key_from_spki(CVM_KEY_SIGN, signer->data, signer->size, &key, err);
                if (r >= 0)
                        r = cvm_envelope_open(envelope, strlen(envelope), type, key, ret_payload, ret_digest,
                                              err);
        }
        if (r >= 0)
                cvm_key_id(signer->data, ret_signer);
        return r;
}

static int open_verdict(const struct vm *vm, const char *envelope, struct verdict *ret,
                        char by[2 * CVM_SHA384_SIZE + 1], struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t signer[CVM_SHA384_SIZE];
        int r = vm_open_signed(vm, envelope, CVM_ENVELOPE_VERDICT, &payload, NULL, signer, err);

        if (r < 0)
                return r;
        cvm_hex(signer, sizeof signer, by);
        return verdict_read(payload.data, payload.size, ret, err);
}

/* The very same one may come again, with each of several secrets; another of the same moment could reverse
 * it. */
static bool is_old(const struct vm *vm, const struct verdict *v, const char *envelope) {
        bool again = vm->row.verdict && strcmp(envelope, vm->row.verdict) == 0;

        return v->time < vm->row.verdict_msec || (v->time == vm->row.verdict_msec && !again);
}

static int check_verdict(const struct vm *vm, const struct verdict *v, const char *envelope,
                         struct cvm_error *err) {
        uint8_t binding[CVM_SHA384_SIZE];

        vm_binding_digest(vm, binding);
        if (strcmp(v->uuid ? v->uuid : "", vm->row.id) != 0 ||
            memcmp(v->binding, binding, sizeof binding) != 0)
                return cvm_fail(err, &CVM_CODE_VERDICT_VM, EBADMSG,
                                "the verdict is for another VM or another binding than that of '%s'",
                                vm->row.name);
        if (vm->meddled && v->result == VERDICT_ACCEPTED)
                return cvm_fail(err, &CVM_CODE_DOMAIN_CHANGED, ESTALE,
                                "'%s' was changed by somebody else since it was started", vm->row.name);
        if (vm_require_heard(vm, err) < 0)
                return -EAGAIN;
        if (memcmp(v->keyset, vm->row.keyset, sizeof v->keyset) != 0)
                return cvm_fail(err, &CVM_CODE_VERDICT_OTHER_BOOT, EBADMSG,
                                "the verdict is for another boot of '%s' than the present one",
                                vm->row.name);
        if (is_old(vm, v, envelope))
                return cvm_fail(err, &CVM_CODE_VERDICT_OLD, EBADMSG,
                                "the verdict is not newer than the last one for this boot of '%s'",
                                vm->row.name);
        return 0;
}

/* The reasons, for people: codes and words of the owner's side. */
static void note_verdict(struct vm *vm, const struct verdict *verdict) {
        struct cvm_error why = { 0 };
        char what[64];

        if (verdict->n_reasons > 0)
                cvm_fail(&why, verdict->reasons[0].code, EACCES, "%s", verdict->reasons[0].text);
        vm_note(vm, "verdict", verdict_result_texts[verdict->result], &why);
        snprintf(what, sizeof what, "verdict %s", verdict_result_texts[verdict->result]);
        manager_audit_transition(vm->manager, vm, what, "ok");
}

int vm_record_verdict(struct vm *vm, const char *envelope, const struct caller *caller,
                      struct cvm_error *err) {
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        CVM_CLEANUP(cvm_freep) char *copy = strdup(envelope);
        char by[2 * CVM_SHA384_SIZE + 1] = "";
        int r = copy ? open_verdict(vm, envelope, &verdict, by, err)
                     : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "keeping a verdict");

        if (r >= 0)
                r = check_verdict(vm, &verdict, envelope, err);
        if (r < 0)
                return cvm_while(err, r, "the verdict");
        vm->row.verdict_msec = verdict.time;
        note_verdict(vm, &verdict);
        vm_touch(vm);
        if (verdict.result != VERDICT_UNKNOWN) { /* what was known stays known, and nothing is released */
                free(vm->row.verdict);
                vm->row.verdict = TAKE_PTR(copy);
                vm_handle_trust(vm,
                                verdict.result == VERDICT_ACCEPTED ? EV_VERDICT_ACCEPTED
                                                                   : EV_VERDICT_REFUSED,
                                by);
        }
        return journal_commit(vm->manager->journal, err);
}

void vm_do_judge_refused(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;
        struct cvm_error why = { 0 };

        cvm_fail(&why, &CVM_CODE_REFUSED, EACCES, "'%s' was refused by %s", vm->row.name,
                 vm->row.trust_by ? vm->row.trust_by : "cvmd");
        vm_forget_secrets(vm, &why);
        if (vm->definition->on_refused == ON_REFUSED_KILL && vm->guest) {
                vm->refused = true;
                vm->driver->kill(vm->guest);
        }
}

static int take_permit(struct vm *vm, const char *envelope, EVP_PKEY *key, struct cvm_error *err) {
        CVM_CLEANUP(start_permit_done) struct start_permit permit = { 0 };
        uint8_t binding[CVM_SHA384_SIZE];
        int r = cvm_signed_open(envelope, strlen(envelope), CVM_ENVELOPE_START_PERMIT, start_permit_fields,
                                key, &permit, NULL, err);

        if (r < 0)
                return cvm_while(err, r, "the start permit");
        vm_binding_digest(vm, binding);
        if (strcmp(permit.uuid, vm->row.id) != 0 || memcmp(permit.binding, binding, sizeof binding) != 0 ||
            memcmp(permit.start_nonce, vm->start_nonce, sizeof vm->start_nonce) != 0)
                return cvm_fail(err, &CVM_CODE_APPROVAL_OTHER, EBADMSG,
                                "the start permit is for another VM, binding or start than this of '%s'",
                                vm->row.name);
        if (permit.expiry < cvm_time_now())
                return cvm_fail(err, &CVM_CODE_APPROVAL_OTHER, ETIME, "the start permit has expired");
        memset(vm->start_nonce, 0, sizeof vm->start_nonce); /* it serves once */
        vm_set_waits_for(vm, "");
        return vm_handle(vm, EV_PERMIT, NULL, err);
}

static void on_approved(void *ctx, const void *message, struct cvm_error *err) {
        /* the agent's status tells; its refusal leaves it waiting */
}

static int take_approval(struct vm *vm, const char *envelope, EVP_PKEY *key, struct cvm_error *err) {
        CVM_CLEANUP(approval_done) struct approval approval = { 0 };
        uint8_t binding[CVM_SHA384_SIZE];
        int r = cvm_signed_open(envelope, strlen(envelope), CVM_ENVELOPE_APPROVAL, approval_fields, key,
                                &approval, NULL, err);

        if (r < 0)
                return cvm_while(err, r, "the approval");
        if (vm_require_heard(vm, err) < 0)
                return -EAGAIN;
        vm_binding_digest(vm, binding);
        if (strcmp(approval.uuid, vm->row.id) != 0 ||
            memcmp(approval.binding, binding, sizeof binding) != 0 ||
            memcmp(approval.keyset, vm->row.keyset, sizeof approval.keyset) != 0)
                return cvm_fail(err, &CVM_CODE_APPROVAL_OTHER, EBADMSG,
                                "the approval is for another VM, binding or boot than this of '%s'",
                                vm->row.name);
        return agent_link_approve(vm->agent, envelope, APPROVE_USEC, on_approved, vm, err);
}

int vm_approve(struct vm *vm, const char *envelope, const struct caller *caller, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        int r = vm_owner_key(vm, &key, err);

        if (r < 0)
                return r;
        /* Which of the two is expected follows from what the VM waits for, never from what has come. */
        r = vm->state == VM_AWAITING_APPROVAL ? take_permit(vm, envelope, key, err)
                                              : take_approval(vm, envelope, key, err);
        return r < 0 ? r : journal_commit(vm->manager->journal, err);
}
