/* AMD's objects by name: where the service has them, what evidence takes, and that the name is what
 * verifies. */
#include "collateral/source-snp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/time.h"
#include "attest/evidence.h"
#include "tests/attest/make-snp.h"
#include "tests/shared.h"

#define CHIP                                                               \
        "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20" \
        "2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40"

static const struct collateral_source *const snp = &collateral_snp;

static void test_names_and_addresses(void **state) {
        static const struct {
                const char *name, *path, *authorities;
                int kind;
        } rows[] = {
                { "milan.vcek-chain", "/vcek/v1/Milan/cert_chain", "milan.vcek-chain",
                  COLLATERAL_AUTHORITIES },
                { "genoa.vlek-chain", "/vlek/v1/Genoa/cert_chain", "genoa.vlek-chain",
                  COLLATERAL_AUTHORITIES },
                { "turin.vcek-crl", "/vcek/v1/Turin/crl", "turin.vcek-chain", COLLATERAL_REVOCATIONS },
                { "milan.vlek-crl", "/vlek/v1/Milan/crl", "milan.vlek-chain", COLLATERAL_REVOCATIONS },
                { "milan.vcek-" CHIP "-04000000000018db",
                  "/vcek/v1/Milan/" CHIP "?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219", "milan.vcek-chain",
                  COLLATERAL_CERTIFICATE },
                { "turin.vcek-0102030405060708-020301050000004d",
                  "/vcek/v1/Turin/0102030405060708?fmcSPL=02&blSPL=03&teeSPL=01&snpSPL=05&ucodeSPL=77",
                  "turin.vcek-chain", COLLATERAL_CERTIFICATE },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char name[COLLATERAL_NAME_MAX];
                struct collateral_place place;

                assert_int_equal(snp->kind(rows[i].name), rows[i].kind);
                snp->place(rows[i].name, &(struct collateral_asked){ 0 }, &place);
                assert_string_equal(place.path, rows[i].path);
                assert_true(!place.service && !place.headers);
                snp->authorities(rows[i].name, name);
                assert_string_equal(name, rows[i].authorities);
        }
}

static void test_what_is_no_name(void **state) {
        static const char *const names[] = {
                "",
                ".",
                "..",
                "milan",
                "milan.",
                "Milan.vcek-chain",
                "venice.vcek-chain",
                "milan.vcek-chain/../../x",
                "milan.vcek-crl2",
                "../milan.vcek-crl",
                "milan.vcek-" CHIP "-04000000000018dB",
                "milan.vcek-" CHIP "-04000000000018db0",
                "milan.vcek-" CHIP "04000000000018db",
                "milan.vlek-" CHIP "-04000000000018db",
                "turin.vcek-" CHIP "-04000000000018db",
                "milan.vcek-0102030405060708-020301050000004d",
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                assert_int_equal(snp->kind(names[i]), -EINVAL);
}

/* --- what evidence takes --- */

static struct collateral_need needs[COLLATERAL_NEEDS_MAX];

static int ask(struct snp_report *report, const char *product, struct cvm_error *err) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
        uint8_t bytes[SNP_REPORT_SIZE];
        size_t n = 0;
        int r;

        snp_report_write(report, bytes);
        assert_int_equal(cvm_bytes_copy(bytes, sizeof bytes, &bundle.report), 0);
        r = snp->needs(&bundle, product, needs, &n, err);
        assert_true(r < 0 || n == 3);
        return r;
}

static void test_needs(void **state) {
        struct snp_report report = make_report();
        struct cvm_error err = { 0 };

        assert_int_equal(ask(&report, NULL, &err), 0);
        assert_string_equal(needs[0].name, "milan.vcek-chain");
        assert_string_equal(needs[1].name, "milan.vcek-crl");
        assert_string_equal(needs[2].name, "milan.vcek-" CHIP "-04000000000018db");
        assert_false(needs[0].is_there || needs[2].is_there);
        report.key_info = 1 << 2;
        assert_int_equal(ask(&report, NULL, &err), 0);
        assert_string_equal(needs[0].name, "milan.vlek-chain");
        assert_string_equal(needs[1].name, "milan.vlek-crl");
        assert_string_equal(needs[2].name, "");
        report.key_info = 0;
        memset(report.chip_id, 0, sizeof report.chip_id);
        assert_int_equal(ask(&report, NULL, &err), 0);
        assert_string_equal(needs[0].name, "milan.vcek-chain");
        assert_string_equal(needs[2].name, "");
}

