/* Every quote, TD report and set of collateral of the published vectors, each with the outcome that the
 * vectors' index states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "attest/collateral-tdx.h"
#include "attest/evidence.h"
#include "attest/policy.h"
#include "base/time.h"
#include "tests/shared.h"

#define TDX "vectors/tdx/"
#define NOW "2026-04-01T00:00:00Z" /* all chains of these quotes are valid */
#define PRODUCTION "2025-12-01T00:00:00Z"

static struct cvm_bytes load(const char *below) {
        static uint8_t buffer[256 << 10];
        char path[256];
        FILE *f;
        struct cvm_bytes bytes;

        snprintf(path, sizeof path, TDX "%s", below);
        f = fopen(shared_path(path), "rb");
        if (!f)
                fail_msg("cannot open '%s'", path);
        assert_int_equal(cvm_bytes_copy(buffer, fread(buffer, 1, sizeof buffer, f), &bytes), 0);
        fclose(f);
        return bytes;
}

/* Some are kept as hex, with 0x before or a newline behind. */
static struct cvm_bytes load_quote(const char *below) {
        struct cvm_bytes bytes = load(below);
        const char *text = (const char *)bytes.data;
        size_t at = memcmp(text, "0x", 2) == 0 ? 2 : 0, n;

        if (!isxdigit((unsigned char)text[at]) || !isxdigit((unsigned char)text[at + 20]) ||
            !strstr(below, "hex"))
                return bytes;
        n = strspn(text + at, "0123456789abcdef") / 2;
        ((char *)bytes.data)[at + 2 * n] = 0;
        assert_int_equal(cvm_unhex(text + at, bytes.data, n), 0);
        bytes.size = n;
        return bytes;
}

static void add(struct bundle *bundle, const void *data, size_t size) {
        assert_int_equal(evidence_add_revocation(bundle, data, size, NULL), 0);
}

static void add_file(struct bundle *bundle, const char *below) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = load(below);

        add(bundle, bytes.data, bytes.size);
}

/* A file of one JSON object: the texts in it that are documents, lists and chains, for this FMSPC. */
static void add_texts(struct bundle *bundle, json_object *node, const char *fmspc) {
        json_object *found = NULL;

        if (json_object_is_type(node, json_type_string)) {
                const char *text = json_object_get_string(node);

                if (strlen(text) > 100)
                        add(bundle, text, strlen(text));
                return;
        }
        if (json_object_object_get_ex(node, "fmspc", &found) &&
            strcasecmp(json_object_get_string(found), fmspc) != 0)
                return;
        if (json_object_is_type(node, json_type_object)) {
                json_object_object_foreach(node, key, value) {
                        (void)key;
                        add_texts(bundle, value, fmspc);
                }
        } else if (json_object_is_type(node, json_type_array))
                for (size_t i = 0; i < json_object_array_length(node); i++)
                        add_texts(bundle, json_object_array_get_idx(node, i), fmspc);
}

static void add_migtd(struct bundle *bundle, const char *below, const char *fmspc) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = load(below);
        json_object *node = json_tokener_parse((const char *)bytes.data);

        assert_non_null(node);
        add_texts(bundle, node, fmspc);
        json_object_put(node);
}

struct outcome {
        const struct cvm_code *code; /* NULL: authenticated, and collateral, if any, holds */
        char text[CVM_ERROR_TEXT_MAX];
        struct evidence_origin origin;
        struct evidence_claims claims;
};

static struct outcome judge(const struct bundle *bundle, const char *at) {
        const struct evidence_ops *ops = evidence_ops_find(CVM_PLATFORM_TDX);
        struct outcome o = { 0 };
        struct cvm_error err = { 0 };
        struct evidence *evidence = NULL;
        struct published published[PUBLISHED_MAX];
        bool authentic;
        uint64_t now;
        int r;

        assert_int_equal(cvm_time_parse(at, &now), 0);
        r = ops->parse(bundle, &evidence, &err);
        if (r >= 0)
                r = ops->authenticate(evidence, now, &o.origin, &err);
        authentic = r >= 0;
        if (r >= 0 && bundle->n_revocations)
                r = ops->check_collateral(evidence, now, published, &err);
        if (authentic)
                ops->claims(evidence, &o.claims);
        if (evidence)
                ops->free(evidence);
        o.code = r < 0 ? cvm_error_code(&err) : NULL;
        strcpy(o.text, err.text);
        return o;
}

