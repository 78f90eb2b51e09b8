#include "guest-agent/tee-configfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/message.h"
#include "base/names.h"

#define TRIES 10
#define WORD_MAX 64

struct entry { /* one directory below the configfs */
        const struct tee_configfs_calls *calls;
        char path[TEE_WHERE_MAX + 32];
};

static int refuse(const char *attribute, int errnum, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_AGENT_REPORT, errnum, "'%s': %s", attribute, strerror(errnum));
}

/* A name that nobody else has: an entry is never shared. */
static int entry_make(const struct tee_configfs_calls *calls, const char *directory, struct entry *ret) {
        for (int i = 0; i < TRIES; i++) {
                uint64_t number;

                cvm_random(&number, sizeof number);
                snprintf(ret->path, sizeof ret->path, "%s/cvm-agent-%016" PRIx64, directory, number);
                if (calls->mkdir(ret->path, 0700) == 0) {
                        ret->calls = calls;
                        return 0;
                }
                if (errno != EEXIST)
                        break;
        }
        return -errno;
}

static void entry_remove(struct entry *entry) {
        if (entry->calls)
                entry->calls->rmdir(entry->path);
}

static int open_attribute(const struct entry *entry, const char *name, int flags) {
        char path[TEE_WHERE_MAX + 64];

        snprintf(path, sizeof path, "%s/%s", entry->path, name);
        return entry->calls->open(path, flags | O_CLOEXEC);
}

/* To its end; at most max bytes. */
static int read_attribute(const struct entry *entry, const char *name, size_t max, struct cvm_bytes *ret,
                          struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        int fd = open_attribute(entry, name, O_RDONLY), errnum;
        uint8_t part[4096];
        ssize_t n;

        if (fd < 0)
                return refuse(name, errno, err);
        while ((n = entry->calls->read(fd, part, sizeof part)) > 0 && w.bytes.size <= max)
                cvm_write_copy(&w, part, (size_t)n);
        errnum = errno;
        entry->calls->close(fd);
        if (n < 0)
                return refuse(name, errnum, err);
        if (w.bytes.size > max)
                return cvm_fail(err, &CVM_CODE_AGENT_REPORT, EFBIG, "'%s' is larger than %zu bytes", name,
                                max);
        return cvm_writer_take(&w, ret);
}

/* The same where a driver need not have it: then nothing. */
static int read_optional(const struct entry *entry, const char *name, size_t max, struct cvm_bytes *ret,
                         struct cvm_error *err) {
        struct cvm_error why = { 0 };
        int r = read_attribute(entry, name, max, ret, &why);

        if (r < 0 && r != -ENOENT && err)
                *err = why;
        return r == -ENOENT ? 0 : r;
}

/* Binary attributes take effect at the close, whose result the kernel does not tell: the generation does. */
static int write_attribute(const struct entry *entry, const char *name, const void *data, size_t size,
                           struct cvm_error *err) {
        int fd = open_attribute(entry, name, O_WRONLY), errnum;
        const uint8_t *next = data;
        ssize_t n = 0;

        if (fd < 0)
                return refuse(name, errno, err);
        while (size > 0 && (n = entry->calls->write(fd, next, size)) > 0) {
                next += n;
                size -= (size_t)n;
        }
        errnum = n < 0 ? errno : EIO;
        entry->calls->close(fd);
        return size > 0 ? refuse(name, errnum, err) : 0;
}

/* One word and its newline. */
static int take_word(const struct cvm_bytes *bytes, const char *name, char ret[WORD_MAX],
                     struct cvm_error *err) {
        size_t size = 0;

        while (size < bytes->size && (isalnum(bytes->data[size]) || bytes->data[size] == '_'))
                size++;
        if (size == 0 || size >= WORD_MAX || size + 1 != bytes->size || bytes->data[size] != '\n')
                return cvm_fail(err, &CVM_CODE_AGENT_REPORT, EBADMSG, "'%s' is not one word", name);
        memcpy(ret, bytes->data, size);
        ret[size] = 0;
        return 0;
}

static int read_word(const struct entry *entry, const char *name, char ret[WORD_MAX],
                     struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        int r = read_attribute(entry, name, WORD_MAX, &bytes, err);

        return r < 0 ? r : take_word(&bytes, name, ret, err);
}

static int read_generation(const struct entry *entry, uint64_t *ret, struct cvm_error *err) {
        char word[WORD_MAX], *end;
        int r = read_word(entry, "generation", word, err);

        if (r < 0)
                return r;
        errno = 0;
        *ret = strtoull(word, &end, 10);
        if (!isdigit((unsigned char)word[0]) || *end || errno)
                return cvm_fail(err, &CVM_CODE_AGENT_REPORT, EBADMSG, "'generation' is not a number");
        return 0;
}

