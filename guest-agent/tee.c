#include "guest-agent/tee.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "attest/message.h"
#include "base/fd.h"
#include "guest-agent/boot-tdx.h"
#include "guest-agent/tee-configfs.h"
#include "guest-agent/tee-se.h"
#include "guest-agent/tee-snp.h"

#define LOOK_MSEC 20
#define PAUSE_MSEC 500

/* In the order of choice: what the host cannot add or take away comes first. */
static const struct tee_provider *const providers[] = {
        &tee_configfs,
        &tee_snp,
        &tee_se,
        &tee_simulated,
};

static int refuse_all(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
                      struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_AGENT_REPORT, ENODEV,
                        "no driver of this guest's hardware offers any, and there is no port %s",
                        CVM_TEE_PORT);
}

static const struct tee_provider nobody = { .name = "nobody", .where = "nowhere", .ask = refuse_all };

static int set(const struct tee_provider *provider, const char *root, const char *where, struct tee *ret,
               struct cvm_error *err) {
        int size;

        *ret = (struct tee){ .provider = provider, .root = root, .fd = -EBADF };
        size = snprintf(ret->where, sizeof ret->where, "%s%s", provider->simulated ? "" : root, where);
        if ((size_t)size >= sizeof ret->where)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, ENAMETOOLONG, "'%s' is too long", where);
        return 0;
}

static int choose_asked(const char *asked, const char *root, struct tee *ret, struct cvm_error *err) {
        for (size_t i = 0; i < ARRAY_SIZE(providers); i++) {
                size_t length = strlen(providers[i]->name);

                if (strcmp(asked, providers[i]->name) == 0)
                        return set(providers[i], root, providers[i]->where, ret, err);
                if (strncmp(asked, providers[i]->name, length) == 0 && asked[length] == ':')
                        return set(providers[i], root, asked + length + 1, ret, err);
        }
        return set(&tee_simulated, root, asked, ret, err);
}

/* 1: one is there. */
static int look(const char *root, struct tee *ret, struct cvm_error *err) {
        for (size_t i = 0; i < ARRAY_SIZE(providers); i++) {
                int r = set(providers[i], root, providers[i]->where, ret, err);

                if (r < 0 || providers[i]->is_there(ret))
                        return r < 0 ? r : 1;
        }
        return 0;
}

static int choose_present(const char *root, int wait_msec, struct tee *ret, struct cvm_error *err) {
        int r = look(root, ret, err);

        for (; r == 0 && wait_msec > 0; wait_msec -= LOOK_MSEC) {
                poll(NULL, 0, LOOK_MSEC);
                r = look(root, ret, err);
        }
        return r == 0 ? set(&nobody, "", nobody.where, ret, err) : r;
}

int tee_choose(const char *asked, const char *root, int wait_msec, struct tee *ret, struct cvm_error *err) {
        struct tee tee;
        int r = asked ? choose_asked(asked, root, &tee, err) : choose_present(root, wait_msec, &tee, err);

        if (r < 0)
                return r;
        *ret = tee;
        return 0;
}

int tee_open(const char *path, int flags) {
        return open(path, flags);
}

void tee_pause(void) {
        poll(NULL, 0, PAUSE_MSEC);
}

void tee_report_done(struct tee_report *report) {
        cvm_bytes_done(&report->report);
        cvm_bytes_done(&report->certificates);
        cvm_bytes_done(&report->event_log);
}

void tee_done(struct tee *tee) {
        tee->fd = cvm_close(tee->fd);
        cvm_writer_done(&tee->own_events);
}

/* What the hardware's kernel has of it; whoever simulates a platform simulates this too. */
static int add_event_log(struct tee *tee, struct tee_report *report) {
        struct cvm_error silent = { 0 };
        int r = boot_tdx_log(&boot_tdx_system, tee->root, &tee->own_events.bytes, &report->event_log,
                             &silent);

        if (silent.code)
                fprintf(stderr, "cvm-agent: evidence goes without the firmware's event log: %s\n",
                        silent.text);
        return r;
}

int tee_ask(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
            struct cvm_error *err) {
        int r = tee->provider->ask(tee, question, ret, err);

        if (r >= 0 && !tee->provider->simulated)
                r = add_event_log(tee, ret);
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

/* No report without a request: there is one technology of that kind. */
static int recognise_by_request(struct tee_self *ret) {
        for (int id = CVM_PLATFORM_NONE + 1; id < CVM_PLATFORM_MAX_; id++) {
                const struct evidence_ops *ops = evidence_ops_find(id);

                if (ops && ops->use_kept)
                        *ret = (struct tee_self){ .platform = (enum cvm_platform_id)id };
        }
        return 0;
}

int tee_know_self(struct tee *tee, const struct tee_self **ret, struct cvm_error *err) {
        CVM_CLEANUP(tee_report_done) struct tee_report report = { 0 };
        const struct tee_question nothing = { 0 };
        struct cvm_error why = { 0 };
        int r = 0;

        if (!tee->knows_self) {
                r = tee_ask(tee, &nothing, &report, &why);
                if (r >= 0)
                        r = recognise(&report, &tee->self, &why);
                else if (cvm_error_code(&why) == &CVM_CODE_EVIDENCE_REQUEST)
                        r = recognise_by_request(&tee->self);
        }
        if (r < 0) {
                if (err)
                        *err = why;
                return r;
        }
        tee->knows_self = true;
        *ret = &tee->self;
        return 0;
}

static int no_store(const struct tee *tee, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_AGENT_STORE, EOPNOTSUPP,
                        tee->provider == &nobody
                                        ? "no driver of this guest's hardware is there that could be asked"
                                        : "this platform has no secret store of its own");
}

int tee_lock_store(struct tee *tee, char ret_words[TEE_WORDS_MAX], struct cvm_error *err) {
        return tee->provider->lock_store ? tee->provider->lock_store(tee, ret_words, err)
                                         : no_store(tee, err);
}

int tee_list_store(struct tee *tee, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes list = { 0 };
        const struct evidence_ops *ops = NULL;
        const struct tee_self *self;
        int r = tee->provider->list_store ? tee_know_self(tee, &self, err) : no_store(tee, err);

        if (r >= 0)
                ops = evidence_ops_find(self->platform);
        if (r >= 0 && (!ops || !ops->store_lines))
                r = no_store(tee, err);
        if (r >= 0)
                r = tee->provider->list_store(tee, &list, err);
        return r < 0 ? r : ops->store_lines(list.data, list.size, ret, err);
}

/* A kernel shows its register; a simulated one is there where the technology has it. */
int tee_extend(struct tee *tee, const void *data, size_t size, struct cvm_error *err) {
        const bool simulated = tee->provider->simulated;
        const struct tee_self *self;
        int r = simulated ? tee_know_self(tee, &self, err) : 0;

        if (r < 0 || (simulated && self->platform != CVM_PLATFORM_TDX))
                return r;
        return boot_tdx_extend(simulated ? NULL : &boot_tdx_system, tee->root, data, size, &tee->own_events,
                               err);
}
