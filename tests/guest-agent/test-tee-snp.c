/* The ioctls of /dev/sev-guest as its driver answers them, one script of answers for each test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>
#include <linux/sev-guest.h>

#include "attest/message.h"
#include "guest-agent/tee-snp.h"

#define DEVICE "/dev/sev-guest"
#define PAGE 4096u
#define REPORT_SIZE 1184
#define STEPS_MAX 12

/* What the driver answers to one question; the last one again to all that follow. */
struct step {
        int errnum;
        uint32_t firmware, host; /* errors */
        uint32_t needs;          /* bytes of table */
};

static struct driver {
        int open_error;
        struct step steps[STEPS_MAX];
        size_t n_steps;
        uint32_t status, report_size; /* of the response */
        const uint8_t *table;
        size_t table_size;

        size_t asked, asked_alone;
        uint32_t lengths[STEPS_MAX]; /* of the tables that were offered */
        int opened, closed, paused;
} d;

static int fake_open(const char *path, int flags) {
        assert_string_equal(path, DEVICE);
        assert_int_equal(flags, O_RDWR | O_CLOEXEC);
        if (d.open_error) {
                errno = d.open_error;
                return -1;
        }
        d.opened++;
        return 7;
}

static int fake_close(int fd) {
        assert_int_equal(fd, 7);
        d.closed++;
        return 0;
}

static void fake_pause(void) {
        d.paused++;
}

static void put_u32(uint8_t *at, uint32_t v) {
        for (int i = 0; i < 4; i++)
                at[i] = (uint8_t)(v >> 8 * i);
}

static void respond(const struct snp_report_req *request, uint8_t *response) {
        put_u32(response, d.status);
        put_u32(response + 4, d.report_size);
        memset(response + 8, 0xaa, 24); /* reserved: nothing is said of them */
        memcpy(response + 32, request->user_data, sizeof request->user_data);
}

static int fake_ioctl(int fd, unsigned long command, void *argument) {
        struct snp_guest_request_ioctl *io = argument;
        struct snp_ext_report_req *request = (void *)(uintptr_t)io->req_data; /* the shorter one begins it */
        const struct step *step = &d.steps[d.asked < d.n_steps ? d.asked : d.n_steps - 1];

        assert_int_equal(fd, 7);
        assert_int_equal(io->msg_version, 1);
        assert_int_equal(request->data.vmpl, 0);
        for (size_t i = 0; i < sizeof request->data.rsvd; i++)
                assert_int_equal(request->data.rsvd[i], 0);
        assert_true(d.asked < STEPS_MAX);
        if (command == SNP_GET_EXT_REPORT) {
                d.lengths[d.asked] = request->certs_len;
                assert_int_equal(request->certs_len % PAGE, 0); /* else the driver says EINVAL */
        } else {
                assert_int_equal(command, SNP_GET_REPORT);
                d.asked_alone++;
        }
        d.asked++;
        if (command == SNP_GET_EXT_REPORT && d.table && (!step->errnum || step->errnum == EFAULT)) {
                assert_true(d.table_size <= request->certs_len);
                memcpy((void *)(uintptr_t)request->certs_address, d.table, d.table_size);
        }
        if (step->errnum) {
                io->fw_error = step->firmware;
                io->vmm_error = step->host;
                if (step->host == SNP_GUEST_VMM_ERR_INVALID_LEN)
                        request->certs_len = step->needs;
                errno = step->errnum;
                return -1;
        }
        respond(&request->data, (void *)(uintptr_t)io->resp_data);
        return 0;
}

static const struct tee_snp_calls calls = { fake_open, fake_ioctl, fake_close, fake_pause };
static const uint8_t table[100] = { 1, 2, 3 };

static int set_up(void **state) {
        d = (struct driver){
                .n_steps = 1, .report_size = REPORT_SIZE, .table = table, .table_size = sizeof table
        };
        return 0;
}

static int tear_down(void **state) {
        return d.opened == d.closed ? 0 : -1;
}

static void script(const struct step *steps, size_t n) {
        memcpy(d.steps, steps, n * sizeof *steps);
        d.n_steps = n;
}

