/*
 * Quotes as evidence: one good bundle, then each thing that can be wrong with it, alone. The verdict must
 * name exactly that by its code, and "refused" and "could not check" never stand for each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/event-log-tdx.h"
#include "tests/attest/scene-tdx.h"

static bool has_reason(const struct scene *s, const struct cvm_code *code, const char *words) {
        for (size_t i = 0; i < s->verdict.n_reasons; i++)
                if (s->verdict.reasons[i].code == code &&
                    (!words || strstr(s->verdict.reasons[i].text, words)))
                        return true;
        return false;
}

/* Exactly this code (NULL: none), remarks aside, and the result that its fault stands for. */
static void expect(struct scene *s, const struct cvm_code *code, const char *words) {
        judge(s);
        for (size_t i = 0; i < s->verdict.n_reasons; i++) {
                const struct verdict_reason *reason = &s->verdict.reasons[i];

                if (reason->code != code && reason->code->fault != CVM_FAULT_REQUEST)
                        fail_msg("%s: %s", reason->code->id, reason->text);
        }
        if (code && !has_reason(s, code, words))
                fail_msg("no %s: '%s'", code->id, words ? words : "");
        assert_int_equal(s->verdict.result, !code                                  ? VERDICT_ACCEPTED
                                            : code->fault == CVM_FAULT_EVIDENCE_NO ? VERDICT_REFUSED
                                                                                   : VERDICT_UNKNOWN);
        scene_done(s);
}

static void test_accepted(void **state) {
        for (int version = 4; version <= 5; version++) {
                CVM_CLEANUP(scene_done) struct scene s = scene();

                s.w.version = version;
                s.w.body.is_15 = version == 5;
                seal(&s);
                judge(&s);
                assert_int_equal(s.verdict.result, VERDICT_ACCEPTED);
                assert_true(s.verdict.covers.kernel && s.verdict.covers.cmdline);
                assert_false(s.verdict.covers.acpi);
                assert_int_equal(s.verdict.covers.root, CVM_COVERED_OWNER_KEYED);
        }
}

static void test_other_verifiers_are_quoted(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        seal(&s);
        judge(&s);
        assert_true(has_reason(&s, &CVM_CODE_VERIFIERS_DIFFER, "dcap-qvl"));
        assert_true(has_reason(&s, &CVM_CODE_VERIFIERS_DIFFER, "'OutOfDate'"));
        assert_false(has_reason(&s, &CVM_CODE_VERIFIERS_DIFFER, "go-tdx-guest"));
}

/* what makes the evidence itself no good */

static void flip(struct scene *s, size_t at) {
        s->bundle.report.data[at] ^= 1;
}

static void test_changed_bytes(void **state) {
        static const struct {
                size_t at; /* in a quote of version 4 */
                const struct cvm_code *code;
                const char *words;
        } rows[] = {
                { 30, &CVM_CODE_REPORT_SIGNATURE, "of the quote" },       /* the enclave's user data */
                { 48 + 136, &CVM_CODE_REPORT_SIGNATURE, "of the quote" }, /* MRTD */
                { 48 + 583, &CVM_CODE_REPORT_SIGNATURE, "of the quote" }, /* report_data */
                { 636, &CVM_CODE_REPORT_SIGNATURE, "of the quote" },      /* the signature */
                { 700, &CVM_CODE_REPORT_SIGNATURE, "vouch for the key" }, /* the key */
                { 770, &CVM_CODE_REPORT_SIGNATURE, "enclave's report" },
                { 1160, &CVM_CODE_REPORT_SIGNATURE, "enclave's report" },  /* its signature */
                { 1222, &CVM_CODE_REPORT_SIGNATURE, "vouch for the key" }, /* auth data */
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct scene s = scene();

                seal(&s);
                flip(&s, rows[i].at);
                expect(&s, rows[i].code, rows[i].words);
        }
}

