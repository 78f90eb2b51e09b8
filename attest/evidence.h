/*
 * Evidence of any technology: bytes in, authenticated claims out. One const table, one line per technology;
 * the appraisal (attest/appraise.c) knows only what stands here.
 */
#pragma once

#include "attest/bundle.h"
#include "attest/chain-cache.h"
#include "attest/evidence-kept.h"
#include "attest/verdict.h"

#define EVIDENCE_COMPONENTS_MAX 16
#define EVIDENCE_TCBS_MAX 4
#define EVIDENCE_FLAGS_MAX 32
#define EVIDENCE_REGISTERS_MAX 4
#define EVIDENCE_UNUSUAL_MAX 8

/* The firmware's versions, by component; a component that the product does not have has no name. */
struct evidence_tcb {
        const char *name; /* which of them: "reported", "current", ... */
        uint32_t values[EVIDENCE_COMPONENTS_MAX];
};

/* A measurement beside the launch's: what ran after the part that the launch measures. */
struct evidence_register {
        const char *name;
        uint8_t value[CVM_SHA384_SIZE];
        struct verdict_covers covers; /* what is covered only where this value is demanded too */
};

/* What the maker says of the platform's TCB, where it publishes such judgements. */
struct evidence_status {
        bool is_judged;       /* this technology has them: without one nothing is accepted */
        const char *text;     /* the maker's word: "UpToDate"; NULL: not known */
        bool is_current;      /* nothing newer is there, nothing is to be done */
        bool never;           /* no policy can accept it */
        uint64_t date;        /* of the TCB that it is about, UTC milliseconds */
        uint32_t evaluation;  /* counts the maker's judgements */
        char advisories[512]; /* "INTEL-SA-00001, ..."; "" */
        char differs[256];    /* what other verifiers make of the same; "" */
};

/* What authenticated evidence says. Texts are static. */
struct evidence_claims {
        uint8_t measurement[CVM_SHA384_SIZE];
        struct verdict_covers covers; /* what the measurement alone can cover */
        struct evidence_register registers[EVIDENCE_REGISTERS_MAX];
        size_t n_registers;
        uint8_t host_data[CVM_SHA384_SIZE];
        size_t host_data_size;          /* 32: SHA-256 of the binding, 48: SHA-384 */
        uint8_t owner[CVM_SHA384_SIZE]; /* owner_id as the host gave it at launch */
        bool has_owner;                 /* the technology has such a field */
        uint8_t report_data[CVM_REPORT_DATA_SIZE];
        bool by_host;    /* the host asked for it, not the guest */
        uint32_t level;  /* privilege level inside the guest; 0 is the highest */
        bool debug;      /* the host may read the guest's memory */
        bool migratable; /* an agent may take it elsewhere */
        uint32_t guest_svn;
        char host_id[129]; /* lower-case hex */
        bool host_masked;  /* the host hides it */
        uint8_t secret_store[CVM_SHA512_SIZE];
        bool has_secret_store; /* the platform keeps secrets itself, and says by this hash which */
        const char *product;
        const char *components[EVIDENCE_COMPONENTS_MAX]; /* NULL: reserved */
        struct evidence_tcb tcbs[EVIDENCE_TCBS_MAX];
        size_t n_tcbs;
        const char *set[EVIDENCE_FLAGS_MAX]; /* names of the policy and platform bits that are on */
        size_t n_set;
        /* What the technology's own rules want otherwise, by names that a policy may allow. */
        const char *unusual[EVIDENCE_UNUSUAL_MAX];
        size_t n_unusual;
        struct evidence_status status;
};

/* Where authenticated evidence comes from; whether that root is accepted, the appraisal decides. */
struct evidence_origin {
        int class_;                    /* enum cvm_class */
        uint8_t root[CVM_SHA256_SIZE]; /* SHA-256 of the root's SubjectPublicKeyInfo */
        bool root_is_built_in;
        bool root_is_named; /* none is built in for this technology: policies name one */
};

