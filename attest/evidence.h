/*
 * Evidence of any technology: bytes in, authenticated claims out. One const table, one line per technology;
 * the appraisal (attest/appraise.c) knows only what stands here.
 */
#pragma once

#include "attest/bundle.h"

#define EVIDENCE_COMPONENTS_MAX 16
#define EVIDENCE_TCBS_MAX 4
#define EVIDENCE_FLAGS_MAX 32

/* The firmware's versions, by component; a component that the product does not have has no name. */
struct evidence_tcb {
        const char *name; /* which of them: "reported", "current", ... */
        uint32_t values[EVIDENCE_COMPONENTS_MAX];
};

/* What authenticated evidence says. Texts are static. */
struct evidence_claims {
        uint8_t measurement[CVM_SHA384_SIZE];
        uint8_t host_data[CVM_SHA384_SIZE];
        size_t host_data_size; /* 32: SHA-256 of the binding, 48: SHA-384 */
        uint8_t report_data[CVM_REPORT_DATA_SIZE];
        bool by_host;    /* the host asked for it, not the guest */
        uint32_t level;  /* privilege level inside the guest; 0 is the highest */
        bool debug;      /* the host may read the guest's memory */
        bool migratable; /* an agent may take it elsewhere */
        uint32_t guest_svn;
        char host_id[129]; /* lower-case hex */
        bool host_masked;  /* the host hides it */
        const char *product;
        const char *components[EVIDENCE_COMPONENTS_MAX]; /* NULL: reserved */
        struct evidence_tcb tcbs[EVIDENCE_TCBS_MAX];
        size_t n_tcbs;
        const char *set[EVIDENCE_FLAGS_MAX]; /* names of the policy and platform bits that are on */
        size_t n_set;
};

/* Where authenticated evidence comes from; whether that root is accepted, the appraisal decides. */
struct evidence_origin {
        int class_;                    /* enum cvm_class */
        uint8_t root[CVM_SHA256_SIZE]; /* SHA-256 of the root's SubjectPublicKeyInfo */
        bool root_is_built_in;
};

struct evidence; /* each technology's own, parsed */

struct evidence_ops {
        int platform; /* enum cvm_platform_id */

        /* Report and certificates of a bundle, owned; nothing is believed yet. CVM_CODE_REPORT_FORMAT. */
        int (*parse)(const struct bundle *bundle, struct evidence **ret, struct cvm_error *err);
        struct evidence *(*free)(struct evidence *evidence);

        /* Chain and signature at that time (UTC milliseconds). CVM_CODE_REPORT_* and CVM_CODE_CHAIN_MISSING.
         */
        int (*authenticate)(struct evidence *evidence, uint64_t now_msec, struct evidence_origin *ret,
                            struct cvm_error *err);

        /*
         * Only after authenticate() said 0: what the bundle's revocation lists say of its certificates; one
         * of them must be for them. ret_made: since when the newest that is theirs is valid, UTC
         * milliseconds, also where it revokes; 0: none. CVM_CODE_REVOKED, CVM_CODE_CRL, CVM_CODE_CRL_STALE.
         */
        int (*check_revoked)(const struct evidence *evidence, uint64_t now_msec, uint64_t *ret_made,
                             struct cvm_error *err);

        /* Measurement, host data and report_data, nothing else: for the guest itself, which has the report
         * from its own platform and not from somebody who may lie, and to explain what nobody believes yet.
         */
        void (*own)(const struct evidence *evidence, struct evidence_claims *ret);

        /* Only after authenticate() said 0. */
        void (*claims)(const struct evidence *evidence, struct evidence_claims *ret);

        /* Whether `set` may ever have that name. */
        bool (*flag_is_known)(const char *name);

        /* The certificates and revocation lists in what the guest got with its report; owned, appended to
         * the bundle's. */
        int (*certificates)(const void *table, size_t size, struct bundle *bundle, struct cvm_error *err);
};

/* NULL: evidence of that platform cannot be checked by this version. */
const struct evidence_ops *evidence_ops_find(int platform);

/* One more certificate, copied, DER or PEM (one or several); CVM_CODE_REPORT_CHAIN. */
int evidence_add_certificate(struct bundle *bundle, const void *data, size_t size, struct cvm_error *err);

/* One more revocation list, copied as it came; CVM_CODE_CRL: too large, or too many. */
int evidence_add_revocation(struct bundle *bundle, const void *data, size_t size, struct cvm_error *err);

/* The platform's certificate table (struct msg_evidence) into the bundle; an empty one adds nothing. */
int evidence_add_table(struct bundle *bundle, const void *table, size_t size, struct cvm_error *err);
