/* Every report, certificate and certificate table of the published and synthetic vectors, each with the
 * outcome that the vectors' index states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "attest/cert-table-snp.h"
#include "attest/chain-snp.h"
#include "attest/evidence.h"
#include "base/time.h"
#include "tests/shared.h"

#define SNP "vectors/snp/"
#define NOW "2026-09-01T00:00:00Z"

static struct cvm_bytes load(const char *below) {
        static uint8_t buffer[64 << 10];
        char path[256];
        FILE *f;
        struct cvm_bytes bytes;

        snprintf(path, sizeof path, SNP "%s", below);
        f = fopen(shared_path(path), "rb");
        if (!f)
                fail_msg("cannot open '%s'", path);
        assert_int_equal(cvm_bytes_copy(buffer, fread(buffer, 1, sizeof buffer, f), &bytes), 0);
        fclose(f);
        return bytes;
}

static int add_file(struct bundle *bundle, const char *below, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = load(below);

        return evidence_add_certificate(bundle, bytes.data, bytes.size, err);
}

/* Authenticate this report with these certificates; NULL: verified; otherwise the code of the refusal. */
static const char *outcome(const char *report, const char *key, const char *ca, const char *at,
                           struct evidence_origin *ret_origin, struct evidence_claims *ret_claims) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
        const struct evidence_ops *ops = evidence_ops_find(CVM_PLATFORM_SEV_SNP);
        struct cvm_error err = { 0 };
        struct evidence *evidence = NULL;
        uint64_t now;
        int r = 0;

        assert_int_equal(cvm_time_parse(at, &now), 0);
        bundle.report = load(report);
        if (r >= 0)
                r = add_file(&bundle, key, &err);
        if (r >= 0 && ca)
                r = add_file(&bundle, ca, &err);
        if (r >= 0)
                r = ops->parse(&bundle, &evidence, &err);
        if (r >= 0)
                r = ops->authenticate(evidence, now, ret_origin, &err);
        if (r >= 0)
                ops->claims(evidence, ret_claims);
        if (evidence)
                ops->free(evidence);
        return r < 0 ? cvm_error_code(&err)->id : NULL;
}

static void expect(const char *report, const char *key, const char *ca, const char *at, const char *code) {
        struct evidence_origin origin;
        struct evidence_claims claims;
        const char *found = outcome(report, key, ca, at, &origin, &claims);

        if ((found && !code) || (!found && code) || (found && strcmp(found, code) != 0))
                fail_msg("%s with %s and %s: %s, not %s", report, key, ca ? ca : "nothing",
                         found ? found : "verifies", code ? code : "verifies");
}

#define M "hw-milan/"
#define MILAN "ca/ask_ark_milan.pem"

static void test_real_reports_verify(void **state) {
        static const char *const rows[][3] = {
                { M "gosev-report-v2.bin", M "gosev-vcek.der", MILAN },
                { M "sev-report-v2.bin", M "sev-vcek.der", "ca/sev-milan-chain.pem" },
                { M "trustee-report-v2.bin", M "trustee-vcek.der", "ca/trustee-milan_ask_ark_asvk.pem" },
                { M "dstack-report-v3.bin", "cvm-fixtures/sev_snp_vcek.pem", MILAN },
                { M "teekit-sev-gcp.bin", M "teekit-sev-gcp-vcek.pem", M "teekit-sev-gcp-cert-chain.pem" },
                { M "teekit-sev-gcp-reportdata.bin", M "teekit-sev-gcp-vcek.pem", MILAN },
                { M "teekit-sev-gcp-x25519-bound.bin", M "teekit-sev-gcp-x25519-vcek.pem", MILAN },
                { "hw-genoa/trustee-report-v3.bin", "hw-genoa/trustee-evidence-vcek.der",
                  "ca/ask_ark_genoa.pem" },
                { "hw-azure/hcl-snp-report.bin", "hw-azure/vcek.pem", MILAN },
                { "hw-azure/genoa-snp-report.bin", "hw-azure/vcek-genoa.pem",
                  "ca/trustee-genoa_ask_ark_asvk.pem" },
        };
        struct evidence_origin origin;
        struct evidence_claims claims;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                expect(rows[i][0], rows[i][1], rows[i][2], NOW, NULL);
                outcome(rows[i][0], rows[i][1], rows[i][2], NOW, &origin, &claims);
                assert_int_equal(origin.class_, CVM_CLASS_HARDWARE);
                assert_true(origin.root_is_built_in);
        }
}

