#include "guest-agent/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/keys.h"

int agent_init(struct agent *a, const struct owner *owner, struct tee *tee, const char *secrets_dir,
               const char *keys_dir, struct cvm_error *err) {
        int r;

        *a = (struct agent){ .owner = *owner, .tee = tee, .secrets_dir = secrets_dir, .keys_dir = keys_dir };
        cvm_sha384("", 0, a->binding_digest);
        r = keys_make(tee->provider->simulated, &a->kem, &a->sig, err);
        if (r >= 0)
                r = cvm_key_spki(a->kem, a->keyset.kem, err);
        if (r >= 0)
                r = cvm_key_spki(a->sig, a->keyset.sig, err);
        if (r >= 0)
                cvm_keyset_digest(&a->keyset, a->keyset_digest);
        return r;
}

void agent_done(struct agent *a) {
        for (size_t i = 0; i < a->n_taken; i++)
                free(a->taken[i].receipt);
        EVP_PKEY_free(a->kem);
        EVP_PKEY_free(a->sig);
        EVP_PKEY_free(a->owner_key);
        EVP_PKEY_free(a->service_key);
        binding_done(&a->binding);
        outbox_clear(&a->out);
        free(a->bye);
        *a = (struct agent){ 0 };
}

bool agent_is_provisioned(const struct agent *a) {
        if (!a->bound)
                return a->owner.state == OWNER_NONE;
        for (char **name = a->binding.required_secrets; name && *name; name++)
                if (!agent_has_secret(a, *name))
                        return false;
        return !a->service_key || a->generation > 0;
}

/* Of what others must bring. */
static void find_missing(const struct agent *a, char *ret, size_t size) {
        const char *what = "";

        if (a->owner.state == OWNER_WRONG)
                what = "a command line with one owner";
        else if (a->owner.state == OWNER_NAMED && !a->bound)
                what = "binding";
        else if (a->bound && a->binding.approval && !a->approved)
                what = "approval";
        else if (a->service_key && a->generation == 0)
                what = "release";
        snprintf(ret, size, "%s", what);
        for (char **name = a->binding.required_secrets; !*what && name && *name; name++)
                if (!agent_has_secret(a, *name)) {
                        snprintf(ret, size, "secret:%s", *name);
                        return;
                }
}

void agent_waits_for(const struct agent *a, char *ret, size_t size) {
        find_missing(a, ret, size);
        if (!*ret && a->bound && !a->handed_over)
                snprintf(ret, size, "register");
}

static int extend(struct agent *a, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        struct cvm_hand_over in = { .suite = CVM_SUITE,
                                    .generation = a->generation,
                                    .n_secrets = (uint16_t)a->n_taken };
        const struct tee_self *self;
        int r = tee_know_self(a->tee, &self, err);

        if (r < 0)
                return r;
        in.platform = cvm_platform_byte(self->platform, a->tee->provider->simulated);
        memcpy(in.uuid, a->uuid, sizeof in.uuid);
        memcpy(in.keyset, a->keyset_digest, sizeof in.keyset);
        memcpy(in.binding, a->binding_digest, sizeof in.binding);
        cvm_hand_over_write(&in, &w);
        for (size_t i = 0; i < a->n_taken; i++)
                cvm_hand_over_write_secret(a->taken[i].kind, a->taken[i].name, a->taken[i].digest, &w);
        return w.failed ? -ENOMEM : tee_extend(a->tee, w.bytes.data, w.bytes.size, err);
}

void agent_hand_over(struct agent *a) {
        struct cvm_error err = { 0 };
        char missing[128];
        int r;

        find_missing(a, missing, sizeof missing);
        if (!a->bound || *missing || a->handed_over)
                return;
        r = extend(a, &err);
        a->handed_over = r >= 0;
        if (r < 0)
                fprintf(stderr, "cvm-agent: the guest does not go on: %s\n", cvm_error_text(&err, r));
}

