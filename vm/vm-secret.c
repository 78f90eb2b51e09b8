/*
 * Sealed secrets on their way. The daemon forwards one only if three keysets are equal: that of an accepted
 * verdict, the secret's own, and the one that the present agent has announced. What came before its verdict
 * waits in its operation; a new boot drops it. Why each was released is durable before it is sent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/seal.h"
#include "base/fault.h"
#include "vm/steps.h"

#define RELAY_USEC (60ull * 1000000)
#define WAITING_MAX 64

struct release {
        struct release *next;
        struct vm *vm;               /* borrowed */
        struct operation *operation; /* borrowed */
        char *envelope;
        struct cvm_secret_header header;
        uint8_t digest[CVM_SHA384_SIZE]; /* SHA-384(PAE): how receipts name it */
        char *receipt;
        bool sent;
};

static struct release *release_free(struct release *release) {
        if (release) {
                free(release->envelope);
                free(release->receipt);
                free(release);
        }
        return NULL;
}
CVM_DEFINE_CLEANUP(struct release, release_free);

static void remove_release(struct release *release) {
        struct release **p = &release->vm->releases;

        while (*p != release)
                p = &(*p)->next;
        *p = release->next;
        release_free(release);
}

/* Of what kinds owner and service may each sign, the agent judges. */
static int open_secret(const struct vm *vm, const char *envelope, struct cvm_secret_header *ret_header,
                       uint8_t ret_digest[CVM_SHA384_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t signer[CVM_SHA384_SIZE];
        int r = vm_open_signed(vm, envelope, CVM_ENVELOPE_SECRET, &payload, ret_digest, signer, err);

        return r < 0 ? r : cvm_secret_peek(envelope, strlen(envelope), ret_header, err);
}

static int check_header(const struct vm *vm, const struct cvm_secret_header *header, struct cvm_error *err) {
        char uuid[CVM_UUID_TEXT];

        cvm_uuid_format(header->uuid, uuid);
        if (strcmp(uuid, vm->row.id) != 0)
                return cvm_fail(err, &CVM_CODE_SECRET_VM, EBADMSG, "the secret is for VM %s, not for '%s'",
                                uuid, vm->row.name);
        if (vm_require_heard(vm, err) < 0)
                return -EAGAIN;
        if (memcmp(header->keyset, vm->row.keyset, sizeof header->keyset) != 0)
                return cvm_fail(err, &CVM_CODE_SECRET_BOOT, EBADMSG,
                                "the secret is sealed to another boot of '%s' than the present one",
                                vm->row.name);
        return 0;
}

/* The guest's word, by the key that its evidence names. */
static int check_receipt(const struct release *release, const char *envelope, struct receipt *ret,
                         struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        const struct vm *vm = release->vm;
        int r = cvm_key_from_spki(CVM_KEY_SIGN, vm->keyset.sig, sizeof vm->keyset.sig, &key, err);

        if (r >= 0)
                r = cvm_signed_open(envelope, strlen(envelope), CVM_ENVELOPE_RECEIPT, receipt_fields, key,
                                    ret, NULL, err);
        if (r < 0)
                return cvm_while(err, r, "the receipt of '%s'", vm->row.name);
        if (strcmp(ret->uuid, vm->row.id) != 0 ||
            memcmp(ret->keyset, vm->row.keyset, sizeof ret->keyset) != 0 ||
            memcmp(ret->secret, release->digest, sizeof ret->secret) != 0)
                return cvm_fail(err, &CVM_CODE_RECEIPT, EBADMSG,
                                "the receipt of '%s' is for another secret, boot or VM", vm->row.name);
        return 0;
}

void vm_note_provisioned(struct vm *vm) {
        if (vm->has_receipt && vm->agent_provisioned)
                vm_handle_trust(vm, EV_RECEIPTS, vm->row.trust_by);
}

/* The receipt is durable: whoever waits may have it. */
static void on_receipt_durable(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        for (struct release *r = vm->releases, *next; r; r = next) {
                next = r->next;
                if (!r->receipt)
                        continue;
                if (err)
                        operation_fail(r->operation, err);
                else
                        operation_done(r->operation, TAKE_PTR(r->receipt));
                remove_release(r);
        }
}

static void take_receipt(struct release *release, const struct msg_envelope *message) {
        CVM_CLEANUP(receipt_done) struct receipt receipt = { 0 };
        struct cvm_error err = { 0 };
        struct vm *vm = release->vm;
        char hex[2 * CVM_SHA384_SIZE + 1];
        int r = check_receipt(release, message->envelope, &receipt, &err);

        cvm_hex(release->digest, sizeof release->digest, hex);
        if (r >= 0)
                r = store_add_receipt(vm->manager->store, vm->row.id, hex, message->envelope, &err);
        if (r >= 0)
                release->receipt = strdup(message->envelope);
        if (r < 0 || !release->receipt) {
                (void)cvm_error_text(&err, r < 0 ? r : -ENOMEM);
                operation_fail(release->operation, &err);
                remove_release(release);
                return;
        }
        manager_audit_transition(vm->manager, vm, "receipt of the guest",
                                 receipt_result_texts[receipt.result]);
        vm->has_receipt |= receipt.result == RECEIPT_INSTALLED;
        vm_note_provisioned(vm);
        vm_touch(vm);
        cvm_fault_point("secret-before-receipt");
        (void)journal_then(vm->manager->journal, on_receipt_durable, vm);
}

static void on_answer(void *ctx, const void *message, struct cvm_error *err) {
        struct release *release = ctx;

        if (message) {
                take_receipt(release, message);
                return;
        }
        manager_audit_transition(release->vm->manager, release->vm, "secret not taken",
                                 cvm_error_code(err)->id);
        operation_fail(release->operation, err);
        remove_release(release);
}

/* Why it is released is durable now. */
static void send_released(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;

        for (struct release *r = vm->releases, *next; r; r = next) {
                struct cvm_error why = { 0 };

                next = r->next;
                if (!r->sent || r->receipt || !r->envelope)
                        continue;
                cvm_fault_point("secret-before-send");
                if (err || !vm->agent ||
                    agent_link_secret(vm->agent, r->envelope, RELAY_USEC, on_answer, r, &why) < 0) {
                        operation_fail(r->operation, err ? err : &why);
                        remove_release(r);
                        continue;
                }
                free(TAKE_PTR(r->envelope)); /* sealed bytes are not kept: a second sending is the owner's */
                operation_phase(r->operation, "waiting for the guest's receipt", 80);
        }
}

static int save_release(const struct release *release, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes header = { 0 };
        const struct vm *vm = release->vm;
        char hex[2 * CVM_SHA384_SIZE + 1];
        int r = cvm_secret_header_write(&release->header, &header);

        cvm_hex(release->digest, sizeof release->digest, hex);
        return r < 0 ? r
                     : store_add_release(vm->manager->store, vm->row.id, hex, &header, vm->row.verdict, err);
}

void vm_do_relay_secrets(void *ctx, struct cvm_error *err) {
        struct vm *vm = ctx;
        struct cvm_error why = { 0 };
        bool any = false;

        if (err || (vm->trust != TRUST_VERIFIED && vm->trust != TRUST_PROVISIONED))
                return;
        for (struct release *r = vm->releases; r; r = r->next) {
                if (r->sent)
                        continue;
                if (save_release(r, &why) < 0)
                        return; /* they go on waiting: the next verdict tries again */
                r->sent = any = true;
                operation_set_cancel(r->operation, NULL);
                manager_audit_transition(vm->manager, vm, "secret released", "ok");
        }
        if (any)
                (void)journal_then(vm->manager->journal, send_released, vm);
}

void vm_forget_secrets(struct vm *vm, const struct cvm_error *why) {
        for (struct release *r = vm->releases, *next; r; r = next) {
                next = r->next;
                if (why && r->sent && !r->envelope)
                        continue; /* on its way: the link's answer ends it */
                if (why)
                        operation_fail(r->operation, why);
                remove_release(r);
        }
}

static void drop_cancelled(struct vm *vm) {
        for (struct release *r = vm->releases, *next; r; r = next) {
                struct operation_view view;

                next = r->next;
                operation_look(r->operation, &view);
                if (view.state != OPERATION_RUNNING)
                        remove_release(r);
        }
}

static int add_release(struct vm *vm, const char *envelope, const struct cvm_secret_header *header,
                       const uint8_t digest[CVM_SHA384_SIZE], struct operation *operation,
                       struct cvm_error *err) {
        CVM_CLEANUP(release_freep) struct release *release = calloc(1, sizeof *release);
        struct release **end = &vm->releases;
        size_t n = 0;

        for (; *end; end = &(*end)->next)
                n++;
        if (n >= WAITING_MAX)
                return cvm_fail(err, &CVM_CODE_QUOTA, EDQUOT, "%zu secrets wait for '%s' already", n,
                                vm->row.name);
        if (release)
                release->envelope = strdup(envelope);
        if (!release || !release->envelope)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "keeping a secret");
        release->vm = vm;
        release->operation = operation;
        release->header = *header;
        memcpy(release->digest, digest, sizeof release->digest);
        *end = TAKE_PTR(release);
        return 0;
}