static void test_key_off_the_curve(void **state) {
        struct scene s = scene();
        uint8_t hashed[P256_SIZE + 32], digest[32];

        /* The enclave vouches for it, so that only the point is wrong. */
        seal(&s);
        memcpy(hashed, s.bundle.report.data + 700, P256_SIZE);
        hashed[63] ^= 1;
        memset(hashed + P256_SIZE, 0xaa, 32);
        cvm_sha256(hashed, sizeof hashed, digest);
        memcpy(s.bundle.report.data + 700, hashed, P256_SIZE);
        memcpy(s.bundle.report.data + 770 + 320, digest, sizeof digest);
        sign_raw(pck_key, s.bundle.report.data + 770, TDX_QE_REPORT_SIZE, s.bundle.report.data + 770 + 384);
        expect(&s, &CVM_CODE_REPORT_FORMAT, "not on P-256");
}

static void test_leaf_of_another(void **state) {
        struct scene s = scene();

        s.w.links[LINK_PCK].key = other_key;
        seal(&s);
        sign_raw(pck_key, s.bundle.report.data + 770, TDX_QE_REPORT_SIZE, s.bundle.report.data + 770 + 384);
        expect(&s, &CVM_CODE_REPORT_SIGNATURE, "enclave's report");
}

static void test_chain(void **state) {
        struct scene s = scene();

        s.w.swap_certificates = true;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_CHAIN, "in this order");
}

static void test_other_root(void **state) {
        struct scene s = scene();

        seal(&s);
        set_policy(&s, "simulation_root",
                   "\"00000000000000000000000000000000000000000000000000000000000000ff\"");
        expect(&s, &CVM_CODE_REPORT_ROOT, NULL);
}

/* Certificates without the extension are of hardware, and their root is not Intel's. */
static void test_a_root_that_calls_itself_intels(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        s.w.simulated = false;
        seal(&s);
        s.bundle.simulated = false;
        set_policy(&s, "class", "\"hardware\"");
        set_policy(&s, "simulation_root", NULL);
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_true(has_reason(&s, &CVM_CODE_REPORT_ROOT, "maker's"));
}

static void test_td_report(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        seal(&s);
        cvm_bytes_done(&s.bundle.report);
        s.bundle.report = (struct cvm_bytes){ malloc(TDX_TDREPORT_SIZE), TDX_TDREPORT_SIZE };
        make_tdreport(&s.w, s.bundle.report.data);
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_UNKNOWN);
        assert_true(has_reason(&s, &CVM_CODE_CHAIN_MISSING, "TD report"));
        verdict_done(&s.verdict);
        s.bundle.report.data[600] ^= 1;
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_true(has_reason(&s, &CVM_CODE_REPORT_FORMAT, "TDINFO"));
}

/* collateral and status */

static void test_no_collateral(void **state) {
        struct scene s = scene();

        s.no_collateral = true;
        seal(&s);
        expect(&s, &CVM_CODE_COLLATERAL_MISSING, NULL);
}

static void test_collateral_refuses(void **state) {
        struct scene s = scene();

        s.w.revoked_pck = 11;
        seal(&s);
        expect(&s, &CVM_CODE_REVOKED, NULL);
        s = scene();
        s.w.qe.isv_prod_id = 3;
        seal(&s);
        expect(&s, &CVM_CODE_QUOTING_ENCLAVE, "product");
        s = scene();
        s.w.list_until = -1;
        seal(&s);
        expect(&s, &CVM_CODE_CRL_STALE, NULL);
}

static void test_collateral_age(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        s.w.simulated = false; /* simulated evidence has no age */
        seal(&s);
        s.bundle.simulated = false;
        set_policy(&s, "class", "\"hardware\"");
        set_policy(&s, "simulation_root", NULL);
        set_policy(&s, "collateral_max_age", "3599");
        judge(&s);
        assert_true(has_reason(&s, &CVM_CODE_CRL_STALE, "3600 s old"));
        verdict_done(&s.verdict);
        set_policy(&s, "collateral_max_age", "3600");
        judge(&s);
        assert_false(has_reason(&s, &CVM_CODE_CRL_STALE, NULL));
}