static void expect(const char *what, const struct outcome *o, const struct cvm_code *code,
                   const char *status) {
        if (o->code != code ||
            (status && (!o->claims.status.text || strcmp(o->claims.status.text, status) != 0)))
                fail_msg("%s: %s (%s), status %s", what, o->code ? o->code->id : "good", o->text,
                         o->claims.status.text ? o->claims.status.text : "unknown");
}

static bool is_unusual(const struct evidence_claims *claims, const char *name) {
        for (size_t i = 0; i < claims->n_unusual; i++)
                if (strcmp(claims->unusual[i], name) == 0)
                        return true;
        return false;
}

/* The quotes of the first table: genuine, and what they say of themselves. */
static void test_genuine_quotes(void **state) {
        static const struct {
                const char *file;
                uint32_t svn[3];
                const char *unusual; /* NULL: nothing */
                bool debug;
                const char *pks;
        } rows[] = {
                { "go-tdx-guest/tdx_prod_quote_SPR_E4.dat",
                  { 3, 0, 4 },
                  "no-sept-ve-disable",
                  false,
                  "pks" },
                { "go-tdx-guest/quote_v5_sample.dat", { 11, 1, 4 }, NULL, false, NULL },
                { "go-tdx-guest/ccel/cos-113-tdx-quote.dat", { 4, 1, 7 }, NULL, false, NULL },
                { "dcap-qvl/tdx_quote", { 6, 1, 3 }, NULL, false, NULL },
                { "dcap-qvl/tdx_quote_outdated", { 7, 1, 3 }, NULL, false, NULL },
                { "dcap-qvl/tdx-quote.hex", { 5, 1, 2 }, NULL, false, NULL },
                { "dcap-qvl/quote-from-tappd.hex", { 5, 1, 2 }, NULL, false, NULL },
                { "dcap-qvl/near_quote_hex.txt", { 6, 1, 4 }, NULL, false, NULL },
                { "dstack/ratls_tdx_quote", { 5, 1, 2 }, NULL, false, NULL },
                { "trustee/tdx_quote_4.dat", { 3, 0, 5 }, NULL, true, NULL },
                { "trustee/tdx_quote_5.dat", { 5, 1, 2 }, "service-td", false, NULL },
                { "trustee/tdx_quote_6.dat", { 5, 3, 2 }, NULL, false, NULL },
                { "trustee/az_td-quote.bin", { 2, 1, 6 }, "no-sept-ve-disable", false, NULL },
                { "migtd/az_migtd_quote.blob", { 7, 1, 3 }, "no-sept-ve-disable", false, NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .report = load_quote(rows[i].file) };
                struct outcome o = judge(&bundle, NOW);

                expect(rows[i].file, &o, NULL, NULL);
                assert_int_equal(o.origin.class_, CVM_CLASS_HARDWARE);
                assert_true(o.origin.root_is_built_in);
                for (size_t k = 0; k < 3; k++)
                        assert_int_equal(o.claims.tcbs[0].values[k], rows[i].svn[k]);
                assert_int_equal(o.claims.debug, rows[i].debug);
                assert_false(o.claims.migratable);
                if (o.claims.n_unusual != (rows[i].unusual != NULL) ||
                    (rows[i].unusual && !is_unusual(&o.claims, rows[i].unusual)))
                        fail_msg("%s: %zu unusual, '%s'", rows[i].file, o.claims.n_unusual,
                                 o.claims.n_unusual ? o.claims.unusual[0] : "");
                if (rows[i].pks)
                        assert_string_equal(o.claims.set[0], rows[i].pks);
        }
}

static void expect_measurement(const char *file, const char *hex) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { .report = load_quote(file) };
        struct outcome o = judge(&bundle, NOW);
        char found[97];

        cvm_hex(o.claims.measurement, sizeof o.claims.measurement, found);
        assert_string_equal(found, hex);
}

static void test_measurements(void **state) {
        expect_measurement(
                        "dcap-qvl/tdx_quote",
                        "91eb2b44d141d4ece09f0c75c2c53d247a3c68edd7fafe8a3520c942a604a407de03ae6dc5f87f27428"
                        "b2538873118b7");
        expect_measurement(
                        "go-tdx-guest/quote_v5_sample.dat",
                        "7348651a34b2d2d3462822e3a750ec6110125f36757c78480bbfc69cc0d21fb001a1ced3ee19747dda8"
                        "f750c3bc8f876");
        expect_measurement(
                        "dcap-qvl/near_quote_hex.txt",
                        "f06dfda6dce1cf904d4e2bab1dc370634cf95cefa2ceb2de2eee127c9382698090d7a4a13e14c536ec6"
                        "c9c3c8fa87077");
}

