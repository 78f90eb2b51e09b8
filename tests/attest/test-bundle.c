/* The bundle: what a host hands to an owner, all of it hostile. */
#include "attest/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define D16 "0123456789abcdef0123456789abcdef"
#define D32 D16 D16
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

#define HEAD                                                                                    \
        "{\"version\":1,\"platform\":\"sev-snp\",\"simulated\":true,"                           \
        "\"uuid\":\"0c1d2e3f-0000-4000-8000-000000000001\",\"suite\":1,\"report\":\"AAEC\","    \
        "\"certificates\":[\"AAEC\",\"AwQF\"],\"nonce\":\"" D32 "\",\"keyset\":{\"kem\":\"" KEY \
        "\",\"sig\":\"" KEY "\"}"

static const char least[] = HEAD ",\"generation\":0}";
static const char most[] =
                HEAD ",\"binding\":\"{}\",\"owner\":\"" KEY "\",\"generation\":7,"
                     "\"revocations\":[\"BQ==\"],"
                     "\"host_boot_id\":\"b\",\"host_agent\":\"a 1\",\"host_chain_head\":\"" D32 "\"}";

static void test_there_and_back(void **state) {
        static const char *const texts[] = { least, most };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
                CVM_CLEANUP(cvm_freep) char *again = NULL;
                struct cvm_error err = { 0 };

                assert_int_equal(bundle_read(texts[i], strlen(texts[i]), "b.json", &bundle, &err), 0);
                again = bundle_write(&bundle);
                assert_string_equal(again, texts[i]);
                assert_int_equal(bundle.n_certificates, 2);
        }
}

static void test_digest_is_of_the_report(void **state) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        uint8_t digest[CVM_SHA384_SIZE], expected[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };

        assert_int_equal(bundle_read(most, strlen(most), "b.json", &bundle, &err), 0);
        bundle_evidence_digest(&bundle, digest);
        cvm_sha384("\x00\x01\x02", 3, expected);
        assert_memory_equal(digest, expected, sizeof digest);
}

static void refused(const char *from, const char *to, const char *words) {
        const char *place = strstr(most, from);
        struct bundle bundle = { .generation = 99 };
        struct cvm_error err = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        assert_non_null(place);
        assert_true(asprintf(&text, "%.*s%s%s", (int)(place - most), most, to, place + strlen(from)) > 0);
        assert_true(bundle_read(text, strlen(text), "b.json", &bundle, &err) < 0);
        assert_int_equal(bundle.generation, 99);
        if (!strstr(err.text, words))
                fail_msg("\"%s\" instead of \"%s\"", err.text, words);
}

static void test_refusals(void **state) {
        refused("\"version\":1", "\"version\":2", "'version'");
        refused("\"sev-snp\"", "\"sgx\"", "'platform'");
        refused("true", "1", "'simulated'");
        refused("\"suite\":1", "\"suite\":256", "'suite'");
        refused("\"suite\":1", "\"suite\":0", "'suite'");
        refused("\"AAEC\"", "\"AAE\"", "'report'");
        refused("\"AwQF\"", "\"AwQ\"", "'certificates[1]'");
        refused("\"AwQF\"", "7", "'certificates[1]'");
        refused("[\"AAEC\",\"AwQF\"]", "null", "'certificates'");
        refused("{\"kem\"", "{\"kam\"", "'keyset.kam'");
        refused("\"kem\":\"" KEY "\",", "", "'keyset.kem'");
        refused(KEY, "AAEC", "public key of 44 bytes");
        refused(KEY, KEY KEY, "public key of 44 bytes");
        refused(D32, D16, "'nonce'");
        refused("\"generation\":7", "\"generation\":-7", "'generation'");
        refused("\"generation\":7", "\"generation\":7,\"generation\":8", "given twice");
        refused("\"host_agent\":\"a 1\"", "\"host_agent\":\"a\\u001b[1m\"", "control characters");
        refused("\"host_boot_id\"", "\"boot_id\"", "'boot_id'");
}

static void test_caps(void **state) {
        CVM_CLEANUP(cvm_freep) char *big = malloc(200000);
        char many[256] = "[\"AAEC\"";

        for (int i = 0; i < 16; i++)
                strcat(many, ",\"AAEC\"");
        strcat(many, "]");
        refused("[\"AAEC\",\"AwQF\"]", many, "at most 16");
        memset(big, 'A', 200000);
        big[(64 << 10) / 3 * 4 + 8] = 0;
        refused("\"AAEC\"", (big[0] = '"', strcat(big, "\""), big), "'report'");
        memset(big + 1, 'A', 40000);
        big[40001] = '"';
        big[40002] = 0;
        refused("\"AwQF\"", big, "'certificates[1]'");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_digest_is_of_the_report),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_caps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
