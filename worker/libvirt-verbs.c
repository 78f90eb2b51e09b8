#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>

#include "base/fd.h"
#include "worker/libvirt-host.h"

#define UNDEFINE_ALL                                                    \
        (VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | \
         VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)

/* One request under way: what the verbs work on. */
struct job {
        struct libvirt_host *host;
        struct libvirt_work *work;
        const struct libvirt_request *request; /* of it */
        const char *text;                      /* of the request, "" without one */
        virDomainPtr domain;                   /* ours; NULL: not defined */
        struct libvirt_message answer;
};

/* All return 0, 1 where the answer comes later, or negative with libvirt's error or, where there is none,
 * errno. */
static int do_copy(struct job *job) {
        ssize_t n = job->work->n_fds == 2 ? 1 : -1;
        off_t from = 0;

        errno = EINVAL;
        while (n > 0)
                n = sendfile(job->work->fds[1], job->work->fds[0], &from, 1 << 30);
        return n < 0 ? -errno : 0;
}

static int do_define(struct job *job) {
        virDomainPtr domain = virDomainDefineXMLFlags(job->work->connection, job->text, 0);
        int autostart = 0;

        if (!domain)
                return -EIO;
        if (job->domain)
                virDomainFree(job->domain);
        job->domain = domain;
        if (virDomainGetAutostart(domain, &autostart) < 0 ||
            (autostart && virDomainSetAutostart(domain, 0) < 0))
                return -EIO;
        job->answer.has_sha256 = host_digest(domain, job->answer.sha256) >= 0;
        return job->answer.has_sha256 ? 0 : -EIO;
}

/* It must be what the daemon defined: somebody may have changed it since. */
static int check_unchanged(struct job *job) {
        uint8_t now[CVM_SHA256_SIZE];

        if (host_digest(job->domain, now) < 0)
                return -EIO;
        job->answer.has_sha256 = true;
        memcpy(job->answer.sha256, now, sizeof now);
        return memcmp(now, job->request->sha256, sizeof now) == 0 ? 0 : -ESTALE;
}

/* It runs, and not for the daemon, which would not ask otherwise: somebody else started it. */
static int end_stray(struct job *job) {
        return virDomainIsActive(job->domain) == 1 && virDomainDestroy(job->domain) < 0 &&
                                               virDomainIsActive(job->domain) != 0
                               ? -EIO
                               : 0;
}

static int do_start(struct job *job) {
        struct libvirt_work *work = job->work;
        int r = check_unchanged(job);

        if (r >= 0)
                r = end_stray(job);
        if (r >= 0)
                r = host_lend(job->domain, work->request.groups, work->fds, work->n_fds);
        /* a boot from its beginning, whatever memory somebody has saved */
        if (r >= 0)
                r = virDomainCreateWithFlags(job->domain,
                                             VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_FORCE_BOOT);
        host_note_lent(work->request.uuid, TAKE_PTR(work->request.groups));
        return r;
}

static int do_resume(struct job *job) {
        return virDomainResume(job->domain);
}

static int do_suspend(struct job *job) {
        return virDomainSuspend(job->domain);
}

