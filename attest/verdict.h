/*
 * The verdict (trust protocol, section 4): accepted, refused or could not check, why, and what it covers.
 * `refused` and `unknown` are different answers and never become each other.
 */
#pragma once

#include "attest/binding.h"
#include "attest/published.h"

enum verdict_result { VERDICT_ACCEPTED, VERDICT_REFUSED, VERDICT_UNKNOWN };
extern const char *const verdict_result_texts[]; /* "accepted", "refused", "could-not-check", NULL */

struct verdict_reason {
        const struct cvm_code *code;
        char text[256];
};

/* What the measurement and the disk's protection reach; words from fixed lists. */
struct verdict_covers {
        bool firmware, kernel, initrd, cmdline, acpi;
        int root; /* enum cvm_covered_root */
};
enum cvm_covered_root { CVM_COVERED_NONE, CVM_COVERED_VERITY, CVM_COVERED_OWNER_KEYED };
extern const char *const
                cvm_covered_root_texts[]; /* "none", "verity", "owner-keyed, replay not detected", NULL */

/* For fields of type CUSTOM whose member is a struct verdict_covers: all of them, as true or false, and
 * root.
 */
int verdict_covers_read(const struct cvm_json *place, void *member, struct cvm_error *err);
json_object *verdict_covers_write(const void *member);

#define VERDICT_REASONS_MAX 32

struct verdict {
        int result;
        int class_;
        struct verdict_covers covers;
        struct verdict_reason reasons[VERDICT_REASONS_MAX]; /* empty when accepted without remarks */
        size_t n_reasons;
        char *uuid;
        uint8_t keyset[CVM_SHA384_SIZE];
        uint8_t binding[CVM_SHA384_SIZE];
        uint64_t generation;
        uint8_t nonce[CVM_NONCE_SIZE];
        uint8_t evidence[CVM_SHA384_SIZE]; /* of the report bytes */
        uint8_t policy[CVM_SHA384_SIZE];   /* SHA-384 of the policy's payload bytes */
        uint8_t image[CVM_SHA384_SIZE];    /* the measurement, where the report's bytes do not have it */
        bool has_image;
        uint64_t time; /* UTC milliseconds; RFC 3339 in JSON */
        /* Not part of the document: how new what was published is, where the policy accepts its root. The
         * verifier's marks for the next time. */
        struct published published[PUBLISHED_MAX];
};

void verdict_done(struct verdict *verdict);

/* Add a reason; the result only ever worsens: accepted -> unknown -> refused. Which one follows from the
 * fault of the code: EVIDENCE_NO refuses, EVIDENCE_UNKNOWN is could not check. */
void verdict_add(struct verdict *verdict, const struct cvm_code *code, const char *format, ...)
                CVM_PRINTF(3, 4);

/* A struct verdict's reasons as [{"code","text"}], owned; also for fields of type CUSTOM. */
json_object *verdict_reasons_write(const void *member);

/* Payload of the signed object, and back. */
char *verdict_write(const struct verdict *verdict);
int verdict_read(const void *payload, size_t size, struct verdict *ret, struct cvm_error *err);