struct evidence; /* each technology's own, parsed */

struct evidence_ops {
        int platform;          /* enum cvm_platform_id */
        const char *root_name; /* how the common names of its roots begin, simulated ones too; NULL: any */

        /* Report and certificates of a bundle, owned; nothing is believed yet. CVM_CODE_REPORT_FORMAT. */
        int (*parse)(const struct bundle *bundle, struct evidence **ret, struct cvm_error *err);
        struct evidence *(*free)(struct evidence *evidence);

        /* Before authenticate(): take chains that held before from there, and keep them there (borrowed).
         * NULL: this technology verifies each anew. */
        void (*use_chains)(struct evidence *evidence, struct chain_cache *chains);

        /* Before authenticate(): what was kept of the request, borrowed; NULL: nothing was. The member is
         * NULL where evidence answers no request. */
        void (*use_kept)(struct evidence *evidence, const struct evidence_kept *kept);

        /* Chain and signature at that time (UTC milliseconds). CVM_CODE_REPORT_* and CVM_CODE_CHAIN_MISSING,
         * CVM_CODE_REQUEST_*. */
        int (*authenticate)(struct evidence *evidence, uint64_t now_msec, struct evidence_origin *ret,
                            struct cvm_error *err);

        /*
         * Only after authenticate() said 0: what the maker publishes and the bundle brings says of its
         * certificates and its TCB; revocation lists for them must be there. ret: how new each of it is
         * that was theirs and held, in the order in which its source (collateral/) names what is renewed.
         * CVM_CODE_REVOKED, CVM_CODE_CRL, CVM_CODE_CRL_STALE, CVM_CODE_COLLATERAL*,
         * CVM_CODE_QUOTING_ENCLAVE.
         */
        int (*check_collateral)(struct evidence *evidence, uint64_t now_msec,
                                struct published ret[PUBLISHED_MAX], struct cvm_error *err);

        /* Measurement, registers, host data and report_data, nothing else: for the guest itself, which has
         * the report from its own platform and not from somebody who may lie, and to explain what nobody
         * believes yet.
         */
        void (*own)(const struct evidence *evidence, struct evidence_claims *ret);

        /* Only after authenticate() said 0: that the bundle's event log gives the registers of the report.
         * CVM_CODE_EVENT_LOG. NULL: this technology has no registers. */
        int (*check_log)(const struct evidence *evidence, struct cvm_error *err);

        /* Only after authenticate() said 0; the status is known only after check_collateral() did. */
        void (*claims)(const struct evidence *evidence, struct evidence_claims *ret);

        /* Whether `set` may ever have that name. */
        bool (*flag_is_known)(const char *name);

        /* The certificates and what else the maker publishes, in what the guest got with its report; owned,
         * appended to the bundle's. */
        int (*certificates)(const void *table, size_t size, struct bundle *bundle, struct cvm_error *err);

        /* The platform's list of what it keeps itself, as lines, owned. CVM_CODE_AGENT_STORE. NULL: none. */
        int (*store_lines)(const void *list, size_t size, char **ret, struct cvm_error *err);
};

/* NULL: evidence of that platform cannot be checked by this version. */
const struct evidence_ops *evidence_ops_find(int platform);

/* One more certificate, copied, DER or PEM (one or several); CVM_CODE_REPORT_CHAIN. */
int evidence_add_certificate(struct bundle *bundle, const void *data, size_t size, struct cvm_error *err);

/* One more revocation list, copied as it came; CVM_CODE_CRL: too large, or too many. */
int evidence_add_revocation(struct bundle *bundle, const void *data, size_t size, struct cvm_error *err);

/* The platform's certificate table (struct msg_evidence) into the bundle; an empty one adds nothing. */
int evidence_add_table(struct bundle *bundle, const void *table, size_t size, struct cvm_error *err);
