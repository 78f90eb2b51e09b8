/*
 * One good piece of evidence, then each thing that can be wrong with it, alone: the verdict must name
 * exactly that, by its own code, and "refused" and "could not check" must never stand for each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/attest/scene-snp.h"

static bool is_remark(const struct verdict_reason *reason) {
        return reason->code == &CVM_CODE_POLICY_OPEN;
}

/* Exactly this code (NULL: none), remarks aside, and the result that its fault stands for. */
static void expect(struct scene *s, const struct cvm_code *code) {
        bool found = false;

        judge(s);
        for (size_t i = 0; i < s->verdict.n_reasons; i++) {
                const struct verdict_reason *reason = &s->verdict.reasons[i];

                if (reason->code != code && !is_remark(reason))
                        fail_msg("%s: %s", reason->code->id, reason->text);
                found |= reason->code == code;
        }
        assert_true(found || !code);
        assert_int_equal(s->verdict.result, !code                                  ? VERDICT_ACCEPTED
                                            : code->fault == CVM_FAULT_EVIDENCE_NO ? VERDICT_REFUSED
                                                                                   : VERDICT_UNKNOWN);
        scene_done(s);
}

static bool has_reason(const struct scene *s, const struct cvm_code *code) {
        for (size_t i = 0; i < s->verdict.n_reasons; i++)
                if (s->verdict.reasons[i].code == code)
                        return true;
        return false;
}

static void test_accepted(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();
        uint8_t evidence[CVM_SHA384_SIZE], keyset[CVM_SHA384_SIZE];

        s.bundle.generation = 7;
        seal(&s);
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_ACCEPTED);
        assert_int_equal(s.verdict.n_reasons, 0);
        assert_int_equal(s.verdict.class_, CVM_CLASS_SIMULATED);
        assert_int_equal(s.verdict.covers.root, CVM_COVERED_OWNER_KEYED);
        assert_true(s.verdict.covers.kernel);
        assert_false(s.verdict.covers.acpi);
        assert_string_equal(s.verdict.uuid, UUID);
        assert_int_equal(s.verdict.generation, 7);
        assert_int_equal(s.verdict.time, TEST_NOW);
        assert_memory_equal(s.verdict.binding, s.binding_digest, sizeof s.binding_digest);
        assert_memory_equal(s.verdict.nonce, s.appraisal.nonce, sizeof s.verdict.nonce);
        bundle_evidence_digest(&s.bundle, evidence);
        cvm_keyset_digest(&s.bundle.keyset, keyset);
        assert_memory_equal(s.verdict.evidence, evidence, sizeof evidence);
        assert_memory_equal(s.verdict.keyset, keyset, sizeof keyset);
}

static void test_unowned_is_accepted_only_by_name(void **state) {
        struct scene s = scene();

        s.unowned = true;
        s.appraisal.owner_spki = NULL;
        s.inputs.covers.root = CVM_COVERED_NONE;
        seal(&s);
        judge(&s);
        assert_true(has_reason(&s, &CVM_CODE_POLICY_OPEN));
        verdict_done(&s.verdict);
        expect(&s, NULL);
}

static void test_unowned_under_an_owners_policy(void **state) {
        struct scene s = scene();

        s.unowned = true;
        s.inputs.covers.root = CVM_COVERED_NONE;
        seal(&s);
        set_policy(&s, "unowned", NULL);
        set_policy(&s, "binding",
                   "\""
                   "000000000000000000000000000000000000000000000000"
                   "000000000000000000000000000000000000000000000000\"");
        expect(&s, &CVM_CODE_UNOWNED_EVIDENCE);
}

/* It claims to have no owner, and its host data says otherwise. */
static void test_unowned_with_host_data(void **state) {
        struct scene s = scene();

        s.unowned = true;
        s.inputs.covers.root = CVM_COVERED_NONE;
        s.report.host_data[0] = 1;
        seal(&s);
        expect(&s, &CVM_CODE_HOST_DATA);
}