static void test_statuses(void **state) {
        static const struct {
                const char *level, *accepted; /* tcb_status; NULL: left out */
                const struct cvm_code *code;
                const char *words;
        } rows[] = {
                { "UpToDate", NULL, NULL, NULL },
                { "UpToDate", "{\"UpToDate\":\"2024-03-13T00:00:00Z\"}", NULL, NULL },
                { "UpToDate", "{\"UpToDate\":\"2024-03-14T00:00:00Z\"}", &CVM_CODE_TCB_STATUS, "or later" },
                { "UpToDate", "{\"OutOfDate\":\"any\"}", &CVM_CODE_TCB_STATUS, "'UpToDate'" },
                { "SWHardeningNeeded", NULL, &CVM_CODE_TCB_STATUS, "INTEL-SA-00009" },
                { "SWHardeningNeeded", "{\"UpToDate\":\"any\"}", &CVM_CODE_TCB_STATUS, NULL },
                { "SWHardeningNeeded", "{\"UpToDate\":\"any\",\"SWHardeningNeeded\":\"any\"}", NULL, NULL },
                { "SWHardeningNeeded", "{\"SWHardeningNeeded\":\"2025-01-01T00:00:00Z\"}",
                  &CVM_CODE_TCB_STATUS, "or later" },
                { "Revoked", "{\"Revoked\":\"any\"}", &CVM_CODE_TCB_STATUS, "'Revoked'" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct scene s = scene();

                s.w.levels[1].status = rows[i].level;
                s.w.levels[1].advisories = "\"INTEL-SA-00009\"";
                seal(&s);
                if (rows[i].accepted)
                        set_policy(&s, "tcb_status", rows[i].accepted);
                expect(&s, rows[i].code, rows[i].words);
        }
}

static void test_accepted_advisories_are_told(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        s.w.levels[1].status = "SWHardeningNeeded";
        s.w.levels[1].advisories = "\"INTEL-SA-00009\"";
        seal(&s);
        set_policy(&s, "tcb_status", "{\"SWHardeningNeeded\":\"any\"}");
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_ACCEPTED);
        assert_true(has_reason(&s, &CVM_CODE_POLICY_OPEN, "INTEL-SA-00009"));
}

static void test_platforms_that_no_policy_accepts(void **state) {
        struct scene s = scene();

        s.w.platform.pce_svn = 1;
        seal(&s);
        set_policy(&s, "tcb_status", "{\"NotSupported\":\"any\"}");
        expect(&s, &CVM_CODE_TCB_STATUS, "'NotSupported'");
        s = scene();
        s.w.body.tee_tcb_svn[1] = 7;
        seal(&s);
        set_policy(&s, "tcb_status", "{\"ModuleMismatch\":\"any\"}");
        expect(&s, &CVM_CODE_TCB_STATUS, "'ModuleMismatch'");
}

static void test_evaluation_number(void **state) {
        struct scene s = scene();

        seal(&s);
        set_policy(&s, "min_tcb_evaluation", "17");
        expect(&s, NULL, NULL);
        s = scene();
        seal(&s);
        set_policy(&s, "min_tcb_evaluation", "18");
        expect(&s, &CVM_CODE_TCB_STATUS, "number 17");
        s = scene();
        s.no_collateral = true; /* then the number is not known, which is another thing than too low */
        seal(&s);
        set_policy(&s, "min_tcb_evaluation", "18");
        expect(&s, &CVM_CODE_COLLATERAL_MISSING, NULL);
}

