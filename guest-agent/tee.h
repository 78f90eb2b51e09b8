/*
 * Where reports come from: one const row per way of asking. Waiting is bounded; a host that does not answer
 * costs a refusal, not the agent.
 */
#pragma once

#include "attest/formula.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/platform-id.h"

struct tee_report {
        struct cvm_bytes report, certificates;
};
void tee_report_done(struct tee_report *report);

/* What the guest's own report says of it. */
struct tee_self {
        enum cvm_platform_id platform;
        uint8_t host_data[CVM_SHA384_SIZE];
        size_t host_data_size;
};

struct tee;

struct tee_provider {
        const char *name;
        bool simulated;
        /* *ret_fd is the provider's own to close */
        int (*ask)(struct tee *tee, const uint8_t report_data[CVM_REPORT_DATA_SIZE], struct tee_report *ret,
                   struct cvm_error *err);
};

struct tee {
        const struct tee_provider *provider;
        const char *where; /* a port's name, a path, or "fd:N" */
        int fd;            /* owned by the provider, -EBADF: not open */
        struct tee_self self;
        bool knows_self;
};

/* The simulated platform: over the guest's port org.cvmd.tee.0. */
extern const struct tee_provider tee_simulated;

void tee_done(struct tee *tee);

/* CVM_CODE_AGENT_REPORT. */
int tee_ask(struct tee *tee, const uint8_t report_data[CVM_REPORT_DATA_SIZE], struct tee_report *ret,
            struct cvm_error *err);
/* Asked once, from the first report: which platform this is, and the host data it was started with. */
int tee_know_self(struct tee *tee, const struct tee_self **ret, struct cvm_error *err);
