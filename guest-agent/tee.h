/*
 * Where reports come from: one const row per way of asking, in one table (tee.c) whose order is the order of
 * choice. Waiting is bounded; a host that does not answer costs a refusal, not the agent.
 */
#pragma once

#include "attest/formula.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/platform-id.h"

/* Borrowed. */
struct tee_question {
        uint8_t report_data[CVM_REPORT_DATA_SIZE];
        struct cvm_bytes request; /* the verifier's own, for platforms that answer one; empty: none */
};

struct tee_report {
        struct cvm_bytes report, certificates, event_log;
};
void tee_report_done(struct tee_report *report);

/* What the guest's own report says of it. */
struct tee_self {
        enum cvm_platform_id platform;
        uint8_t host_data[CVM_SHA384_SIZE];
        size_t host_data_size; /* 0: it has none, what evidence binds is in its report_data alone */
};

#define TEE_WORDS_MAX 160

struct tee;

struct tee_provider {
        const char *name;
        const char *where; /* unless another is named */
        bool simulated;
        /* May it be chosen? Not where there is certainly nothing; what is there and fails is there. */
        bool (*is_there)(const struct tee *tee);
        int (*ask)(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
                   struct cvm_error *err);
        /* A request for the platform's own secret store: 0 taken, 1 refused, with the platform's result in
         * words. CVM_CODE_AGENT_STORE: it could not be asked. NULL: it has no such store. */
        int (*keep_secret)(struct tee *tee, const void *request, size_t size, char ret_words[TEE_WORDS_MAX],
                           struct cvm_error *err);
        /* No more of them in this boot; results as of keep_secret. */
        int (*lock_store)(struct tee *tee, char ret_words[TEE_WORDS_MAX], struct cvm_error *err);
        /* What is in it, in the platform's own form. CVM_CODE_AGENT_STORE. NULL: as of keep_secret. */
        int (*list_store)(struct tee *tee, struct cvm_bytes *ret, struct cvm_error *err);
};

#define TEE_WHERE_MAX 300

struct tee {
        const struct tee_provider *provider;
        const char *root;          /* borrowed: where ports are looked for, "" is this machine */
        char where[TEE_WHERE_MAX]; /* a path; for the simulated provider a port's name, a path, or "fd:N" */
        int fd;                    /* owned by the provider, -EBADF: not open */
        struct tee_self self;
        bool knows_self;
        struct cvm_writer own_events; /* records of what tee_extend() extended */
};

/* The simulated platform: over the guest's port org.cvmd.tee.0. */
extern const struct tee_provider tee_simulated;

/*
 * The provider that is asked for ("NAME", "NAME:WHERE", or the WHERE of the simulated one); for NULL the
 * first of the table that is there below root: hardware before simulation, so that no port which the host
 * adds hides it. Devices may come late: only when none has come for wait_msec it is one that refuses every
 * question, and counts as hardware. CVM_CODE_ARGUMENT for a WHERE that is too long.
 */
int tee_choose(const char *asked, const char *root, int wait_msec, struct tee *ret, struct cvm_error *err);
void tee_done(struct tee *tee);

/* CVM_CODE_AGENT_REPORT; CVM_CODE_EVIDENCE_REQUEST where a request is needed. */
int tee_ask(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
            struct cvm_error *err);
/* Asked once, from the first report: which platform this is, and the host data it was started with. */
int tee_know_self(struct tee *tee, const struct tee_self **ret, struct cvm_error *err);

/* The platform's own secret store: what it did, in words, results as of lock_store; what is in it, as lines
 * for people, owned. CVM_CODE_AGENT_STORE: there is none, or it could not be asked. */
int tee_lock_store(struct tee *tee, char ret_words[TEE_WORDS_MAX], struct cvm_error *err);
int tee_list_store(struct tee *tee, char **ret, struct cvm_error *err);

/* Extend the register that is left to the guest's own programs by an event with these data, which is in all
 * event logs from then on. 0: there is no such register, 1: it is done. CVM_CODE_AGENT_REPORT. */
int tee_extend(struct tee *tee, const void *data, size_t size, struct cvm_error *err);

/* Calls of the system, for the providers' tables: open(2) without a mode, and the time between two tries. */
int tee_open(const char *path, int flags);
void tee_pause(void);