static void test_real_reports_say_what_they_say(void **state) {
        struct evidence_origin origin;
        struct evidence_claims claims;

        assert_null(outcome(M "gosev-report-v2.bin", M "gosev-vcek.der", MILAN, NOW, &origin, &claims));
        assert_true(claims.debug);
        assert_string_equal(claims.product, "Milan");
        assert_int_equal(claims.tcbs[0].values[0], 2);
        assert_int_equal(claims.tcbs[0].values[6], 5);
        assert_int_equal(claims.tcbs[0].values[7], 68);
        assert_null(outcome(M "trustee-report-v2.bin", M "trustee-vcek.der", MILAN, NOW, &origin, &claims));
        assert_int_equal(claims.guest_svn, 4);
        assert_false(claims.debug);
        assert_int_equal(claims.tcbs[0].values[7], 0x73);
        assert_int_equal(claims.tcbs[1].values[7], 0xce);
        assert_null(outcome(M "trustee-vlek-report-v3.bin", M "trustee-vlek.der",
                            "ca/ask_ark_milan_vlek.pem", "2025-06-15T00:00:00Z", &origin, &claims));
        assert_true(claims.host_masked);
        assert_int_equal(claims.level, 1);
}

static void test_real_ones_that_must_be_refused(void **state) {
        expect(M "trustee-vlek-report-v3.bin", M "trustee-vlek.der", "ca/ask_ark_milan_vlek.pem", NOW,
               "CVM-REPORT-CHAIN"); /* expired 2025-12-10 */
        expect(M "trustee-report-v2.bin", M "trustee-vcek-invalid-legacy.der", MILAN, NOW,
               "CVM-REPORT-CHAIN");
        expect(M "trustee-report-v2.bin", M "trustee-vcek-invalid-new.der", MILAN, NOW, "CVM-REPORT-CHAIN");
        expect(M "trustee-report-v2.bin", M "sev-vcek.der", MILAN, NOW, "CVM-REPORT-CERTIFICATE");
        expect(M "gosev-report-v2.bin", M "gosev-vcek.der", "ca/ask_ark_genoa.pem", NOW, "CVM-REPORT-CHAIN");
        expect(M "gosev-report-v2.bin", M "gosev-vcek.der", NULL, NOW, "CVM-CHAIN-MISSING");
        expect(M "trustee-vlek-report-v3.bin", M "trustee-vcek.der", MILAN, NOW, "CVM-REPORT-CHAIN");
}

/* One changed byte in a real report, or in a real certificate, and nothing verifies any more. */
static void test_one_changed_byte(void **state) {
        static const struct {
                const char *report, *key, *ca;
                bool in_key;
                size_t at;
                uint8_t flip;
        } rows[] = {
                { M "sev-report-v2.bin", M "sev-vcek.der", MILAN, false, 21, 0x80 },
                { M "sev-report-v2.bin", M "sev-vcek.der", MILAN, true, 40, 0xff },
                { M "trustee-report-v2.bin", M "trustee-vcek.der", MILAN, false, 42, 0x01 },
                { M "trustee-report-v2.bin", M "trustee-vcek.der", MILAN, false, 384, 0x01 },
                { M "trustee-report-v2.bin", M "trustee-vcek.der", MILAN, true, 42, 0x01 },
                { M "trustee-vlek-report-v3.bin", M "trustee-vlek.der", "ca/ask_ark_milan_vlek.pem", false,
                  42, 0x01 },
                { M "trustee-vlek-report-v3.bin", M "trustee-vlek.der", "ca/ask_ark_milan_vlek.pem", false,
                  384, 0x01 },
        };
        const struct evidence_ops *ops = evidence_ops_find(CVM_PLATFORM_SEV_SNP);
        uint64_t now;

        cvm_time_parse("2025-06-15T00:00:00Z", &now);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes key = load(rows[i].key);
                struct cvm_error err = { 0 };
                struct evidence_origin origin;
                struct evidence *evidence = NULL;
                int r;

                bundle.report = load(rows[i].report);
                (rows[i].in_key ? &key : &bundle.report)->data[rows[i].at] ^= rows[i].flip;
                evidence_add_certificate(&bundle, key.data, key.size, &err);
                add_file(&bundle, rows[i].ca, &err);
                r = ops->parse(&bundle, &evidence, &err);
                if (r >= 0)
                        r = ops->authenticate(evidence, now, &origin, &err);
                if (evidence)
                        ops->free(evidence);
                assert_true(r < 0);
                assert_int_equal(cvm_error_code(&err)->fault, CVM_FAULT_EVIDENCE_NO);
        }
}