static void test_owned_under_an_unowned_policy(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        seal(&s);
        set_policy(&s, "binding", NULL);
        set_policy(&s, "unowned", "true");
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_true(has_reason(&s, &CVM_CODE_BINDING));
}

static void test_no_owner_key_at_hand(void **state) {
        struct scene s = scene();

        s.appraisal.owner_spki = NULL;
        seal(&s);
        expect(&s, &CVM_CODE_OWNER_UNKNOWN);
}

static void test_replayed_nonce(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        seal(&s);
        s.appraisal.nonce[0] ^= 1;
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_true(has_reason(&s, &CVM_CODE_NONCE));
}

/* The host writes the new nonce into an old bundle. */
static void test_replay_with_the_nonce_written_over(void **state) {
        struct scene s = scene();

        seal(&s);
        s.appraisal.nonce[0] ^= 1;
        s.bundle.nonce[0] ^= 1;
        expect(&s, &CVM_CODE_REPORT_DATA);
}

static void test_swapped_keyset(void **state) {
        struct scene s = scene();

        seal(&s);
        memcpy(s.bundle.keyset.kem, owner_spki, CVM_SPKI_SIZE);
        expect(&s, &CVM_CODE_REPORT_DATA);
}

static void test_other_generation(void **state) {
        struct scene s = scene();

        seal(&s);
        s.bundle.generation++;
        expect(&s, &CVM_CODE_REPORT_DATA);
}

static void test_other_suite(void **state) {
        struct scene s = scene();

        seal(&s);
        s.bundle.suite = 2;
        expect(&s, &CVM_CODE_REPORT_DATA);
}

static void test_other_domains(void **state) {
        struct scene s = scene();

        s.domain = MIGRATION;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_DOMAIN);
        s = scene();
        s.domain = HOST;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_DATA);
}

/* An older binding of the same owner, put into the bundle after the start. */
static void test_changed_binding(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        seal(&s);
        free(TAKE_PTR(s.bundle.binding));
        s.binding.serial--;
        seal_binding(&s);
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_true(has_reason(&s, &CVM_CODE_HOST_DATA));
        assert_true(has_reason(&s, &CVM_CODE_REPORT_DATA));
        assert_true(has_reason(&s, &CVM_CODE_BINDING));
}

/* The guest was started with it and vouches for it; the owner pinned another. */
static void test_other_binding_from_the_start(void **state) {
        struct scene s = scene();

        seal(&s);
        set_policy(&s, "binding",
                   "\""
                   "111111111111111111111111111111111111111111111111"
                   "111111111111111111111111111111111111111111111111\"");
        expect(&s, &CVM_CODE_BINDING);
}

/* Without the owner's key the signer is unknown, but the digest is not. */
static void test_other_binding_without_owner_key(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        s.appraisal.owner_spki = NULL;
        seal(&s);
        set_policy(&s, "binding",
                   "\""
                   "111111111111111111111111111111111111111111111111"
                   "111111111111111111111111111111111111111111111111\"");
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_true(has_reason(&s, &CVM_CODE_BINDING));
        assert_true(has_reason(&s, &CVM_CODE_OWNER_UNKNOWN));
}

static void test_host_data_alone(void **state) {
        struct scene s = scene();

        seal(&s);
        s.report.host_data[31] ^= 1;
        seal_report(&s);
        expect(&s, &CVM_CODE_HOST_DATA);
}

static void test_binding_signed_by_another(void **state) {
        struct scene s = scene();

        s.binding_signer = stranger;
        seal(&s);
        expect(&s, &CVM_CODE_SIGNATURE);
}

/* The whole guest belongs to somebody else, consistently. */
static void test_other_owner(void **state) {
        struct scene s = scene();

        s.binding_signer = stranger;
        cvm_key_id(stranger_spki, s.binding.owner_id);
        seal(&s);
        expect(&s, &CVM_CODE_SIGNATURE);
}

static void test_binding_names_another_owner(void **state) {
        struct scene s = scene();

        s.binding.owner_id[0] ^= 1;
        seal(&s);
        expect(&s, &CVM_CODE_BINDING_OWNER);
}