static void test_registers_of_a_log(void **state) {
        CVM_CLEANUP(bundle_done)
        struct bundle bundle = { .report = load_quote("go-tdx-guest/ccel/cos-113-tdx-quote.dat") };
        struct outcome o = judge(&bundle, NOW);
        char found[97];

        assert_string_equal(o.claims.registers[0].name, "rtmr0");
        cvm_hex(o.claims.registers[0].value, 48, found);
        assert_string_equal(found,
                            "3fa2f61f395b7f5feefb4ec2df61297f109ad8abcd6410c1b7df60f21f37b19297fc35e544039"
                            "c7e1edece752afd17f6");
}

static void test_what_is_no_quote_of_a_td(void **state) {
        static const struct {
                const char *file, *words;
                const struct cvm_code *code;
        } rows[] = {
                { "trustee/occlum_quote.dat", "SGX enclave", &CVM_CODE_REPORT_FORMAT },
                { "dcap-qvl/sgx_quote", "SGX enclave", &CVM_CODE_REPORT_FORMAT },
                { "intel-qvl/tdx/quote.dat", "in this order", &CVM_CODE_REPORT_CHAIN },
                { "guest-components/tdx_report_1.bin", "TD report", &CVM_CODE_CHAIN_MISSING },
                { "go-tdx-guest/report.dat", "not of a TD", &CVM_CODE_REPORT_FORMAT },
                { "migtd/policy_test_report.dat", "version", &CVM_CODE_REPORT_FORMAT },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .report = load(rows[i].file) };
                struct outcome o = judge(&bundle, NOW);

                expect(rows[i].file, &o, rows[i].code, NULL);
                if (!strstr(o.text, rows[i].words))
                        fail_msg("%s: %s", rows[i].file, o.text);
        }
}

static void test_td_report(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes report = load("guest-components/tdx_report_1.bin");
        struct tdx_body body;
        char hash[97];

        assert_int_equal(tdx_tdreport_read(report.data, report.size, &body, NULL), 0);
        assert_int_equal(body.tee_tcb_svn[0], 5);
        assert_int_equal(body.tee_tcb_svn[2], 2);
        cvm_hex(body.mr_service_td, sizeof body.mr_service_td, hash);
        assert_memory_equal(hash, "383c87d3bbb047b2", 16);
}

/* Quotes with their collateral. */
static void test_pairs(void **state) {
#define GO "go-tdx-guest/"
#define DCAP "dcap-qvl/"
        static const struct {
                const char *quote, *items[8], *at;
                const struct cvm_code *code; /* NULL: the documents hold */
                const char *status;
                uint32_t evaluation;
        } rows[] = {
                { DCAP "tdx_quote",
                  { DCAP "tdx_quote_collateral.json" },
                  "2025-06-19T10:32:27Z",
                  NULL,
                  "UpToDate",
                  17 },
                { DCAP "tdx_quote",
                  { DCAP "tdx_quote_collateral.json" },
                  "2025-07-19T10:00:34Z",
                  NULL,
                  "UpToDate",
                  17 },
                { DCAP "tdx_quote",
                  { DCAP "tdx_quote_collateral.json" },
                  "2025-07-20T00:00:00Z",
                  &CVM_CODE_COLLATERAL_STALE,
                  NULL,
                  0 },
                { DCAP "tdx_quote",
                  { DCAP "tdx_quote_collateral.json" },
                  "2025-06-19T00:00:00Z",
                  &CVM_CODE_COLLATERAL_STALE,
                  NULL,
                  0 },
                { DCAP "near_quote_hex.txt",
                  { DCAP "near_quote_collateral.json" },
                  "2025-09-15T00:00:00Z",
                  NULL,
                  "UpToDate",
                  0 },
                { DCAP "tdx_quote_outdated",
                  { DCAP "tdx_quote_outdated_collateral.json" },
                  "2026-03-01T00:00:00Z",
                  NULL,
                  "NotSupported",
                  0 },
                { GO "quote_v5_sample.dat",
                  { GO "sample_tcbinfo_response_v5", GO "tcbinfo_issuer_chain.pem",
                    GO "sample_qeIdentity_response", GO "qeidentity_issuer_chain.pem", GO "pckcrl",
                    GO "rootcrl.der" },
                  "2026-02-15T00:00:00Z",
                  &CVM_CODE_COLLATERAL,
                  NULL,
                  0 },
                { GO "tdx_prod_quote_SPR_E4.dat",
                  { GO "sample_tcbInfo_response", GO "tcbinfo_issuer_chain.pem",
                    GO "sample_qeIdentity_response", GO "pckcrl_issuer_chain.pem", GO "pckcrl",
                    GO "rootcrl.der" },
                  "2023-07-01T00:00:00Z",
                  NULL,
                  "NotSupported",
                  0 },
                { DCAP "tdx-quote.hex",
                  { DCAP "near_quote_collateral.json" },
                  "2025-09-15T00:00:00Z",
                  &CVM_CODE_COLLATERAL,
                  NULL,
                  0 },
                { DCAP "tdx_quote",
                  { DCAP "sgx_quote_collateral.json" },
                  "2025-07-01T00:00:00Z",
                  &CVM_CODE_COLLATERAL,
                  NULL,
                  0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .report = load_quote(rows[i].quote) };
                struct outcome o;

                for (size_t k = 0; rows[i].items[k]; k++)
                        add_file(&bundle, rows[i].items[k]);
                o = judge(&bundle, rows[i].at);
                expect(rows[i].items[0], &o, rows[i].code, rows[i].status);
                if (rows[i].evaluation)
                        assert_int_equal(o.claims.status.evaluation, rows[i].evaluation);
                if (rows[i].status && strcmp(rows[i].status, "UpToDate") == 0) {
                        assert_true(o.claims.status.is_current);
                        assert_string_equal(o.claims.status.advisories, "");
                } else
                        assert_true(o.code || o.claims.status.never);
        }
}