/* Chains as AMD serves them: both authorities verify, also where there is no report to go with them. */
static void test_authorities(void **state) {
        static const char *const rows[][2] = {
                { "hw-turin/sev-vcek-turin.der", "ca/ask_ark_turin_vcek.pem" },
                { "hw-turin/sev-vcek-turin.der", "ca/sev-turin-chain.pem" },
                { "hw-turin/sev-vcek-turin.der", "ca/trustee-turin_ask_ark_asvk.pem" },
                { M "sev-vcek.der", "ca/gosev-milan-vcek-chain.pem" },
                { "hw-genoa/trustee-evidence-vcek.der", "ca/ask_ark_genoa.pem" },
                { M "trustee-vlek.der", "ca/gosev-milan-vlek-chain.pem" },
                { M "trustee-vlek.der", "ca/trustee-milan_ask_ark_asvk.pem" },
        };
        uint64_t now;

        cvm_time_parse("2025-06-15T00:00:00Z", &now);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
                CVM_CLEANUP(snp_chain_done) struct snp_chain chain = { 0 };
                struct snp_chain_facts facts;
                struct cvm_error err = { 0 };

                assert_int_equal(add_file(&bundle, rows[i][0], &err), 0);
                assert_int_equal(add_file(&bundle, rows[i][1], &err), 0);
                if (snp_chain_read(bundle.certificates, bundle.n_certificates, strstr(rows[i][0], "vlek"),
                                   &chain, &err) < 0 ||
                    snp_chain_verify(&chain, now, &facts, &err) < 0)
                        fail_msg("%s: %s", rows[i][1], err.text);
                assert_false(facts.simulated);
                assert_memory_equal(facts.root, snp_products[chain.root->product].root, 32);
        }
}

/* The remaining authority files, for which no key of theirs is public: signature, profile and pin. */
static void test_authorities_without_a_key(void **state) {
        static const char *const files[] = { "ca/ask_ark_genoa_vlek.pem", "ca/ask_ark_turin_vlek.pem",
                                             "cvm-fixtures/sev_snp_ask.pem" };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
                CVM_CLEANUP(snp_certificate_done) struct snp_certificate ca = { 0 }, root = { 0 };
                struct cvm_error err = { 0 };

                assert_int_equal(add_file(&bundle, files[i], &err), 0);
                if (bundle.n_certificates == 1) /* only an ASK: its root from elsewhere */
                        assert_int_equal(add_file(&bundle, MILAN, &err), 0);
                assert_int_equal(snp_certificate_read(bundle.certificates[0].data,
                                                      bundle.certificates[0].size, &ca, &err),
                                 0);
                assert_int_equal(snp_certificate_read(bundle.certificates[bundle.n_certificates - 1].data,
                                                      bundle.certificates[bundle.n_certificates - 1].size,
                                                      &root, &err),
                                 0);
                assert_int_equal(root.role, SNP_ROLE_ARK);
                assert_int_equal(ca.product, root.product);
                assert_int_equal(X509_verify(ca.x509, X509_get0_pubkey(root.x509)), 1);
                assert_int_equal(X509_verify(root.x509, X509_get0_pubkey(root.x509)), 1);
        }
}

/* Parse and authenticate at NOW; -EBADMSG and the like with words in *err. */
static int verify(const struct bundle *bundle, struct cvm_error *err) {
        const struct evidence_ops *ops = evidence_ops_find(CVM_PLATFORM_SEV_SNP);
        struct evidence_origin origin;
        struct evidence *evidence = NULL;
        uint64_t now;
        int r;

        cvm_time_parse(NOW, &now);
        r = ops->parse(bundle, &evidence, err);
        if (r >= 0)
                r = ops->authenticate(evidence, now, &origin, err);
        if (evidence)
                ops->free(evidence);
        return r;
}