static void test_binding_that_is_none(void **state) {
        struct scene s = scene();

        seal(&s);
        s.bundle.binding[0] = '[';
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_true(has_reason(&s, &CVM_CODE_ENVELOPE));
        scene_done(&s);
}

static void test_binding_for_something_else(void **state) {
        struct scene s = scene();

        s.binding.class_ = CVM_CLASS_HARDWARE;
        seal(&s);
        expect(&s, &CVM_CODE_BINDING);
        s = scene();
        s.binding.platform = CVM_PLATFORM_SECURE_EXECUTION;
        seal(&s);
        expect(&s, &CVM_CODE_BINDING);
        s = scene();
        s.bundle.uuid[0] = '1';
        seal(&s);
        expect(&s, &CVM_CODE_BINDING);
}

#define FLEET(uuid, root, service, approval, serial)                                             \
        "{\"uuid\":" uuid ",\"root\":" root ",\"service_id\":" service ",\"approval\":" approval \
        ",\"min_serial\":" serial "}"
#define ANY "\"any\""
#define ROOT \
        "{\"type\":\"luks\",\"header_digest\":\"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\"}"

static void test_constrained_binding(void **state) {
        static const struct {
                const char *binding;
                bool good;
        } rows[] = {
                { FLEET("\"" UUID "\"", ROOT, "null", "false", "4"), true },
                { FLEET(ANY, ROOT, "null", "false", "4"), true },
                { FLEET("\"0c1d2e3f-0000-4000-8000-000000000002\"", ROOT, "null", "false", "4"), false },
                { FLEET(ANY, "{\"type\":\"none\"}", "null", "false", "4"), false },
                { FLEET(ANY, ROOT,
                        "\"0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
                        "00000000\"",
                        "false", "4"),
                  false },
                { FLEET(ANY, ROOT, "null", "true", "4"), false },
                { FLEET(ANY, ROOT, "null", "false", "5"), false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct scene s = scene();

                seal(&s);
                set_policy(&s, "binding", rows[i].binding);
                expect(&s, rows[i].good ? NULL : &CVM_CODE_BINDING);
        }
}

/* What is left open is accepted and listed. */
static void test_open_fields_are_listed(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        seal(&s);
        set_policy(&s, "binding", FLEET(ANY, ANY, ANY, ANY, ANY));
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_ACCEPTED);
        assert_int_equal(s.verdict.n_reasons, 5);
        assert_true(is_remark(&s.verdict.reasons[4]));
}

static void test_simulated_under_hardware(void **state) {
        struct scene s = scene();

        s.inputs.class_ = s.binding.class_ = CVM_CLASS_HARDWARE;
        s.inputs.min_tcb = ANY;
        seal(&s);
        expect(&s, &CVM_CODE_CLASS_SIMULATED);
}

static void test_hardware_under_simulated(void **state) {
        struct scene s = scene();

        s.chain = make_chain(&keys, false);
        seal(&s);
        expect(&s, &CVM_CODE_CLASS_HARDWARE);
}

static void test_bundle_calls_itself_otherwise(void **state) {
        struct scene s = scene();

        seal(&s);
        s.bundle.simulated = false;
        expect(&s, &CVM_CODE_CLASS_SIMULATED);
}

static void test_other_simulation_root(void **state) {
        struct scene s = scene();

        s.root[0] ^= 1;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_ROOT);
}

/* AMD's names and no extension, but not AMD's key. */
static void test_hardware_root_that_is_not_built_in(void **state) {
        struct scene s = scene();

        s.chain = make_chain(&keys, false);
        s.inputs.class_ = s.binding.class_ = CVM_CLASS_HARDWARE;
        s.inputs.min_tcb = ANY;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_ROOT);
}

static void test_measurement(void **state) {
        struct scene s = scene();

        seal(&s);
        s.report.measurement[47] ^= 1;
        seal_report(&s);
        expect(&s, &CVM_CODE_MEASUREMENT);
}