static void test_minimum_tcb(void **state) {
        static const struct {
                const char *minimum;
                const struct cvm_code *code;
        } rows[] = {
                { "{\"TDX\":{\"module\":5,\"module-major\":1,\"seam-loader\":6,\"pce\":13,\"quoting-enclave\":4}}",
                  NULL },
                { "{\"TDX\":{\"module\":6}}", &CVM_CODE_TCB },
                { "{\"TDX\":{\"quoting-enclave\":5}}", &CVM_CODE_TCB },
                { "{\"TDX\":{\"microcode\":1}}", &CVM_CODE_TCB },
                { "{\"Milan\":{\"snp\":1}}", &CVM_CODE_TCB },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct scene s = scene();

                seal(&s);
                set_policy(&s, "min_tcb", rows[i].minimum);
                expect(&s, rows[i].code, NULL);
        }
}

/* the guest */

static void test_attributes(void **state) {
        static const struct {
                uint64_t attributes;
                const char *allow; /* policy_bits; NULL: left out */
                const struct cvm_code *code;
                const char *words;
        } rows[] = {
                { 1ull << 28 | 1, NULL, &CVM_CODE_DEBUG, NULL },
                { 1ull << 28 | 1ull << 29, NULL, &CVM_CODE_MIGRATABLE, NULL },
                { 1ull << 28 | 1ull << 29, "{\"allow\":[\"migratable\"]}", &CVM_CODE_MIGRATABLE, NULL },
                { 1ull << 28 | 1ull << 5, NULL, &CVM_CODE_POLICY_BITS, "untrusted-attributes" },
                { 1ull << 28 | 1ull << 1, NULL, &CVM_CODE_POLICY_BITS, "untrusted-attributes" },
                { 1ull << 28 | 1ull << 40, NULL, &CVM_CODE_POLICY_BITS, "unknown-attributes" },
                { 1ull << 28 | 1ull << 40, "{\"allow\":[\"unknown-attributes\"]}", NULL, NULL },
                { 0, NULL, &CVM_CODE_POLICY_BITS, "no-sept-ve-disable" },
                { 0, "{\"allow\":[\"no-sept-ve-disable\"]}", NULL, NULL },
                { 1ull << 28 | 1ull << 30 | 1ull << 63, NULL, NULL, NULL },
                { 1ull << 28, "{\"set\":[\"pks\"]}", &CVM_CODE_POLICY_BITS, "'pks' is off" },
                { 1ull << 28 | 1ull << 63, "{\"clear\":[\"perfmon\"]}", &CVM_CODE_POLICY_BITS,
                  "'perfmon' is on" },
                { 1ull << 28, "{\"clear\":[\"smt\"]}", &CVM_CODE_POLICY_BITS, "no bit 'smt'" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct scene s = scene();

                s.w.body.attributes = rows[i].attributes;
                seal(&s);
                if (rows[i].allow)
                        set_policy(&s, "policy_bits", rows[i].allow);
                expect(&s, rows[i].code, rows[i].words);
        }
}

static void test_service_td(void **state) {
        struct scene s = scene();

        s.w.version = 5;
        s.w.body.is_15 = true;
        s.w.body.mr_service_td[0] = 1;
        seal(&s);
        expect(&s, &CVM_CODE_POLICY_BITS, "service-td");
        s = scene();
        s.w.version = 5;
        s.w.body.is_15 = true;
        s.w.body.mr_service_td[0] = 1;
        seal(&s);
        set_policy(&s, "policy_bits", "{\"allow\":[\"service-td\"]}");
        expect(&s, NULL, NULL);
}

static void test_measurements(void **state) {
        struct scene s = scene();

        seal(&s);
        *strstr(s.policy, "5a5a") = '4';
        expect(&s, &CVM_CODE_MEASUREMENT, "does not list");
        s = scene();
        seal(&s);
        *strstr(s.policy, "5252") = '4';
        expect(&s, &CVM_CODE_MEASUREMENT, "'rtmr2' is another");
        s = scene();
        seal(&s);
        memcpy(strstr(s.policy, "rtmr2"), "rtmr9", 5);
        expect(&s, &CVM_CODE_MEASUREMENT, "'rtmr9'");
}

#define TEN(d) d d d d d d d d d d
#define HEX48(d) TEN(d) TEN(d) TEN(d) TEN(d) d d d d d d d d
#define SET(rtmr1, rtmr2)                                                    \
        "{\"digest\":\"" HEX48("5a") "\",\"registers\":{\"rtmr1\":\"" HEX48( \
                        rtmr1) "\","                                         \
                               "\"rtmr2\":\"" HEX48(rtmr2) "\"}}"

/* Each set as a whole: the kernel of one entry does not go with the command line of another. */
static void test_sets_do_not_mix(void **state) {
        struct scene s = scene();

        seal(&s);
        set_policy(&s, "measurements", "[" SET("51", "00") "," SET("00", "52") "]");
        expect(&s, &CVM_CODE_MEASUREMENT, NULL);
        s = scene();
        seal(&s);
        set_policy(&s, "measurements", "[" SET("51", "00") "," SET("51", "52") "]");
        expect(&s, NULL, NULL);
}

/* Accepted, and each verdict repeats that nobody checked it. */
static void test_learnt_is_said(void **state) {
        struct scene s = scene();

        seal(&s);
        set_policy(&s, "measurements",
                   "[{\"digest\":\"" HEX48("5a") "\",\"registers\":{\"rtmr1\":\"" HEX48(
                                   "51") "\",\"rtmr2\":\"" HEX48("52") "\"},\"unverified\":[\"rtmr2\"]}]");
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_ACCEPTED);
        assert_true(has_reason(&s, &CVM_CODE_POLICY_OPEN, "'rtmr2' is learnt, not verified"));
        assert_false(has_reason(&s, &CVM_CODE_POLICY_OPEN, "'rtmr1'"));
        scene_done(&s);
}