static void test_needs_of_a_report_without_product(void **state) {
        struct snp_report report = make_report();
        struct cvm_error err = { 0 };

        report.version = 2;
        report.cpuid_family = report.cpuid_model = report.cpuid_stepping = 0;
        assert_true(ask(&report, NULL, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_USAGE);
        assert_true(ask(&report, "Rome", &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_ARGUMENT);
        assert_int_equal(ask(&report, "Genoa", &err), 0);
        assert_string_equal(needs[0].name, "genoa.vcek-chain");
        report = make_report();
        report.cpuid_model = 0x80;
        assert_true(ask(&report, NULL, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_REPORT_CERTIFICATE);
}

static void test_needs_of_what_brought_some(void **state) {
        const struct make_keys keys = make_keys();
        const struct make_chain chain = make_chain(&keys, false);
        const struct make_spec *specs[] = { &chain.ek, &chain.ask, &chain.ark };
        CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
        struct snp_report report = make_report();
        uint8_t bytes[SNP_REPORT_SIZE];
        struct cvm_error err = { 0 };
        size_t n;

        report.version = 2; /* its product is then the certificates' */
        report.cpuid_family = report.cpuid_model = report.cpuid_stepping = 0;
        snp_report_write(&report, bytes);
        assert_int_equal(cvm_bytes_copy(bytes, sizeof bytes, &bundle.report), 0);
        for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = make_certificate(specs[i]);

                assert_int_equal(evidence_add_certificate(&bundle, der.data, der.size, &err), 0);
                assert_int_equal(snp->needs(&bundle, NULL, needs, &n, &err), 0);
                assert_true(needs[2].is_there);
                assert_int_equal(needs[0].is_there, i == 2);
        }
        make_keys_done((struct make_keys *)&keys);
}

/* --- the maker's own --- */

static struct cvm_bytes load(const char *below) {
        struct cvm_error err = { 0 };
        struct cvm_bytes bytes;
        char path[256];

        snprintf(path, sizeof path, "vectors/snp/%s", below);
        if (cvm_read_file(shared_path(path), 1 << 20, &bytes, &err) < 0)
                fail_msg("%s", err.text);
        return bytes;
}

static const char *outcome(const char *name, const char *object, const char *authorities) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes o = load(object), a = load(authorities);
        struct collateral_facts facts = { 0 };
        struct cvm_error err = { 0 };
        uint64_t now;

        assert_int_equal(cvm_time_parse("2026-09-01T00:00:00Z", &now), 0);
        if (snp->verify(name, &o, &a, NULL, now, &facts, &err) < 0)
                return cvm_error_code(&err)->id;
        assert_true(facts.published.made < now && facts.expires > now);
        return "";
}

static void test_real_authorities(void **state) {
        static const struct {
                const char *name, *file, *code;
        } rows[] = {
                { "milan.vcek-chain", "ca/ask_ark_milan.pem", "" },
                { "milan.vlek-chain", "ca/ask_ark_milan_vlek.pem", "" },
                { "genoa.vcek-chain", "ca/ask_ark_genoa.pem", "" },
                { "genoa.vlek-chain", "ca/ask_ark_genoa_vlek.pem", "" },
                { "turin.vcek-chain", "ca/ask_ark_turin_vcek.pem", "" },
                { "turin.vlek-chain", "ca/ask_ark_turin_vlek.pem", "" },
                { "milan.vlek-chain", "ca/ask_ark_milan.pem", "CVM-CHAIN-MISSING" },
                { "milan.vcek-chain", "ca/ask_ark_genoa.pem", "CVM-REPORT-CERTIFICATE" },
                { "milan.vcek-chain", "ca/trustee-milan_ask_ark_asvk.pem", "CVM-REPORT-CHAIN" },
                { "milan.vcek-chain", "synthetic/ca/milan-ask-ark.pem", "CVM-REPORT-ROOT" },
                { "milan.vcek-chain", "synthetic/ca/bad-ask-from-turin.pem", "CVM-REPORT-CHAIN" },
                { "milan.vcek-chain", "synthetic/ca/bad-ask-expired.pem", "CVM-REPORT-CHAIN" },
                { "milan.vcek-chain", "synthetic/ca/bad-ask-not-ca.pem", "CVM-REPORT-CHAIN" },
                { "milan.vcek-chain", "synthetic/ca/bad-ark-rsa2048.pem", "CVM-REPORT-CHAIN" },
                { "milan.vcek-chain", "hw-milan/sev-vcek.der", "CVM-REPORT-CHAIN" },
        };

        if (shared_is_absent("vectors/snp/ca"))
                skip();
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                assert_string_equal(outcome(rows[i].name, rows[i].file, rows[i].file), rows[i].code);
}

/* Under the names that they themselves give, and under no other. */
static void test_real_certificates(void **state) {
        static const char *const rows[][2] = {
                { "hw-milan/sev-vcek.der", "ca/ask_ark_milan.pem" },
                { "hw-milan/trustee-vcek.der", "ca/ask_ark_milan.pem" },
                { "hw-genoa/trustee-evidence-vcek.der", "ca/ask_ark_genoa.pem" },
                { "hw-turin/sev-vcek-turin.der", "ca/ask_ark_turin_vcek.pem" },
        };

        if (shared_is_absent("vectors/snp/ca"))
                skip();
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = load(rows[i][0]);
                CVM_CLEANUP(snp_certificate_done) struct snp_certificate c = { 0 };
                char name[COLLATERAL_NAME_MAX], chip[129], tcb[17];

                assert_int_equal(snp_certificate_read(der.data, der.size, &c, NULL), 0);
                cvm_hex(c.chip_id, snp_products[c.product].chip_id_size, chip);
                cvm_hex(c.tcb, sizeof c.tcb, tcb);
                snprintf(name, sizeof name, "%s.vcek-%s-%s", snp_products[c.product].name, chip, tcb);
                name[0] |= 0x20;
                assert_string_equal(outcome(name, rows[i][0], rows[i][1]), "");
                name[strlen(name) - 1] ^= 1; /* another microcode */
                assert_string_equal(outcome(name, rows[i][0], rows[i][1]), "CVM-REPORT-CERTIFICATE");
                name[strlen(name) - 1] ^= 1;
                name[strlen("milan.vcek-")] ^= 1; /* another chip */
                assert_string_equal(outcome(name, rows[i][0], rows[i][1]), "CVM-REPORT-CERTIFICATE");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_and_addresses),
                cmocka_unit_test(test_what_is_no_name),
                cmocka_unit_test(test_needs),
                cmocka_unit_test(test_needs_of_a_report_without_product),
                cmocka_unit_test(test_needs_of_what_brought_some),
                cmocka_unit_test(test_real_authorities),
                cmocka_unit_test(test_real_certificates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