static int expect_generation(const struct entry *entry, uint64_t expected, struct cvm_error *err) {
        uint64_t found;
        int r = read_generation(entry, &found, err);

        if (r >= 0 && found != expected)
                return cvm_fail(err, &CVM_CODE_AGENT_REPORT, EAGAIN,
                                "the question was changed while it was asked (generation %" PRIu64
                                " instead of %" PRIu64 ")",
                                found, expected);
        return r;
}

/* At the highest level that this guest may ask for, where its driver has levels. 1: one more was written. */
static int write_level(const struct entry *entry, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes floor = { 0 };
        char word[WORD_MAX];
        int r = read_optional(entry, "privlevel_floor", WORD_MAX, &floor, err);

        if (r < 0 || floor.size == 0)
                return r;
        r = take_word(&floor, "privlevel_floor", word, err);
        if (r >= 0)
                r = write_attribute(entry, "privlevel", word, strlen(word), err);
        return r < 0 ? r : 1;
}

/* What is written into the entry: the question, and nothing but it. */
static int put_question(const struct entry *entry, const uint8_t report_data[CVM_REPORT_DATA_SIZE],
                        uint64_t *ret_generation, struct cvm_error *err) {
        uint64_t generation;
        int r = read_generation(entry, &generation, err), written;

        if (r >= 0)
                r = write_level(entry, err);
        written = r;
        if (r >= 0)
                r = write_attribute(entry, "inblob", report_data, CVM_REPORT_DATA_SIZE, err);
        if (r < 0)
                return r;
        *ret_generation = generation + 1 + (uint64_t)written;
        return expect_generation(entry, *ret_generation, err);
}

static int ask_entry(const struct entry *entry, const uint8_t report_data[CVM_REPORT_DATA_SIZE],
                     struct tee_report *ret, struct cvm_error *err) {
        CVM_CLEANUP(tee_report_done) struct tee_report report = { 0 };
        char driver[WORD_MAX] = "";
        uint64_t generation;
        int r = read_word(entry, "provider", driver, err);

        if (r >= 0)
                r = put_question(entry, report_data, &generation, err);
        if (r >= 0)
                r = read_attribute(entry, "outblob", CVM_REPORT_MAX, &report.report, err);
        if (r >= 0 && report.report.size == 0)
                r = cvm_fail(err, &CVM_CODE_AGENT_REPORT, ENODATA, "'outblob' is empty");
        if (r >= 0)
                r = read_optional(entry, "auxblob", CVM_CERTIFICATE_TABLE_MAX, &report.certificates, err);
        if (r >= 0)
                r = expect_generation(entry, generation, err);
        if (r < 0)
                return *driver ? cvm_while(err, r, "%s", driver) : r;
        ret->report = cvm_bytes_take(&report.report);
        ret->certificates = cvm_bytes_take(&report.certificates);
        return 0;
}

static int try_once(const struct tee_configfs_calls *calls, const char *directory,
                    const uint8_t report_data[CVM_REPORT_DATA_SIZE], struct tee_report *ret,
                    struct cvm_error *err) {
        CVM_CLEANUP(entry_remove) struct entry entry = { 0 };
        int r = entry_make(calls, directory, &entry);

        return r < 0 ? refuse(directory, -r, err) : ask_entry(&entry, report_data, ret, err);
}

int tee_configfs_ask(const struct tee_configfs_calls *calls, const char *directory,
                     const uint8_t report_data[CVM_REPORT_DATA_SIZE], struct tee_report *ret,
                     struct cvm_error *err) {
        struct cvm_error why;
        int r;

        for (int tries = 1;; tries++) {
                why = (struct cvm_error){ 0 };
                r = try_once(calls, directory, report_data, ret, &why);
                if ((r != -EAGAIN && r != -EBUSY && r != -EINTR) || tries == TRIES)
                        break;
                calls->pause();
        }
        if (r < 0 && err)
                *err = why;
        return r;
}

bool tee_configfs_is_there(const struct tee_configfs_calls *calls, const char *directory) {
        CVM_CLEANUP(entry_remove) struct entry entry = { 0 };
        int r = entry_make(calls, directory, &entry);

        return r != -ENOENT && r != -ENOTDIR && r != -ENXIO;
}

static const struct tee_configfs_calls real = {
        .mkdir = mkdir,
        .rmdir = rmdir,
        .open = tee_open,
        .read = read,
        .write = write,
        .close = close,
        .pause = tee_pause,
};

static bool is_there(const struct tee *tee) {
        return tee_configfs_is_there(&real, tee->where);
}

static int ask(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
               struct cvm_error *err) {
        return tee_configfs_ask(&real, tee->where, question->report_data, ret, err);
}

const struct tee_provider tee_configfs = {
        .name = "configfs",
        .where = "/sys/kernel/config/tsm/report",
        .is_there = is_there,
        .ask = ask,
};
