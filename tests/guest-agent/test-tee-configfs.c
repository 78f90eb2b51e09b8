/* configfs-tsm as the kernel behaves: attributes that take effect at the close, a generation for each write,
 * and every way in which it may fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "attest/message.h"
#include "guest-agent/tee-configfs.h"

#define DIRECTORY "/config/tsm/report"
#define TRIES 10

struct open_file {
        char name[32];
        bool writing;
        uint8_t data[512 << 10];
        size_t size, at;
};

static struct kernel {
        const char *provider, *level_floor; /* NULL: no such attribute */
        const uint8_t *auxblob;
        size_t auxblob_size, outblob_size, chunk; /* chunk: bytes of one read or write at most */
        int mkdir_error, mkdir_taken;             /* taken: so many names are */
        const char *broken;                       /* this attribute cannot be opened, read or written ... */
        int broken_error, broken_times;           /* ... so often */
        int lost_writes, strangers; /* inblobs that the kernel drops; writes of somebody else */

        char entry[128];
        unsigned long generation;
        uint8_t inblob[CVM_REPORT_DATA_SIZE];
        size_t inblob_size;
        char level[8];
        struct open_file file;
        int made, removed, paused, opened, closed;
} k;

static int fail_with(int errnum) {
        errno = errnum;
        return -1;
}

static int fake_mkdir(const char *path, mode_t mode) {
        if (k.mkdir_error)
                return fail_with(k.mkdir_error);
        if (k.mkdir_taken > 0) {
                k.mkdir_taken--;
                return fail_with(EEXIST);
        }
        assert_string_equal(k.entry, "");
        assert_int_equal(strncmp(path, DIRECTORY "/", strlen(DIRECTORY) + 1), 0);
        snprintf(k.entry, sizeof k.entry, "%s", path);
        k.generation = 0;
        k.inblob_size = 0;
        k.made++;
        return 0;
}

static int fake_rmdir(const char *path) {
        assert_string_equal(path, k.entry);
        k.entry[0] = 0;
        k.removed++;
        return 0;
}

/* What the attribute says; -1: there is none. */
static int fill(struct open_file *f) {
        const struct {
                const char *name, *text;
        } texts[] = { { "provider", k.provider }, { "privlevel_floor", k.level_floor } };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (texts[i].text && strcmp(f->name, texts[i].name) == 0) {
                        f->size = (size_t)sprintf((char *)f->data, "%s", texts[i].text);
                        return 0;
                }
        if (strcmp(f->name, "generation") == 0)
                f->size = (size_t)sprintf((char *)f->data, "%lu\n", k.generation);
        else if (strcmp(f->name, "auxblob") == 0 && k.auxblob)
                memcpy(f->data, k.auxblob, f->size = k.auxblob_size);
        else if (strcmp(f->name, "outblob") == 0) {
                memcpy(f->data, k.inblob, k.inblob_size); /* a report that begins with its question */
                f->size = k.outblob_size;
        } else
                return -1;
        return 0;
}

static bool breaks(const char *name) {
        return k.broken && strcmp(k.broken, name) == 0 && k.broken_times > 0 && k.broken_times--;
}

static int fake_open(const char *path, int flags) {
        struct open_file *f = &k.file;

        assert_int_equal(k.opened, k.closed); /* one at a time, none left open */
        assert_true(flags & O_CLOEXEC);
        assert_int_equal(strncmp(path, k.entry, strlen(k.entry)), 0);
        *f = (struct open_file){ .writing = flags & O_WRONLY };
        snprintf(f->name, sizeof f->name, "%s", path + strlen(k.entry) + 1);
        if (!f->writing && fill(f) < 0)
                return fail_with(ENOENT);
        if (f->writing)
                assert_true(strcmp(f->name, "inblob") == 0 ||
                            (k.level_floor && strcmp(f->name, "privlevel") == 0));
        k.opened++;
        return 7;
}

static ssize_t fake_read(int fd, void *data, size_t size) {
        struct open_file *f = &k.file;

        assert_int_equal(fd, 7);
        if (breaks(f->name))
                return fail_with(k.broken_error);
        if (strcmp(f->name, "outblob") == 0 && k.inblob_size == 0)
                return fail_with(EINVAL); /* as the kernel does without a question */
        size = size < k.chunk ? size : k.chunk;
        size = size < f->size - f->at ? size : f->size - f->at;
        memcpy(data, f->data + f->at, size);
        f->at += size;
        return (ssize_t)size;
}