/* Reports that lie inside the evidence formats of other projects. */
static void test_reports_inside_other_blobs(void **state) {
        static const struct {
                const char *blob, *key;
                size_t offset;
        } rows[] = {
                { "hw-azure/hcl-report.bin", "hw-azure/vcek.pem", 0x20 },
                { "cvm-fixtures/sev_snp_attestation.bin", "cvm-fixtures/sev_snp_vcek.pem", 4 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes blob = load(rows[i].blob);
                struct cvm_error err = { 0 };

                cvm_bytes_copy(blob.data + rows[i].offset, SNP_REPORT_SIZE, &bundle.report);
                assert_int_equal(add_file(&bundle, rows[i].key, &err), 0);
                assert_int_equal(add_file(&bundle, MILAN, &err), 0);
                if (verify(&bundle, &err) < 0)
                        fail_msg("%s: %s", rows[i].blob, err.text);
        }
}

static struct cvm_bytes unbase64url(const struct cvm_json *root, const char *key) {
        struct cvm_bytes bytes = { 0 };
        const char *text = NULL;
        char copy[8192];
        int n;

        assert_int_equal(cvm_json_get_text(root, key, &text, NULL), 1);
        n = snprintf(copy, sizeof copy - 4, "%s", text);
        for (int i = 0; i < n; i++)
                copy[i] = copy[i] == '-' ? '+' : copy[i] == '_' ? '/' : copy[i];
        strcpy(copy + n, &"==="[3 - (4 - n % 4) % 4]);
        assert_int_equal(cvm_unbase64(copy, &bytes), 0);
        return bytes;
}

static void test_reports_inside_json(void **state) {
        static const char *const files[] = { "hw-azure/evidence-v1.json", "hw-azure/evidence-v2.json" };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
                CVM_CLEANUP(cvm_bytes_done)
                struct cvm_bytes text = load(files[i]), blob = { 0 }, key = { 0 };
                CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
                struct cvm_error err = { 0 };
                struct cvm_json root;

                assert_int_equal(cvm_json_parse(text.data, text.size, files[i], &node, &err), 0);
                root = cvm_json_root(node, files[i]);
                blob = unbase64url(&root, "hcl_report");
                key = unbase64url(&root, "vcek");
                cvm_bytes_copy(blob.data + 0x20, SNP_REPORT_SIZE, &bundle.report);
                assert_int_equal(evidence_add_certificate(&bundle, key.data, key.size, &err), 0);
                assert_int_equal(add_file(&bundle, MILAN, &err), 0);
                if (verify(&bundle, &err) < 0)
                        fail_msg("%s: %s", files[i], err.text);
        }
}

static void test_mitigation_vectors(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = load("synthetic/reports/milan-v5.bin");
        struct snp_report report;

        assert_int_equal(snp_report_read(bytes.data, bytes.size, &report, NULL), 0);
        assert_int_equal(report.launch_mit_vector, 5);
        assert_int_equal(report.current_mit_vector, 7);
}

#define S "synthetic/"
#define REPORT(name) S "reports/" name ".bin"
#define VCEK S "ek/milan-vcek.der"
#define CHAIN S "ca/milan-ask-ark.pem"

