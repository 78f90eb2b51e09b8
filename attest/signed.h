/*
 * The small signed objects of the trust protocol (section 1a): one struct, one field table each, signed and
 * opened through the same two functions. All are written as compact JSON in the order of their fields.
 */
#pragma once

#include "attest/binding.h"

struct approval { /* by the owner, for the agent */
        char *uuid;
        uint8_t keyset[CVM_SHA384_SIZE];
        uint8_t binding[CVM_SHA384_SIZE];
        uint8_t evidence[CVM_SHA384_SIZE]; /* SHA-384 of the report bytes that were verified */
        uint8_t chain_head[32];            /* of the host's audit chain, as the bundle had it; zeros: none */
};

struct start_permit { /* by the owner, for the daemon's hold */
        char *uuid;
        uint8_t binding[CVM_SHA384_SIZE];
        uint8_t start_nonce[32];
        uint64_t expiry; /* UTC milliseconds; RFC 3339 in JSON */
};

enum receipt_result { RECEIPT_INSTALLED, RECEIPT_STALE, RECEIPT_REFUSED };
extern const char *const receipt_result_texts[];

struct receipt { /* by the boot key: the guest's word */
        char *uuid;
        uint8_t keyset[CVM_SHA384_SIZE];
        uint64_t generation;
        char *name;
        char *kind;                      /* cvm_secret_kind_text() */
        uint64_t seq;                    /* stale: the last one taken */
        uint8_t secret[CVM_SHA384_SIZE]; /* digest of the signed secret */
        int result;
        uint64_t counter;
        char *words; /* the platform's, of a request for its own store; NULL: none */
};

struct bye { /* by the boot key; also MOVE */
        char *uuid;
        uint8_t keyset[CVM_SHA384_SIZE];
        uint64_t generation;
        uint8_t mid[16]; /* migration id, zeros: none */
        uint64_t counter;
};

struct recall { /* by the owner, for her service */
        char *uuid;
        uint64_t generation;
        uint8_t keyset[CVM_SHA384_SIZE];
        uint8_t mid[16];
        bool has_mid;
        char *fenced_by;
        uint64_t time; /* UTC milliseconds */
};

struct retire { /* by the owner, for the daemon */
        char *uuid;
        uint64_t generation;
        uint8_t record[CVM_SHA384_SIZE];
};

extern const struct cvm_json_field approval_fields[], start_permit_fields[], receipt_fields[], bye_fields[],
                recall_fields[], retire_fields[];

void approval_done(struct approval *o);
void start_permit_done(struct start_permit *o);
void receipt_done(struct receipt *o);
void bye_done(struct bye *o);
void recall_done(struct recall *o);
void retire_done(struct retire *o);

/* Write *object by its fields and sign it; ret is the envelope's text, owned. */
int cvm_signed_make(enum cvm_envelope_type type, const struct cvm_json_field *fields, const void *object,
                    EVP_PKEY *key, char **ret, struct cvm_error *err);
/* Check the envelope and read its payload into *object. ret_digest (may be NULL): SHA-384(PAE). */
int cvm_signed_open(const char *envelope, size_t size, enum cvm_envelope_type type,
                    const struct cvm_json_field *fields, EVP_PKEY *key, void *object,
                    uint8_t ret_digest[CVM_SHA384_SIZE], struct cvm_error *err);
/* The same without checking who signed: only for forwarding and for showing, never for deciding. */
int cvm_signed_peek(const char *envelope, size_t size, enum cvm_envelope_type type,
                    const struct cvm_json_field *fields, void *object, struct cvm_error *err);
