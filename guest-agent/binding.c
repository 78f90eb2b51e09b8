/*
 * The binding: given by the host, signed by the owner whom the measured command line names, compared with
 * what the platform's report says was given at launch, and then frozen until the guest ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "guest-agent/agent.h"

static int check_owner(const struct agent *a, const struct msg_binding *m, struct cvm_error *err) {
        uint8_t id[CVM_SHA384_SIZE];

        if (a->owner.state != OWNER_NAMED)
                return cvm_fail(err, &CVM_CODE_AGENT_UNOWNED, EACCES,
                                "the command line names no owner: no binding is taken");
        if (m->owner.size != CVM_SPKI_SIZE)
                return cvm_fail(err, &CVM_CODE_BINDING_OWNER, EBADMSG, "the owner's key has not %d bytes",
                                CVM_SPKI_SIZE);
        cvm_key_id(m->owner.data, id);
        if (!cvm_equal(id, sizeof id, a->owner.id, sizeof a->owner.id))
                return cvm_fail(err, &CVM_CODE_BINDING_OWNER, EACCES,
                                "the binding comes with another owner's key than the command line names");
        return 0;
}

/* SHA-256 or SHA-384 of the binding, by the size of the platform's host data. A platform without any proves
 * the binding in its evidence only; the owner in it is the measured command line's all the same. */
static int check_host_data(const struct tee_self *self, const struct cvm_bytes *payload,
                           struct cvm_error *err) {
        uint8_t digest[CVM_SHA384_SIZE];

        if (!self->host_data_size)
                return 0;
        if (self->host_data_size == CVM_SHA256_SIZE)
                cvm_sha256(payload->data, payload->size, digest);
        else
                cvm_sha384(payload->data, payload->size, digest);
        if (!cvm_equal(digest, self->host_data_size, self->host_data, self->host_data_size))
                return cvm_fail(err, &CVM_CODE_AGENT_BINDING, EACCES,
                                "this guest was launched with another binding than the one it is given");
        return 0;
}

static int check_terms(const struct agent *a, const struct tee_self *self, const struct binding *b,
                       struct cvm_error *err) {
        int class_ = a->tee->provider->simulated ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE;

        if (b->platform != (int)self->platform || b->class_ != class_)
                return cvm_fail(err, &CVM_CODE_AGENT_BINDING, EACCES,
                                "the binding is for platform %s, class %s; this guest is %s, %s",
                                cvm_platform_texts[b->platform], cvm_class_texts[b->class_],
                                cvm_platform_texts[self->platform], cvm_class_texts[class_]);
        if (a->owner.has_verity_hash &&
            (b->root != CVM_ROOT_VERITY || memcmp(b->root_digest, a->owner.verity_hash, 32) != 0))
                return cvm_fail(err, &CVM_CODE_AGENT_BINDING, EACCES,
                                "the command line names a verity root that the binding does not");
        return 0;
}

/* The service's key travels beside the binding, and is believed by the binding's own digest of it. */
static int check_service(const struct msg_binding *m, const struct binding *b, EVP_PKEY **ret,
                         struct cvm_error *err) {
        uint8_t id[CVM_SHA384_SIZE];

        if (!b->has_service)
                return 0;
        if (m->service.size != CVM_SPKI_SIZE)
                return cvm_fail(err, &CVM_CODE_AGENT_BINDING, EBADMSG,
                                "the binding names an owner's service, and its key was not given");
        cvm_key_id(m->service.data, id);
        if (!cvm_equal(id, sizeof id, b->service_id, sizeof b->service_id))
                return cvm_fail(err, &CVM_CODE_AGENT_BINDING, EACCES,
                                "the service's key is not the one that the binding names");
        return cvm_key_from_spki(CVM_KEY_SIGN, m->service.data, m->service.size, ret, err);
}

static int freeze(struct agent *a, const struct msg_binding *m, struct cvm_error *err) {
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *owner = NULL;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *service = NULL;
        uint8_t digest[CVM_SHA384_SIZE];
        const struct tee_self *self;
        int r = check_owner(a, m, err);

        if (r >= 0)
                r = binding_open(m->envelope, strlen(m->envelope), m->owner.data, &binding, &payload, err);
        if (r < 0)
                return r;
        cvm_sha384(payload.data, payload.size, digest);
        if (a->bound) /* the very same again is the host's way of saying it after a reconnect */
                return memcmp(digest, a->binding_digest, sizeof digest) == 0
                                       ? 0
                                       : cvm_fail(err, &CVM_CODE_AGENT_BINDING, EACCES,
                                                  "this boot has frozen another binding");
        r = tee_know_self(a->tee, &self, err);
        if (r >= 0)
                r = check_host_data(self, &payload, err);
        if (r >= 0)
                r = check_terms(a, self, &binding, err);
        if (r >= 0)
                r = check_service(m, &binding, &service, err);
        if (r >= 0)
                r = cvm_key_from_spki(CVM_KEY_SIGN, m->owner.data, m->owner.size, &owner, err);
        if (r >= 0 && cvm_uuid_parse(binding.uuid, a->uuid) < 0)
                r = -EBADMSG;
        if (r < 0)
                return r;
        memcpy(a->binding_digest, digest, sizeof digest);
        a->binding = binding;
        binding = (struct binding){ 0 };
        a->owner_key = TAKE_PTR(owner);
        a->service_key = TAKE_PTR(service);
        a->bound = true;
        return 0;
}

void agent_take_binding(struct agent *a, const struct msg_binding *message) {
        struct cvm_error err = { 0 };

        if (freeze(a, message, &err) < 0)
                agent_refuse(a, message->id, &err);
        else
                agent_send_status(a);
}

static int approve(struct agent *a, const char *envelope, struct cvm_error *err) {
        CVM_CLEANUP(approval_done) struct approval approval = { 0 };
        int r;

        if (!a->bound)
                return cvm_fail(err, &CVM_CODE_AGENT_UNBOUND, EAGAIN, "there is no binding yet");
        r = cvm_signed_open(envelope, strlen(envelope), CVM_ENVELOPE_APPROVAL, approval_fields, a->owner_key,
                            &approval, NULL, err);
        if (r < 0)
                return cvm_while(err, r, "the approval");
        if (strcmp(approval.uuid, a->binding.uuid) != 0 ||
            !cvm_equal(approval.keyset, sizeof approval.keyset, a->keyset_digest, sizeof a->keyset_digest) ||
            !cvm_equal(approval.binding, sizeof approval.binding, a->binding_digest,
                       sizeof a->binding_digest))
                return cvm_fail(err, &CVM_CODE_APPROVAL_OTHER, EACCES,
                                "the approval is for another VM, binding or boot");
        a->approved = true;
        return 0;
}

void agent_take_approval(struct agent *a, const struct msg_envelope *message) {
        struct msg_ack ack = { .id = message->id };
        struct cvm_error err = { 0 };

        if (approve(a, message->envelope, &err) < 0) {
                agent_refuse(a, message->id, &err);
                return;
        }
        agent_send(a, CVM_MSG_APPROVED, &ack);
        agent_send_status(a);
}