/* 13 platforms of one day: what each quote of these platforms was worth then. */
static void test_production_collateral(void **state) {
        static const struct {
                const char *quote, *fmspc, *status, *differs; /* NULL: they do not */
        } rows[] = {
                { "go-tdx-guest/tdx_prod_quote_SPR_E4.dat", "50806f000000", "NotSupported", NULL },
                { "dcap-qvl/tdx_quote", "b0c06f000000", "UpToDate", NULL },
                { "dcap-qvl/near_quote_hex.txt", "20a06f000000", "UpToDate", NULL },
                { "trustee/tdx_quote_4.dat", "50806f000000", "OutOfDate", NULL },
                { "trustee/tdx_quote_6.dat", "00a06d080000", "OutOfDate",
                  "go-tdx-guest, which takes the module's status alone, would say 'UpToDate'" },
                { "trustee/az_td-quote.bin", "00806f050000", "OutOfDate",
                  "dcap-qvl, which compares all TDX components, would say 'NotSupported'" },
                { "go-tdx-guest/ccel/cos-113-tdx-quote.dat", "00806f050000", "OutOfDate", NULL },
                { "dstack/ratls_tdx_quote", "b0c06f000000", "NotSupported", NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { .report = load_quote(rows[i].quote) };
                struct outcome o;

                add_migtd(&bundle, "migtd/collateral_production_fmspc.json", rows[i].fmspc);
                o = judge(&bundle, PRODUCTION);
                expect(rows[i].quote, &o, NULL, rows[i].status);
                assert_int_equal(o.claims.status.evaluation, 18);
                assert_string_equal(o.claims.status.differs, rows[i].differs ? rows[i].differs : "");
        }
}

static X509 *load_root(const char *below) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = load(below);
        const uint8_t *p = der.data;
        X509 *x509 = d2i_X509(NULL, &p, (long)der.size);

        assert_non_null(x509);
        return x509;
}

static void root_digest(X509 *x509, uint8_t ret[32]) {
        uint8_t spki[256], *end = spki;

        cvm_sha256(spki, (size_t)i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &end), ret);
}

/* Self-consistent, under a root that has the production root's name and another key: with the production
 * root behind its signer nothing verifies. */
