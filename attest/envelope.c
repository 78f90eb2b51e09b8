#include "attest/envelope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define ED25519_SIZE 64

static const char *const types[CVM_ENVELOPE_MAX_] = {
        [CVM_ENVELOPE_BINDING] = "application/vnd.cvmd.binding.v1+json",
        [CVM_ENVELOPE_POLICY] = "application/vnd.cvmd.policy.v1+json",
        [CVM_ENVELOPE_VERDICT] = "application/vnd.cvmd.verdict.v1+json",
        [CVM_ENVELOPE_SECRET] = "application/vnd.cvmd.secret.v1+json",
        [CVM_ENVELOPE_APPROVAL] = "application/vnd.cvmd.approval.v1+json",
        [CVM_ENVELOPE_START_PERMIT] = "application/vnd.cvmd.start-permit.v1+json",
        [CVM_ENVELOPE_RECEIPT] = "application/vnd.cvmd.receipt.v1+json",
        [CVM_ENVELOPE_BYE] = "application/vnd.cvmd.bye.v1+json",
        [CVM_ENVELOPE_MOVE] = "application/vnd.cvmd.move.v1+json",
        [CVM_ENVELOPE_RECALL] = "application/vnd.cvmd.recall.v1+json",
        [CVM_ENVELOPE_RETIRE] = "application/vnd.cvmd.retire.v1+json",
        [CVM_ENVELOPE_HEAD] = "application/vnd.cvmd.head.v1+json",
        [CVM_ENVELOPE_RECORD] = "application/vnd.cvmd.record.v1+json",
};

const char *cvm_envelope_type_text(enum cvm_envelope_type type) {
        return types[type];
}

/* One signature; `keyid` is read for its form only. */
struct signature {
        struct cvm_bytes sig;
        char *keyid;
};

static const struct cvm_json_field signature_fields[] = {
        { "keyid", CVM_JSON_TEXT, .offset = offsetof(struct signature, keyid), .max = 256 },
        { "sig", CVM_JSON_BASE64, .required = true, .offset = offsetof(struct signature, sig),
          .max = ED25519_SIZE },
        { 0 },
};

struct envelope {
        struct cvm_bytes payload;
        char *payload_type;
        struct signature signature;
};

static int read_signatures(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct cvm_json first = cvm_json_element(place, 0);
        size_t length;
        int r = cvm_json_array(place, 1, &length, err);

        if (r < 0)
                return r;
        if (length != 1)
                return cvm_json_refuse(place, err, "must have exactly one signature");
        return cvm_json_read(&first, signature_fields, member, err);
}

static json_object *write_signatures(const void *member) {
        json_object *list = json_object_new_array();

        if (list)
                json_object_array_add(list, cvm_json_write(signature_fields, member));
        return list;
}

static const struct cvm_json_field envelope_fields[] = {
        { "payloadType", CVM_JSON_TEXT, .required = true, .offset = offsetof(struct envelope, payload_type),
          .max = 128 },
        { "payload", CVM_JSON_BASE64, .required = true, .offset = offsetof(struct envelope, payload),
          .max = CVM_ENVELOPE_MAX },
        { "signatures", CVM_JSON_CUSTOM, .required = true, .offset = offsetof(struct envelope, signature),
          .read = read_signatures, .write = write_signatures },
        { 0 },
};

static void envelope_done(struct envelope *e) {
        cvm_bytes_done(&e->payload);
        cvm_bytes_done(&e->signature.sig);
        free(e->signature.keyid);
        free(e->payload_type);
}

/* DSSE's pre-authentication encoding: lengths make it unambiguous. */
static int encode_pae(const char *type, const void *payload, size_t size, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        char head[256];
        int n = snprintf(head, sizeof head, "DSSEv1 %zu %s %zu ", strlen(type), type, size);

        cvm_write_copy(&w, head, (size_t)n);
        cvm_write_copy(&w, payload, size);
        return cvm_writer_take(&w, ret);
}

int cvm_envelope_sign(enum cvm_envelope_type type, const void *payload, size_t size, EVP_PKEY *key,
                      char **ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pae = { 0 };
        CVM_CLEANUP(envelope_done) struct envelope e = { .payload_type = strdup(types[type]) };
        uint8_t sig[ED25519_SIZE];
        size_t sig_size = sizeof sig;
        char *text;

        if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "signing needs an Ed25519 key");
        if (size > CVM_ENVELOPE_MAX)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG, "a signed object has at most %u bytes",
                                CVM_ENVELOPE_MAX);
        if (!md || !e.payload_type || encode_pae(types[type], payload, size, &pae) < 0 ||
            cvm_bytes_copy(payload, size, &e.payload) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "signing");
        if (EVP_DigestSignInit(md, NULL, NULL, NULL, key) != 1 ||
            EVP_DigestSign(md, sig, &sig_size, pae.data, pae.size) != 1)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "the key cannot sign: is it the private key?");
        if (cvm_bytes_copy(sig, sig_size, &e.signature.sig) < 0 ||
            !(text = cvm_json_write_text(envelope_fields, &e)))
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "signing");
        *ret = text;
        return 0;
}

/* What is no envelope at all is evidence that does not hold, not a slip of the caller: hence
 * CVM_CODE_ENVELOPE. */
static int read_envelope(const char *text, size_t size, enum cvm_envelope_type type, struct envelope *e,
                         struct cvm_error *err) {
        struct cvm_error why = { 0 };
        int r;

        if (size > 2 * CVM_ENVELOPE_MAX)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG, "the envelope is larger than %u bytes",
                                2 * CVM_ENVELOPE_MAX);
        r = cvm_json_read_text(text, size, "envelope", envelope_fields, e, &why);
        if (r < 0)
                return cvm_fail_as(err, &CVM_CODE_ENVELOPE, EBADMSG, &why, r);
        if (strcmp(e->payload_type, types[type]) != 0)
                return cvm_fail(err, &CVM_CODE_ENVELOPE, EBADMSG, "the envelope holds '%.80s', not '%s'",
                                e->payload_type, types[type]);
        return 0;
}

int cvm_envelope_open(const char *envelope, size_t size, enum cvm_envelope_type type, EVP_PKEY *key,
                      struct cvm_bytes *ret_payload, uint8_t ret_digest[CVM_SHA384_SIZE],
                      struct cvm_error *err) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pae = { 0 };
        CVM_CLEANUP(envelope_done) struct envelope e = { 0 };
        int r = read_envelope(envelope, size, type, &e, err);

        if (r < 0)
                return r;
        if (!md || encode_pae(types[type], e.payload.data, e.payload.size, &pae) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "checking a signature");
        if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 || e.signature.sig.size != ED25519_SIZE ||
            EVP_DigestVerifyInit(md, NULL, NULL, NULL, key) != 1 ||
            EVP_DigestVerify(md, e.signature.sig.data, ED25519_SIZE, pae.data, pae.size) != 1)
                return cvm_fail(err, &CVM_CODE_SIGNATURE, EBADMSG,
                                "the signature of '%s' is not by the expected key", types[type]);
        if (ret_digest)
                cvm_sha384(pae.data, pae.size, ret_digest);
        *ret_payload = cvm_bytes_take(&e.payload);
        return 0;
}

int cvm_envelope_peek(const char *envelope, size_t size, enum cvm_envelope_type type,
                      struct cvm_bytes *ret_payload, struct cvm_error *err) {
        CVM_CLEANUP(envelope_done) struct envelope e = { 0 };
        int r = read_envelope(envelope, size, type, &e, err);

        if (r >= 0)
                *ret_payload = cvm_bytes_take(&e.payload);
        return r;
}
