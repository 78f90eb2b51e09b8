/*
 * Collateral: what verification needs beside the evidence, as the maker of the hardware publishes it. Each
 * object has a name that says whose it is (chip, TCB, product), and is believed only when it verifies to a
 * root: the maker's, pinned in the program, or a simulation's that the caller names. One const table, one
 * line for each technology; nothing else in this layer knows one.
 */
#pragma once

#include "attest/bundle.h"
#include "attest/published.h"

#define COLLATERAL_NAME_MAX 192 /* with the NUL; [a-z0-9.-], safe as a file name */
#define COLLATERAL_PATH_MAX 320
#define COLLATERAL_OBJECT_MAX (64u << 10)
#define COLLATERAL_NEEDS_MAX 8

/* In the order in which they are verified and stored. */
enum collateral_kind {
        COLLATERAL_AUTHORITIES, /* the certificates between the pinned root and a chip's */
        COLLATERAL_REVOCATIONS,
        COLLATERAL_CERTIFICATE, /* of one chip's signing key */
        COLLATERAL_JUDGEMENT,   /* what the maker says of TCBs */
        COLLATERAL_KIND_MAX_,
};
extern const char *const collateral_kind_texts[]; /* "authorities", ..., NULL */

/* Whether the maker renews those: an old one is asked for again, and never takes a newer one's place. */
bool collateral_ages(enum collateral_kind kind);

/* From when and until when an object holds, UTC milliseconds; of a list: thisUpdate and nextUpdate. */
struct collateral_facts {
        struct published published;
        uint64_t expires;
};

/* One thing that verifying some evidence takes. */
struct collateral_need {
        enum collateral_kind kind;
        char name[COLLATERAL_NAME_MAX]; /* "": the maker cannot be asked for it */
        bool is_there;                  /* the evidence brought it; never said of what ages */
};

/* Whom and how one asks. */
struct collateral_asked {
        bool is_mirror; /* not the maker itself */
        bool early;     /* judgements that are not the standard ones yet, where the maker has such */
};

/* Where a service has an object. */
struct collateral_place {
        const char *service; /* of the maker where it is not the source's; NULL: the source's */
        char path[COLLATERAL_PATH_MAX];
        const char *const *headers; /* names of the one that belongs to the object, the first that is there
                                       counts; NULL-terminated; NULL: none does */
};

struct collateral_source {
        int platform;        /* enum cvm_platform_id */
        const char *service; /* the one place that is asked unless the caller configures a mirror */
        /* The service's patience as far as we presume on it: this many requests at once, then one each. */
        uint32_t burst, interval_msec;

        bool takes_files; /* a directory of the maker's answers as they came serves as a cache too */

        /* The kind of a name; -EINVAL: it is none. */
        int (*kind)(const char *name);

        /*
         * What this evidence takes, in the order of the kinds. `product` (NULL: not given) names the
         * processor where the report does not. CVM_CODE_REPORT_FORMAT, CVM_CODE_REPORT_CHAIN,
         * CVM_CODE_USAGE.
         */
        int (*needs)(const struct bundle *bundle, const char *product,
                     struct collateral_need ret[COLLATERAL_NEEDS_MAX], size_t *ret_n, struct cvm_error *err);

        /* The authorities that an object of that name is verified with: its own name where it brings them.
         */
        void (*authorities)(const char *name, char ret[COLLATERAL_NAME_MAX]);

        void (*place)(const char *name, const struct collateral_asked *asked, struct collateral_place *ret);

        /*
         * The object out of an answer: its body, and that header (NULL: it was not there); owned. NULL: the
         * body is the object. CVM_CODE_COLLATERAL_SERVICE: it is no answer to that; and the codes of
         * verify().
         */
        int (*take)(const char *name, const struct cvm_bytes *body, const char *header,
                    struct cvm_bytes *ret, struct cvm_error *err);

        /*
         * Whether these bytes are what the name says and verify at now_msec. simulation_root: SHA-256 of
         * the SPKI of the one root that counts; NULL: the pinned ones. CVM_CODE_REPORT_CHAIN,
         * CVM_CODE_REPORT_ROOT, CVM_CODE_REPORT_CERTIFICATE (another chip, TCB or product), CVM_CODE_CRL,
         * CVM_CODE_CRL_STALE, CVM_CODE_COLLATERAL (not signed, or of another platform),
         * CVM_CODE_COLLATERAL_STALE.
         */
        int (*verify)(const char *name, const struct cvm_bytes *object, const struct cvm_bytes *authorities,
                      const uint8_t *simulation_root, uint64_t now_msec, struct collateral_facts *ret,
                      struct cvm_error *err);
};

/* NULL: that platform has no collateral here. */
const struct collateral_source *collateral_source_find(int platform);
/* Row i of the table; NULL past the last. */
const struct collateral_source *collateral_source_at(size_t i);
