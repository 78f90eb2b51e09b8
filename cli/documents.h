/* Files of the owner's side, read with their caps: policies, bundles, challenges, verdicts. */
#pragma once

#include "attest/policy.h"
#include "cli/command.h"

#define POLICY_MAX (1u << 20)
#define BUNDLE_MAX (4u << 20)

/* A whole file as text, owned; a NUL in it is refused. */
int document_text(const char *path, size_t max, char **ret, struct cvm_error *err);

/* A policy: plain JSON, or an envelope that must then be signed by `owner` (CVM_CODE_KEY where that is
 * NULL). */
int document_policy(const char *path, EVP_PKEY *owner, struct policy **ret, struct cvm_error *err);
/* The same, its exact payload bytes, not read yet. unchecked: without owner a signed one is only opened, to
 * be shown. */
int document_policy_payload(const char *path, EVP_PKEY *owner, bool unchecked, struct cvm_bytes *ret,
                            struct cvm_error *err);
int document_bundle(const char *path, struct bundle *ret, struct cvm_error *err);

/* SHA-256 of the SubjectPublicKeyInfo of a root's certificate in PEM: how roots are named. A file with
 * several (a simulation root has one for each technology) must have that of the platform among them.
 * CVM_CODE_KEY. */
int document_root(const char *path, int platform, uint8_t ret[CVM_SHA256_SIZE], struct cvm_error *err);

#define CHALLENGE_HOSTS_MAX 95

/*
 * A challenge remembers whether it has served: a nonce serves once. Where the evidence answers a request
 * that only the platform opens, it holds what the owner must keep of that: its class, root and hosts are
 * those of the documents that the request was made for.
 */
struct challenge {
        uint8_t nonce[CVM_NONCE_SIZE];
        uint64_t made, used; /* UTC milliseconds; used 0: not yet */
        bool is_used;
        bool has_request, has_platform, has_key, has_class, has_root;
        uint8_t request[CVM_SHA256_SIZE]; /* SHA-256 of its bytes */
        int platform;                     /* enum cvm_platform_id */
        uint8_t key[32];                  /* that opens it: wipe it (challenge_wipe) */
        int class_;                       /* enum cvm_class */
        uint8_t root[CVM_SHA256_SIZE];
        uint8_t hosts[CHALLENGE_HOSTS_MAX][CVM_SHA256_SIZE];
        size_t n_hosts;
};
void challenge_wipe(struct challenge *challenge);
void challenge_make(struct challenge *ret);
int challenge_write(const char *path, const struct challenge *challenge, struct cvm_error *err);
int challenge_read(const char *path, struct challenge *ret, struct cvm_error *err);
/* Mark it as used, in the file itself and under a lock: of any number of readers one succeeds, once.
 * CVM_CODE_NONCE when it has served meanwhile. */
int challenge_spend(const char *path, struct cvm_error *err);
/* Exactly one of the options --challenge FILE and --nonce HEX; whether it has served is the caller's to ask.
 */
int challenge_find(const struct arguments *arguments, struct challenge *ret, struct cvm_error *err);

/*
 * A verdict signed by this key, accepted, about this very evidence: its VM, boot, binding and generation.
 * What sealing and approving need. CVM_CODE_VERDICT_MISSING, CVM_CODE_SIGNATURE,
 * CVM_CODE_VERDICT_OTHER_BOOT, CVM_CODE_VERDICT_VM; CVM_CODE_UNOWNED where the guest has no owner;
 * CVM_CODE_CLASS_* where the bundle calls itself another class than the verdict.
 */
int document_accepted(const char *path, EVP_PKEY *key, const struct bundle *bundle, struct verdict *ret,
                      struct cvm_error *err);
/* SHA-384 of the bundle's binding payload, of the empty string when unowned. */
int bundle_binding_digest(const struct bundle *bundle, uint8_t ret[CVM_SHA384_SIZE], struct cvm_error *err);