static void test_debug(void **state) {
        struct scene s = scene();

        s.report.policy |= 1ull << 19;
        seal(&s);
        expect(&s, &CVM_CODE_DEBUG);
        s = scene();
        s.report.policy |= 1ull << 19;
        s.inputs.debug = true;
        seal(&s);
        expect(&s, NULL);
}

static void test_privilege_level(void **state) {
        struct scene s = scene();

        s.report.vmpl = 1;
        seal(&s);
        expect(&s, &CVM_CODE_VMPL);
        s = scene();
        s.report.vmpl = UINT32_MAX;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_BY_HOST);
        s = scene();
        s.report.vmpl = 4;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_FORMAT);
}

static void test_migration_agent(void **state) {
        struct scene s = scene();

        s.report.policy |= 1ull << 18;
        seal(&s);
        expect(&s, &CVM_CODE_MIGRATABLE);
        s = scene();
        s.report.report_id_ma[5] = 0;
        seal(&s);
        expect(&s, &CVM_CODE_MIGRATABLE);
}

static void test_guest_svn(void **state) {
        struct scene s = scene();

        s.report.guest_svn = 2;
        seal(&s);
        set_policy(&s, "min_guest_svn", "3");
        expect(&s, &CVM_CODE_GUEST_SVN);
        s = scene();
        s.report.guest_svn = 3;
        seal(&s);
        set_policy(&s, "min_guest_svn", "3");
        expect(&s, NULL);
}

/* Nobody could say what it is the log of. */
static void test_event_log_without_registers(void **state) {
        struct scene s = scene();

        seal(&s);
        assert_int_equal(cvm_bytes_copy("log", 3, &s.bundle.event_log), 0);
        expect(&s, &CVM_CODE_EVENT_LOG);
}

static void test_tcb_component_by_component(void **state) {
        static const struct {
                const char *min_tcb;
                bool good;
        } rows[] = {
                { "{\"Milan\":{\"bootloader\":4,\"tee\":0,\"snp\":24,\"microcode\":219}}", true },
                { "{\"Milan\":{\"bootloader\":5}}", false },
                { "{\"Milan\":{\"tee\":1}}", false },
                { "{\"Milan\":{\"snp\":25}}", false },
                { "{\"Milan\":{\"microcode\":220}}", false },
                { "{\"Milan\":{\"fmc\":0}}", false }, /* Milan has none: it cannot be at least 0 */
                { "{\"Genoa\":{\"snp\":0}}", false }, /* and there is no word on Milan */
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct scene s = scene();

                seal(&s);
                set_policy(&s, "min_tcb", rows[i].min_tcb);
                expect(&s, rows[i].good ? NULL : &CVM_CODE_TCB);
        }
}

/* The certificate vouches for the reported one only; the minimum holds for all four. */
static void test_tcb_at_launch(void **state) {
        struct scene s = scene();

        s.report.launch_tcb = 0xda18000000000004;
        seal(&s);
        set_policy(&s, "min_tcb", "{\"Milan\":{\"microcode\":219}}");
        expect(&s, &CVM_CODE_TCB);
}

static void test_hosts(void **state) {
        char id[129], list[140];
        struct scene s = scene();

        cvm_hex(s.report.chip_id, sizeof s.report.chip_id, id);
        snprintf(list, sizeof list, "[\"%s\"]", id);
        seal(&s);
        set_policy(&s, "hosts", list);
        expect(&s, NULL);
        s = scene();
        list[3] = list[3] == '0' ? '1' : '0';
        seal(&s);
        set_policy(&s, "hosts", list);
        expect(&s, &CVM_CODE_HOST_ID);
        s = scene();
        seal(&s);
        set_policy(&s, "hosts", "[\"0102030405060708\"]"); /* only how it begins */
        expect(&s, &CVM_CODE_HOST_ID);
}

static void test_masked_host(void **state) {
        struct scene s = scene();

        memset(s.report.chip_id, 0, sizeof s.report.chip_id);
        seal(&s);
        set_policy(&s, "hosts", "[\"0102030405060708\"]");
        expect(&s, &CVM_CODE_HOST_MASKED);
        s = scene();
        memset(s.report.chip_id, 0, sizeof s.report.chip_id);
        seal(&s);
        expect(&s, NULL);
}