/* MRTD alone is the firmware: whatever the policy says that it covers. */
static void test_coverage_takes_the_registers(void **state) {
        struct scene s = scene();

        s.unowned = true;
        s.appraisal.owner_spki = NULL;
        seal(&s);
        set_policy(&s, "measurements", "[\"" HEX48("5a") "\"]");
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_true(has_reason(&s, &CVM_CODE_COVERAGE, "kernel"));
        assert_true(has_reason(&s, &CVM_CODE_COVERAGE, "initrd"));
        assert_true(has_reason(&s, &CVM_CODE_COVERAGE, "cmdline"));
        assert_false(has_reason(&s, &CVM_CODE_COVERAGE, "firmware"));
        assert_false(s.verdict.covers.kernel);
        verdict_done(&s.verdict);
        set_policy(&s, "gaps", "[\"kernel\",\"initrd\",\"cmdline\"]");
        expect(&s, NULL, NULL);
}

static void test_owner_field(void **state) {
        struct scene s = scene();

        s.other_owner = true;
        seal(&s);
        expect(&s, &CVM_CODE_HOST_OWNER, NULL);
        s = scene();
        s.unowned = true;
        s.appraisal.owner_spki = NULL;
        s.w.body.mr_owner[5] = 1;
        seal(&s);
        expect(&s, &CVM_CODE_HOST_OWNER, "none");
}

static void test_binding_field(void **state) {
        struct scene s = scene();

        s.unowned = true;
        s.appraisal.owner_spki = NULL;
        s.w.body.mr_config_id[0] = 1;
        seal(&s);
        expect(&s, &CVM_CODE_HOST_DATA, NULL);
}

static void test_hosts(void **state) {
        struct scene s = scene();

        seal(&s);
        set_policy(&s, "hosts", "[\"42424242424242424242424242424242\"]");
        expect(&s, NULL, NULL);
        s = scene();
        seal(&s);
        set_policy(&s, "hosts", "[\"43434343434343434343434343434343\"]");
        expect(&s, &CVM_CODE_HOST_ID, "4242");
        s = scene();
        s.w.platform.has_instance = false; /* then its package's id */
        seal(&s);
        set_policy(&s, "hosts", "[\"43434343434343434343434343434343\"]");
        expect(&s, NULL, NULL);
        s = scene();
        memset(s.w.platform.instance, 0, sizeof s.w.platform.instance);
        seal(&s);
        set_policy(&s, "hosts", "[\"43434343434343434343434343434343\"]");
        expect(&s, &CVM_CODE_HOST_MASKED, NULL);
}

