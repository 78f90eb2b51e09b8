/*
 * The driver says yes where the ultravisor was asked; what that said is in rc alone. Integers of the two
 * structures are the machine's own, those of requests and exchange files big-endian: nothing here depends on
 * which the machine has.
 */
#include "guest-agent/tee-se.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "attest/exchange-se.h"
#include "attest/list-se.h"

#define RC_SUCCESS 1
#define RC_MORE_DATA 0x100
#define LIST_PAGES 4

_Static_assert(sizeof(struct uv_control) == 0x40, "struct uvio_ioctl_cb");
_Static_assert(offsetof(struct uv_control, argument_size) == 0x10, "struct uvio_ioctl_cb");
_Static_assert(sizeof(struct uv_attest) == 0x138, "struct uvio_attest");
_Static_assert(offsetof(struct uv_attest, request_size) == 0x128, "struct uvio_attest");
_Static_assert(sizeof(struct uv_info) == 16, "struct uvio_uvdev_info");

struct result {
        uint16_t rc;
        const char *text;
};

static const struct result attest_results[] = {
        { 0x102, "it takes less user data" },
        { 0x106, "the request is of a version that it does not know" },
        { 0x107, "the request has another length than it says" },
        { 0x108, "the request has no key slots, or too many" },
        { 0x109, "the sealed part of the request has a wrong size" },
        { 0x10a, "the request has flags that it does not know" },
        { 0x10b, "the request asks for a measurement that it does not know" },
        { 0x10c, "the request was made for other hosts, or was changed" },
        { 0 },
};

static const struct result add_results[] = {
        { 0x101, "this guest may not add secrets" },
        { 0x102, "the secret store is locked" },
        { 0x104, "the request is of a version that it does not know" },
        { 0x105, "the request has another length than it says" },
        { 0x106, "the request has no key slots, or too many" },
        { 0x107, "the request has flags that it does not know" },
        { 0x108, "the request was made for other hosts, or was changed" },
        { 0x109, "the secret is of a type that it does not know" },
        { 0x10a, "the secret has another length than its type" },
        { 0x10b, "the secret store is full" },
        { 0x10c, "the request is for another image or run, or has another extension secret" },
        { 0x10d, "the guest is being dumped" },
        { 0 },
};

static const struct result lock_results[] = { { 0x102, "it is locked already" }, { 0 } };
static const struct result list_results[] = { { 0 } };

static const char *text_of(const struct result *rows, uint16_t rc) {
        while (rows->rc && rows->rc != rc)
                rows++;
        return rows->rc ? rows->text : "for a reason that this agent does not know";
}

struct device {
        const struct tee_se_calls *calls;
        const char *path; /* borrowed */
        int fd;           /* negative errno: it cannot be opened */
        struct uv_control last;
};

static void device_done(struct device *d) {
        if (d->fd >= 0)
                d->calls->close(d->fd);
}

/* Negative errno: the driver itself refused. Whether the ultravisor did, d->last says. */
static int call(struct device *d, uint32_t number, const void *argument, size_t size) {
        d->last = (struct uv_control){ .argument = (uintptr_t)argument, .argument_size = (uint32_t)size };
        return d->fd < 0 ? d->fd : d->calls->ioctl(d->fd, number, &d->last) != 0 ? -errno : 0;
}

static struct device device_open(const struct tee_se_calls *calls, const char *path) {
        int fd = calls->open(path, O_RDWR | O_CLOEXEC);

        return (struct device){ .calls = calls, .path = path, .fd = fd < 0 ? -errno : fd };
}

/* --- evidence --- */