static void test_pre_production(void **state) {
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes text = load("migtd/collateral_pre_production_fmspc.json");
        json_object *all = json_tokener_parse((const char *)text.data), *platforms, *first, *node;
        struct tdx_certificate roots[] = {
                { load_root("migtd/Intel_SGX_Provisioning_Certification_RootCA_preproduction.cer"),
                  TDX_ROLE_ROOT, false },
                { load_root("dcap-qvl/TrustedRootCA.der"), TDX_ROLE_ROOT, false },
        };
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain signer = { 0 };
        uint64_t now;

        cvm_time_parse("2026-07-15T00:00:00Z", &now);
        assert_int_equal(X509_NAME_cmp(X509_get_subject_name(roots[0].x509),
                                       X509_get_subject_name(roots[1].x509)),
                         0);
        json_object_object_get_ex(all, "platforms", &platforms);
        first = json_object_array_get_idx(platforms, 0);
        json_object_object_get_ex(first, "tcbInfoIssuerChain", &node);
        assert_int_equal(tdx_certificates_read(json_object_get_string(node),
                                               (size_t)json_object_get_string_len(node), &signer, NULL),
                         0);
        for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
                const struct tdx_chain chain = { .links = { signer.links[0], roots[i] }, .n = 2 };
                uint8_t root[32];

                assert_int_equal(tdx_chain_verify(&chain, now, root, NULL), i == 0 ? 0 : -EBADMSG);
                if (i == 0)
                        assert_memory_not_equal(root, tdx_root, sizeof root);
                X509_free(roots[i].x509);
        }
        json_object_put(all);
}

static void test_pre_production_beside_a_genuine_quote(void **state) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { .report = load_quote("dcap-qvl/tdx_quote") };
        struct outcome o;

        add_migtd(&bundle, "migtd/collateral_pre_production_fmspc.json", "20C06F000000");
        o = judge(&bundle, "2026-07-15T00:00:00Z");
        expect("pre-production", &o, &CVM_CODE_COLLATERAL, NULL);
}

static void test_production_root(void **state) {
        static const char *const files[] = { "migtd/Intel_SGX_Provisioning_Certification_RootCA.cer",
                                             "dcap-qvl/TrustedRootCA.der" };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                X509 *x509 = load_root(files[i]);
                uint8_t digest[32];

                root_digest(x509, digest);
                assert_memory_equal(digest, tdx_root, sizeof digest);
                X509_free(x509);
        }
}

/* Of a policy for production: no debugging, no service TD, no paravisor unless it allows one. */
static void test_production_policy(void **state) {
        static const char policy_text[] =
                        "{\"version\":1,\"serial\":1,\"class\":\"hardware\",\"platforms\":[\"tdx\"],"
                        "\"measurements\":[\"%096d\"],\"covers\":{\"firmware\":true,\"kernel\":false,"
                        "\"initrd\":false,\"cmdline\":false,\"acpi\":false,\"root\":\"none\"},"
                        "\"gaps\":[\"kernel\",\"initrd\",\"cmdline\"],\"unowned\":true,\"hosts\":\"any\","
                        "\"min_tcb\":\"any\"%s}";
        static const struct {
                const char *quote, *more;
                const struct cvm_code *code;
                bool refused;
        } rows[] = {
                { "trustee/tdx_quote_4.dat", "", &CVM_CODE_DEBUG, true },
                { "trustee/tdx_quote_4.dat", ",\"debug\":true", &CVM_CODE_DEBUG, false },
                { "trustee/tdx_quote_5.dat", "", &CVM_CODE_POLICY_BITS, true },
                { "trustee/tdx_quote_5.dat", ",\"policy_bits\":{\"allow\":[\"service-td\"]}",
                  &CVM_CODE_POLICY_BITS, false },
                { "trustee/az_td-quote.bin", "", &CVM_CODE_POLICY_BITS, true },
                { "trustee/az_td-quote.bin", ",\"policy_bits\":{\"allow\":[\"no-sept-ve-disable\"]}",
                  &CVM_CODE_POLICY_BITS, false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done)
                struct bundle bundle = { .platform = CVM_PLATFORM_TDX,
                                         .suite = CVM_SUITE,
                                         .uuid = strdup(""),
                                         .report = load_quote(rows[i].quote) };
                CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
                CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
                struct appraisal with = { 0 };
                bool found = false;
                char text[1024];

                cvm_time_parse(NOW, &with.now_msec);
                snprintf(text, sizeof text, policy_text, 0, rows[i].more);
                assert_int_equal(policy_read(text, strlen(text), "policy", &policy, NULL), 0);
                assert_int_equal(policy_appraise(policy, &bundle, &with, &verdict, NULL), 0);
                for (size_t k = 0; k < verdict.n_reasons; k++)
                        found |= verdict.reasons[k].code == rows[i].code;
                if (found != rows[i].refused)
                        fail_msg("%s with '%s'", rows[i].quote, rows[i].more);
        }
}

