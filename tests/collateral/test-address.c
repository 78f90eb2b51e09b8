/* The edges of what is public. */
#include "collateral/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/macros.h"

static bool is_public(const char *text) {
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

        if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
                return address_is_public((struct sockaddr *)&v4);
        if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
                fail_msg("'%s' is no address", text);
        return address_is_public((struct sockaddr *)&v6);
}

static void test_public(void **state) {
        static const char *const texts[] = {
                "1.1.1.1",     "9.255.255.255", "11.0.0.0",    "100.63.255.255", "100.128.0.0",
                "126.0.0.1",   "128.0.0.1",     "169.253.0.1", "172.15.255.255", "172.32.0.0",
                "192.167.0.1", "192.169.0.1",   "198.17.0.1",  "198.20.0.0",     "223.255.255.255",
                "2001:4860::", "2600:1f18::1",  "2a00:1450::", "2001:200::1",    "2003::1",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (!is_public(texts[i]))
                        fail_msg("%s is not public", texts[i]);
}

static void test_not_public(void **state) {
        static const char *const texts[] = {
                "0.0.0.0",
                "10.0.0.1",
                "10.255.255.255",
                "100.64.0.1",
                "127.0.0.1",
                "127.255.0.1",
                "169.254.169.254",
                "172.16.0.1",
                "172.31.255.255",
                "192.0.0.8",
                "192.0.2.1",
                "192.88.99.1",
                "192.168.1.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.1",
                "224.0.0.1",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "::1",
                "::ffff:8.8.8.8",
                "::ffff:127.0.0.1",
                "64:ff9b::7f00:1",
                "fe80::1",
                "fc00::1",
                "fd12::1",
                "ff02::1",
                "2001:db8::1",
                "2002:7f00:1::1",
                "2001:0:7f00:1::1",
                "3fff::1",
                "100::1",
                "5f00::1",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (is_public(texts[i]))
                        fail_msg("%s is public", texts[i]);
}

static void test_other_families(void **state) {
        const struct sockaddr local = { .sa_family = AF_UNIX };

        assert_false(address_is_public(&local));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_public),
                cmocka_unit_test(test_not_public),
                cmocka_unit_test(test_other_families),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