static ssize_t fake_write(int fd, const void *data, size_t size) {
        struct open_file *f = &k.file;

        assert_int_equal(fd, 7);
        if (breaks(f->name))
                return fail_with(k.broken_error);
        size = size < k.chunk ? size : k.chunk;
        memcpy(f->data + f->size, data, size);
        f->size += size;
        return (ssize_t)size;
}

static int fake_close(int fd) {
        struct open_file *f = &k.file;
        bool question = strcmp(f->name, "inblob") == 0;

        assert_int_equal(fd, 7);
        k.closed++;
        if (strcmp(f->name, "outblob") == 0 && k.strangers > 0) {
                k.strangers--;
                k.generation++;
        }
        if (!f->writing || (question && k.lost_writes > 0 && k.lost_writes--))
                return 0;
        k.generation++;
        if (question)
                memcpy(k.inblob, f->data, k.inblob_size = f->size);
        else
                snprintf(k.level, sizeof k.level, "%s", (char *)f->data);
        return 0;
}

static void fake_pause(void) {
        k.paused++;
}

static const struct tee_configfs_calls calls = { fake_mkdir, fake_rmdir, fake_open, fake_read,
                                                 fake_write, fake_close, fake_pause };
static const uint8_t table[5000] = { 1, 2, 3 };

static int set_up(void **state) {
        k = (struct kernel){ .provider = "sev_guest\n",
                             .level_floor = "0\n",
                             .auxblob = table,
                             .auxblob_size = sizeof table,
                             .outblob_size = 1184,
                             .chunk = SIZE_MAX };
        return 0;
}

/* Whatever happened, nothing is left behind. */
static int tear_down(void **state) {
        return k.made == k.removed && k.opened == k.closed && !*k.entry ? 0 : -1;
}

static int ask(struct tee_report *ret, struct cvm_error *err) {
        uint8_t question[CVM_REPORT_DATA_SIZE];

        for (size_t i = 0; i < sizeof question; i++)
                question[i] = (uint8_t)(i + 1);
        return tee_configfs_ask(&calls, DIRECTORY, question, ret, err);
}

static void expect_report(int tries, size_t certificates) {
        CVM_CLEANUP(tee_report_done) struct tee_report report = { 0 };
        struct cvm_error err = { 0 };

        if (ask(&report, &err) < 0)
                fail_msg("%s", err.text);
        assert_null(err.code); /* untouched */
        assert_int_equal(report.report.size, k.outblob_size);
        for (size_t i = 0; i < CVM_REPORT_DATA_SIZE; i++)
                assert_int_equal(report.report.data[i], i + 1);
        assert_int_equal(report.certificates.size, certificates);
        if (certificates)
                assert_memory_equal(report.certificates.data, k.auxblob, certificates);
        assert_int_equal(k.made, tries);
        assert_int_equal(k.paused, tries - 1);
}

static void expect_refusal(int tries, int r, const char *words) {
        struct tee_report report = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(ask(&report, &err), r);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-AGENT-REPORT");
        if (!strstr(err.text, words))
                fail_msg("%s", err.text);
        assert_null(report.report.data);
        assert_null(report.certificates.data);
        assert_int_equal(k.made, tries);
}

static void break_it(const char *attribute, int errnum, int times) {
        k.broken = attribute;
        k.broken_error = errnum;
        k.broken_times = times;
}

static void a_report_comes_with_its_certificates(void **state) {
        expect_report(1, sizeof table);
        assert_string_equal(k.level, "0");
}

static void the_kernel_may_give_and_take_little_at_a_time(void **state) {
        k.chunk = 3;
        expect_report(1, sizeof table);
}

static void certificates_may_be_missing(void **state) {
        k.auxblob = NULL;
        expect_report(1, 0);
}

static void certificates_may_be_empty(void **state) {
        k.auxblob_size = 0;
        expect_report(1, 0);
}

static void a_driver_without_levels_is_asked_for_none(void **state) {
        k.provider = "tdx_guest\n";
        k.level_floor = NULL;
        k.auxblob = NULL;
        k.outblob_size = 8000;
        expect_report(1, 0);
}

static void the_level_is_the_highest_that_is_permitted(void **state) {
        k.level_floor = "2\n";
        expect_report(1, sizeof table);
        assert_string_equal(k.level, "2");
}

static void a_provider_of_unknown_kind_is_as_good(void **state) {
        k.provider = "unheard_of_guest\n"; /* whoever reads the report recognises it or not */
        expect_report(1, sizeof table);
}

static void what_is_no_word_is_no_provider(void **state) {
        static const char *const bad[] = {
                "",
                "\n",
                "sev_guest",
                "sev guest\n",
                "sev_guest\n\n",
                "\x1b[2J\n",
                "a_word_of_sixty_four_letters_and_more_than_that_is_no_name_of_it\n"
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                set_up(state);
                k.provider = bad[i];
                expect_refusal(1, strlen(bad[i]) > 64 ? -EFBIG : -EBADMSG, "'provider'");
        }
}

