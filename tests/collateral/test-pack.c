/* The offline bundle as a document. */
#include "collateral/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT(name, data) "{\"platform\":\"sev-snp\",\"name\":\"" name "\",\"data\":\"" data "\"}"
#define PACK(objects) "{\"version\":1,\"objects\":[" objects "]}"

static void test_there_and_back(void **state) {
        static const char text[] =
                        PACK(OBJECT("milan.vcek-chain", "AAEC") "," OBJECT("genoa.vlek-crl", "BQ=="));
        CVM_CLEANUP(collateral_pack_done) struct collateral_pack pack = { 0 };
        CVM_CLEANUP(cvm_freep) char *again = NULL;
        struct cvm_error err = { 0 };

        assert_int_equal(collateral_pack_read(text, strlen(text), "p", &pack, &err), 0);
        assert_int_equal(pack.n, 2);
        assert_non_null(collateral_pack_find(&pack, pack.items[0].source, "genoa.vlek-crl"));
        assert_null(collateral_pack_find(&pack, pack.items[0].source, "milan.vlek-crl"));
        again = collateral_pack_write(&pack);
        assert_string_equal(again, text);
}

static void test_refused(void **state) {
        static const struct {
                const char *text, *words;
        } rows[] = {
                { "{\"version\":2,\"objects\":[]}", "version" },
                { "{\"version\":1}", "objects" },
                { PACK("1"), "objects[0]" },
                { PACK(OBJECT("milan.vcek-chain", "AAE")), "base64" },
                { PACK(OBJECT("/etc/passwd", "AAEC")), "that this version knows" },
                { PACK(OBJECT("../milan.vcek-chain", "AAEC")), "that this version knows" },
                { PACK("{\"platform\":\"tdx\",\"name\":\"x\",\"data\":\"\"}"), "that this version knows" },
                { PACK(OBJECT("milan.vcek-crl", "AAEC") "," OBJECT("milan.vcek-crl", "AAEC")),
                  "objects[1]" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct collateral_pack pack = { .n = 99 };
                struct cvm_error err = { 0 };
                int r = collateral_pack_read(rows[i].text, strlen(rows[i].text), "p.json", &pack, &err);

                if (r >= 0 || !strstr(err.text, rows[i].words) || !strstr(err.text, "p.json"))
                        fail_msg("%s: %s", rows[i].text, err.text);
                assert_int_equal(pack.n, 99);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