#define SCRIPT(...)                                  \
        script((const struct step[]){ __VA_ARGS__ }, \
               sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static const uint8_t question[CVM_REPORT_DATA_SIZE] = { 0x5a, 0xa5, [63] = 0x77 };

static void expect_report(size_t certificates) {
        CVM_CLEANUP(tee_report_done) struct tee_report report = { 0 };
        struct cvm_error err = { 0 };

        if (tee_snp_ask(&calls, DEVICE, question, &report, &err) < 0)
                fail_msg("%s", err.text);
        assert_null(err.code);
        assert_int_equal(report.report.size, d.report_size);
        assert_memory_equal(report.report.data, question, sizeof question);
        assert_int_equal(report.certificates.size, certificates);
        if (certificates)
                assert_memory_equal(report.certificates.data, d.table, d.table_size);
}

static void expect_refusal(int r, const char *words) {
        struct tee_report report = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(tee_snp_ask(&calls, DEVICE, question, &report, &err), r);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-AGENT-REPORT");
        if (!strstr(err.text, words))
                fail_msg("%s", err.text);
        assert_null(report.report.data);
        assert_null(report.certificates.data);
}

static void a_report_comes_with_the_hosts_table(void **state) {
        expect_report(4 * PAGE);
        assert_int_equal(d.asked, 1);
        assert_int_equal(d.paused, 0);
}

static void a_host_without_certificates_gives_none(void **state) {
        d.table = NULL; /* the driver hands out zeros */
        expect_report(0);
}

static void the_table_grows_as_the_host_says(void **state) {
        static const uint8_t large[9 * PAGE] = { [9 * PAGE - 1] = 9 };

        d.table = large;
        d.table_size = sizeof large;
        SCRIPT({ EIO, 0, SNP_GUEST_VMM_ERR_INVALID_LEN, 6 * PAGE },
               { EIO, 0, SNP_GUEST_VMM_ERR_INVALID_LEN, 9 * PAGE }, { 0 });
        expect_report(9 * PAGE);
        assert_int_equal(d.asked, 3);
        assert_int_equal(d.lengths[1], 6 * PAGE);
        assert_int_equal(d.lengths[2], 9 * PAGE);
}

static void a_table_that_never_fits_is_left_out(void **state) {
        static const uint32_t needs[] = { 0, PAGE, 4 * PAGE, CVM_CERTIFICATE_TABLE_MAX + PAGE, 0xfffff000 };

        for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
                set_up(state);
                SCRIPT({ EIO, 0, SNP_GUEST_VMM_ERR_INVALID_LEN, needs[i] }, { 0 });
                expect_report(0);
                assert_int_equal(d.asked, 2);
                assert_int_equal(d.asked_alone, 1);
        }
        set_up(state);
        SCRIPT({ EIO, 0, SNP_GUEST_VMM_ERR_INVALID_LEN, 5 * PAGE }, { EINVAL, 0xff, 0, 0 }, { 0 });
        expect_report(0); /* the driver itself takes no more */
        assert_int_equal(d.asked_alone, 1);
}

static void a_table_that_always_grows_ends(void **state) {
        struct step steps[STEPS_MAX];

        for (uint32_t i = 0; i < STEPS_MAX; i++)
                steps[i] = (struct step){ EIO, 0, SNP_GUEST_VMM_ERR_INVALID_LEN, (5 + i) * PAGE };
        script(steps, STEPS_MAX);
        expect_refusal(-EBUSY, "'" DEVICE "'");
        assert_int_equal(d.asked, 10);
}

static void a_busy_host_is_asked_again(void **state) {
        SCRIPT({ EIO, 0, SNP_GUEST_VMM_ERR_BUSY, 0 }, { EAGAIN, 0xff, 0, 0 }, { EINTR, 0xff, 0, 0 }, { 0 });
        expect_report(4 * PAGE);
        assert_int_equal(d.paused, 3);
        assert_int_equal(d.asked_alone, 0);
}

static void a_host_that_stays_busy_costs_a_refusal(void **state) {
        SCRIPT({ EIO, 0, SNP_GUEST_VMM_ERR_BUSY, 0 });
        expect_refusal(-EBUSY, "'" DEVICE "': Device or resource busy (firmware 0x0, host 0x2)");
        assert_int_equal(d.asked, 10);
        assert_int_equal(d.paused, 10);
}

static void a_driver_without_extended_reports_gives_the_plain_one(void **state) {
        SCRIPT({ ENOTTY, 0xff, 0, 0 }, { 0 });
        expect_report(0);
        assert_int_equal(d.asked_alone, 1);
        set_up(state);
        SCRIPT({ EFAULT, 0, 0, 0 }, { 0 }); /* the table of a report that failed is not taken */
        expect_report(0);
}

static void both_refused_is_a_refusal_with_both_numbers(void **state) {
        SCRIPT({ EIO, 0x16, 0, 0 });
        expect_refusal(-EIO, "(firmware 0x16, host 0x0)");
        assert_int_equal(d.asked, 2);
}

static void the_firmware_may_refuse(void **state) {
        d.status = 0x16;
        expect_refusal(-EACCES, "status 0x16");
}

static void sizes_that_cannot_be_are_refused(void **state) {
        static const uint32_t sizes[] = { 0, 4000 - 32 + 1, 4000, UINT32_MAX };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                d.report_size = sizes[i];
                expect_refusal(-EBADMSG, "report has");
        }
        d.report_size = 4000 - 32;
        expect_report(4 * PAGE);
}

static void it_is_there_unless_there_is_certainly_nothing(void **state) {
        static const struct {
                int errnum;
                bool there;
        } rows[] = { { 0, true },       { ENOENT, false }, { ENOTDIR, false }, { ENXIO, false },
                     { ENODEV, false }, { EACCES, true },  { EBUSY, true },    { EMFILE, true } };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                d.open_error = rows[i].errnum;
                assert_int_equal(tee_snp_is_there(&calls, DEVICE), rows[i].there);
        }
        d.open_error = EACCES;
        expect_refusal(-EACCES, "Permission denied");
        assert_int_equal(d.asked, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_report_comes_with_the_hosts_table),
                TEST(a_host_without_certificates_gives_none),
                TEST(the_table_grows_as_the_host_says),
                TEST(a_table_that_never_fits_is_left_out),
                TEST(a_table_that_always_grows_ends),
                TEST(a_busy_host_is_asked_again),
                TEST(a_host_that_stays_busy_costs_a_refusal),
                TEST(a_driver_without_extended_reports_gives_the_plain_one),
                TEST(both_refused_is_a_refusal_with_both_numbers),
                TEST(the_firmware_may_refuse),
                TEST(sizes_that_cannot_be_are_refused),
                TEST(it_is_there_unless_there_is_certainly_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