static void blobs_have_caps(void **state) {
        static const uint8_t large[CVM_CERTIFICATE_TABLE_MAX + 1];

        k.outblob_size = CVM_REPORT_MAX;
        k.auxblob = large;
        k.auxblob_size = CVM_CERTIFICATE_TABLE_MAX;
        expect_report(1, CVM_CERTIFICATE_TABLE_MAX);
        set_up(state);
        k.outblob_size = CVM_REPORT_MAX + 1;
        expect_refusal(1, -EFBIG, "sev_guest: 'outblob' is larger than 65536 bytes");
        set_up(state);
        k.auxblob = large;
        k.auxblob_size = sizeof large;
        expect_refusal(1, -EFBIG, "'auxblob' is larger");
}

static void an_empty_report_is_none(void **state) {
        k.outblob_size = 0;
        expect_refusal(1, -ENODATA, "'outblob' is empty");
}

static void somebody_elses_question_is_noticed(void **state) {
        k.strangers = 2;
        expect_report(3, sizeof table);
        set_up(state);
        k.strangers = TRIES;
        expect_refusal(TRIES, -EAGAIN, "the question was changed while it was asked");
}

static void a_question_that_the_kernel_drops_is_noticed(void **state) {
        k.lost_writes = 1;
        expect_report(2, sizeof table);
        set_up(state);
        k.lost_writes = TRIES;
        expect_refusal(TRIES, -EAGAIN, "generation 1 instead of 2");
}

static void a_busy_kernel_is_asked_again(void **state) {
        static const int errors[] = { EBUSY, EAGAIN, EINTR };
        static const char *const attributes[] = { "outblob", "auxblob", "inblob", "generation",
                                                  "privlevel" };

        for (size_t e = 0; e < ARRAY_SIZE(errors); e++)
                for (size_t a = 0; a < ARRAY_SIZE(attributes); a++) {
                        set_up(state);
                        break_it(attributes[a], errors[e], 3);
                        expect_report(4, sizeof table);
                }
        set_up(state);
        break_it("outblob", EBUSY, TRIES);
        expect_refusal(TRIES, -EBUSY, "sev_guest: 'outblob': Device or resource busy");
        assert_int_equal(k.paused, TRIES - 1);
}

static void what_will_not_pass_is_not_repeated(void **state) {
        static const char *const attributes[] = { "provider", "generation", "inblob", "outblob", "auxblob" };

        for (size_t a = 0; a < ARRAY_SIZE(attributes); a++) {
                set_up(state);
                break_it(attributes[a], EIO, 1);
                expect_refusal(1, -EIO, attributes[a]);
        }
}

static void a_name_that_is_taken_is_not_touched(void **state) {
        k.mkdir_taken = 3;
        expect_report(1, sizeof table);
        set_up(state);
        k.mkdir_taken = TRIES;
        expect_refusal(0, -EEXIST, "'" DIRECTORY "': File exists");
}

static void it_is_there_unless_there_is_certainly_nothing(void **state) {
        static const struct {
                int errnum;
                bool there;
        } rows[] = { { 0, true },        { ENOENT, false },
                     { ENOTDIR, false }, { ENXIO, false } /* no driver */,
                     { EACCES, true },   { EPERM, true },
                     { ENOMEM, true },   { EBUSY, true } };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                k.mkdir_error = rows[i].errnum;
                assert_int_equal(tee_configfs_is_there(&calls, DIRECTORY), rows[i].there);
        }
        assert_int_equal(k.made, 1);
        k.mkdir_error = ENXIO;
        expect_refusal(1, -ENXIO, "No such device");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_report_comes_with_its_certificates),
                TEST(the_kernel_may_give_and_take_little_at_a_time),
                TEST(certificates_may_be_missing),
                TEST(certificates_may_be_empty),
                TEST(a_driver_without_levels_is_asked_for_none),
                TEST(the_level_is_the_highest_that_is_permitted),
                TEST(a_provider_of_unknown_kind_is_as_good),
                TEST(what_is_no_word_is_no_provider),
                TEST(blobs_have_caps),
                TEST(an_empty_report_is_none),
                TEST(somebody_elses_question_is_noticed),
                TEST(a_question_that_the_kernel_drops_is_noticed),
                TEST(a_busy_kernel_is_asked_again),
                TEST(what_will_not_pass_is_not_repeated),
                TEST(a_name_that_is_taken_is_not_touched),
                TEST(it_is_there_unless_there_is_certainly_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
