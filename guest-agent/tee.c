#include "guest-agent/tee.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "base/fd.h"

void tee_report_done(struct tee_report *report) {
        cvm_bytes_done(&report->report);
        cvm_bytes_done(&report->certificates);
}

void tee_done(struct tee *tee) {
        tee->fd = cvm_close(tee->fd);
}

int tee_ask(struct tee *tee, const uint8_t report_data[CVM_REPORT_DATA_SIZE], struct tee_report *ret,
            struct cvm_error *err) {
        int r = tee->provider->ask(tee, report_data, ret, err);

        return r < 0 ? cvm_while(err, r, "asking for a report (%s)", tee->provider->name) : 0;
}

/* The technology whose format the report has. */
static int recognise(const struct tee_report *report, struct tee_self *ret, struct cvm_error *err) {
        struct bundle bundle = { .report = report->report }; /* borrowed: never freed as a bundle */

        for (int id = CVM_PLATFORM_NONE + 1; id < CVM_PLATFORM_MAX_; id++) {
                const struct evidence_ops *ops = evidence_ops_find(id);
                struct evidence *evidence = NULL;
                struct evidence_claims own = { 0 };

                if (!ops || ops->parse(&bundle, &evidence, NULL) < 0)
                        continue;
                ops->own(evidence, &own);
                ops->free(evidence);
                ret->platform = (enum cvm_platform_id)id;
                ret->host_data_size = own.host_data_size;
                memcpy(ret->host_data, own.host_data, sizeof ret->host_data);
                return 0;
        }
        return cvm_fail(err, &CVM_CODE_AGENT_REPORT, EBADMSG,
                        "the platform's report is of no format that this agent knows");
}

int tee_know_self(struct tee *tee, const struct tee_self **ret, struct cvm_error *err) {
        CVM_CLEANUP(tee_report_done) struct tee_report report = { 0 };
        const uint8_t nothing[CVM_REPORT_DATA_SIZE] = { 0 };
        int r = 0;

        if (!tee->knows_self) {
                r = tee_ask(tee, nothing, &report, err);
                if (r >= 0)
                        r = recognise(&report, &tee->self, err);
        }
        if (r < 0)
                return r;
        tee->knows_self = true;
        *ret = &tee->self;
        return 0;
}
