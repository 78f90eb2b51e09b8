#include "attest/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/envelope.h"

/* An event log may come to a MiB. */
#define ENVELOPE_TEXT_MAX (3u << 19)

#define AT(type, member) .offset = offsetof(struct type, member)
#define ID(type) \
        { "id", CVM_JSON_U64, .required = true, AT(type, id) }
#define NONCE(type) \
        { "nonce", CVM_JSON_HEX, .required = true, AT(type, nonce), .size = CVM_NONCE_SIZE }
#define REQUEST(type) \
        { "request", CVM_JSON_BASE64, AT(type, request), .max = CVM_ATTESTATION_REQUEST_MAX }
#define EVENT_LOG(type) \
        { "event_log", CVM_JSON_BASE64, AT(type, event_log), .max = CVM_EVENT_LOG_MAX }

static const struct cvm_json_field hello_fields[] = {
        { "protocol_min", CVM_JSON_U32, .required = true, AT(msg_hello, protocol_min), .min = 1 },
        { "protocol_max", CVM_JSON_U32, .required = true, AT(msg_hello, protocol_max), .min = 1 },
        { 0 },
};

static const struct cvm_json_field binding_fields[] = {
        ID(msg_binding),
        { "envelope", CVM_JSON_TEXT, .required = true, AT(msg_binding, envelope), .max = ENVELOPE_TEXT_MAX },
        { "owner", CVM_JSON_BASE64, .required = true, AT(msg_binding, owner), .max = CVM_SPKI_SIZE },
        { "service", CVM_JSON_BASE64, AT(msg_binding, service), .max = CVM_SPKI_SIZE },
        { 0 },
};

static const struct cvm_json_field evidence_request_fields[] = {
        ID(msg_evidence_request),
        NONCE(msg_evidence_request),
        REQUEST(msg_evidence_request),
        { 0 },
};

static const struct cvm_json_field envelope_fields[] = {
        ID(msg_envelope),
        { "envelope", CVM_JSON_TEXT, .required = true, AT(msg_envelope, envelope),
          .max = ENVELOPE_TEXT_MAX },
        { 0 },
};

static const struct cvm_json_field stop_fields[] = {
        ID(msg_stop),
        { "reboot", CVM_JSON_BOOL, .required = true, AT(msg_stop, reboot) },
        { "mid", CVM_JSON_HEX, .required = true, AT(msg_stop, mid), .size = 16 },
        { 0 },
};

static const struct cvm_json_field ack_fields[] = { ID(msg_ack), { 0 } };

static const struct cvm_json_field welcome_fields[] = {
        { "protocol", CVM_JSON_U32, .required = true, AT(msg_welcome, protocol), .min = 1 },
        { "agent", CVM_JSON_TEXT, .required = true, AT(msg_welcome, agent), .max = 128 },
        { "kem", CVM_JSON_BASE64, .required = true, AT(msg_welcome, kem), .max = CVM_SPKI_SIZE },
        { "sig", CVM_JSON_BASE64, .required = true, AT(msg_welcome, sig), .max = CVM_SPKI_SIZE },
        { "suite", CVM_JSON_U32, .required = true, AT(msg_welcome, suite), .min = 1, .max = 255 },
        { "simulated", CVM_JSON_BOOL, .required = true, AT(msg_welcome, simulated) },
        { "unowned", CVM_JSON_BOOL, .required = true, AT(msg_welcome, unowned) },
        { 0 },
};

static const struct cvm_json_field status_fields[] = {
        { "waits_for", CVM_JSON_TEXT, .required = true, AT(msg_status, waits_for), .max = 128 },
        { "secrets", CVM_JSON_CUSTOM, .required = true, AT(msg_status, secrets), .read = cvm_json_read_texts,
          .write = cvm_json_write_list },
        { "provisioned", CVM_JSON_BOOL, .required = true, AT(msg_status, provisioned) },
        { "binding", CVM_JSON_HEX, AT(msg_status, binding), .size = CVM_SHA384_SIZE,
          .has_offset = offsetof(struct msg_status, has_binding) },
        { "generation", CVM_JSON_U64, .required = true, AT(msg_status, generation) },
        { 0 },
};