/* Documents that lie there without quotes: whether the production key signed them. */
static int verify_alone(const char *file, bool identity) {
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes text = load(file), pem = load("go-tdx-guest/tcbinfo_issuer_chain.pem");
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        CVM_CLEANUP(tdx_tcb_info_done) struct tdx_tcb_info info = { 0 };
        CVM_CLEANUP(tdx_qe_identity_done) struct tdx_qe_identity qe = { 0 };
        const struct tdx_document *document = identity ? &qe.document : &info.document;
        struct cvm_error err = { 0 };
        int r = identity ? tdx_qe_identity_read(text.data, text.size, &qe, &err)
                         : tdx_tcb_info_read(text.data, text.size, &info, &err);

        if (r < 0)
                fail_msg("%s: %s", file, err.text);
        assert_int_equal(tdx_certificates_read(pem.data, pem.size, &chain, NULL), 0);
        assert_int_equal(chain.links[0].role, TDX_ROLE_TCB_SIGNING);
        return p256_verify(X509_get0_pubkey(chain.links[0].x509), document->signature, document->payload,
                           document->payload_size);
}

static void test_documents_alone(void **state) {
        assert_int_equal(verify_alone("trustee/tcbInfo.json", false), 0);
        assert_int_equal(verify_alone("trustee/enclaveIdentity.json", true), 0);
        assert_int_equal(verify_alone("migtd/tcb_info.json", false), 0);
        assert_int_equal(verify_alone("migtd/qe_identity.json", true), -EBADMSG);
}

/* Collections of many platforms: every TCB info and the QE identity is signed by the key in its own chain.
 */
static void expect_signed(json_object *node, const char *chain_key, const char *text_key, bool identity) {
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        CVM_CLEANUP(tdx_tcb_info_done) struct tdx_tcb_info info = { 0 };
        CVM_CLEANUP(tdx_qe_identity_done) struct tdx_qe_identity qe = { 0 };
        const struct tdx_document *document = identity ? &qe.document : &info.document;
        json_object *pem = NULL, *text = NULL;
        struct cvm_error err = { 0 };
        int r;

        assert_true(json_object_object_get_ex(node, chain_key, &pem) &&
                    json_object_object_get_ex(node, text_key, &text));
        r = identity ? tdx_qe_identity_read(json_object_get_string(text),
                                            (size_t)json_object_get_string_len(text), &qe, &err)
                     : tdx_tcb_info_read(json_object_get_string(text),
                                         (size_t)json_object_get_string_len(text), &info, &err);
        if (r < 0)
                fail_msg("%s", err.text);
        assert_int_equal(tdx_certificates_read(json_object_get_string(pem),
                                               (size_t)json_object_get_string_len(pem), &chain, NULL),
                         0);
        assert_int_equal(p256_verify(X509_get0_pubkey(chain.links[0].x509), document->signature,
                                     document->payload, document->payload_size),
                         0);
}

static void test_collections(void **state) {
        static const struct {
                const char *file;
                size_t n;
        } rows[] = {
                { "migtd/collateral_production_fmspc.json", 13 },
                { "migtd/collateral_pre_production_fmspc.json", 32 },
                { "migtd/collateral_azure_thim.json", 3 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = load(rows[i].file);
                json_object *all = json_tokener_parse((const char *)text.data), *platforms = NULL;

                assert_true(json_object_object_get_ex(all, "platforms", &platforms));
                assert_int_equal(json_object_array_length(platforms), rows[i].n);
                for (size_t k = 0; k < rows[i].n; k++)
                        expect_signed(json_object_array_get_idx(platforms, k), "tcbInfoIssuerChain",
                                      "tcbInfo", false);
                expect_signed(all, "qeIdentityIssuerChain", "qeIdentity", true);
                json_object_put(all);
        }
}

/* Of three years, so at no one time do all parts hold. */
static void test_collection_of_no_single_time(void **state) {
        static const char *const times[] = { "2024-10-01T00:00:00Z", "2025-11-20T00:00:00Z" };

        for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
                CVM_CLEANUP(bundle_done)
                struct bundle bundle = { .report = load_quote("trustee/tdx_quote_4.dat") };
                struct outcome o;

                add_migtd(&bundle, "migtd/collateral_azure_thim.json", "50806f000000");
                o = judge(&bundle, times[i]);
                assert_non_null(o.code);
        }
}

