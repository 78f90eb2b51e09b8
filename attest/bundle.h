/*
 * The bundle (trust protocol, section 3): one JSON document with the evidence and all that is needed to
 * check it elsewhere. What is the host's word in it (boot id, agent version, head of the audit chain) is
 * marked so.
 */
#pragma once

#include "attest/binding.h"
#include "attest/formula.h"

#define BUNDLE_REVOCATIONS_MAX 32
#define BUNDLE_REVOCATION_MAX (64u << 10)
#define BUNDLE_EVENT_LOG_MAX (256u << 10)

struct bundle {
        uint32_t version; /* 1 */
        int platform;     /* enum cvm_platform_id */
        bool simulated;
        char *uuid; /* the host's word */
        uint32_t suite;
        struct cvm_bytes report;
        struct cvm_bytes *certificates; /* DER, owned array */
        size_t n_certificates;
        struct cvm_bytes *revocations; /* what the maker publishes, as it came; owned array */
        size_t n_revocations;
        struct cvm_bytes event_log; /* what was extended into the report's registers; empty: not given */
        uint8_t nonce[CVM_NONCE_SIZE];
        struct cvm_keyset keyset;
        char *binding;          /* envelope; NULL when unowned */
        struct cvm_bytes owner; /* SPKI beside the binding */
        uint64_t generation;
        char *boot_id, *agent; /* the host's word */
        uint8_t chain_head[32];
        bool has_chain_head; /* the host's word */
};

void bundle_done(struct bundle *bundle);
int bundle_read(const void *text, size_t size, const char *document, struct bundle *ret,
                struct cvm_error *err);
char *bundle_write(const struct bundle *bundle);
/* SHA-384 of the report bytes: how verdicts and approvals name this evidence. */
void bundle_evidence_digest(const struct bundle *bundle, uint8_t ret[CVM_SHA384_SIZE]);
