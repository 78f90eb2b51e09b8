/*
 * The host's audit chain (host's word): one line of JSON per request and per transition, each hashed with
 * the hash of the one before, the head signed by the record key. A chain that was rewritten does not lead to
 * a head that an owner has kept.
 */
#pragma once

#include "attest/signed.h"

struct audit_row {
        uint64_t seq;                  /* 1 is the first */
        uint64_t time;                 /* UTC milliseconds */
        char *kind;                    /* "request" or "transition" */
        char *actor;                   /* "uid 1000", "cvmd" */
        char *object;                  /* a VM's uuid, or "manager" */
        char *what;                    /* method, or "state running", "trust verified" */
        char *outcome;                 /* "ok" or a code */
        uint8_t prev[CVM_SHA256_SIZE]; /* hash of the row before; zeros for the first */
};

extern const struct cvm_json_field audit_row_fields[];
void audit_row_done(struct audit_row *row);

/* hash = SHA-256("cvmd-audit-v1\0" || prev || exact bytes of the row) */
void audit_hash(const uint8_t prev[CVM_SHA256_SIZE], const char *row, size_t size,
                uint8_t ret[CVM_SHA256_SIZE]);

/* Payload of the signed object "head". */
struct audit_head {
        uint64_t seq;
        uint8_t hash[CVM_SHA256_SIZE];
        uint64_t time;
};
extern const struct cvm_json_field audit_head_fields[];

/*
 * Verify an exported chain: rows line by line, then the signed head as last line. key: the record key's
 * public half, NULL: the signature is not checked. since (may be NULL): a head hash that the chain must pass
 * through. ret: the verified head. CVM_CODE_AUDIT names the row where it breaks; CVM_CODE_AUDIT_SINCE: the
 * chain was rewritten.
 */
int audit_verify(const char *text, size_t size, EVP_PKEY *key, const uint8_t since[CVM_SHA256_SIZE],
                 struct audit_head *ret, struct cvm_error *err);
