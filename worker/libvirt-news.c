/*
 * What libvirt tells, on to the daemon. States come from questions, not from memory: a domain's message says
 * what it is. Only suspended and resumed are taken from the event itself, so that neither is lost when they
 * follow one another quickly.
 */
#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt-qemu.h>
#include <limits.h>
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

/* libvirt has no question for it. The domain must still run behind the look at the file: then the process
 * that the descriptor stands for is its own. */
static int open_process(virDomainPtr domain, uint32_t *ret_pid) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        struct cvm_error err = { 0 };
        char path[512];
        long pid;
        int fd;

        snprintf(path, sizeof path, PID_FILE, virDomainGetName(domain));
        if (cvm_read_file(path, 32, &text, &err) < 0)
                return -ESRCH;
        pid = strtol((const char *)text.data, NULL, 10);
        fd = pid > 0 && pid <= INT_MAX ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
        if (fd < 0 || virDomainIsActive(domain) != 1) {
                cvm_close(fd);
                return -ESRCH;
        }
        *ret_pid = (uint32_t)pid;
        return fd;
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

/* enum libvirt_state; negative: it cannot be asked now */
static int state_of(virDomainPtr domain) {
        int state = VIR_DOMAIN_NOSTATE, active = virDomainIsActive(domain);

        if (active < 0 || virDomainGetState(domain, &state, NULL, 0) < 0)
                return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? LIBVIRT_ABSENT : -1;
        if (!active) /* shut off, and crashed too */
                return LIBVIRT_OFF;
        return state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED ? LIBVIRT_RUNNING : LIBVIRT_PAUSED;
}

enum end { NOT_NOW, BY_ITSELF, DESTROYED };

static void tell_domain(struct libvirt_host *host, virDomainPtr domain, int state, enum end end) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes log = { 0 };
        char uuid[VIR_UUID_STRING_BUFLEN];
        struct libvirt_message m = { .kind = LIBVIRT_DOMAIN, .state = state, .destroyed = end == DESTROYED };

        if (state < 0 || !host->there || virDomainGetUUIDString(domain, uuid) < 0)
                return; /* with the next connection it is looked at again */
        m.uuid = uuid;
        if (state != LIBVIRT_ABSENT)
                m.has_sha256 = host_digest(domain, m.sha256) >= 0;
        if (state > LIBVIRT_OFF)
                fd = open_process(domain, &m.pid);
        else if (end == BY_ITSELF) {
                read_log(domain, &log);
                m.text = log;
        }
        host_send(host, &m, fd);
}

void host_tell_domain(struct libvirt_host *host, virDomainPtr domain) {
        pthread_mutex_lock(&host->looking);
        tell_domain(host, domain, state_of(domain), NOT_NOW);
        pthread_mutex_unlock(&host->looking);
}

