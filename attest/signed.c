#include "attest/signed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/seal.h"
#include "base/time.h"

const char *const receipt_result_texts[] = { "installed", "stale", "refused", NULL };

static bool is_secret_kind(const char *text) {
        for (int kind = CVM_SECRET_FILE; cvm_secret_kind_text(kind); kind++)
                if (strcmp(text, cvm_secret_kind_text(kind)) == 0)
                        return true;
        return false;
}

#define AT(type, member) .required = true, .offset = offsetof(struct type, member)
#define UUID(type)                                                                     \
        {                                                                              \
                "uuid", CVM_JSON_TEXT, AT(type, uuid), .max = CVM_UUID_TEXT - 1,       \
                                                       .check = cvm_uuid_is_valid,     \
                                                       .expected = "a lower-case uuid" \
        }
#define DIGEST(type, member) \
        { #member, CVM_JSON_HEX, AT(type, member), .size = CVM_SHA384_SIZE }
#define NUMBER(type, member) \
        { #member, CVM_JSON_U64, AT(type, member) }
#define TIME(type, member)                                                               \
        {                                                                                \
#member, CVM_JSON_CUSTOM, AT(type, member), .read = cvm_json_read_time,  \
                                                            .write = cvm_json_write_time \
        }

const struct cvm_json_field approval_fields[] = {
        UUID(approval),
        DIGEST(approval, keyset),
        DIGEST(approval, binding),
        DIGEST(approval, evidence),
        { "chain_head", CVM_JSON_HEX, AT(approval, chain_head), .size = 32 },
        { 0 },
};

const struct cvm_json_field start_permit_fields[] = {
        UUID(start_permit),
        DIGEST(start_permit, binding),
        { "start_nonce", CVM_JSON_HEX, AT(start_permit, start_nonce), .size = 32 },
        TIME(start_permit, expiry),
        { 0 },
};

const struct cvm_json_field receipt_fields[] = {
        UUID(receipt),
        DIGEST(receipt, keyset),
        NUMBER(receipt, generation),
        { "name", CVM_JSON_TEXT, AT(receipt, name), .check = cvm_secret_name_is_valid,
          .expected = "the name of a secret" },
        { "kind", CVM_JSON_TEXT, AT(receipt, kind), .check = is_secret_kind,
          .expected = "a kind of secret" },
        NUMBER(receipt, seq),
        DIGEST(receipt, secret),
        { "result", CVM_JSON_CHOICE, AT(receipt, result), .choices = receipt_result_texts },
        NUMBER(receipt, counter),
        { "words", CVM_JSON_TEXT, .offset = offsetof(struct receipt, words), .max = 255 },
        { 0 },
};

const struct cvm_json_field bye_fields[] = {
        UUID(bye),
        DIGEST(bye, keyset),
        NUMBER(bye, generation),
        { "mid", CVM_JSON_HEX, AT(bye, mid), .size = 16 },
        NUMBER(bye, counter),
        { 0 },
};

const struct cvm_json_field recall_fields[] = {
        UUID(recall),
        NUMBER(recall, generation),
        DIGEST(recall, keyset),
        { "mid", CVM_JSON_HEX, AT(recall, mid), .size = 16, .nullable = true,
          .has_offset = offsetof(struct recall, has_mid) },
        { "fenced_by", CVM_JSON_TEXT, AT(recall, fenced_by), .min = 1, .max = 1024 },
        TIME(recall, time),
        { 0 },
};

const struct cvm_json_field retire_fields[] = {
        UUID(retire),
        NUMBER(retire, generation),
        DIGEST(retire, record),
        { 0 },
};

void approval_done(struct approval *o) {
        free(o->uuid);
        *o = (struct approval){ 0 };
}

void start_permit_done(struct start_permit *o) {
        free(o->uuid);
        *o = (struct start_permit){ 0 };
}

void receipt_done(struct receipt *o) {
        free(o->uuid);
        free(o->name);
        free(o->kind);
        free(o->words);
        *o = (struct receipt){ 0 };
}

void bye_done(struct bye *o) {
        free(o->uuid);
        *o = (struct bye){ 0 };
}

void recall_done(struct recall *o) {
        free(o->uuid);
        free(o->fenced_by);
        *o = (struct recall){ 0 };
}

void retire_done(struct retire *o) {
        free(o->uuid);
        *o = (struct retire){ 0 };
}

int cvm_signed_make(enum cvm_envelope_type type, const struct cvm_json_field *fields, const void *object,
                    EVP_PKEY *key, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *payload = cvm_json_write_text(fields, object);

        if (!payload)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "signing");
        return cvm_envelope_sign(type, payload, strlen(payload), key, ret, err);
}

/* A payload that its schema refuses is a signed object that does not hold. */
static int read_payload(const struct cvm_bytes *payload, enum cvm_envelope_type type,
                        const struct cvm_json_field *fields, void *object, struct cvm_error *err) {
        struct cvm_error why = { 0 };
        int r = cvm_json_read_text(payload->data, payload->size, cvm_envelope_type_text(type), fields,
                                   object, &why);

        if (r < 0)
                return cvm_fail_as(err, &CVM_CODE_ENVELOPE, EBADMSG, &why, r);
        return 0;
}

int cvm_signed_open(const char *envelope, size_t size, enum cvm_envelope_type type,
                    const struct cvm_json_field *fields, EVP_PKEY *key, void *object,
                    uint8_t ret_digest[CVM_SHA384_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        int r = cvm_envelope_open(envelope, size, type, key, &payload, ret_digest, err);

        return r < 0 ? r : read_payload(&payload, type, fields, object, err);
}

int cvm_signed_peek(const char *envelope, size_t size, enum cvm_envelope_type type,
                    const struct cvm_json_field *fields, void *object, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        int r = cvm_envelope_peek(envelope, size, type, &payload, err);

        return r < 0 ? r : read_payload(&payload, type, fields, object, err);
}
