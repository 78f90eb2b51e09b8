/*
 * What libvirt tells, on to the daemon. States come from questions, not from memory: a domain's message says
 * what it is. Only suspended and resumed are taken from the event itself, so that neither is lost when they
 * follow one another quickly.
 */
#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt-qemu.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "worker/libvirt-host.h"

#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 3
#define RETRY_MSEC 1000
#define LOG_MAX (32 << 10)
#define STOPPED_RECREATED 7                 /* VIR_DOMAIN_EVENT_STOPPED_RECREATED, of libvirt 11.6 */
#define PID_FILE "/run/libvirt/qemu/%s.pid" /* written by libvirt, for the superuser's libvirtd */
#define LOG_FILE "/var/log/libvirt/qemu/%s.log"

bool host_is_ours(virDomainPtr domain) {
        const char *name = virDomainGetName(domain);

        return name && strncmp(name, LIBVIRT_NAME_PREFIX, strlen(LIBVIRT_NAME_PREFIX)) == 0;
}

int host_digest(virDomainPtr domain, uint8_t ret[CVM_SHA256_SIZE]) {
        char *xml;

        if (virDomainIsPersistent(domain) == 0) { /* its XML is then that of the run */
                memset(ret, 0xff, CVM_SHA256_SIZE);
                return 0;
        }
        xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
        if (!xml)
                return -EIO;
        cvm_sha256(xml, strlen(xml), ret);
        free(xml);
        return 0;
}

/* What runs an active domain: libvirt's number of the run names one process for ever. */
struct process {
        unsigned int run;
        uint32_t pid;
        int fd;       /* negative: none lives */
        bool is_dead; /* libvirt wrote down which one it was */
};
#define NO_RUN ((unsigned int)-1)

/* libvirt has no question for it: the file is read, and whoever did so asks whether it is still the same
 * run. */
static struct process open_process(virDomainPtr domain) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        struct process process = { .run = virDomainGetID(domain), .fd = -EBADF };
        struct cvm_error err = { 0 };
        struct pollfd end = { .events = POLLIN };
        char path[512];
        long pid;

        snprintf(path, sizeof path, PID_FILE, virDomainGetName(domain));
        if (process.run == NO_RUN || cvm_read_file(path, 32, &text, &err) < 0)
                return process;
        pid = strtol((const char *)text.data, NULL, 10);
        if (pid <= 0 || pid > INT_MAX)
                return process;
        process.pid = (uint32_t)pid;
        process.fd = end.fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
        process.is_dead = process.fd < 0 ? errno == ESRCH : poll(&end, 1, 0) == 1;
        if (process.is_dead)
                process.fd = cvm_close(process.fd);
        return process;
}

/* The end of what libvirt keeps of QEMU's words: they tell why it ended. */
static void read_log(virDomainPtr domain, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char path[PATH_MAX];
        off_t size;
        ssize_t n;

        snprintf(path, sizeof path, LOG_FILE, virDomainGetName(domain));
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
        if (size <= 0 || !(ret->data = malloc(LOG_MAX)))
                return;
        n = pread(fd, ret->data, LOG_MAX, size > LOG_MAX ? size - LOG_MAX : 0);
        ret->size = n > 0 ? (size_t)n : 0;
}

static int state_in(virDomainStatsRecordPtr record) {
        int state = VIR_DOMAIN_NOSTATE;

        if (virDomainGetID(record->dom) == NO_RUN) /* shut off, and crashed too */
                return LIBVIRT_OFF;
        (void)virTypedParamsGetInt(record->params, record->nparams, "state.state", &state);
        return state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED ? LIBVIRT_RUNNING : LIBVIRT_PAUSED;
}

static void free_records(virDomainStatsRecordPtr **records) {
        virDomainStatsRecordListFree(*records);
}

static void send_domain(struct libvirt_host *host, virDomainPtr domain, struct libvirt_message *m,
                        const struct process *process) {
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (!host->there || virDomainGetUUIDString(domain, uuid) < 0)
                return; /* with the next connection it is looked at again */
        m->kind = LIBVIRT_DOMAIN;
        m->uuid = uuid;
        m->pid = process->fd < 0 ? 0 : process->pid;
        host_send(host, m, process->fd);
}