static void test_policy_bits(void **state) {
        struct scene s = scene();

        s.report.platform_info = 1u << 5;
        seal(&s);
        set_policy(&s, "policy_bits", "{\"set\":[\"platform-alias-check\"],\"clear\":[\"single-socket\"]}");
        expect(&s, NULL);
        s = scene();
        seal(&s);
        set_policy(&s, "policy_bits", "{\"set\":[\"platform-alias-check\"]}");
        expect(&s, &CVM_CODE_POLICY_BITS);
        s = scene();
        s.report.policy |= 1u << 16;
        seal(&s);
        set_policy(&s, "policy_bits", "{\"clear\":[\"smt\"]}");
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_string_equal(s.verdict.reasons[0].text, "'smt' is on");
        verdict_done(&s.verdict);
        set_policy(&s, "policy_bits", "{\"clear\":[\"smtt\"]}"); /* a slip must not open it */
        expect(&s, &CVM_CODE_POLICY_BITS);
}

static void test_coverage(void **state) {
        struct scene s = scene();

        s.inputs.covers.initrd = false;
        s.inputs.covers.root = CVM_COVERED_NONE;
        seal(&s);
        expect(&s, &CVM_CODE_COVERAGE);
        s = scene();
        s.inputs.covers.initrd = false;
        s.inputs.covers.root = CVM_COVERED_NONE;
        seal(&s);
        set_policy(&s, "gaps", "[\"initrd\"]");
        expect(&s, NULL);
}

/* Without a measured initrd nobody enforces what the binding says of the root. */
static void test_root_without_a_measured_agent(void **state) {
        struct scene s = scene();

        s.inputs.covers.initrd = false;
        seal(&s);
        set_policy(&s, "gaps", "[\"initrd\"]");
        expect(&s, &CVM_CODE_COVERAGE);
}

static void test_root_as_the_policy_has_it(void **state) {
        static const struct {
                int binding, covered;
                bool good;
        } rows[] = {
                { CVM_ROOT_VERITY, CVM_COVERED_VERITY, true },
                { CVM_ROOT_NONE, CVM_COVERED_NONE, true },
                { CVM_ROOT_NONE, CVM_COVERED_OWNER_KEYED, false },
                { CVM_ROOT_LUKS, CVM_COVERED_VERITY, false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct scene s = scene();

                s.binding.root = rows[i].binding;
                s.binding.has_root_digest = rows[i].binding != CVM_ROOT_NONE;
                s.inputs.covers.root = rows[i].covered;
                seal(&s);
                expect(&s, rows[i].good ? NULL : &CVM_CODE_COVERAGE);
        }
}

static void test_changed_report(void **state) {
        struct scene s = scene();

        seal(&s);
        s.bundle.report.data[0x90] ^= 1;
        expect(&s, &CVM_CODE_REPORT_SIGNATURE);
        s = scene();
        seal(&s);
        s.bundle.report.size--;
        expect(&s, &CVM_CODE_REPORT_FORMAT);
}

static void test_report_of_another_chip_or_tcb(void **state) {
        struct scene s = scene();

        s.report.chip_id[0] ^= 1;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_CERTIFICATE);
        s = scene();
        s.report.reported_tcb++;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_CERTIFICATE);
        s = scene();
        s.report.cpuid_model = 0x11; /* Genoa */
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_CERTIFICATE);
}

static void test_chain(void **state) {
        struct scene s = scene();

        s.chain.ek.signer = keys.other;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_CHAIN);
        s = scene();
        seal(&s);
        cvm_bytes_done(&s.bundle.certificates[--s.bundle.n_certificates]);
        expect(&s, &CVM_CODE_CHAIN_MISSING);
}

static void test_platforms(void **state) {
        struct scene s = scene();

        seal(&s);
        set_policy(&s, "platforms", "[\"tdx\"]");
        expect(&s, &CVM_CODE_POLICY_PLATFORM);
        s = scene();
        seal(&s);
        s.bundle.platform = CVM_PLATFORM_NONE; /* no version knows it */
        judge(&s);
        assert_true(has_reason(&s, &CVM_CODE_EVIDENCE_PLATFORM));
        assert_true(has_reason(&s, &CVM_CODE_POLICY_PLATFORM));
        scene_done(&s);
}

