#include "attest/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CERTIFICATES_MAX 16
#define CERTIFICATE_MAX (16u << 10)

static int read_blob(const struct cvm_json *place, size_t max, struct cvm_bytes *ret,
                     struct cvm_error *err) {
        const char *text;
        int r = cvm_json_text_at(place, (max + 2) / 3 * 4, &text, err);

        if (r < 0)
                return r;
        r = cvm_unbase64(text, ret);
        return r < 0 ? cvm_json_refuse(place, err, "must be standard base64") : 0;
}

static int read_blobs(const struct cvm_json *place, size_t n_max, size_t max, struct cvm_bytes **items,
                      size_t *n, struct cvm_error *err) {
        size_t length;
        int r = cvm_json_array(place, n_max, &length, err);

        if (r < 0)
                return r;
        *items = calloc(length + 1, sizeof **items);
        if (!*items)
                return -ENOMEM;
        for (; r >= 0 && *n < length; *n += r >= 0) {
                struct cvm_json at = cvm_json_element(place, *n);

                r = read_blob(&at, max, &(*items)[*n], err);
        }
        return r;
}

static json_object *write_blobs(const struct cvm_bytes *items, size_t n) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < n; i++) {
                CVM_CLEANUP(cvm_freep) char *text = cvm_base64(items[i].data, items[i].size);

                json_object_array_add(list, text ? json_object_new_string(text) : NULL);
        }
        return list;
}

/* Two members of the struct each: these functions take the whole bundle. */
static int read_certificates(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct bundle *b = member;

        return read_blobs(place, CERTIFICATES_MAX, CERTIFICATE_MAX, &b->certificates, &b->n_certificates,
                          err);
}

static json_object *write_certificates(const void *member) {
        const struct bundle *b = member;

        return write_blobs(b->certificates, b->n_certificates);
}

static int read_revocations(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct bundle *b = member;

        return read_blobs(place, BUNDLE_REVOCATIONS_MAX, BUNDLE_REVOCATION_MAX, &b->revocations,
                          &b->n_revocations, err);
}

static json_object *write_revocations(const void *member) {
        const struct bundle *b = member;

        return b->n_revocations ? write_blobs(b->revocations, b->n_revocations) : NULL;
}

static int read_spki(const struct cvm_json *place, void *member, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        const char *text;
        int r = cvm_json_text_at(place, 64, &text, err);

        if (r < 0 || cvm_unbase64(text, &bytes) < 0 || bytes.size != CVM_SPKI_SIZE)
                return cvm_json_refuse(place, err, "must be a public key of %d bytes in base64",
                                       CVM_SPKI_SIZE);
        memcpy(member, bytes.data, CVM_SPKI_SIZE);
        return 0;
}

static json_object *write_spki(const void *member) {
        CVM_CLEANUP(cvm_freep) char *text = cvm_base64(member, CVM_SPKI_SIZE);

        return text ? json_object_new_string(text) : NULL;
}

static const struct cvm_json_field keyset_fields[] = {
        { "kem", CVM_JSON_CUSTOM, .required = true, .offset = offsetof(struct cvm_keyset, kem),
          .read = read_spki, .write = write_spki },
        { "sig", CVM_JSON_CUSTOM, .required = true, .offset = offsetof(struct cvm_keyset, sig),
          .read = read_spki, .write = write_spki },
        { 0 },
};

static int read_keyset(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return cvm_json_read(place, keyset_fields, member, err);
}

static json_object *write_keyset(const void *member) {
        return cvm_json_write(keyset_fields, member);
}

#define AT(member) .offset = offsetof(struct bundle, member)

/* "host" is in the names of what only the host says. */
static const struct cvm_json_field bundle_fields[] = {
        { "version", CVM_JSON_U32, .required = true, AT(version), .min = 1, .max = 1 },
        { "platform", CVM_JSON_CHOICE, .required = true, AT(platform), .choices = cvm_platform_texts },
        { "simulated", CVM_JSON_BOOL, .required = true, AT(simulated) },
        { "uuid", CVM_JSON_TEXT, .required = true, AT(uuid), .max = CVM_UUID_TEXT - 1,
          .check = cvm_uuid_is_valid, .expected = "a lower-case uuid" },
        { "suite", CVM_JSON_U32, .required = true, AT(suite), .min = 1, .max = 255 },
        { "report", CVM_JSON_BASE64, .required = true, AT(report), .max = 64u << 10 },
        { "certificates", CVM_JSON_CUSTOM, .required = true, .offset = 0, .read = read_certificates,
          .write = write_certificates },
        { "event_log", CVM_JSON_BASE64, AT(event_log), .max = BUNDLE_EVENT_LOG_MAX },
        { "nonce", CVM_JSON_HEX, .required = true, AT(nonce), .size = CVM_NONCE_SIZE },
        { "keyset", CVM_JSON_CUSTOM, .required = true, AT(keyset), .read = read_keyset,
          .write = write_keyset },
        { "binding", CVM_JSON_TEXT, AT(binding), .max = CVM_ENVELOPE_MAX },
        { "owner", CVM_JSON_BASE64, AT(owner), .max = CVM_SPKI_SIZE },
        { "generation", CVM_JSON_U64, .required = true, AT(generation) },
        { "revocations", CVM_JSON_CUSTOM, .offset = 0, .read = read_revocations,
          .write = write_revocations },
        { "host_boot_id", CVM_JSON_TEXT, AT(boot_id), .max = 64 },
        { "host_agent", CVM_JSON_TEXT, AT(agent), .max = 128 },
        { "host_chain_head", CVM_JSON_HEX, AT(chain_head), .size = 32,
          .has_offset = offsetof(struct bundle, has_chain_head) },
        { 0 },
};

void bundle_done(struct bundle *bundle) {
        free(bundle->uuid);
        cvm_bytes_done(&bundle->report);
        for (size_t i = 0; i < bundle->n_certificates; i++)
                cvm_bytes_done(&bundle->certificates[i]);
        free(bundle->certificates);
        for (size_t i = 0; i < bundle->n_revocations; i++)
                cvm_bytes_done(&bundle->revocations[i]);
        free(bundle->revocations);
        cvm_bytes_done(&bundle->event_log);
        free(bundle->binding);
        cvm_bytes_done(&bundle->owner);
        free(bundle->boot_id);
        free(bundle->agent);
        *bundle = (struct bundle){ 0 };
}

int bundle_read(const void *text, size_t size, const char *document, struct bundle *ret,
                struct cvm_error *err) {
        CVM_CLEANUP(bundle_done) struct bundle b = { 0 };
        int r = cvm_json_read_text(text, size, document, bundle_fields, &b, err);

        if (r < 0)
                return r;
        *ret = b;
        b = (struct bundle){ 0 };
        return 0;
}

char *bundle_write(const struct bundle *bundle) {
        return cvm_json_write_text(bundle_fields, bundle);
}

void bundle_evidence_digest(const struct bundle *bundle, uint8_t ret[CVM_SHA384_SIZE]) {
        cvm_sha384(bundle->report.data, bundle->report.size, ret);
}