/* What has happened to it. */
struct news {
        int state; /* as it was then; negative: as it is now */
        bool stopped, destroyed;
        bool defined; /* it may be another one */
};

/* Under looking. */
static void tell_domain(struct libvirt_host *host, virDomainPtr domain, const struct news *news) {
        CVM_CLEANUP(free_records) virDomainStatsRecordPtr *now = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes log = { 0 };
        struct libvirt_message m = { .state = news->state, .destroyed = news->destroyed };
        struct process process = open_process(domain);
        int n = virDomainListGetStats((virDomainPtr[]){ domain, NULL }, VIR_DOMAIN_STATS_STATE, &now, 0);

        if (m.state < 0 && n >= 0)
                m.state = n == 0 ? LIBVIRT_ABSENT : state_in(now[0]);
        if (n <= 0 || virDomainGetID(now[0]->dom) != process.run)
                process.fd = cvm_close(process.fd); /* whatever runs it now: that is told too */
        if (news->defined && m.state > LIBVIRT_ABSENT)
                m.has_sha256 = host_digest(domain, m.sha256) >= 0;
        if (news->stopped && !news->destroyed && m.state <= LIBVIRT_OFF) {
                read_log(domain, &log);
                m.text = log;
        }
        if (n >= 0 && m.state <= LIBVIRT_OFF)
                host_take_back(domain);
        /* Nor is told what ends only now: STOPPED follows, and says why. */
        if (n >= 0 && (m.state != LIBVIRT_OFF || news->stopped))
                send_domain(host, domain, &m, &process);
        cvm_close(process.fd);
}

static void look_and_tell(struct libvirt_host *host, virDomainPtr domain, const struct news *news) {
        pthread_mutex_lock(&host->looking);
        tell_domain(host, domain, news);
        pthread_mutex_unlock(&host->looking);
}

void host_answer(struct libvirt_host *host, struct libvirt_message *answer, virDomainPtr domain) {
        bool failed = answer->error_code;
        const struct news news = { .state = -1, .stopped = failed, .defined = failed };

        pthread_mutex_lock(&host->looking);
        if (domain && failed)
                tell_domain(host, domain, &news);
        host_send(host, answer, -EBADF);
        if (domain && !failed)
                tell_domain(host, domain, &news);
        pthread_mutex_unlock(&host->looking);
}

static void tell(struct libvirt_host *host, virDomainPtr domain, int kind, bool by_guest, const char *text) {
        char uuid[VIR_UUID_STRING_BUFLEN];
        struct libvirt_message m = { .kind = kind, .by_guest = by_guest };

        if (!host_is_ours(domain) || virDomainGetUUIDString(domain, uuid) < 0)
                return;
        m.uuid = uuid;
        if (text)
                m.text = (struct cvm_bytes){ (uint8_t *)text, strnlen(text, LIBVIRT_TEXT_MAX) };
        host_send(host, &m, -EBADF);
}

/* Somebody asked libvirt for these; all others are QEMU's own. */
static bool is_asked_for(int detail) {
        static const int asked[] = { VIR_DOMAIN_EVENT_STOPPED_DESTROYED, VIR_DOMAIN_EVENT_STOPPED_SAVED,
                                     VIR_DOMAIN_EVENT_STOPPED_MIGRATED,
                                     VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT };

        for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
                if (asked[i] == detail)
                        return true;
        return false;
}

/* What it is behind such an event, another one tells. */
static bool is_told_by_another(int event, int detail) {
        /* It is not off: STARTED follows. Nor is what only begins to end: STOPPED follows, and tells why. */
        if ((event == VIR_DOMAIN_EVENT_STOPPED && detail == STOPPED_RECREATED) ||
            event == VIR_DOMAIN_EVENT_SHUTDOWN)
                return true;
        /* SUSPENDED or RESUMED comes beside it, and says what it was then: by now it may have gone on. */
        return event == VIR_DOMAIN_EVENT_STARTED && detail == VIR_DOMAIN_EVENT_STARTED_BOOTED;
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *ctx) {
        const struct news news = {
                .state = event == VIR_DOMAIN_EVENT_SUSPENDED ? LIBVIRT_PAUSED
                         : event == VIR_DOMAIN_EVENT_RESUMED ? LIBVIRT_RUNNING
                                                             : -1,
                .stopped = event == VIR_DOMAIN_EVENT_STOPPED,
                .destroyed = event == VIR_DOMAIN_EVENT_STOPPED && is_asked_for(detail),
                .defined = event == VIR_DOMAIN_EVENT_DEFINED || event == VIR_DOMAIN_EVENT_UNDEFINED,
        };

        if (!host_is_ours(domain))
                return 0;
        if (!is_told_by_another(event, detail))
                look_and_tell(ctx, domain, &news);
        return 0;
}