static int do_shutdown(struct job *job) {
        return virDomainShutdownFlags(job->domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
}

/* virDomainReset() starts a trust domain as another process, from files that cvmd has not kept. */
static int do_reset(struct job *job) {
        CVM_CLEANUP(cvm_freep) char *answer = NULL;

        return virDomainQemuMonitorCommand(job->domain, "{\"execute\":\"system_reset\"}", &answer, 0);
}

static int do_destroy(struct job *job) {
        return virDomainDestroyFlags(job->domain, VIR_DOMAIN_DESTROY_DEFAULT);
}

static int do_undefine(struct job *job) {
        int r = job->domain ? end_stray(job) : 0;

        return r < 0 || !job->domain ? r : virDomainUndefineFlags(job->domain, UNDEFINE_ALL);
}

static int do_dump(struct job *job) {
        int r = job->work->n_fds == 1 ? host_dump(job->host, job->request, job->work->fds[0]) : -EBADMSG;

        return r < 0 ? r : 1;
}

/* Asked by libvirt within its own job, beside which it need not let anybody ask QEMU. */
static int do_progress(struct job *job) {
        virDomainJobInfo info;

        if (virDomainGetJobInfo(job->domain, &info) < 0)
                return -EIO;
        if (info.dataProcessed < info.dataTotal)
                job->answer.percent = (uint32_t)(info.dataProcessed / (info.dataTotal / 100 + 1));
        return 0;
}

static void take_text(struct libvirt_message *message, const char *text) {
        size_t size = strnlen(text, LIBVIRT_TEXT_MAX);

        message->text.data = (uint8_t *)strndup(text, size);
        message->text.size = message->text.data ? size : 0;
}

static int do_monitor(struct job *job) {
        char *result = NULL;

        if (virDomainQemuMonitorCommand(job->domain, job->text, &result, 0) < 0)
                return -EIO;
        take_text(&job->answer, result);
        free(result);
        return 0;
}

static const struct {
        int (*run)(struct job *job);
        bool needs_libvirt, needs_domain;
        bool tells; /* what the domain is then */
} verbs[] = {
        [LIBVIRT_COPY] = { do_copy, false, false, false },
        [LIBVIRT_DEFINE] = { do_define, true, false, false },
        [LIBVIRT_START] = { do_start, true, true, true },
        [LIBVIRT_RESUME] = { do_resume, true, true, false },
        [LIBVIRT_SUSPEND] = { do_suspend, true, true, false },
        [LIBVIRT_SHUTDOWN] = { do_shutdown, true, true, false },
        [LIBVIRT_RESET] = { do_reset, true, true, false },
        [LIBVIRT_DESTROY] = { do_destroy, true, true, true },
        [LIBVIRT_UNDEFINE] = { do_undefine, true, false, false },
        [LIBVIRT_DUMP] = { do_dump, false, false, false },
        [LIBVIRT_PROGRESS] = { do_progress, true, true, false },
        [LIBVIRT_MONITOR] = { do_monitor, true, true, false },
};

bool host_needs_libvirt(const struct libvirt_request *request) {
        return verbs[request->verb].needs_libvirt;
}

static int find_domain(struct job *job) {
        if (!job->work->connection)
                return -ENOTCONN;
        job->domain = virDomainLookupByUUIDString(job->work->connection, job->request->uuid);
        if (!job->domain && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
                return -EIO; /* libvirt went just now: that is not "it is not there" */
        if (job->domain && !host_is_ours(job->domain)) {
                virDomainFree(job->domain);
                job->domain = NULL;
        }
        return 0;
}

static int run(struct job *job) {
        int verb = job->request->verb, r;

        virResetLastError();
        r = verbs[verb].needs_libvirt ? find_domain(job) : 0;
        if (r < 0)
                return r;
        if (verbs[verb].needs_domain && !job->domain)
                return -ENOENT;
        return verbs[verb].run(job);
}

void host_describe_failure(struct libvirt_message *answer, int r) {
        const virError *e = virGetLastError();

        answer->error_domain = e ? (uint32_t)e->domain : 0;
        answer->error_code = e && e->code ? (uint32_t)e->code : VIR_ERR_INTERNAL_ERROR;
        if (r == -ESTALE)
                answer->error_code = VIR_ERR_OPERATION_ABORTED;
        if (r == -ENOENT)
                answer->error_code = VIR_ERR_NO_DOMAIN;
        if (r == -ENOTCONN)
                answer->error_code = VIR_ERR_NO_CONNECT;
        take_text(answer, e && e->message ? e->message : strerror(-r));
}

void host_serve(struct libvirt_host *host, struct libvirt_work *work) {
        const struct libvirt_request *request = &work->request;
        CVM_CLEANUP(cvm_freep)
        char *text = request->text.data ? strndup((const char *)request->text.data, request->text.size)
                                        : NULL;
        struct job job = { .host = host,
                           .work = work,
                           .request = request,
                           .text = text ? text : "",
                           .answer = { .kind = LIBVIRT_ANSWER, .id = request->id } };
        int r = run(&job);

        if (r < 0) {
                host_describe_failure(&job.answer, r);
                if (work->connection)
                        host_look_for_loss(host, work->connection);
        }
        if (r <= 0)
                host_answer(host, &job.answer, verbs[request->verb].tells ? job.domain : NULL);
        libvirt_message_done(&job.answer);
        if (job.domain)
                virDomainFree(job.domain);
}