/* The TCB part alone of the set whose parts are of different years. */
static void test_tcb_part_alone(void **state) {
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes text = load("go-tdx-guest/sample_tcbinfo_response_v5"),
                         bytes = load("go-tdx-guest/quote_v5_sample.dat");
        CVM_CLEANUP(tdx_tcb_info_done) struct tdx_tcb_info info = { 0 };
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        const struct tdx_level fine = { .status = TDX_UP_TO_DATE };
        struct tdx_platform platform;
        struct tdx_evaluation e;
        struct tdx_quote quote;
        char date[CVM_TIME_TEXT];

        assert_int_equal(tdx_quote_read(bytes.data, bytes.size, &quote, NULL), 0);
        assert_int_equal(tdx_chain_read(quote.chain, quote.chain_size, &chain, NULL), 0);
        assert_int_equal(tdx_platform_of(&chain.links[0], &platform, NULL), 0);
        assert_int_equal(tdx_tcb_info_read(text.data, text.size, &info, NULL), 0);
        tdx_evaluate(&info, &platform, &quote.body, &fine, &e);
        assert_int_equal(e.status, TDX_UP_TO_DATE);
        assert_int_equal(e.module->svn, 6);
        cvm_time_format(e.level->date, date);
        assert_memory_equal(date, "2024-11-13", 10);
        assert_int_equal(quote.body.tee_tcb_svn_2[0], 0x0d);
}

/* Quotes in hex inside other projects' JSON. */
static void test_quotes_inside_json(void **state) {
        static const struct {
                const char *file, *key;
                size_t skip; /* hex digits before it */
        } rows[] = {
                { "dstack/quote-report.json", "quote", 0 },
                { "dstack/tdx-lite-getquote.json", "quote", 0 },
                { "dstack/tdx-lite-attestation.json", "attestation", 8 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = load(rows[i].file);
                json_object *all = json_tokener_parse((const char *)text.data), *node = NULL;
                size_t size;
                struct outcome o;

                assert_true(json_object_object_get_ex(all, rows[i].key, &node));
                size = ((size_t)json_object_get_string_len(node) - rows[i].skip) / 2;
                bundle.report = (struct cvm_bytes){ malloc(size), size };
                assert_int_equal(cvm_unhex(json_object_get_string(node) + rows[i].skip, bundle.report.data,
                                           size),
                                 0);
                o = judge(&bundle, "2026-11-01T00:00:00Z");
                expect(rows[i].file, &o, NULL, NULL);
                json_object_put(all);
        }
}

static const char *text_of(json_object *node, const char *key) {
        json_object *found = NULL;

        assert_true(json_object_object_get_ex(node, key, &found));
        return json_object_get_string(found);
}

/* Every field of one quote, as another project reads it. */
static void test_field_by_field(void **state) {
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes bytes = load("trustee/tdx_quote_4.dat"),
                         text = load("trustee/parse_tdx_claims_expected.json");
        json_object *all = json_tokener_parse((const char *)text.data), *node = NULL, *body = NULL;
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain chain = { 0 };
        struct tdx_platform platform;
        struct tdx_quote quote;
        const struct tdx_body *b = &quote.body;
        uint64_t numbers[3];
        const struct {
                const char *key;
                const void *data;
                size_t size;
        } rows[] = {
                { "mr_config_id", b->mr_config_id, 48 },
                { "mr_owner", b->mr_owner, 48 },
                { "mr_owner_config", b->mr_owner_config, 48 },
                { "mr_seam", b->mr_seam, 48 },
                { "mr_td", b->mr_td, 48 },
                { "mrsigner_seam", b->mr_signer_seam, 48 },
                { "report_data", b->report_data, 64 },
                { "rtmr_0", b->rtmr[0], 48 },
                { "rtmr_1", b->rtmr[1], 48 },
                { "rtmr_2", b->rtmr[2], 48 },
                { "rtmr_3", b->rtmr[3], 48 },
                { "tcb_svn", b->tee_tcb_svn, 16 },
                { "td_attributes", &numbers[0], 8 },
                { "seam_attributes", &numbers[1], 8 },
                { "xfam", &numbers[2], 8 },
        };
        uint8_t reversed[sizeof platform.instance];
        char hex[129];

        assert_int_equal(tdx_quote_read(bytes.data, bytes.size, &quote, NULL), 0);
        assert_true(json_object_object_get_ex(all, "quote", &node) &&
                    json_object_object_get_ex(node, "body", &body));
        numbers[0] = htole64(b->attributes);
        numbers[1] = htole64(b->seam_attributes);
        numbers[2] = htole64(b->xfam);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                cvm_hex(rows[i].data, rows[i].size, hex);
                assert_string_equal(hex, text_of(body, rows[i].key));
        }
        assert_int_equal(tdx_chain_read(quote.chain, quote.chain_size, &chain, NULL), 0);
        assert_int_equal(tdx_platform_of(&chain.links[0], &platform, NULL), 0);
        for (size_t i = 0; i < sizeof platform.instance; i++) /* written there as a little-endian number */
                reversed[i] = platform.instance[sizeof platform.instance - 1 - i];
        cvm_hex(reversed, sizeof reversed, hex);
        assert_string_equal(hex, text_of(all, "platform_instance_id"));
        json_object_put(all);
}