/* The worst of two decides, and both are named. */
static void test_refused_beats_could_not_check(void **state) {
        CVM_CLEANUP(scene_done) struct scene s = scene();

        memset(s.report.chip_id, 0, sizeof s.report.chip_id);
        s.report.policy |= 1ull << 19;
        seal(&s);
        set_policy(&s, "hosts", "[\"0102030405060708\"]");
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_true(has_reason(&s, &CVM_CODE_DEBUG));
        assert_true(has_reason(&s, &CVM_CODE_HOST_MASKED));
}

static int make(void **state) {
        keys = make_keys();
        return cvm_key_make(CVM_KEY_SIGN, &owner, NULL) < 0 ||
               cvm_key_make(CVM_KEY_SIGN, &stranger, NULL) < 0 ||
               cvm_key_spki(owner, owner_spki, NULL) < 0 || cvm_key_spki(stranger, stranger_spki, NULL) < 0;
}

static int unmake(void **state) {
        make_keys_done(&keys);
        EVP_PKEY_free(owner);
        EVP_PKEY_free(stranger);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted),
                cmocka_unit_test(test_unowned_is_accepted_only_by_name),
                cmocka_unit_test(test_unowned_under_an_owners_policy),
                cmocka_unit_test(test_unowned_with_host_data),
                cmocka_unit_test(test_owned_under_an_unowned_policy),
                cmocka_unit_test(test_no_owner_key_at_hand),
                cmocka_unit_test(test_replayed_nonce),
                cmocka_unit_test(test_replay_with_the_nonce_written_over),
                cmocka_unit_test(test_swapped_keyset),
                cmocka_unit_test(test_other_generation),
                cmocka_unit_test(test_other_suite),
                cmocka_unit_test(test_other_domains),
                cmocka_unit_test(test_changed_binding),
                cmocka_unit_test(test_other_binding_from_the_start),
                cmocka_unit_test(test_other_binding_without_owner_key),
                cmocka_unit_test(test_host_data_alone),
                cmocka_unit_test(test_binding_signed_by_another),
                cmocka_unit_test(test_other_owner),
                cmocka_unit_test(test_binding_names_another_owner),
                cmocka_unit_test(test_binding_that_is_none),
                cmocka_unit_test(test_binding_for_something_else),
                cmocka_unit_test(test_constrained_binding),
                cmocka_unit_test(test_open_fields_are_listed),
                cmocka_unit_test(test_simulated_under_hardware),
                cmocka_unit_test(test_hardware_under_simulated),
                cmocka_unit_test(test_bundle_calls_itself_otherwise),
                cmocka_unit_test(test_other_simulation_root),
                cmocka_unit_test(test_hardware_root_that_is_not_built_in),
                cmocka_unit_test(test_measurement),
                cmocka_unit_test(test_debug),
                cmocka_unit_test(test_privilege_level),
                cmocka_unit_test(test_migration_agent),
                cmocka_unit_test(test_guest_svn),
                cmocka_unit_test(test_event_log_without_registers),
                cmocka_unit_test(test_tcb_component_by_component),
                cmocka_unit_test(test_tcb_at_launch),
                cmocka_unit_test(test_hosts),
                cmocka_unit_test(test_masked_host),
                cmocka_unit_test(test_policy_bits),
                cmocka_unit_test(test_coverage),
                cmocka_unit_test(test_root_without_a_measured_agent),
                cmocka_unit_test(test_root_as_the_policy_has_it),
                cmocka_unit_test(test_changed_report),
                cmocka_unit_test(test_report_of_another_chip_or_tcb),
                cmocka_unit_test(test_chain),
                cmocka_unit_test(test_platforms),
                cmocka_unit_test(test_refused_beats_could_not_check),
        };

        return cmocka_run_group_tests(tests, make, unmake);
}
