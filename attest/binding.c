#include "attest/binding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const cvm_root_texts[] = { "none", "luks", "verity", NULL };
const char *const cvm_class_texts[] = { "hardware", "simulated", NULL };

/* {"type":"none"} | {"type":"luks","header_digest":hex} | {"type":"verity","root_hash":hex} */
struct root {
        int type;
        uint8_t header_digest[CVM_SHA384_SIZE], root_hash[CVM_SHA256_SIZE];
        bool padding, has_header_digest, has_root_hash;
};

static const struct cvm_json_field root_fields[] = {
        { "type", CVM_JSON_CHOICE, .required = true, .offset = offsetof(struct root, type),
          .choices = cvm_root_texts },
        { "header_digest", CVM_JSON_HEX, .offset = offsetof(struct root, header_digest),
          .size = CVM_SHA384_SIZE, .has_offset = offsetof(struct root, has_header_digest) },
        { "root_hash", CVM_JSON_HEX, .offset = offsetof(struct root, root_hash), .size = CVM_SHA256_SIZE,
          .has_offset = offsetof(struct root, has_root_hash) },
        { 0 },
};

int cvm_root_read(const struct cvm_json *place, int *ret_type, uint8_t ret_digest[CVM_SHA384_SIZE],
                  bool *ret_has, struct cvm_error *err) {
        struct root root = { 0 };
        int r = cvm_json_read(place, root_fields, &root, err);

        if (r < 0)
                return r;
        if (root.has_header_digest != (root.type == CVM_ROOT_LUKS))
                return cvm_json_refuse(place, err, "needs 'header_digest' for type luks, and only for that");
        if (root.has_root_hash != (root.type == CVM_ROOT_VERITY))
                return cvm_json_refuse(place, err, "needs 'root_hash' for type verity, and only for that");
        *ret_type = root.type;
        *ret_has = root.type != CVM_ROOT_NONE;
        memset(ret_digest, 0, CVM_SHA384_SIZE);
        if (root.type == CVM_ROOT_LUKS)
                memcpy(ret_digest, root.header_digest, sizeof root.header_digest);
        if (root.type == CVM_ROOT_VERITY)
                memcpy(ret_digest, root.root_hash, sizeof root.root_hash);
        return 0;
}

json_object *cvm_root_write(int type, const uint8_t digest[CVM_SHA384_SIZE]) {
        struct root root = {
                .type = type,
                .has_header_digest = type == CVM_ROOT_LUKS,
                .has_root_hash = type == CVM_ROOT_VERITY,
        };

        memcpy(root.header_digest, digest, sizeof root.header_digest);
        memcpy(root.root_hash, digest, sizeof root.root_hash);
        return cvm_json_write(root_fields, &root);
}

/* `root` is one field of the document and three members of the struct: both functions take the whole
 * binding. */
static int read_root(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct binding *b = member;

        return cvm_root_read(place, &b->root, b->root_digest, &b->has_root_digest, err);
}

static json_object *write_root(const void *member) {
        const struct binding *b = member;

        return cvm_root_write(b->root, b->root_digest);
}

static int read_secret_names(const struct cvm_json *place, void *member, struct cvm_error *err) {
        char **names;
        int r = cvm_json_read_texts(place, member, err);

        names = *(char ***)member;
        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                struct cvm_json at = cvm_json_element(place, i);

                if (!cvm_secret_name_is_valid(names[i]))
                        return cvm_json_refuse(&at, err, "is no name of a secret: '%.60s'", names[i]);
                for (size_t k = 0; k < i; k++)
                        if (strcmp(names[i], names[k]) == 0)
                                return cvm_json_refuse(&at, err, "is given twice: '%s'", names[i]);
        }
        return r;
}

#define AT(member) .required = true, .offset = offsetof(struct binding, member)

/* The order is that of the bytes: it never changes. */
static const struct cvm_json_field binding_fields[] = {
        { "version", CVM_JSON_U32, AT(version), .min = 1, .max = 1 },
        { "serial", CVM_JSON_U64, AT(serial) },
        { "uuid", CVM_JSON_TEXT, AT(uuid), .max = CVM_UUID_TEXT - 1, .check = cvm_uuid_is_valid,
          .expected = "a lower-case uuid" },
        { "platform", CVM_JSON_CHOICE, AT(platform), .choices = cvm_platform_texts },
        { "class", CVM_JSON_CHOICE, AT(class_), .choices = cvm_class_texts },
        { "owner_id", CVM_JSON_HEX, AT(owner_id), .size = CVM_SHA384_SIZE },
        { "root", CVM_JSON_CUSTOM, .required = true, .offset = 0, .read = read_root, .write = write_root },
        { "required_secrets", CVM_JSON_CUSTOM, AT(required_secrets), .read = read_secret_names,
          .write = cvm_json_write_list },
        { "service_id", CVM_JSON_HEX, AT(service_id), .nullable = true, .size = CVM_SHA384_SIZE,
          .has_offset = offsetof(struct binding, has_service) },
        { "approval", CVM_JSON_BOOL, AT(approval) },
        { 0 },
};

void binding_done(struct binding *binding) {
        free(binding->uuid);
        binding->required_secrets = cvm_texts_free(binding->required_secrets);
        *binding = (struct binding){ 0 };
}

int binding_read(const void *payload, size_t size, struct binding *ret, struct cvm_error *err) {
        CVM_CLEANUP(binding_done) struct binding b = { 0 };
        int r = cvm_json_read_text(payload, size, "binding", binding_fields, &b, err);

        if (r < 0)
                return r;
        if (b.platform == CVM_PLATFORM_NONE)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'platform' in 'binding' must name a platform");
        *ret = b;
        b = (struct binding){ 0 };
        return 0;
}

int binding_write(const struct binding *binding, struct cvm_bytes *ret, struct cvm_error *err) {
        char *text = cvm_json_write_text(binding_fields, binding);

        if (!text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing a binding");
        *ret = (struct cvm_bytes){ (uint8_t *)text, strlen(text) };
        return 0;
}

/* A payload that its schema refuses is a signed object that does not hold. */
static int read_signed(const struct cvm_bytes *payload, struct binding *ret, struct cvm_error *err) {
        struct cvm_error why = { 0 };
        int r = binding_read(payload->data, payload->size, ret, &why);

        return r < 0 ? cvm_fail_as(err, &CVM_CODE_ENVELOPE, EBADMSG, &why, r) : 0;
}

int binding_open(const char *envelope, size_t size, const uint8_t owner_spki[CVM_SPKI_SIZE],
                 struct binding *ret, struct cvm_bytes *ret_payload, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *owner = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(binding_done) struct binding b = { 0 };
        uint8_t owner_id[CVM_SHA384_SIZE];
        int r = cvm_key_from_spki(CVM_KEY_SIGN, owner_spki, CVM_SPKI_SIZE, &owner, err);

        if (r >= 0)
                r = cvm_envelope_open(envelope, size, CVM_ENVELOPE_BINDING, owner, &payload, NULL, err);
        if (r >= 0)
                r = read_signed(&payload, &b, err);
        if (r < 0)
                return cvm_while(err, r, "opening the binding");
        cvm_key_id(owner_spki, owner_id);
        if (!cvm_equal(owner_id, sizeof owner_id, b.owner_id, sizeof b.owner_id))
                return cvm_fail(err, &CVM_CODE_BINDING_OWNER, EBADMSG,
                                "the binding names another owner than the one who signed it");
        *ret = b;
        b = (struct binding){ 0 };
        *ret_payload = cvm_bytes_take(&payload);
        return 0;
}
