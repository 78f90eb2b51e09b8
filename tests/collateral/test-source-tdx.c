/* Intel's objects by name: where services have them, what a quote takes, and what is made of an answer. */
#include "collateral/source-tdx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "attest/collateral-tdx.h"
#include "tests/attest/make-tdx.h"

static const struct collateral_source *const tdx = &collateral_tdx;

static void test_names_and_places(void **state) {
        static const char *const maker = "https://certificates.trustedservices.intel.com";
        static const struct {
                const char *name, *path, *header;
                struct collateral_asked asked;
                int kind;
        } rows[] = {
                { "root",
                  "/tdx/certification/v4/qe/identity",
                  "SGX-Enclave-Identity-Issuer-Chain",
                  { 0 },
                  COLLATERAL_AUTHORITIES },
                { "root-crl", "/IntelSGXRootCA.der", NULL, { 0 }, COLLATERAL_REVOCATIONS },
                { "root-crl",
                  "/sgx/certification/v4/rootcacrl",
                  NULL,
                  { .is_mirror = true },
                  COLLATERAL_REVOCATIONS },
                { "pck-platform-crl",
                  "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
                  "SGX-PCK-CRL-Issuer-Chain",
                  { .early = true },
                  COLLATERAL_REVOCATIONS },
                { "pck-processor-crl",
                  "/sgx/certification/v4/pckcrl?ca=processor&encoding=der",
                  "SGX-PCK-CRL-Issuer-Chain",
                  { 0 },
                  COLLATERAL_REVOCATIONS },
                { "qe-identity",
                  "/tdx/certification/v4/qe/identity?update=early",
                  "SGX-Enclave-Identity-Issuer-Chain",
                  { .early = true },
                  COLLATERAL_JUDGEMENT },
                { "tcb-00a06d080000",
                  "/tdx/certification/v4/tcb?fmspc=00a06d080000",
                  "TCB-Info-Issuer-Chain",
                  { 0 },
                  COLLATERAL_JUDGEMENT },
                { "tcb-00a06d080000",
                  "/tdx/certification/v4/tcb?fmspc=00a06d080000&update=early",
                  "TCB-Info-Issuer-Chain",
                  { .early = true },
                  COLLATERAL_JUDGEMENT },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct collateral_place place;
                char name[COLLATERAL_NAME_MAX];
                bool of_root = strncmp(rows[i].name, "root", 4) == 0;

                assert_int_equal(tdx->kind(rows[i].name), rows[i].kind);
                tdx->place(rows[i].name, &rows[i].asked, &place);
                assert_string_equal(place.path, rows[i].path);
                assert_int_equal(place.service && strcmp(place.service, maker) == 0,
                                 strcmp(rows[i].path, "/IntelSGXRootCA.der") == 0);
                if (rows[i].header)
                        assert_string_equal(place.headers[0], rows[i].header);
                else
                        assert_null(place.headers);
                tdx->authorities(rows[i].name, name);
                assert_string_equal(name, of_root ? "root" : rows[i].name);
        }
}

static void test_what_is_no_name(void **state) {
        static const char *const names[] = { "",
                                             "tcb-",
                                             "tcb-00a06d08000",
                                             "tcb-00a06d0800000",
                                             "tcb-00A06D080000",
                                             "tcb-00a06d08000g",
                                             "roots",
                                             "Root",
                                             "pck-crl",
                                             "../root",
                                             "tcb-../../../../" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                assert_true(tdx->kind(names[i]) < 0);
}

static void test_needs(void **state) {
        static const enum tdx_role authorities[] = { TDX_ROLE_PLATFORM_CA, TDX_ROLE_PROCESSOR_CA };
        static const char *const lists[] = { "pck-platform-crl", "pck-processor-crl" };

        for (size_t i = 0; i < ARRAY_SIZE(authorities); i++) {
                struct collateral_need needs[COLLATERAL_NEEDS_MAX];
                struct make_world w = make_world();
                struct bundle bundle = { .platform = CVM_PLATFORM_TDX };
                struct cvm_error err = { 0 };
                size_t n = 0, published = 0;

                w.links[LINK_CA].cn = w.links[LINK_PCK].issuer = tdx_role_texts[authorities[i]];
                bundle.report = make_quote(&w);
                assert_int_equal(tdx->needs(&bundle, NULL, needs, &n, &err), 0);
                assert_int_equal(n, 5);
                assert_string_equal(needs[0].name, "root");
                assert_true(needs[0].is_there);
                /* In the order in which the appraisal says how new they are. */
                assert_string_equal(needs[1 + TDX_PCK_LIST].name, lists[i]);
                assert_string_equal(needs[1 + TDX_ROOT_LIST].name, "root-crl");
                assert_string_equal(needs[1 + TDX_TCB_INFO].name, "tcb-10206f000000");
                assert_string_equal(needs[1 + TDX_QE_IDENTITY].name, "qe-identity");
                for (size_t k = 0; k < n; k++)
                        published += collateral_ages(needs[k].kind) && !needs[k].is_there;
                assert_int_equal(published, PUBLISHED_MAX);
                bundle.report.size = 700;
                assert_true(tdx->needs(&bundle, NULL, needs, &n, &err) < 0);
                assert_ptr_equal(err.code, &CVM_CODE_REPORT_FORMAT);
                bundle_done(&bundle);
        }
}

static void test_answers_that_are_none(void **state) {
        static const struct {
                const char *name, *body, *header, *words;
        } rows[] = {
                { "tcb-10206f000000", "{}", NULL, "lacks the header" },
                { "tcb-10206f000000", "{}", "%", "URL-encoded" },
                { "tcb-10206f000000", "{}", "%0", "URL-encoded" },
                { "tcb-10206f000000", "{}", "%-1", "URL-encoded" },
                { "tcb-10206f000000", "{}", "a%00b", "no text" },
                { "tcb-10206f000000", "", "chain", "no JSON object" },
                { "qe-identity", "[]", "chain", "no JSON object" },
                { "qe-identity", "}", "chain", "no JSON object" },
                { "root", "", "", "no certificate" },
                { "root", "", "-----BEGIN CERTIFICATE-----%0AAAAA%0A-----END CERTIFICATE-----%0A",
                  "not well-formed" },
                { "root-crl", "3082zz", NULL, "not well-formed" },
                { "pck-platform-crl", "", "chain", "not well-formed" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const struct cvm_bytes body = { (uint8_t *)rows[i].body, strlen(rows[i].body) };
                struct cvm_bytes object = { 0 };
                struct cvm_error err = { 0 };

                assert_true(tdx->take(rows[i].name, &body, rows[i].header, &object, &err) < 0);
                if (!strstr(err.text, rows[i].words))
                        fail_msg("'%s': %s", rows[i].words, err.text);
                assert_null(object.data);
        }
}

static int make(void **state) {
        keys_make();
        return 0;
}

static int unmake(void **state) {
        keys_done();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_and_places),
                cmocka_unit_test(test_what_is_no_name),
                cmocka_unit_test(test_needs),
                cmocka_unit_test(test_answers_that_are_none),
        };

        return cmocka_run_group_tests(tests, make, unmake);
}