static const struct cvm_json_field evidence_fields[] = {
        ID(msg_evidence),
        { "report", CVM_JSON_BASE64, .required = true, AT(msg_evidence, report), .max = CVM_REPORT_MAX },
        { "certificates", CVM_JSON_BASE64, AT(msg_evidence, certificates),
          .max = CVM_CERTIFICATE_TABLE_MAX },
        EVENT_LOG(msg_evidence),
        NONCE(msg_evidence),
        { "generation", CVM_JSON_U64, .required = true, AT(msg_evidence, generation) },
        { 0 },
};

static const struct cvm_json_field refused_fields[] = {
        ID(msg_refused),
        { "code", CVM_JSON_TEXT, .required = true, AT(msg_refused, code), .min = 1, .max = 64 },
        { "text", CVM_JSON_TEXT, .required = true, AT(msg_refused, text), .max = CVM_ERROR_TEXT_MAX },
        { 0 },
};

static const struct cvm_json_field report_request_fields[] = {
        { "report_data", CVM_JSON_HEX, .required = true, AT(msg_report_request, report_data),
          .size = CVM_REPORT_DATA_SIZE },
        REQUEST(msg_report_request),
        { "own_events", CVM_JSON_BASE64, AT(msg_report_request, own_events), .max = CVM_EVENT_LOG_MAX },
        { 0 },
};

static const struct cvm_json_field report_fields[] = {
        { "report", CVM_JSON_BASE64, .required = true, AT(msg_report, report), .max = CVM_REPORT_MAX },
        { "certificates", CVM_JSON_BASE64, AT(msg_report, certificates), .max = CVM_CERTIFICATE_TABLE_MAX },
        EVENT_LOG(msg_report),
        { 0 },
};

static const struct cvm_json_field store_request_fields[] = {
        { "request", CVM_JSON_BASE64, .required = true, AT(msg_store_request, request),
          .max = CVM_ATTESTATION_REQUEST_MAX },
        { 0 },
};

static const struct cvm_json_field no_fields[] = { { 0 } };

static const struct cvm_json_field stored_fields[] = {
        { "taken", CVM_JSON_BOOL, .required = true, AT(msg_stored, taken) },
        { "words", CVM_JSON_TEXT, .required = true, AT(msg_stored, words), .max = 128 },
        { 0 },
};

static const struct cvm_json_field store_listed_fields[] = {
        { "list", CVM_JSON_BASE64, .required = true, AT(msg_store_listed, list), .max = CVM_STORE_LIST_MAX },
        { 0 },
};

static void plain_done(void *message) {
}

static void binding_done_(void *message) {
        struct msg_binding *m = message;

        free(m->envelope);
        cvm_bytes_done(&m->owner);
        cvm_bytes_done(&m->service);
}

static void envelope_done(void *message) {
        struct msg_envelope *m = message;

        free(m->envelope);
}

static void welcome_done(void *message) {
        struct msg_welcome *m = message;

        free(m->agent);
        cvm_bytes_done(&m->kem);
        cvm_bytes_done(&m->sig);
}

static void status_done(void *message) {
        struct msg_status *m = message;

        free(m->waits_for);
        m->secrets = cvm_texts_free(m->secrets);
}

static void evidence_request_done(void *message) {
        struct msg_evidence_request *m = message;

        cvm_bytes_done(&m->request);
}

static void evidence_done(void *message) {
        struct msg_evidence *m = message;

        cvm_bytes_done(&m->report);
        cvm_bytes_done(&m->certificates);
        cvm_bytes_done(&m->event_log);
}

static void refused_done(void *message) {
        struct msg_refused *m = message;

        free(m->code);
        free(m->text);
}

static void report_request_done(void *message) {
        struct msg_report_request *m = message;

        cvm_bytes_done(&m->request);
        cvm_bytes_done(&m->own_events);
}

static void report_done(void *message) {
        struct msg_report *m = message;

        cvm_bytes_done(&m->report);
        cvm_bytes_done(&m->certificates);
        cvm_bytes_done(&m->event_log);
}

static void store_request_done(void *message) {
        struct msg_store_request *m = message;

        cvm_bytes_done(&m->request);
}

