/*
 * The policy (trust protocol, section 4): what the owner accepts. JSON, man page cvm-policy(5). A policy is
 * for hardware or for simulation, never for both. Everything it does not constrain has to be opened by name.
 */
#pragma once

#include "attest/bundle.h"
#include "attest/chain-cache.h"
#include "attest/verdict.h"

struct evidence_claims;
struct evidence_kept;
struct policy;

struct policy *policy_free(struct policy *policy);
CVM_DEFINE_CLEANUP(struct policy, policy_free);

/* From payload bytes (signed or not: the caller opens the envelope). */
int policy_read(const void *payload, size_t size, const char *document, struct policy **ret,
                struct cvm_error *err);

/* SHA-256 of the SPKI of the simulation root that it names, borrowed; NULL: class hardware. */
const uint8_t *policy_simulation_root(const struct policy *policy);

#define POLICY_REGISTERS_MAX 4

/* What a register beside the launch's digest must hold. */
struct policy_register {
        char name[16];
        uint8_t value[CVM_SHA384_SIZE];
        bool is_unverified; /* learnt from a guest: nobody verified what its host wrote into it */
};

/* What `policy make` starts from: a prediction and what the owner knows. All borrowed. */
struct policy_inputs {
        int platform, class_;
        const uint8_t *measurement;              /* 48 bytes */
        const struct policy_register *registers; /* that go with it */
        size_t n_registers;
        struct verdict_covers covers; /* of that prediction */
        const uint8_t *binding;       /* digest of the payload, 48 bytes; NULL: a guest without owner */
        const char *const *hosts;     /* chip ids in hex, or one "any"; NULL: field is left out and must be
                                         edited */
        const char *min_tcb; /* JSON as in the policy: {"Milan":{"snp":24}} or "any" with its quotes;
                                NULL: "any" when simulated, else left out and must be edited */
        const uint8_t *simulation_root; /* SHA-256 of the root's SPKI, 32 bytes; class simulated only */
        const uint8_t *maker_root;      /* the same; class hardware, where no root is built in */
        bool debug;
        uint64_t serial;
};
/* The payload bytes of a new policy, pretty-printed for people; owned. */
int policy_make(const struct policy_inputs *inputs, char **ret, struct cvm_error *err);

/* What the verifier brings that stands in neither bundle nor policy. */
struct appraisal {
        uint8_t nonce[CVM_NONCE_SIZE]; /* the one that was sent */
        uint64_t now_msec;
        const uint8_t *owner_spki; /* own key, 44 bytes; NULL: policy says unowned is fine */
        /* The newest that was seen before of what this evidence is checked with: an older one is a replay.
         */
        struct published seen[PUBLISHED_MAX];
        struct chain_cache *chains;       /* borrowed, filled here; NULL: each chain is verified anew */
        const struct evidence_kept *kept; /* of the request that the evidence answers; NULL: nothing */
        const uint8_t *secret_store; /* CVM_SHA512_SIZE: what the platform's own store must hold; NULL: any
                                      */
};

/*
 * Appraise a bundle: chain, signature, report_data, measurement, binding, TCB, debug, hosts, class. Returns
 * 0 with a verdict of any result; negative only when the appraisal itself could not be carried out (memory).
 * The bundle's revocation lists are heeded whoever brought them: they are signed.
 */
int policy_appraise(const struct policy *policy, const struct bundle *bundle,
                    const struct appraisal *appraisal, struct verdict *ret, struct cvm_error *err);

/*
 * What the platform is like against the policy (NULL: the technology's own rules alone): unusual features,
 * and the maker's word on its TCB, where only what is current is accepted unless the policy names more.
 * Reasons and remarks go into the verdict. For reports without a bundle.
 */
void policy_judge_platform(const struct policy *policy, const struct evidence_claims *claims,
                           bool has_collateral, struct verdict *verdict);
