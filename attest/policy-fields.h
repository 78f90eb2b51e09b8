/* The policy as a struct, for those parts of attest/ that read, write and apply it. */
#pragma once

#include "attest/policy.h"

#define POLICY_MEASUREMENTS_MAX 256
#define POLICY_MINIMUMS_MAX 64
#define POLICY_STATUSES_MAX 16

/* A launch's digest and, where the technology has them, its registers by name: one set. */
struct policy_measurement {
        uint8_t digest[CVM_SHA384_SIZE];
        struct policy_register registers[POLICY_REGISTERS_MAX];
        size_t n_registers;
};

struct policy_status { /* a word of the maker's on a TCB that is accepted, if it is of that date or later */
        char name[64];
        uint64_t min_date; /* UTC milliseconds; 0: any */
};

/* A constrained field, or "any" written out. */
struct policy_binding {
        bool given;  /* false: the policy is for guests without owner */
        bool pinned; /* by digest; otherwise by the fields below */
        uint8_t digest[CVM_SHA384_SIZE];
        bool any_uuid, any_root, any_service, any_approval, any_serial;
        char *uuid;
        int root;
        uint8_t root_digest[CVM_SHA384_SIZE];
        uint8_t service_id[CVM_SHA384_SIZE];
        bool has_root_digest, has_service, approval;
        uint64_t min_serial;
};

struct policy_minimum { /* one component of one product's firmware */
        char *product, *component;
        uint32_t value;
};

struct policy_tcb {
        bool given, any;
        struct policy_minimum *minimums; /* owned */
        size_t n_minimums;
};

struct policy_hosts {
        bool any;
        char **ids; /* owned list; NULL and not any: the field was left out */
};

struct policy_bits { /* names of evidence_ops; allow: of the claims' unusual ones */
        char **set, **clear, **allow;
};

/* What a migration agent asks of it; kept, and applied there. */
struct policy_migration {
        char **modes, **agents;
        struct policy_hosts hosts;
        uint32_t min_agent_svn, max_moves, max_moves_per_day;
        bool platform_change, has_max_moves, has_max_moves_per_day, has_not_before, has_not_after;
        uint64_t not_before, not_after;
};

struct policy {
        uint32_t version; /* 1 */
        uint64_t serial;
        int class_; /* enum cvm_class */
        bool platforms[CVM_PLATFORM_MAX_];
        struct policy_measurement *measurements; /* owned */
        size_t n_measurements;
        struct verdict_covers
                        covers; /* what these measurements cover, and the root that a guest must have */
        char **gaps;            /* parts of covers that may be missing */
        struct policy_binding binding;
        bool unowned;
        uint8_t simulation_root[CVM_SHA256_SIZE];
        bool has_simulation_root;
        uint8_t maker_root[CVM_SHA256_SIZE]; /* where none is built in */
        bool has_maker_root;
        struct policy_hosts hosts;
        struct policy_tcb min_tcb;
        struct policy_status *statuses; /* owned; none: only what is current */
        size_t n_statuses;
        uint32_t min_tcb_evaluation;
        bool debug;
        uint32_t min_guest_svn;
        struct policy_bits bits;
        bool takeover;
        uint32_t collateral_max_age; /* seconds */
        bool has_collateral_max_age;
        struct policy_migration migration;
        bool has_migration;
        uint8_t digest[CVM_SHA384_SIZE]; /* of the payload */
};

extern const struct cvm_json_field policy_fields[];

/* Frees what the struct owns, not the struct. */
void policy_done(struct policy *policy);
