/* Who is connected to at all: the rest of what a service may do is in test-fetch.sh. */
#include "collateral/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"

/* A listener of ours, and its address. */
static int listener(const char *before_port, char ret[64]) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        socklen_t size = sizeof address;

        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        snprintf(ret, 64, "%s%u", before_port, ntohs(address.sin_port));
        return fd;
}

enum { MAKER, MIRROR, POINT };

static void refuses(const char *before_port, int kind, const struct cvm_code *code) {
        CVM_CLEANUP(http_answer_done) struct http_answer answer = { 0 };
        struct cvm_error err = { 0 };
        char base[64];
        CVM_CLEANUP(cvm_closep) int fd = listener(before_port, base);
        const struct http_service service = { base, kind == MIRROR, kind == POINT };

        assert_true(http_get(&service, "/x", NULL, 100, 5000, &answer, &err) < 0);
        assert_ptr_equal(err.code, code);
        assert_true(accept(fd, NULL, NULL) < 0 && errno == EAGAIN); /* and nobody came */
}

static void test_private_addresses(void **state) {
        refuses("https://127.0.0.1:", MAKER, &CVM_CODE_COLLATERAL_ADDRESS);
        refuses("https://localhost:", MAKER, &CVM_CODE_COLLATERAL_ADDRESS);
        refuses("https://[::1]:", MAKER, &CVM_CODE_COLLATERAL_ADDRESS);
        refuses("https://[::ffff:127.0.0.1]:", MAKER, &CVM_CODE_COLLATERAL_ADDRESS);
        refuses("http://127.0.0.1:", POINT, &CVM_CODE_COLLATERAL_ADDRESS);
        refuses("http://localhost:", POINT, &CVM_CODE_COLLATERAL_ADDRESS);
}

static void test_protocols(void **state) {
        refuses("http://127.0.0.1:", MAKER, &CVM_CODE_COLLATERAL_SERVICE);
        refuses("ftp://127.0.0.1:", MIRROR, &CVM_CODE_COLLATERAL_SERVICE);
        refuses("file:///etc/hostname?", MIRROR, &CVM_CODE_COLLATERAL_SERVICE);
        refuses("http://user:word@127.0.0.1:", MIRROR, &CVM_CODE_COLLATERAL_SERVICE);
        refuses("ldap://127.0.0.1:", POINT, &CVM_CODE_COLLATERAL_SERVICE);
}

static void test_a_mirror_may_be_private(void **state) {
        CVM_CLEANUP(http_answer_done) struct http_answer answer = { 0 };
        struct cvm_error err = { 0 };
        char base[64];
        CVM_CLEANUP(cvm_closep) int fd = listener("http://127.0.0.1:", base);
        const struct http_service service = { base, true };
        CVM_CLEANUP(cvm_closep) int caller = -EBADF;

        assert_int_equal(http_get(&service, "/x", NULL, 100, 50, &answer, &err),
                         0); /* nobody answers here */
        assert_true(answer.timed_out);
        assert_int_equal(answer.status, 0);
        caller = accept(fd, NULL, NULL);
        assert_true(caller >= 0);
}

static void test_nobody_there(void **state) {
        CVM_CLEANUP(http_answer_done) struct http_answer answer = { 0 };
        struct cvm_error err = { 0 };
        char base[64];
        struct http_service service = { base, true };

        cvm_close(listener("http://127.0.0.1:", base));
        assert_int_equal(http_get(&service, "/x", NULL, 100, 5000, &answer, &err), 0);
        assert_false(answer.timed_out);
        assert_true(answer.trouble[0]);
}

static void test_addresses_that_may_be_configured(void **state) {
        static const struct {
                const char *text;
                bool good;
        } rows[] = {
                { "https://mirror.example", true },
                { "http://10.0.0.1:8080/amd", true },
                { "https://[fd00::1]:8443", true },
                { "", false },
                { "https://", false },
                { "https:///x", false },
                { "https://a/", false },
                { "HTTPS://a", false },
                { "file:///etc", false },
                { "https://u@a", false },
                { "https://a?b", false },
                { "https://a#b", false },
                { "https://a b", false },
                { "https://a\r\nHost: b", false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                assert_int_equal(http_base_is_valid(rows[i].text), rows[i].good);
}

static void test_addresses_that_a_certificate_may_name(void **state) {
        static const struct {
                const char *text;
                bool good;
        } rows[] = {
                { "http://crl.example/x.crl", true },
                { "https://host.example:8080/a/b?c=%20d&e=f", true },
                { "", false },
                { "http://", false },
                { "http:///x", false },
                { "ldap://a/x", false },
                { "file:///etc", false },
                { "http://u@a/x", false },
                { "http://a/x#y", false },
                { "http://a/x y", false },
                { "http://a/\x80", false },
                { "http://a\\@b/", false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                assert_int_equal(http_uri_is_valid(rows[i].text), rows[i].good);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_private_addresses),
                cmocka_unit_test(test_protocols),
                cmocka_unit_test(test_a_mirror_may_be_private),
                cmocka_unit_test(test_nobody_there),
                cmocka_unit_test(test_addresses_that_may_be_configured),
                cmocka_unit_test(test_addresses_that_a_certificate_may_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
