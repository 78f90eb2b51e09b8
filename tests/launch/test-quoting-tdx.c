/* A quoting service that answers, and others that do not, or wrongly. */
#include "launch/quoting-tdx.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"

#define GOOD "0100010005000000240000000000000008001000040000000400000001020304a0a1a2a3"
#define ASKED      \
        "00000010" \
        "01000100" \
        "04000000" \
        "10000000" \
        "00000000"
#define FRAME "00000024"

struct service {
        char path[64];
        pid_t pid;
};

static size_t unhex(const char *hex, uint8_t ret[1024]) {
        size_t size = strlen(hex) / 2;

        assert_int_equal(cvm_unhex(hex, ret, size), 0);
        return size;
}

/* What a service does with one question: it answers these bytes and leaves, or is silent. */
static void serve(int listener, const char *answer) {
        uint8_t expected[1024], got[64], bytes[1024];
        size_t n = unhex(ASKED, expected);
        int fd = accept(listener, NULL, NULL);

        if (recv(fd, got, n, MSG_WAITALL) != (ssize_t)n || memcmp(got, expected, n) != 0)
                _exit(1);
        if (answer)
                for (size_t size = unhex(answer, bytes), i = 0; i < size; i++) /* in single bytes */
                        if (send(fd, bytes + i, 1, MSG_NOSIGNAL) != 1)
                                break;
        if (!answer)
                (void)!recv(fd, got, 1, 0); /* until whoever asked is tired of it */
        _exit(0);
}

static void begin(struct service *s, const char *answer) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(s->path, sizeof s->path, "/tmp/cvm-quoting-%d", (int)getpid());
        unlink(s->path);
        snprintf(address.sun_path, sizeof address.sun_path, "%s", s->path);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(listener, 1), 0);
        s->pid = fork();
        if (s->pid == 0)
                serve(listener, answer);
        close(listener);
}

static void end(struct service *s) {
        int status;

        assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
        assert_int_equal(status, 0); /* the question was the one that there is */
        unlink(s->path);
}

static int ask(const char *answer, unsigned msec, uint8_t ret[HOST_FIRMWARE_ANSWER_MAX], size_t *ret_size,
               struct cvm_error *err) {
        struct service s;
        int r;

        begin(&s, answer);
        r = quoting_ask_at(s.path, msec, ret, ret_size, err);
        end(&s);
        return r;
}

static void test_it_answers(void **state) {
        uint8_t answer[HOST_FIRMWARE_ANSWER_MAX];
        struct quoting_platform platform;
        struct cvm_error err = { 0 };
        size_t size;

        assert_int_equal(ask(FRAME GOOD, 30000, answer, &size, &err), 0);
        assert_int_equal(size, 36);
        assert_true(cvm_is_zero(answer + 28, 8)); /* which platform it is, nobody learns */
        assert_int_equal(quoting_read_platform(answer, size, &platform, &err), 0);
        assert_int_equal(platform.enclave_svn, 8);
        assert_int_equal(platform.pce_svn, 16);
        assert_int_equal(platform.ids_at, 28);
        assert_int_equal(platform.ids_size, 8);
}

#define REST       \
        "08001000" \
        "04000000" \
        "04000000" \
        "01020304" \
        "a0a1a2a3"

static void test_wrong_answers(void **state) {
        static const struct {
                const char *answer;
                int number;
                const char *words;
        } rows[] = {
                { FRAME "0100000005000000"
                        "24000000"
                        "00000000" REST,
                  -EPROTO, "version 1.0, QEMU version 1.1" },
                { FRAME "0200010005000000"
                        "24000000"
                        "00000000" REST,
                  -EPROTO, "version 2.1" },
                { FRAME "0100010001000000"
                        "24000000"
                        "00000000" REST,
                  -EPROTO, "another kind" },
                { FRAME "0100010005000000"
                        "25000000"
                        "00000000" REST,
                  -EPROTO, "another size" },
                { "00000010"
                  "0100010005000000"
                  "10000000"
                  "07200100",
                  -EREMOTEIO, "0x00012007: its own enclaves" },
                { "00000010"
                  "0100010005000000"
                  "10000000"
                  "02000000",
                  -EREMOTEIO, "0x00000002: no known one" },
                { "00000010"
                  "0100010005000000"
                  "10000000"
                  "00000000",
                  -EPROTO, "another size" },
                { FRAME "0100010005000000"
                        "24000000"
                        "00000000"
                        "08001000"
                        "05000000"
                        "04000000"
                        "01020304"
                        "a0a1a2a3",
                  -EPROTO, "another size" },
                { FRAME "0100010005000000"
                        "24000000"
                        "00000000"
                        "08001000"
                        "ffffffff"
                        "09000000"
                        "01020304"
                        "a0a1a2a3",
                  -EPROTO, "another size" },
                { "00000000", -EPROTO, "another size" },
                { "00000201", -EPROTO, "too long" },
                { "ffffffff", -EPROTO, "too long" },
                { "000000", -ETIMEDOUT, "does not answer" },
                { FRAME "01000100", -ETIMEDOUT, "does not end its answer" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                uint8_t answer[HOST_FIRMWARE_ANSWER_MAX];
                struct cvm_error err = { 0 };
                size_t size;

                assert_int_equal(ask(rows[i].answer, 30000, answer, &size, &err), rows[i].number);
                assert_ptr_equal(err.code, &CVM_CODE_HOST_PROBE);
                if (!strstr(err.text, rows[i].words))
                        fail_msg("%zu: %s", i, err.text);
        }
}

static void test_nobody_and_silence(void **state) {
        uint8_t answer[HOST_FIRMWARE_ANSWER_MAX];
        struct cvm_error err = { 0 };
        size_t size;

        assert_int_equal(ask(NULL, 10, answer, &size, &err), -ETIMEDOUT);
        assert_int_equal(quoting_ask_at("/no/such/socket", 10, answer, &size, &err), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_answers),
                cmocka_unit_test(test_wrong_answers),
                cmocka_unit_test(test_nobody_and_silence),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