static void on_metadata(virConnectPtr connection, virDomainPtr domain, int type, const char *space,
                        void *ctx) {
        if (host_is_ours(domain))
                look_and_tell(ctx, domain, &(struct news){ .state = -1, .defined = true });
}

static void on_reboot(virConnectPtr connection, virDomainPtr domain, void *ctx) {
        tell(ctx, domain, LIBVIRT_REBOOTED, false, NULL);
}

static void on_device(virConnectPtr connection, virDomainPtr domain, const char *alias, void *ctx) {
        tell(ctx, domain, LIBVIRT_DEVICES, false, alias);
}

/* What libvirt has no event for, a channel of ours that is opened, and why a guest ends; a panic, which it
 * tells when QEMU has stopped the guest already. */
static void on_qemu(virConnectPtr connection, virDomainPtr domain, const char *event, long long seconds,
                    unsigned int micros, const char *details, void *ctx) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *reason = "", *id = "";
        struct cvm_error err = { 0 };
        struct cvm_json place;
        bool yes = false;

        if (!details || cvm_json_parse(details, strlen(details), event, &node, &err) < 0)
                return;
        place = cvm_json_root(node, event);
        if (strcmp(event, "VSERPORT_CHANGE") == 0) {
                (void)cvm_json_get_text(&place, "id", &id, &err);
                if (cvm_json_get_bool(&place, "open", &yes, &err) > 0 && yes)
                        tell(ctx, domain, LIBVIRT_PORT, false, id);
        } else if (strcmp(event, "SHUTDOWN") == 0) {
                (void)cvm_json_get_bool(&place, "guest", &yes, &err);
                (void)cvm_json_get_text(&place, "reason", &reason, &err);
                tell(ctx, domain, LIBVIRT_ENDS, yes, reason);
        } else
                tell(ctx, domain, LIBVIRT_ENDS, true, "guest-panic");
}

static int watch(struct libvirt_host *host) {
        static const struct {
                int id;
                virConnectDomainEventGenericCallback fn;
        } events[HOST_EVENTS_MAX] = {
                { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
                { VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata) },
                { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot) },
                { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device) },
                { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device) },
        };

        for (; host->n_events < HOST_EVENTS_MAX; host->n_events++) {
                int id = virConnectDomainEventRegisterAny(host->connection, NULL, events[host->n_events].id,
                                                          events[host->n_events].fn, host, NULL);

                if (id < 0)
                        return id;
                host->events[host->n_events] = id;
        }
        host->qemu_event = virConnectDomainQemuMonitorEventRegister(
                        host->connection, NULL, "^(VSERPORT_CHANGE|SHUTDOWN|GUEST_PANICKED)$", on_qemu, host,
                        NULL, VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX);
        return host->qemu_event;
}

/* --- all of them --- */

static int look(struct libvirt_host *host, virDomainStatsRecordPtr **ret) {
        return virConnectGetAllDomainStats(host->connection, VIR_DOMAIN_STATS_STATE, ret, 0);
}

static const struct process *find_process(const struct process *processes, int n, virDomainPtr domain) {
        static const struct process none = { .fd = -EBADF };
        unsigned int run = virDomainGetID(domain);

        for (int i = 0; run != NO_RUN && i < n; i++)
                if (processes[i].run == run)
                        return &processes[i];
        return &none;
}

/* A libvirt that has just come back may show what is dead. It is not told when it has seen it; what it is
 * asked to do waits until it has. */
static void bury(struct libvirt_host *host, virDomainPtr domain, const struct process *process) {
        if (!process->is_dead)
                return;
        (void)virDomainDestroy(domain);
        look_and_tell(host, domain, &(struct news){ .state = -1, .stopped = true });
}

