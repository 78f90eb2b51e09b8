#include "cli/documents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/time.h"

#define POLICY_MAX (1u << 20)
#define BUNDLE_MAX (4u << 20)
#define CHALLENGE_MAX (4u << 10)

int document_text(const char *path, size_t max, char **ret, struct cvm_error *err) {
        struct cvm_bytes text;
        int r = cvm_read_file(path, max, &text, err);

        if (r >= 0)
                *ret = (char *)text.data;
        return r;
}

int document_policy(const char *path, EVP_PKEY *owner, struct policy **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        size_t size;
        int r = document_text(path, POLICY_MAX, &text, err);

        if (r < 0)
                return r;
        size = strlen(text);
        if (!strstr(text, "\"payloadType\""))
                return policy_read(text, size, path, ret, err);
        if (!owner)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL,
                                "'%s' is signed: give the owner's key that signed it", path);
        r = cvm_envelope_open(text, size, CVM_ENVELOPE_POLICY, owner, &payload, NULL, err);
        return r < 0 ? cvm_while(err, r, "'%s'", path)
                     : policy_read(payload.data, payload.size, path, ret, err);
}

int document_bundle(const char *path, struct bundle *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = document_text(path, BUNDLE_MAX, &text, err);

        return r < 0 ? r : bundle_read(text, strlen(text), path, ret, err);
}

static const struct cvm_json_field challenge_fields[] = {
        { "nonce", CVM_JSON_HEX, .required = true, .offset = offsetof(struct challenge, nonce),
          .size = CVM_NONCE_SIZE },
        { "made", CVM_JSON_CUSTOM, .required = true, .offset = offsetof(struct challenge, made),
          .read = cvm_json_read_time, .write = cvm_json_write_time },
        { "used", CVM_JSON_CUSTOM, .offset = offsetof(struct challenge, used),
          .has_offset = offsetof(struct challenge, is_used), .read = cvm_json_read_time,
          .write = cvm_json_write_time },
        { 0 },
};

void challenge_make(struct challenge *ret) {
        *ret = (struct challenge){ .made = cvm_time_now() };
        cvm_random(ret->nonce, sizeof ret->nonce);
}

int challenge_write(const char *path, const struct challenge *challenge, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = cvm_json_write_text(challenge_fields, challenge);

        if (!text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing a challenge");
        return cvm_write_file(path, text, strlen(text), 0600, err);
}

int challenge_read(const char *path, struct challenge *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = document_text(path, CHALLENGE_MAX, &text, err);

        *ret = (struct challenge){ 0 };
        return r < 0 ? r : cvm_json_read_text(text, strlen(text), path, challenge_fields, ret, err);
}

int bundle_binding_digest(const struct bundle *bundle, uint8_t ret[CVM_SHA384_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        int r = 0;

        if (bundle->binding)
                r = cvm_envelope_peek(bundle->binding, strlen(bundle->binding), CVM_ENVELOPE_BINDING,
                                      &payload, err);
        if (r >= 0)
                cvm_sha384(payload.data ? (void *)payload.data : (void *)"", payload.size, ret);
        return r;
}

int document_accepted(const char *path, EVP_PKEY *key, const struct bundle *bundle, struct verdict *ret,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t keyset[CVM_SHA384_SIZE], binding[CVM_SHA384_SIZE];
        int r = document_text(path, CVM_ENVELOPE_MAX, &text, err);

        if (r >= 0)
                r = cvm_envelope_open(text, strlen(text), CVM_ENVELOPE_VERDICT, key, &payload, NULL, err);
        if (r >= 0)
                r = verdict_read(payload.data, payload.size, ret, err);
        if (r >= 0)
                r = bundle_binding_digest(bundle, binding, err);
        if (r < 0)
                return cvm_while(err, r, "the verdict '%s'", path);
        if (ret->result != VERDICT_ACCEPTED)
                return cvm_fail(err, &CVM_CODE_VERDICT_MISSING, EACCES, "the verdict '%s' says: %s", path,
                                verdict_result_texts[ret->result]);
        cvm_keyset_digest(&bundle->keyset, keyset);
        if (memcmp(keyset, ret->keyset, sizeof keyset) != 0 ||
            memcmp(binding, ret->binding, sizeof binding) != 0)
                return cvm_fail(err, &CVM_CODE_VERDICT_OTHER_BOOT, EACCES,
                                "the verdict '%s' is about another boot or binding than the bundle", path);
        return 0;
}