void agent_send_status(struct agent *a) {
        char waits_for[128];
        struct msg_status status = { .waits_for = waits_for,
                                     .provisioned = agent_is_provisioned(a),
                                     .has_binding = a->bound,
                                     .generation = a->generation };

        agent_hand_over(a);
        agent_waits_for(a, waits_for, sizeof waits_for);
        memcpy(status.binding, a->binding_digest, sizeof status.binding);
        for (size_t i = 0; i < a->n_taken; i++)
                if (a->taken[i].kind != CVM_SECRET_RELEASE)
                        (void)cvm_texts_add(&status.secrets, a->taken[i].name);
        if (!status.secrets)
                status.secrets = calloc(1, sizeof *status.secrets);
        agent_send(a, CVM_MSG_STATUS, &status);
        cvm_texts_free(status.secrets);
}

/* A session begins: what waited for an earlier one is not for this host. */
static void take_hello(struct agent *a, const void *message) {
        const struct msg_hello *hello = message;
        struct msg_welcome welcome = { .protocol = CVM_AGENT_PROTOCOL,
                                       .agent = (char *)"cvm-agent " CVM_VERSION,
                                       .kem = { a->keyset.kem, sizeof a->keyset.kem },
                                       .sig = { a->keyset.sig, sizeof a->keyset.sig },
                                       .suite = CVM_SUITE,
                                       .simulated = a->tee->provider->simulated,
                                       .unowned = a->owner.state == OWNER_NONE };
        struct cvm_error err = { 0 };

        if (hello->protocol_min > CVM_AGENT_PROTOCOL || hello->protocol_max < CVM_AGENT_PROTOCOL) {
                cvm_fail(&err, &CVM_CODE_FRAME, EPROTO, "this agent speaks protocol %d", CVM_AGENT_PROTOCOL);
                agent_refuse(a, 0, &err);
                return;
        }
        if (a->owner.state == OWNER_WRONG) {
                agent_refuse(a, 0, &a->owner.why);
                return;
        }
        agent_send(a, CVM_MSG_WELCOME, &welcome);
        agent_send_status(a);
        if (a->bye && !a->bye_acked)
                agent_send_bye(a);
}

static int make_evidence(struct agent *a, const struct msg_evidence_request *m, struct tee_report *ret,
                         struct cvm_error *err) {
        struct cvm_evidence_inputs in = { .suite = CVM_SUITE, .generation = a->generation };
        struct tee_question question = { .request = m->request };
        const struct tee_self *self;
        int r;

        if (a->owner.state == OWNER_NAMED && !a->bound)
                return cvm_fail(err, &CVM_CODE_AGENT_UNBOUND, EAGAIN,
                                "there is no binding yet that evidence could vouch for");
        r = tee_know_self(a->tee, &self, err);
        if (r < 0)
                return r;
        in.platform = cvm_platform_byte(self->platform, a->tee->provider->simulated);
        memcpy(in.nonce, m->nonce, sizeof in.nonce);
        memcpy(in.keyset, a->keyset_digest, sizeof in.keyset);
        memcpy(in.binding, a->binding_digest, sizeof in.binding);
        cvm_report_data(&in, question.report_data);
        return tee_ask(a->tee, &question, ret, err);
}

static void take_evidence_request(struct agent *a, const void *message) {
        const struct msg_evidence_request *m = message;
        CVM_CLEANUP(tee_report_done) struct tee_report report = { 0 };
        struct cvm_error err = { 0 };
        struct msg_evidence evidence = { .id = m->id, .generation = a->generation };

        if (make_evidence(a, m, &report, &err) < 0) {
                agent_refuse(a, m->id, &err);
                return;
        }
        evidence.report = report.report; /* borrowed */
        evidence.certificates = report.certificates;
        evidence.event_log = report.event_log;
        memcpy(evidence.nonce, m->nonce, sizeof evidence.nonce);
        agent_send(a, CVM_MSG_EVIDENCE, &evidence);
}