static int attest(struct device *d, const struct tee_question *question, uint64_t flags,
                  struct se_exchange *ret, struct cvm_error *err) {
        uint8_t measurement[SE_MEASUREMENT_SIZE] = { 0 }, additional[1024] = { 0 };
        struct uv_attest argument = { .request = (uintptr_t)question->request.data,
                                      .measurement = (uintptr_t)measurement,
                                      .additional = (uintptr_t)additional,
                                      .request_size = (uint32_t)question->request.size,
                                      .measurement_size = sizeof measurement,
                                      .additional_size = (uint32_t)se_additional_size(flags),
                                      .user_data_size = sizeof question->report_data };
        int r;

        memcpy(argument.user_data, question->report_data, sizeof question->report_data);
        r = call(d, UV_ATTEST, &argument, sizeof argument);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_AGENT_REPORT, r, "'%s': %s", d->path, strerror(-r));
        if (d->last.rc != RC_SUCCESS)
                return cvm_fail(err, &CVM_CODE_AGENT_REPORT, EACCES,
                                "the ultravisor does not answer the request: %s (rc 0x%x, 0x%x)",
                                text_of(attest_results, d->last.rc), d->last.rc, d->last.rrc);
        memcpy(ret->cuid, argument.cuid, sizeof ret->cuid);
        if (cvm_bytes_copy(measurement, sizeof measurement, &ret->measurement) < 0 ||
            cvm_bytes_copy(additional, se_additional_size(flags), &ret->additional) < 0)
                return -ENOMEM;
        return 0;
}