void host_answer(struct libvirt_host *host, struct libvirt_message *answer, virDomainPtr domain) {
        pthread_mutex_lock(&host->looking);
        if (domain && answer->error_code)
                tell_domain(host, domain, state_of(domain), NOT_NOW);
        host_send(host, answer, -EBADF);
        if (domain && !answer->error_code)
                tell_domain(host, domain, state_of(domain), NOT_NOW);
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
static enum end end_of(int detail) {
        static const int asked[] = { VIR_DOMAIN_EVENT_STOPPED_DESTROYED, VIR_DOMAIN_EVENT_STOPPED_SAVED,
                                     VIR_DOMAIN_EVENT_STOPPED_MIGRATED,
                                     VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT };

        for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
                if (asked[i] == detail)
                        return DESTROYED;
        return BY_ITSELF;
}

/* What a domain is behind such an event; negative: another one tells it. */
static int state_behind(virDomainPtr domain, int event, int detail) {
        bool stopped = event == VIR_DOMAIN_EVENT_STOPPED;
        int state;

        /* It is not off: STARTED follows. Nor is what only begins to end: STOPPED follows, and tells why. */
        if ((stopped && detail == STOPPED_RECREATED) || event == VIR_DOMAIN_EVENT_SHUTDOWN)
                return -1;
        /* SUSPENDED or RESUMED comes beside it, and says what it was then: by now it may have gone on. */
        if (event == VIR_DOMAIN_EVENT_STARTED && detail == VIR_DOMAIN_EVENT_STARTED_BOOTED)
                return -1;
        state = event == VIR_DOMAIN_EVENT_SUSPENDED ? LIBVIRT_PAUSED
                : event == VIR_DOMAIN_EVENT_RESUMED ? LIBVIRT_RUNNING
                                                    : state_of(domain);
        return state == LIBVIRT_OFF && !stopped ? -1 : state; /* likewise */
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *ctx) {
        struct libvirt_host *host = ctx;
        enum end end = event == VIR_DOMAIN_EVENT_STOPPED ? end_of(detail) : NOT_NOW;

        if (!host_is_ours(domain))
                return 0;
        if (event == VIR_DOMAIN_EVENT_CRASHED)
                tell(host, domain, LIBVIRT_ENDS, true, "guest-panic");
        pthread_mutex_lock(&host->looking);
        tell_domain(host, domain, state_behind(domain, event, detail), end);
        pthread_mutex_unlock(&host->looking);
        return 0;
}

static void on_metadata(virConnectPtr connection, virDomainPtr domain, int type, const char *space,
                        void *ctx) {
        if (host_is_ours(domain))
                host_tell_domain(ctx, domain); /* it is a part of the definition */
}

static void on_reboot(virConnectPtr connection, virDomainPtr domain, void *ctx) {
        tell(ctx, domain, LIBVIRT_REBOOTED, false, NULL);
}

static void on_device(virConnectPtr connection, virDomainPtr domain, const char *alias, void *ctx) {
        tell(ctx, domain, LIBVIRT_DEVICES, false, alias);
}

/* What libvirt has no event for: a channel of ours that is opened, and why a guest ends. */
static void on_qemu(virConnectPtr connection, virDomainPtr domain, const char *event, long long seconds,
                    unsigned int micros, const char *details, void *ctx) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *reason = "";
        struct cvm_error err = { 0 };
        struct cvm_json place;
        bool yes = false;

        if (!details || cvm_json_parse(details, strlen(details), event, &node, &err) < 0)
                return;
        place = cvm_json_root(node, event);
        if (strcmp(event, "VSERPORT_CHANGE") == 0) {
                if (cvm_json_get_bool(&place, "open", &yes, &err) > 0 && yes)
                        tell(ctx, domain, LIBVIRT_PORT, false, NULL);
        } else if (strcmp(event, "SHUTDOWN") == 0) {
                (void)cvm_json_get_bool(&place, "guest", &yes, &err);
                (void)cvm_json_get_text(&place, "reason", &reason, &err);
                tell(ctx, domain, LIBVIRT_ENDS, yes, reason);
        }
}

static int watch(struct libvirt_host *host) {
        static const struct {
                int id;
                virConnectDomainEventGenericCallback fn;
        } events[] = {
                { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
                { VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata) },
                { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot) },
                { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device) },
                { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device) },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(events); i++)
                r = virConnectDomainEventRegisterAny(host->connection, NULL, events[i].id, events[i].fn,
                                                     host, NULL);
        if (r >= 0)
                r = virConnectDomainQemuMonitorEventRegister(
                                host->connection, NULL, "^(VSERPORT_CHANGE|SHUTDOWN)$", on_qemu, host, NULL,
                                VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX);
        return r;
}

/* Registered before it is looked: what changes in between is told twice rather than not at all. */
static int tell_all(struct libvirt_host *host) {
        struct libvirt_message m = { .kind = LIBVIRT_CONNECTED };
        virDomainPtr *domains = NULL;
        int n = virConnectListAllDomains(host->connection, &domains, 0);

        for (int i = 0; i < n; i++) {
                if (host_is_ours(domains[i]))
                        host_tell_domain(host, domains[i]);
                virDomainFree(domains[i]);
        }
        free(domains);
        if (n >= 0)
                host_send(host, &m, -EBADF);
        return n;
}

static void on_retry(int timer, void *ctx) {
        virEventUpdateTimeout(timer, -1);
        (void)host_connect(ctx);
}

static void drop(struct libvirt_host *host) {
        virConnectPtr connection = TAKE_PTR(host->connection);

        if (connection)
                virConnectClose(connection);
}

/* In whichever thread finds it out. */
static void on_close(virConnectPtr connection, int reason, void *ctx) {
        struct libvirt_host *host = ctx;

        virEventUpdateTimeout(host->retry, 0);
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