/* One changed byte anywhere before the end of the signature data, and the quote is refused; cut anywhere
 * too. */
static void test_changed_and_cut(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes good = load("dcap-qvl/tdx_quote");
        const size_t end = good.size - 70; /* zeros of the guest's buffer */

        for (size_t i = 0; i < end; i += i < 1300 ? 1 : 7) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
                struct outcome o;

                cvm_bytes_copy(good.data, good.size, &bundle.report);
                bundle.report.data[i] ^= 0x20;
                o = judge(&bundle, NOW);
                /* two reserved numbers of the header are signed; a PEM text has line ends that do not count
                 */
                if (!o.code && (i < 1300 || !isspace(good.data[i])))
                        fail_msg("byte %zu does not count", i);
                if (o.code && o.code->fault != CVM_FAULT_EVIDENCE_NO)
                        fail_msg("byte %zu: %s", i, o.text);
        }
        for (size_t size = 0; size < end; size += size < 1300 ? 1 : 50) {
                CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
                struct outcome o;

                cvm_bytes_copy(good.data, size, &bundle.report);
                o = judge(&bundle, NOW);
                assert_ptr_equal(o.code, &CVM_CODE_REPORT_FORMAT);
        }
}

/* The leaf of another quote does not go with this one. */
static void test_leaf_of_another_quote(void **state) {
        CVM_CLEANUP(cvm_bytes_done)
        struct cvm_bytes quote = load("dcap-qvl/tdx_quote"), other = load("trustee/tdx_quote_6.dat");
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        uint8_t *ours = memmem(quote.data, quote.size, "-----BEGIN", 10),
                *theirs = memmem(other.data, other.size, "-----BEGIN", 10);
        size_t size = quote.size - 70 - (size_t)(ours - quote.data),
               their_size = other.size - (size_t)(theirs - other.data);
        struct outcome o;

        while (!theirs[their_size - 1])
                their_size--;
        cvm_bytes_copy(quote.data, quote.size, &bundle.report);
        memcpy(bundle.report.data + (ours - quote.data), theirs, their_size < size ? their_size : size);
        memset(bundle.report.data + (ours - quote.data) + their_size, 0,
               their_size < size ? size - their_size : 0);
        o = judge(&bundle, NOW);
        expect("swapped chain", &o, &CVM_CODE_REPORT_SIGNATURE, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_genuine_quotes),
                cmocka_unit_test(test_measurements),
                cmocka_unit_test(test_registers_of_a_log),
                cmocka_unit_test(test_what_is_no_quote_of_a_td),
                cmocka_unit_test(test_td_report),
                cmocka_unit_test(test_pairs),
                cmocka_unit_test(test_production_collateral),
                cmocka_unit_test(test_pre_production),
                cmocka_unit_test(test_pre_production_beside_a_genuine_quote),
                cmocka_unit_test(test_production_policy),
                cmocka_unit_test(test_production_root),
                cmocka_unit_test(test_documents_alone),
                cmocka_unit_test(test_collections),
                cmocka_unit_test(test_collection_of_no_single_time),
                cmocka_unit_test(test_tcb_part_alone),
                cmocka_unit_test(test_quotes_inside_json),
                cmocka_unit_test(test_field_by_field),
                cmocka_unit_test(test_changed_and_cut),
                cmocka_unit_test(test_leaf_of_another_quote),
        };

        if (shared_is_absent("vectors/tdx/INDEX.md"))
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
