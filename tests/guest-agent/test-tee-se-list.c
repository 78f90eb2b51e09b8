/*
 * The list of the ultravisor's store, from a /dev/uv that fills pages as its drivers do to the lines that a
 * program of the guest's own reads from the agent's socket.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "attest/list-se.h"
#include "base/fd.h"
#include "guest-agent/control.h"
#include "guest-agent/tee-se.h"

#define DEVICE "/dev/uv"
#define MORE ": the store has more than this guest's kernel lists"
/* An id of one byte, 32 times. */
#define ID(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c

/* What the driver and the ultravisor behind it do. */
static struct driver {
        int open_error, ioctl_error;
        uint16_t rc, rrc; /* 0: success */
        uint64_t driver, ultravisor;
        bool old;           /* it takes one page */
        unsigned n_secrets; /* in the store */
        unsigned n_listed;
        int opened;
} d;

static int fake_open(const char *path, int flags) {
        assert_string_equal(path, DEVICE);
        errno = d.open_error;
        d.opened += !d.open_error;
        return d.open_error ? -1 : 7;
}

static int fake_close(int fd) {
        d.opened--;
        return 0;
}

static void put16(uint8_t *at, unsigned value) {
        at[0] = (uint8_t)(value >> 8);
        at[1] = (uint8_t)value;
}

/* The driver asks for 85 at once, as long as another 85 and a head have room. */
static uint16_t fill(uint8_t *at, size_t size) {
        unsigned n = 0;

        do
                for (unsigned i = 0; i < 85 && n < d.n_secrets; i++, n++) {
                        put16(at + 16 + 48 * n, n);
                        put16(at + 16 + 48 * n + 2, 2);
                        memset(at + 16 + 48 * n + 16, (int)n, 32);
                }
        while (n < d.n_secrets && 16 + 48 * n + 4096 <= size);
        put16(at, n);
        put16(at + 2, d.n_secrets);
        put16(at + 4, n < d.n_secrets ? n : 0);
        return n < d.n_secrets ? 0x100 : 1;
}

static int fake_ioctl(int fd, unsigned long number, void *argument) {
        struct uv_control *control = argument;
        uint8_t *at = (uint8_t *)(uintptr_t)control->argument;

        errno = number == UV_INFO                         ? ENOTTY
                : d.old && control->argument_size != 4096 ? EINVAL
                                                          : d.ioctl_error;
        if (number == UV_INFO && d.driver) {
                memcpy(at, &d.driver, 8);
                memcpy(at + 8, &d.ultravisor, 8);
                control->rc = 1;
                return 0;
        }
        if (errno)
                return -1;
        assert_int_equal(number, 0xc0407503);
        assert_true(control->argument_size > 0 && control->argument_size % 4096 == 0);
        d.n_listed++;
        control->rc = d.rc ? d.rc : fill(at, control->argument_size);
        control->rrc = d.rrc;
        return 0;
}

static int list_fake(struct tee *tee, struct cvm_bytes *ret, struct cvm_error *err) {
        static const struct tee_se_calls calls = { fake_open, fake_ioctl, fake_close };

        return tee_se_list(&calls, DEVICE, ret, err);
}

static const struct tee_provider with_store = { .name = "fake", .list_store = list_fake },
                                 without_store = { .name = "fake" };

/* --- what a program of the guest's own is answered --- */

static void expect_told(const struct tee_provider *provider, const char *first, const char *last) {
        CVM_CLEANUP(control_done) struct control control = { 0 };
        CVM_CLEANUP(cvm_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct tee tee = { .provider = provider,
                           .fd = -EBADF,
                           .self.platform = CVM_PLATFORM_SECURE_EXECUTION,
                           .knows_self = true };
        struct agent agent = { .tee = &tee };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char dir[] = "/tmp/cvm-list-XXXXXX";
        static char told[64 << 10];
        size_t size = 0;
        ssize_t n;

        assert_non_null(mkdtemp(dir));
        assert_int_equal(control_open(dir, &control, NULL), 0);
        snprintf(address.sun_path, sizeof address.sun_path, "%s/agent.sock", dir);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        unlink(address.sun_path);
        rmdir(dir);
        control_accept(&control);
        assert_int_equal(write(fd, "store list\n", 11), 11);
        assert_false(control_read(&control.clients[0], &agent));
        while ((n = read(fd, told + size, sizeof told - 1 - size)) > 0)
                size += (size_t)n;
        told[size] = 0;
        assert_ptr_equal(strstr(told, first), told);
        if (size < strlen(last) || strcmp(told + size - strlen(last), last) != 0)
                fail_msg("%s", told);
}

static void a_list_has_all_that_the_driver_gives(void **state) {
        static const char first[] = "0 association " ID("00") "\n";

        d.driver = d.ultravisor = 0xf;
        expect_told(&with_store, "0 of 0 secrets\n", "0 of 0 secrets\n");
        d.n_secrets = 2;
        expect_told(&with_store, first, "\n1 association " ID("01") "\n2 of 2 secrets\n");
        assert_int_equal(d.n_listed, 2);
        d.n_secrets = 300; /* several pages, in one call */
        expect_told(&with_store, first, "\n299 association " ID("2b") "\n300 of 300 secrets\n");
        assert_int_equal(d.n_listed, 3);
        d.n_secrets = 500;
        expect_told(&with_store, first, "\n339 association " ID("53") "\n340 of 500 secrets" MORE "\n");
}

static void an_old_driver_gives_one_page(void **state) {
        static const char first[] = "0 association " ID("00") "\n";

        d.driver = d.ultravisor = 0xf;
        d.old = true;
        d.n_secrets = 85;
        expect_told(&with_store, first, "\n84 association " ID("54") "\n85 of 85 secrets\n");
        d.n_secrets = 86;
        expect_told(&with_store, first, "\n85 of 86 secrets" MORE "\n");
}

static void expect_refused(const struct tee_provider *provider, const char *words) {
        expect_told(provider, "refused: ", words);
        assert_int_equal(d.n_listed, 0);
}

static void what_nobody_gives_is_refused_in_words(void **state) {
        expect_refused(&without_store, "this platform has no secret store of its own\n");
        expect_refused(&with_store, "this guest's kernel lists no secret store\n"); /* an old driver */
        d.driver = d.ultravisor = 0x7;
        expect_refused(&with_store, "this guest's kernel lists no secret store\n");
        d.driver = 0xf;
        d.ultravisor = 0x17; /* all but the list */
        expect_refused(&with_store, "this host's ultravisor lists no secret store\n");
        d.ultravisor = 0xf;
        d.ioctl_error = ENOMEM;
        expect_refused(&with_store, "'" DEVICE "': Cannot allocate memory\n");
        d.open_error = ENOENT;
        expect_refused(&with_store,
                       "there is no '" DEVICE
                       "': this guest's kernel has no driver of an ultravisor, or did not load it (uvdevice)\n");
        d.open_error = EACCES;
        expect_refused(&with_store, "'" DEVICE "': Permission denied\n");
        d = (struct driver){ .driver = 0xf, .ultravisor = 0xf, .rc = 0x2, .rrc = 7 };
        expect_told(&with_store, "refused: ",
                    "the ultravisor did not list its secret store: for a reason that this agent does not "
                    "know (rc 0x2, 0x7)\n");
}

static int set_up(void **state) {
        d = (struct driver){ 0 };
        return 0;
}

static int tear_down(void **state) {
        return d.opened == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_list_has_all_that_the_driver_gives),
                TEST(an_old_driver_gives_one_page),
                TEST(what_nobody_gives_is_refused_in_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
