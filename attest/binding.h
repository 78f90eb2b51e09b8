/*
 * The binding (trust protocol, section 2): the small document that the owner signs and whose digest stands
 * in the hardware's host data. In every formula `binding` means the exact payload bytes.
 */
#pragma once

#include "attest/envelope.h"
#include "base/json.h"
#include "base/names.h"

enum cvm_root { CVM_ROOT_NONE, CVM_ROOT_LUKS, CVM_ROOT_VERITY };
enum cvm_class { CVM_CLASS_HARDWARE, CVM_CLASS_SIMULATED };
extern const char *const cvm_root_texts[];  /* "none", "luks", "verity", NULL */
extern const char *const cvm_class_texts[]; /* "hardware", "simulated", NULL */

struct binding {
        uint32_t version; /* 1 */
        uint64_t serial;  /* raised with each new binding of that uuid */
        char *uuid;
        int platform; /* enum cvm_platform_id */
        int class_;   /* enum cvm_class; "class" in JSON */
        uint8_t owner_id[CVM_SHA384_SIZE];
        int root;                             /* enum cvm_root */
        uint8_t root_digest[CVM_SHA384_SIZE]; /* luks: SHA-384 of the header; verity: root hash, 32 bytes,
                                                 then zeros */
        bool has_root_digest;
        char **required_secrets; /* owned list, may be empty */
        uint8_t service_id[CVM_SHA384_SIZE];
        bool has_service; /* false: null in JSON */
        bool approval;
};

void binding_done(struct binding *binding);

/* From payload bytes: all fields required, others refused. */
int binding_read(const void *payload, size_t size, struct binding *ret, struct cvm_error *err);
/* To payload bytes: compact JSON in the order of the fields above. The bytes of a binding never change
 * between releases; tests/attest/test-binding.c keeps them. */
int binding_write(const struct binding *binding, struct cvm_bytes *ret, struct cvm_error *err);

/*
 * Open a signed binding as agent and verifier do: the envelope is signed by the key behind owner_spki and
 * binding.owner_id is that key's id (CVM_CODE_BINDING_OWNER). ret_payload is what the formulas take.
 */
int binding_open(const char *envelope, size_t size, const uint8_t owner_spki[CVM_SPKI_SIZE],
                 struct binding *ret, struct cvm_bytes *ret_payload, struct cvm_error *err);

/*
 * The root of a binding or definition: {"type":"none"}, {"type":"luks","header_digest":hex} or
 * {"type":"verity","root_hash":hex}. ret_has: there is a digest. Writing yields an owned node.
 */
int cvm_root_read(const struct cvm_json *place, int *ret_type, uint8_t ret_digest[CVM_SHA384_SIZE],
                  bool *ret_has, struct cvm_error *err);
json_object *cvm_root_write(int type, const uint8_t digest[CVM_SHA384_SIZE]);