/* Each that still is the run that it was before its process was opened. */
static int tell_each(struct libvirt_host *host, const struct process *processes, int n_processes) {
        CVM_CLEANUP(free_records) virDomainStatsRecordPtr *now = NULL;
        struct libvirt_message connected = { .kind = LIBVIRT_CONNECTED };
        int n = look(host, &now);

        for (int i = 0; i < n; i++) {
                struct libvirt_message m = { .state = state_in(now[i]) };

                if (!host_is_ours(now[i]->dom))
                        continue;
                m.has_sha256 = host_digest(now[i]->dom, m.sha256) >= 0;
                send_domain(host, now[i]->dom, &m, find_process(processes, n_processes, now[i]->dom));
        }
        if (n >= 0 && host->there)
                host_send(host, &connected, -EBADF);
        return n;
}

/* Registered before it is looked: what changes in between is told twice rather than not at all. */
static int tell_all(struct libvirt_host *host) {
        CVM_CLEANUP(free_records) virDomainStatsRecordPtr *before = NULL;
        CVM_CLEANUP(cvm_freep) struct process *processes = NULL;
        int n_before = look(host, &before), n;

        processes = calloc(n_before > 0 ? (size_t)n_before : 1, sizeof *processes);
        if (n_before < 0 || !processes)
                return -1;
        for (int i = 0; i < n_before; i++)
                processes[i] = host_is_ours(before[i]->dom)
                                               ? open_process(before[i]->dom)
                                               : (struct process){ .run = NO_RUN, .fd = -EBADF };
        pthread_mutex_lock(&host->looking);
        n = tell_each(host, processes, n_before);
        pthread_mutex_unlock(&host->looking);
        for (int i = 0; i < n_before; i++) {
                bury(host, before[i]->dom, &processes[i]);
                cvm_close(processes[i].fd);
        }
        return n;
}

static void on_retry(int timer, void *ctx) {
        virEventUpdateTimeout(timer, -1);
        (void)host_connect(ctx);
}

/* In whichever thread finds it out. */
static void on_close(virConnectPtr connection, int reason, void *ctx) {
        struct libvirt_host *host = ctx;

        virEventUpdateTimeout(host->retry, 0);
}

/* Each of what is registered holds the connection. */
static void drop(struct libvirt_host *host) {
        while (host->n_events > 0)
                (void)virConnectDomainEventDeregisterAny(host->connection, host->events[--host->n_events]);
        if (host->qemu_event >= 0)
                (void)virConnectDomainQemuMonitorEventDeregister(host->connection, host->qemu_event);
        host->qemu_event = -1;
        (void)virConnectUnregisterCloseCallback(host->connection, on_close);
        virConnectClose(TAKE_PTR(host->connection));
}

static void set_there(struct libvirt_host *host, bool there) {
        struct libvirt_message m = { .kind = LIBVIRT_DISCONNECTED };

        pthread_mutex_lock(&host->looking);
        if (host->there && !there)
                host_send(host, &m, -EBADF);
        host->there = there;
        pthread_mutex_unlock(&host->looking);
}

void host_look_for_loss(struct libvirt_host *host, virConnectPtr connection) {
        if (virConnectIsAlive(connection) != 1)
                set_there(host, false);
}

/* What is under way fails before anything is asked anew. */
static void lose(struct libvirt_host *host) {
        set_there(host, false);
        drop(host);
        host_wait_unused();
}

bool host_connect(struct libvirt_host *host) {
        if (host->connection && virConnectIsAlive(host->connection) == 1)
                return true;
        if (host->connection)
                lose(host);
        if (host->retry < 0)
                host->retry = virEventAddTimeout(-1, on_retry, host, NULL);
        host->connection = virConnectOpen(LIBVIRT_URI);
        set_there(host, host->connection);
        if (host->connection &&
            (virConnectRegisterCloseCallback(host->connection, on_close, host, NULL) < 0 ||
             virConnectSetKeepAlive(host->connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT) < 0 ||
             watch(host) < 0 || tell_all(host) < 0))
                lose(host);
        virEventUpdateTimeout(host->retry, host->connection ? -1 : RETRY_MSEC);
        return host->connection != NULL;
}