static void stored_done(void *message) {
        struct msg_stored *m = message;

        free(m->words);
}

static void store_listed_done(void *message) {
        struct msg_store_listed *m = message;

        cvm_bytes_done(&m->list);
}

#define KIND(number, name_, fields_, message, done_) \
        { .type = number, .name = name_, .fields = fields_, .size = sizeof(struct message), .done = done_ }

static const struct cvm_message_kind kinds[] = {
        KIND(CVM_MSG_HELLO, "hello", hello_fields, msg_hello, plain_done),
        KIND(CVM_MSG_BINDING, "binding", binding_fields, msg_binding, binding_done_),
        KIND(CVM_MSG_EVIDENCE_REQUEST, "evidence-request", evidence_request_fields, msg_evidence_request,
             evidence_request_done),
        KIND(CVM_MSG_SECRET, "secret", envelope_fields, msg_envelope, envelope_done),
        KIND(CVM_MSG_APPROVAL, "approval", envelope_fields, msg_envelope, envelope_done),
        KIND(CVM_MSG_STOP, "stop", stop_fields, msg_stop, plain_done),
        KIND(CVM_MSG_BYE_ACK, "bye-ack", ack_fields, msg_ack, plain_done),
        KIND(CVM_MSG_WELCOME, "welcome", welcome_fields, msg_welcome, welcome_done),
        KIND(CVM_MSG_STATUS, "status", status_fields, msg_status, status_done),
        KIND(CVM_MSG_EVIDENCE, "evidence", evidence_fields, msg_evidence, evidence_done),
        KIND(CVM_MSG_RECEIPT, "receipt", envelope_fields, msg_envelope, envelope_done),
        KIND(CVM_MSG_APPROVED, "approved", ack_fields, msg_ack, plain_done),
        KIND(CVM_MSG_BYE, "bye", envelope_fields, msg_envelope, envelope_done),
        KIND(CVM_MSG_REFUSED, "refused", refused_fields, msg_refused, refused_done),
        KIND(CVM_MSG_REPORT_REQUEST, "report-request", report_request_fields, msg_report_request,
             report_request_done),
        KIND(CVM_MSG_REPORT, "report", report_fields, msg_report, report_done),
        KIND(CVM_MSG_REPORT_REFUSED, "report-refused", refused_fields, msg_refused, refused_done),
        KIND(CVM_MSG_STORE_REQUEST, "store-request", store_request_fields, msg_store_request,
             store_request_done),
        { .type = CVM_MSG_STORE_LOCK, .name = "store-lock", .fields = no_fields, .done = plain_done },
        KIND(CVM_MSG_STORED, "stored", stored_fields, msg_stored, stored_done),
        { .type = CVM_MSG_STORE_LIST, .name = "store-list", .fields = no_fields, .done = plain_done },
        KIND(CVM_MSG_STORE_LISTED, "store-listed", store_listed_fields, msg_store_listed, store_listed_done),
};

const struct cvm_message_kind *cvm_message_kind(uint8_t type) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (kinds[i].type == type)
                        return &kinds[i];
        return NULL;
}

int cvm_message_read(const struct cvm_message_kind *kind, const struct cvm_frame *frame, void *message,
                     struct cvm_error *err) {
        struct cvm_error why = { 0 };
        int r = cvm_json_read_text(frame->payload, frame->size, kind->name, kind->fields, message, &why);

        if (r < 0)
                return cvm_fail_as(err, &CVM_CODE_FRAME, EBADMSG, &why, r);
        return 0;
}

int cvm_message_make(uint8_t type, uint64_t session, const void *message, struct cvm_bytes *ret,
                     struct cvm_error *err) {
        const struct cvm_message_kind *kind = cvm_message_kind(type);
        CVM_CLEANUP(cvm_freep) char *payload = kind ? cvm_json_write_text(kind->fields, message) : NULL;
        int r = payload ? cvm_frame_make(type, session, payload, ret) : -ENOMEM;

        if (r < 0)
                return cvm_fail(err, &CVM_CODE_FRAME, r, "a '%s' message cannot be made: %s",
                                kind ? kind->name : "?", strerror(-r));
        return 0;
}