int tee_se_ask(const struct tee_se_calls *calls, const char *device, const struct tee_question *question,
               struct tee_report *ret, struct cvm_error *err) {
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { .is_answer = true };
        uint64_t flags;
        int r;

        if (!question->request.size)
                return cvm_fail(err, &CVM_CODE_EVIDENCE_REQUEST, EINVAL,
                                "the ultravisor answers the owner's request, and there is none");
        r = se_attestation_flags(question->request.data, question->request.size, &flags, err);
        if (r >= 0) {
                CVM_CLEANUP(device_done) struct device d = device_open(calls, device);

                r = attest(&d, question, flags, &x, err);
        }
        if (r < 0)
                return r;
        if (cvm_bytes_copy(question->request.data, question->request.size, &x.request) < 0 ||
            cvm_bytes_copy(question->report_data, sizeof question->report_data, &x.user_data) < 0 ||
            se_exchange_write(&x, &ret->report) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing an answer");
        return 0;
}

/* --- secrets --- */

/* Who does not offer that call; NULL: both do. An old driver does not know the question: it knows nothing
 * but attestation. */
static const char *who_lacks(struct device *d, uint32_t number) {
        const uint64_t bit = 1ull << (number & 0xff);
        struct uv_info info = { 0 };

        if (call(d, UV_INFO, &info, sizeof info) < 0 || d->last.rc != RC_SUCCESS || !(info.driver & bit))
                return "this guest's kernel";
        return info.ultravisor & bit ? NULL : "this host's ultravisor";
}

/* One call about the store, and its result in words. */
struct store_call {
        uint32_t number;
        const char *what, *done, *not_done;
        const struct result *results;
};

/* Negative: it could not be asked. What the ultravisor said is in d->last. */
static int call_offered(struct device *d, const struct store_call *s, const void *argument, size_t size,
                        struct cvm_error *err) {
        const char *lacks = d->fd < 0 ? NULL : who_lacks(d, s->number);
        int r;

        if (d->fd == -ENOENT)
                return cvm_fail(err, &CVM_CODE_AGENT_STORE, ENOENT,
                                "there is no '%s': this guest's kernel has no driver of an ultravisor, or did "
                                "not load it (uvdevice)",
                                d->path);
        if (lacks)
                return cvm_fail(err, &CVM_CODE_AGENT_STORE, EOPNOTSUPP, "%s %s", lacks, s->what);
        r = call(d, s->number, argument, size);
        return r < 0 ? cvm_fail(err, &CVM_CODE_AGENT_STORE, r, "'%s': %s", d->path, strerror(-r)) : 0;
}

/* 1: the ultravisor refused. */
static int tell(const struct device *d, const struct store_call *s, char ret_words[TEE_WORDS_MAX]) {
        const bool done = d->last.rc == RC_SUCCESS;

        snprintf(ret_words, TEE_WORDS_MAX, "the ultravisor %s%s (rc 0x%x, 0x%x)",
                 done ? s->done : s->not_done, done ? "" : text_of(s->results, d->last.rc), d->last.rc,
                 d->last.rrc);
        return !done;
}

static int call_store(const struct tee_se_calls *calls, const char *device, const struct store_call *s,
                      const void *argument, size_t size, char ret_words[TEE_WORDS_MAX],
                      struct cvm_error *err) {
        CVM_CLEANUP(device_done) struct device d = device_open(calls, device);
        int r = call_offered(&d, s, argument, size, err);

        return r < 0 ? r : tell(&d, s, ret_words);
}

int tee_se_keep(const struct tee_se_calls *calls, const char *device, const void *request, size_t size,
                char ret_words[TEE_WORDS_MAX], struct cvm_error *err) {
        static const struct store_call add = { UV_ADD_SECRET, "takes no requests that add secrets",
                                               "has added it", "did not add it: ", add_results };

        return call_store(calls, device, &add, request, size, ret_words, err);
}

int tee_se_lock(const struct tee_se_calls *calls, const char *device, char ret_words[TEE_WORDS_MAX],
                struct cvm_error *err) {
        static const struct store_call lock = { UV_LOCK_SECRETS, "locks no secret store",
                                                "has locked the secret store",
                                                "did not lock the secret store: ", lock_results };

        return call_store(calls, device, &lock, NULL, 0, ret_words, err);
}

/* Newer drivers ask the ultravisor until several pages are full, older ones take exactly one. */
int tee_se_list(const struct tee_se_calls *calls, const char *device, struct cvm_bytes *ret,
                struct cvm_error *err) {
        static const struct store_call list = { UV_LIST_SECRETS, "lists no secret store", "has listed it",
                                                "did not list its secret store: ", list_results };
        CVM_CLEANUP(device_done) struct device d = device_open(calls, device);
        uint8_t pages[LIST_PAGES * SE_LIST_PAGE] = { 0 };
        char words[TEE_WORDS_MAX];
        int r = call_offered(&d, &list, pages, sizeof pages, NULL);

        if (r < 0)
                r = call_offered(&d, &list, pages, SE_LIST_PAGE, err);
        if (r < 0)
                return r;
        if (d.last.rc != RC_MORE_DATA && tell(&d, &list, words) != 0)
                return cvm_fail(err, &CVM_CODE_AGENT_STORE, EACCES, "%s", words);
        return cvm_bytes_copy(pages, sizeof pages, ret);
}

/* --- the system's own --- */

static int control(int fd, unsigned long request, void *argument) {
        return ioctl(fd, request, argument);
}

static const struct tee_se_calls real = { .open = tee_open, .ioctl = control, .close = close };

static bool is_there(const struct tee *tee) {
        return access(tee->where, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static int ask(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
               struct cvm_error *err) {
        return tee_se_ask(&real, tee->where, question, ret, err);
}

static int keep_secret(struct tee *tee, const void *request, size_t size, char ret_words[TEE_WORDS_MAX],
                       struct cvm_error *err) {
        return tee_se_keep(&real, tee->where, request, size, ret_words, err);
}

static int lock_store(struct tee *tee, char ret_words[TEE_WORDS_MAX], struct cvm_error *err) {
        return tee_se_lock(&real, tee->where, ret_words, err);
}

static int list_store(struct tee *tee, struct cvm_bytes *ret, struct cvm_error *err) {
        return tee_se_list(&real, tee->where, ret, err);
}

const struct tee_provider tee_se = {
        .name = "uv",
        .where = "/dev/uv",
        .is_there = is_there,
        .ask = ask,
        .keep_secret = keep_secret,
        .lock_store = lock_store,
        .list_store = list_store,
};