static void take_binding(struct agent *a, const void *message) {
        agent_take_binding(a, message);
}

static void take_secret(struct agent *a, const void *message) {
        agent_take_secret(a, message);
}

static void take_approval(struct agent *a, const void *message) {
        agent_take_approval(a, message);
}

static void take_stop(struct agent *a, const void *message) {
        const struct msg_stop *m = message;

        memcpy(a->mid, m->mid, sizeof a->mid);
        a->stop_asked = true;
        a->reboot_asked = m->reboot;
}

static void take_bye_ack(struct agent *a, const void *message) {
        a->bye_acked = a->bye != NULL;
}

/* All requests begin with their id, HELLO aside. */
static const struct {
        uint8_t type;
        bool ends_with_bye; /* refused once this boot has said BYE */
        bool has_id;
        void (*take)(struct agent *a, const void *message);
} takers[] = {
        { CVM_MSG_HELLO, false, false, take_hello },
        { CVM_MSG_BINDING, true, true, take_binding },
        { CVM_MSG_EVIDENCE_REQUEST, true, true, take_evidence_request },
        { CVM_MSG_SECRET, true, true, take_secret },
        { CVM_MSG_APPROVAL, true, true, take_approval },
        { CVM_MSG_STOP, false, true, take_stop },
        { CVM_MSG_BYE_ACK, false, true, take_bye_ack },
};

union message {
        struct msg_hello hello;
        struct msg_binding binding;
        struct msg_evidence_request evidence_request;
        struct msg_envelope envelope;
        struct msg_stop stop;
        struct msg_ack ack;
};

static void take_message(struct agent *a, size_t row, const struct cvm_frame *frame) {
        const struct cvm_message_kind *kind = cvm_message_kind(frame->type);
        union message message = { 0 };
        struct cvm_error err = { 0 };
        int r = cvm_message_read(kind, frame, &message, &err);
        uint64_t id = takers[row].has_id ? message.ack.id : 0; /* zero where not even that could be read */

        if (r >= 0 && a->bye && takers[row].ends_with_bye)
                r = cvm_fail(&err, &CVM_CODE_AGENT_ENDED, ESHUTDOWN, "this boot has said BYE");
        if (r >= 0)
                takers[row].take(a, &message);
        else if (takers[row].has_id)
                agent_refuse(a, id, &err);
        kind->done(&message);
}

void agent_take(struct agent *a, const struct cvm_frame *frame) {
        if (frame->type == CVM_MSG_HELLO && frame->session != 0) {
                if (frame->session != a->session)
                        outbox_clear(&a->out);
                a->session = frame->session;
        } else if (frame->session != a->session || a->owner.state == OWNER_WRONG)
                return; /* of an earlier session; or nothing is served */
        for (size_t i = 0; i < ARRAY_SIZE(takers); i++)
                if (takers[i].type == frame->type)
                        take_message(a, i, frame);
}

void agent_send_bye(struct agent *a) {
        struct msg_envelope message = { .envelope = a->bye };

        agent_send(a, CVM_MSG_BYE, &message);
}

int agent_say_bye(struct agent *a, struct cvm_error *err) {
        struct bye bye = { .uuid = a->binding.uuid, .generation = a->generation, .counter = a->counter };
        int r = 0;

        if (!a->bound) {
                a->bye_acked = true; /* nobody's guest: there is nobody to prove anything to */
                return 0;
        }
        memcpy(bye.keyset, a->keyset_digest, sizeof bye.keyset);
        memcpy(bye.mid, a->mid, sizeof bye.mid);
        if (!a->bye) {
                agent_forget_secrets(a);
                r = cvm_signed_make(CVM_ENVELOPE_BYE, bye_fields, &bye, a->sig, &a->bye, err);
        }
        if (r >= 0)
                agent_send_bye(a);
        return r;
}