static void test_synthetic_reports(void **state) {
        static const char *const rows[][4] = {
                { REPORT("milan-v2"), VCEK, CHAIN, NULL },
                { REPORT("milan-v3"), VCEK, CHAIN, NULL },
                { REPORT("milan-v5"), VCEK, CHAIN, NULL },
                { REPORT("milan-v5"), S "ek/milan-vcek-hwid-octetstring.der", CHAIN, NULL },
                { REPORT("turin-v3"), S "ek/turin-vcek.der", S "ca/turin-ask-ark.pem", NULL },
                { REPORT("turin-v5"), S "ek/turin-vcek.der", S "ca/turin-ask-ark.pem", NULL },
                { REPORT("milan-v5-vlek"), S "ek/milan-vlek.der", S "ca/milan-asvk-ark.pem", NULL },
                { REPORT("milan-v5-maskchipid"), VCEK, CHAIN, NULL },
                { REPORT("milan-v5-older-reported-tcb"), VCEK, CHAIN, NULL },
                { REPORT("milan-v5-debug"), VCEK, CHAIN, NULL },
                { REPORT("milan-v5-migrate-ma"), VCEK, CHAIN, NULL },
                { REPORT("milan-v5-vmpl2"), VCEK, CHAIN, NULL },
                { REPORT("milan-v5-hypervisor-requested"), VCEK, CHAIN, NULL },
                { REPORT("bad-body-flip"), VCEK, CHAIN, "CVM-REPORT-SIGNATURE" },
                { REPORT("bad-sig-flip"), VCEK, CHAIN, "CVM-REPORT-SIGNATURE" },
                { REPORT("bad-big-endian-sig"), VCEK, CHAIN, "CVM-REPORT-SIGNATURE" },
                { REPORT("bad-other-key"), VCEK, CHAIN, "CVM-REPORT-SIGNATURE" },
                { REPORT("bad-sig-r-zero"), VCEK, CHAIN, "CVM-REPORT-SIGNATURE" },
                { REPORT("bad-sig-highbytes"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-sig-tail"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-tcb-mismatch"), VCEK, CHAIN, "CVM-REPORT-CERTIFICATE" },
                { REPORT("bad-hwid-mismatch"), VCEK, CHAIN, "CVM-REPORT-CERTIFICATE" },
                { REPORT("bad-signkey-says-vlek"), VCEK, CHAIN, "CVM-REPORT-CHAIN" },
                { REPORT("bad-signkey-none"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-algo-2"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-version-1"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-version-99"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-policy-bit17-clear"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-policy-reserved"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-v2-fms-set"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-short"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-long"), VCEK, CHAIN, "CVM-REPORT-FORMAT" },
                { REPORT("bad-turin-milan-tcb-order"), S "ek/turin-vcek.der", S "ca/turin-ask-ark.pem",
                  "CVM-REPORT-CERTIFICATE" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                expect(rows[i][0], rows[i][1], rows[i][2], NOW, rows[i][3]);
}

/* The synthetic root has AMD's names and is nobody's pinned root. */
static void test_synthetic_root_is_not_built_in(void **state) {
        struct evidence_origin origin;
        struct evidence_claims claims;

        assert_null(outcome(REPORT("milan-v5"), VCEK, CHAIN, NOW, &origin, &claims));
        assert_false(origin.root_is_built_in);
        assert_int_equal(origin.class_, CVM_CLASS_HARDWARE);
}

static void test_synthetic_claims(void **state) {
        struct evidence_origin origin;
        struct evidence_claims claims;

        assert_null(outcome(REPORT("turin-v5"), S "ek/turin-vcek.der", S "ca/turin-ask-ark.pem", NOW,
                            &origin, &claims));
        assert_int_equal(strlen(claims.host_id), 16);
        assert_string_equal(claims.components[0], "fmc");
        assert_int_equal(claims.tcbs[0].values[0], 2);
        assert_int_equal(claims.tcbs[0].values[3], 5);
        assert_int_equal(claims.tcbs[0].values[7], 77);
        assert_null(outcome(REPORT("milan-v5-maskchipid"), VCEK, CHAIN, NOW, &origin, &claims));
        assert_true(claims.host_masked);
        assert_null(outcome(REPORT("milan-v5-migrate-ma"), VCEK, CHAIN, NOW, &origin, &claims));
        assert_true(claims.migratable);
        assert_null(outcome(REPORT("milan-v5-vmpl2"), VCEK, CHAIN, NOW, &origin, &claims));
        assert_int_equal(claims.level, 2);
        assert_null(outcome(REPORT("milan-v5-hypervisor-requested"), VCEK, CHAIN, NOW, &origin, &claims));
        assert_true(claims.by_host);
        assert_null(outcome(REPORT("milan-v5"), VCEK, CHAIN, NOW, &origin, &claims));
        assert_false(claims.by_host || claims.migratable || claims.host_masked || claims.debug);
        assert_int_equal(claims.guest_svn, 3);
}

static void test_synthetic_certificates_that_must_be_refused(void **state) {
        static const char *const keys[] = { "bad-hwid-and-cspid", "bad-wrong-issuer-key",
                                            "bad-pkcs1v15",       "bad-pss-sha256",
                                            "bad-p256",           "bad-expired",
                                            "bad-no-tcb-ext",     "bad-hwid-short",
                                            "bad-ucode-300",      "bad-signed-by-ark" };
        static const char *const authorities[] = { "bad-ask-from-turin", "bad-ask-expired", "bad-ask-not-ca",
                                                   "bad-ark-rsa2048" };
        char path[128];

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                snprintf(path, sizeof path, S "ek/%s.der", keys[i]);
                expect(REPORT("milan-v5"), path, CHAIN, NOW, "CVM-REPORT-CHAIN");
        }
        for (size_t i = 0; i < ARRAY_SIZE(authorities); i++) {
                snprintf(path, sizeof path, S "ca/%s.pem", authorities[i]);
                expect(REPORT("milan-v5"), VCEK, path, NOW, "CVM-REPORT-CHAIN");
        }
        /* We sort by name, so the other order is no fault. */
        expect(REPORT("milan-v5"), VCEK, S "ca/bad-order-ark-ask.pem", NOW, NULL);
}

static int read_table(const char *name, struct bundle *bundle, size_t *ret_n) {
        struct snp_cert_entry entries[SNP_CERT_TABLE_ENTRIES];
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes table = { 0 };
        struct cvm_error err = { 0 };
        char path[128];
        int r;

        snprintf(path, sizeof path, S "certtable/%s.bin", name);
        table = load(path);
        r = snp_cert_table_read(table.data, table.size, entries, ret_n, &err);
        if (r < 0) {
                assert_string_equal(cvm_error_code(&err)->id, "CVM-REPORT-CHAIN");
                return r;
        }
        return evidence_add_table(bundle, table.data, table.size, &err);
}

static void test_certificate_tables(void **state) {
        static const struct {
                const char *name;
                int r;
                size_t n, n_certificates;
        } rows[] = {
                { "vcek-ask-ark", 0, 3, 3 },
                { "vlek-asvk-ark", 0, 3, 3 },
                { "only-vcek", 0, 1, 1 },
                { "empty", 0, 0, 0 },
                { "with-unknown-guid", 0, 4, 3 },
                { "bad-guid-mixed-endian", -EBADMSG, 0, 0 },
                { "bad-offset", -EBADMSG, 0, 0 },
                { "bad-length", -EBADMSG, 0, 0 },
                { "bad-into-header", -EBADMSG, 0, 0 },
                { "bad-no-terminator", -EBADMSG, 0, 0 },
                { "bad-duplicate", -EBADMSG, 0, 0 },
                { "bad-truncated", -EBADMSG, 0, 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_SEV_SNP };
                CVM_CLEANUP(snp_chain_done) struct snp_chain chain = { 0 };
                struct snp_chain_facts facts;
                struct cvm_error err = { 0 };
                size_t n = 0;
                uint64_t now;

                cvm_time_parse(NOW, &now);
                if (read_table(rows[i].name, &bundle, &n) != rows[i].r)
                        fail_msg("table '%s'", rows[i].name);
                assert_int_equal(n, rows[i].n);
                assert_int_equal(bundle.n_certificates, rows[i].n_certificates);
                if (n < 3)
                        continue;
                assert_int_equal(snp_chain_read(bundle.certificates, bundle.n_certificates,
                                                strstr(rows[i].name, "vlek"), &chain, &err),
                                 0);
                assert_int_equal(snp_chain_verify(&chain, now, &facts, &err), 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_real_reports_verify),
                cmocka_unit_test(test_real_reports_say_what_they_say),
                cmocka_unit_test(test_real_ones_that_must_be_refused),
                cmocka_unit_test(test_one_changed_byte),
                cmocka_unit_test(test_authorities),
                cmocka_unit_test(test_authorities_without_a_key),
                cmocka_unit_test(test_reports_inside_other_blobs),
                cmocka_unit_test(test_reports_inside_json),
                cmocka_unit_test(test_mitigation_vectors),
                cmocka_unit_test(test_synthetic_reports),
                cmocka_unit_test(test_synthetic_root_is_not_built_in),
                cmocka_unit_test(test_synthetic_claims),
                cmocka_unit_test(test_synthetic_certificates_that_must_be_refused),
                cmocka_unit_test(test_certificate_tables),
        };

        if (shared_is_absent("vectors/snp/INDEX.md"))
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
