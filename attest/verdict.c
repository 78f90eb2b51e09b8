#include "attest/verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

const char *const verdict_result_texts[] = { "accepted", "refused", "could-not-check", NULL };
const char *const cvm_covered_root_texts[] = { "none", "verity", "owner-keyed, replay not detected", NULL };

#define COVERS(member) .required = true, .offset = offsetof(struct verdict_covers, member)

static const struct cvm_json_field covers_fields[] = {
        { "firmware", CVM_JSON_BOOL, COVERS(firmware) },
        { "kernel", CVM_JSON_BOOL, COVERS(kernel) },
        { "initrd", CVM_JSON_BOOL, COVERS(initrd) },
        { "cmdline", CVM_JSON_BOOL, COVERS(cmdline) },
        { "acpi", CVM_JSON_BOOL, COVERS(acpi) },
        { "root", CVM_JSON_CHOICE, COVERS(root), .choices = cvm_covered_root_texts },
        { 0 },
};

int verdict_covers_read(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return cvm_json_read(place, covers_fields, member, err);
}

json_object *verdict_covers_write(const void *member) {
        return cvm_json_write(covers_fields, member);
}

struct reason_text { /* of one element of `reasons` */
        char *code, *text;
};

static const struct cvm_json_field reason_fields[] = {
        { "code", CVM_JSON_TEXT, .required = true, .offset = offsetof(struct reason_text, code), .max = 64 },
        { "text", CVM_JSON_TEXT, .required = true, .offset = offsetof(struct reason_text, text),
          .max = sizeof((struct verdict_reason *)NULL)->text - 1 },
        { 0 },
};

static void reason_text_done(struct reason_text *reason) {
        free(reason->code);
        free(reason->text);
}

static int read_reason(const struct cvm_json *place, struct verdict_reason *ret, struct cvm_error *err) {
        CVM_CLEANUP(reason_text_done) struct reason_text reason = { 0 };
        int r = cvm_json_read(place, reason_fields, &reason, err);

        if (r < 0)
                return r;
        ret->code = cvm_code_find(reason.code);
        if (!ret->code)
                return cvm_json_refuse(place, err, "has a code that this version does not know: '%s'",
                                       reason.code);
        snprintf(ret->text, sizeof ret->text, "%s", reason.text);
        return 0;
}

/* An array and its length: both functions take the whole verdict. */
static int read_reasons(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct verdict *v = member;
        int r = cvm_json_array(place, VERDICT_REASONS_MAX, &v->n_reasons, err);

        for (size_t i = 0; r >= 0 && i < v->n_reasons; i++) {
                struct cvm_json at = cvm_json_element(place, i);

                r = read_reason(&at, &v->reasons[i], err);
        }
        return r;
}

json_object *verdict_reasons_write(const void *member) {
        const struct verdict *v = member;
        json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < v->n_reasons; i++) {
                const struct reason_text reason = { (char *)v->reasons[i].code->id,
                                                    (char *)v->reasons[i].text };

                json_object_array_add(list, cvm_json_write(reason_fields, &reason));
        }
        return list;
}

struct versioned { /* the document: what the struct of the header does not keep */
        uint32_t version;
        struct verdict verdict;
};

#define AT(member) .required = true, .offset = offsetof(struct versioned, verdict.member)

static const struct cvm_json_field verdict_fields[] = {
        { "version", CVM_JSON_U32, .required = true, .offset = offsetof(struct versioned, version), .min = 1,
          .max = 1 },
        { "result", CVM_JSON_CHOICE, AT(result), .choices = verdict_result_texts },
        { "class", CVM_JSON_CHOICE, AT(class_), .choices = cvm_class_texts },
        { "covers", CVM_JSON_CUSTOM, AT(covers), .read = verdict_covers_read,
          .write = verdict_covers_write },
        { "reasons", CVM_JSON_CUSTOM, .required = true, .offset = offsetof(struct versioned, verdict),
          .read = read_reasons, .write = verdict_reasons_write },
        { "uuid", CVM_JSON_TEXT, AT(uuid), .max = CVM_UUID_TEXT - 1, .check = cvm_uuid_is_valid,
          .expected = "a lower-case uuid" },
        { "keyset", CVM_JSON_HEX, AT(keyset), .size = CVM_SHA384_SIZE },
        { "binding", CVM_JSON_HEX, AT(binding), .size = CVM_SHA384_SIZE },
        { "generation", CVM_JSON_U64, AT(generation) },
        { "nonce", CVM_JSON_HEX, AT(nonce), .size = CVM_NONCE_SIZE },
        { "evidence", CVM_JSON_HEX, AT(evidence), .size = CVM_SHA384_SIZE },
        { "policy", CVM_JSON_HEX, AT(policy), .size = CVM_SHA384_SIZE },
        { "image", CVM_JSON_HEX, .offset = offsetof(struct versioned, verdict.image),
          .has_offset = offsetof(struct versioned, verdict.has_image), .size = CVM_SHA384_SIZE },
        { "time", CVM_JSON_CUSTOM, AT(time), .read = cvm_json_read_time, .write = cvm_json_write_time },
        { 0 },
};

static int worse(int result, const struct cvm_code *code) {
        if (code->fault == CVM_FAULT_EVIDENCE_NO)
                return VERDICT_REFUSED;
        if (code->fault == CVM_FAULT_EVIDENCE_UNKNOWN && result == VERDICT_ACCEPTED)
                return VERDICT_UNKNOWN;
        return result;
}

void verdict_add(struct verdict *verdict, const struct cvm_code *code, const char *format, ...) {
        struct verdict_reason *reason;
        va_list args;

        verdict->result = worse(verdict->result, code);
        if (verdict->n_reasons == VERDICT_REASONS_MAX)
                return;
        reason = &verdict->reasons[verdict->n_reasons++];
        reason->code = code;
        va_start(args, format);
        vsnprintf(reason->text, sizeof reason->text, format, args);
        va_end(args);
        cvm_text_clean(reason->text, strlen(reason->text), false);
}

void verdict_done(struct verdict *verdict) {
        free(verdict->uuid);
        *verdict = (struct verdict){ 0 };
}

char *verdict_write(const struct verdict *verdict) {
        const struct versioned v = { 1, *verdict };

        return cvm_json_write_text(verdict_fields, &v);
}

/* A verdict that calls itself better than its own reasons do was not made by us: nobody acts on it. */
static int check_result(const struct verdict *verdict, struct cvm_error *err) {
        int result = verdict->result;

        for (size_t i = 0; i < verdict->n_reasons; i++)
                result = worse(result, verdict->reasons[i].code);
        return result == verdict->result
                               ? 0
                               : cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                          "'result' in 'verdict' is '%s', but its reasons say '%s'",
                                          verdict_result_texts[verdict->result],
                                          verdict_result_texts[result]);
}

int verdict_read(const void *payload, size_t size, struct verdict *ret, struct cvm_error *err) {
        struct versioned v = { 0 };
        int r = cvm_json_read_text(payload, size, "verdict", verdict_fields, &v, err);

        if (r >= 0)
                r = check_result(&v.verdict, err);
        if (r < 0)
                verdict_done(&v.verdict);
        else
                *ret = v.verdict;
        return r;
}