int vm_put_secret(struct vm *vm, const char *secret, const char *verdict, const struct caller *caller,
                  struct operation **ret, struct cvm_error *err) {
        struct cvm_secret_header header;
        uint8_t digest[CVM_SHA384_SIZE];
        int r = open_secret(vm, secret, &header, digest, err);

        if (r >= 0)
                r = check_header(vm, &header, err);
        if (r >= 0 && verdict && *verdict)
                r = vm_record_verdict(vm, verdict, caller, err);
        if (r >= 0)
                r = operation_new(vm->manager, "put-secret", vm, caller, ret, err);
        if (r < 0)
                return r;
        r = add_release(vm, secret, &header, digest, *ret, err);
        if (r < 0) {
                operation_fail(*ret, err);
                return r;
        }
        operation_set_cancel(*ret, drop_cancelled);
        operation_phase(*ret, "waiting for an accepted verdict", 20);
        vm_do_relay_secrets(vm, NULL);
        return 0;
}

/* --- what was handed in --- */

static void look_waiting(const struct release *release, struct secret_view *ret) {
        *ret = (struct secret_view){ .has_header = true,
                                     .header = release->header,
                                     .status = "waits for a verdict" };
        cvm_hex(release->digest, sizeof release->digest, ret->digest);
}

/* A receipt was checked before it was kept. */
static void look_released(const struct release_row *row, struct secret_view *ret) {
        CVM_CLEANUP(receipt_done) struct receipt receipt = { 0 };

        *ret = (struct secret_view){ .released_msec = row->time_msec,
                                     .receipt = row->receipt,
                                     .status = "released" };
        snprintf(ret->digest, sizeof ret->digest, "%s", row->secret);
        ret->has_header =
                        cvm_secret_header_read(row->header.data, row->header.size, &ret->header, NULL) >= 0;
        if (row->receipt && cvm_signed_peek(row->receipt, strlen(row->receipt), CVM_ENVELOPE_RECEIPT,
                                            receipt_fields, &receipt, NULL) >= 0)
                ret->status = receipt_result_texts[receipt.result];
}

struct listing {
        void (*fn)(void *ctx, const struct secret_view *secret);
        void *ctx;
};

static void tell_released(void *ctx, const struct release_row *row) {
        const struct listing *listing = ctx;
        struct secret_view view;

        look_released(row, &view);
        listing->fn(listing->ctx, &view);
}

int vm_each_secret(const struct vm *vm, void (*fn)(void *ctx, const struct secret_view *secret), void *ctx,
                   struct cvm_error *err) {
        struct listing listing = { fn, ctx };
        struct secret_view view;

        for (const struct release *r = vm->releases; r; r = r->next)
                if (!r->sent) {
                        look_waiting(r, &view);
                        fn(ctx, &view);
                }
        return store_each_release(vm->manager->store, vm->row.id, VM_SECRETS_LISTED, tell_released, &listing,
                                  err);
}