/* A quote carries its certificates itself; what comes with it is collateral. */
static void test_certificate_table(void **state) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { .platform = CVM_PLATFORM_TDX };
        struct cvm_error err = { 0 };

        assert_int_equal(evidence_add_table(&bundle, "", 0, &err), 0);
        assert_int_equal(evidence_add_table(&bundle, "x", 1, &err), -EBADMSG);
        assert_int_equal(bundle.n_revocations, 0);
        assert_int_equal(evidence_add_table(&bundle, "{}", 2, &err), 0);
        assert_int_equal(bundle.n_revocations, 1);
        assert_ptr_equal(err.code, &CVM_CODE_REPORT_CHAIN);
}

/* A log is not asked for; one that is there must give the registers of this very quote. */
static void test_event_log(void **state) {
        static const struct {
                size_t from_end; /* of the byte that is changed; 0: none */
                size_t missing;
                const struct cvm_code *code;
                const char *words;
        } rows[] = {
                { 0, 0, NULL, NULL },
                { 9, 0, &CVM_CODE_EVENT_LOG, "'rtmr2'" }, /* a digest */
                { 0, 5, &CVM_CODE_EVENT_LOG, "cut off" },
                { 0, 66, &CVM_CODE_EVENT_LOG, "'rtmr2'" }, /* the last event */
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
                struct tdx_event event = { .type = 4, .digest = { 0x11 } };
                struct scene s = scene();

                tdx_event_log_begin(&w);
                memset(s.w.body.rtmr, 0, sizeof s.w.body.rtmr);
                for (event.index = 1; event.index <= 3; event.index++) {
                        tdx_event_write(&event, &w);
                        tdx_extend(s.w.body.rtmr[event.index - 1], event.digest);
                }
                seal(&s);
                if (rows[i].from_end)
                        w.bytes.data[w.bytes.size - rows[i].from_end] ^= 1;
                assert_int_equal(cvm_bytes_copy(w.bytes.data, w.bytes.size - rows[i].missing,
                                                &s.bundle.event_log),
                                 0);
                expect(&s, rows[i].code, rows[i].words);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted),
                cmocka_unit_test(test_other_verifiers_are_quoted),
                cmocka_unit_test(test_changed_bytes),
                cmocka_unit_test(test_key_off_the_curve),
                cmocka_unit_test(test_leaf_of_another),
                cmocka_unit_test(test_chain),
                cmocka_unit_test(test_other_root),
                cmocka_unit_test(test_a_root_that_calls_itself_intels),
                cmocka_unit_test(test_td_report),
                cmocka_unit_test(test_no_collateral),
                cmocka_unit_test(test_collateral_refuses),
                cmocka_unit_test(test_collateral_age),
                cmocka_unit_test(test_statuses),
                cmocka_unit_test(test_accepted_advisories_are_told),
                cmocka_unit_test(test_platforms_that_no_policy_accepts),
                cmocka_unit_test(test_evaluation_number),
                cmocka_unit_test(test_minimum_tcb),
                cmocka_unit_test(test_attributes),
                cmocka_unit_test(test_service_td),
                cmocka_unit_test(test_measurements),
                cmocka_unit_test(test_sets_do_not_mix),
                cmocka_unit_test(test_learnt_is_said),
                cmocka_unit_test(test_coverage_takes_the_registers),
                cmocka_unit_test(test_owner_field),
                cmocka_unit_test(test_binding_field),
                cmocka_unit_test(test_hosts),
                cmocka_unit_test(test_certificate_table),
                cmocka_unit_test(test_event_log),
        };
        int failed;

        keys_make();
        owner = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        assert_int_equal(cvm_key_spki(owner, owner_spki, NULL), 0);
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        EVP_PKEY_free(owner);
        keys_done();
        return failed;
}
