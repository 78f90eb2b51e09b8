#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/policy-fields.h"

#define HEX8 "0123456789abcdef"
#define HEX32 HEX8 HEX8 HEX8 HEX8
#define HEX48 HEX32 HEX8 HEX8
#define COVERS                                                                            \
        "\"covers\":{\"firmware\":true,\"kernel\":true,\"initrd\":true,\"cmdline\":true," \
        "\"acpi\":false,\"root\":\"none\"}"
#define BEFORE "{\"version\":1,\"serial\":5,"
#define MIDDLE                                                                 \
        "\"platforms\":[\"sev-snp\"],\"measurements\":[\"" HEX48 "\"]," COVERS \
        ",\"hosts\":\"any\",\"min_tcb\":{\"Milan\":{\"snp\":24,\"microcode\":219}}"
#define HARDWARE BEFORE "\"class\":\"hardware\"," MIDDLE ",\"binding\":\"" HEX48 "\"}"
#define SIMULATED                                                                                          \
        BEFORE "\"class\":\"simulated\",\"simulation_root\":\"" HEX32 "\"," MIDDLE ",\"binding\":\"" HEX48 \
               "\"}"
#define CONSTRAINED(fields) BEFORE "\"class\":\"hardware\"," MIDDLE ",\"binding\":{" fields "}}"

static struct policy *read(const char *text) {
        struct cvm_error err = { 0 };
        struct policy *policy = NULL;

        if (policy_read(text, strlen(text), "test", &policy, &err) < 0)
                fail_msg("%s\n%s", err.text, text);
        return policy;
}

static void expect_refused(const char *text, const char *named) {
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        struct cvm_error err = { 0 };

        if (policy_read(text, strlen(text), "test", &policy, &err) >= 0)
                fail_msg("taken: %s", text);
        assert_ptr_equal(err.code, &CVM_CODE_FIELD);
        if (!strstr(err.text, named))
                fail_msg("'%s' does not name '%s'", err.text, named);
}

/* HARDWARE with one text replaced. */
static const char *with(const char *base, const char *from, const char *to) {
        static char buffers[2][8192]; /* in turn, so that two calls may nest */
        static unsigned int turn;
        char *changed = buffers[turn++ % 2];
        const char *at = strstr(base, from);

        assert_non_null(at);
        snprintf(changed, sizeof buffers[0], "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
        return changed;
}

static void test_defaults(void **state) {
        CVM_CLEANUP(policy_freep) struct policy *p = read(HARDWARE);

        assert_int_equal(p->class_, CVM_CLASS_HARDWARE);
        assert_false(p->debug || p->unowned || p->takeover || p->has_collateral_max_age || p->has_migration);
        assert_true(p->binding.pinned);
        assert_true(p->hosts.any);
        assert_int_equal(p->min_tcb.n_minimums, 2);
        assert_int_equal(p->min_tcb.minimums[1].value, 219);
        assert_int_equal(p->n_measurements, 1);
        assert_true(p->platforms[CVM_PLATFORM_SEV_SNP]);
}

static void test_digest_is_of_the_bytes(void **state) {
        CVM_CLEANUP(policy_freep) struct policy *p = read(HARDWARE);
        uint8_t digest[CVM_SHA384_SIZE];

        cvm_sha384(HARDWARE, strlen(HARDWARE), digest);
        assert_memory_equal(p->digest, digest, sizeof digest);
}

static void test_everything_given(void **state) {
        CVM_CLEANUP(policy_freep)
        struct policy *p = read(with(
                        with(HARDWARE, "\"hosts\":\"any\"", "\"hosts\":[\"" HEX8 "\",\"" HEX32 HEX32 "\"]"),
                        "\"serial\":5",
                        "\"serial\":5,\"gaps\":[\"kernel\"],\"debug\":true,\"min_guest_svn\":7,\"takeover\":true,"
                        "\"collateral_max_age\":86400,\"policy_bits\":{\"set\":[\"single-socket\"],\"clear\":"
                        "[\"smt\"]},\"migration\":{\"modes\":[\"cold\",\"live\"],\"hosts\":[\"" HEX8
                        "\"],\"agents\":[\"" HEX48 "\"],\"min_agent_svn\":1,\"platform_change\":true,"
                        "\"max_moves\":5,\"max_moves_per_day\":1,\"not_before\":\"2026-01-01T00:00:00Z\","
                        "\"not_after\":\"2027-01-01T00:00:00Z\"}"));

        assert_int_equal(cvm_texts_count(p->hosts.ids), 2);
        assert_true(p->debug && p->takeover && p->has_migration && p->has_collateral_max_age);
        assert_int_equal(p->min_guest_svn, 7);
        assert_string_equal(p->bits.set[0], "single-socket");
        assert_string_equal(p->bits.clear[0], "smt");
        assert_string_equal(p->gaps[0], "kernel");
        assert_int_equal(p->migration.max_moves, 5);
        assert_true(p->migration.not_after > p->migration.not_before);
}

static void test_constrained_binding(void **state) {
        CVM_CLEANUP(policy_freep)
        struct policy *open = read(CONSTRAINED(
                        "\"uuid\":\"any\",\"root\":\"any\",\"service_id\":\"any\",\"approval\":\"any\","
                        "\"min_serial\":\"any\""));
        CVM_CLEANUP(policy_freep)
        struct policy *closed = read(CONSTRAINED(
                        "\"uuid\":\"0c1d2e3f-0000-4000-8000-000000000001\",\"root\":{\"type\":\"verity\","
                        "\"root_hash\":\"" HEX32
                        "\"},\"service_id\":null,\"approval\":true,\"min_serial\":9"));

        assert_true(open->binding.any_uuid && open->binding.any_root && open->binding.any_service &&
                    open->binding.any_approval && open->binding.any_serial);
        assert_false(closed->binding.any_uuid || closed->binding.any_root || closed->binding.any_service ||
                     closed->binding.any_approval || closed->binding.any_serial || closed->binding.pinned);
        assert_int_equal(closed->binding.root, CVM_ROOT_VERITY);
        assert_false(closed->binding.has_service);
        assert_int_equal(closed->binding.min_serial, 9);
}

/* What is forgotten is not open. */
static void test_constraints_must_all_be_there(void **state) {
        expect_refused(CONSTRAINED("\"root\":\"any\",\"service_id\":\"any\",\"approval\":\"any\","
                                   "\"min_serial\":\"any\""),
                       "binding.uuid");
        expect_refused(CONSTRAINED("\"uuid\":\"any\",\"service_id\":\"any\",\"approval\":\"any\","
                                   "\"min_serial\":\"any\""),
                       "binding.root");
        expect_refused(CONSTRAINED("\"uuid\":\"any\",\"root\":\"any\",\"approval\":\"any\",\"min_serial\":\"any\""),
                       "binding.service_id");
        expect_refused(CONSTRAINED("\"uuid\":\"any\",\"root\":\"any\",\"service_id\":\"any\","
                                   "\"min_serial\":\"any\""),
                       "binding.approval");
        expect_refused(CONSTRAINED("\"uuid\":\"any\",\"root\":\"any\",\"service_id\":\"any\",\"approval\":true"),
                       "binding.min_serial");
        expect_refused(CONSTRAINED("\"uuid\":\"any\",\"root\":\"any\",\"service_id\":\"any\",\"approval\":\"yes\","
                                   "\"min_serial\":1"),
                       "binding.approval");
}

static void test_required_fields(void **state) {
        expect_refused(with(HARDWARE, "\"serial\":5,", ""), "serial");
        expect_refused(with(HARDWARE, "\"class\":\"hardware\",", ""), "class");
        expect_refused(with(HARDWARE, "\"platforms\":[\"sev-snp\"],", ""), "platforms");
        expect_refused(with(HARDWARE, "\"hosts\":\"any\",", ""), "hosts");
        expect_refused(with(HARDWARE, COVERS ",", ""), "covers");
        expect_refused(with(HARDWARE, "\"measurements\":[\"" HEX48 "\"],", ""), "measurements");
        expect_refused(with(HARDWARE, ",\"min_tcb\":{\"Milan\":{\"snp\":24,\"microcode\":219}}", ""),
                       "min_tcb");
        expect_refused(with(HARDWARE, ",\"binding\":\"" HEX48 "\"", ""), "binding");
}

static void test_wrong_values(void **state) {
        expect_refused(with(HARDWARE, "\"version\":1", "\"version\":2"), "version");
        expect_refused(with(HARDWARE, "[\"sev-snp\"]", "[]"), "platforms");
        expect_refused(with(HARDWARE, "[\"sev-snp\"]", "[\"none\"]"), "platforms[0]");
        expect_refused(with(HARDWARE, "[\"sev-snp\"]", "[\"abacus\"]"), "platforms[0]");
        expect_refused(with(HARDWARE, "[\"" HEX48 "\"]", "[]"), "measurements");
        expect_refused(with(HARDWARE, "[\"" HEX48 "\"]", "[\"" HEX32 "\"]"), "measurements[0]");
        expect_refused(with(HARDWARE, "\"hosts\":\"any\"", "\"hosts\":\"all\""), "hosts");
        expect_refused(with(HARDWARE, "\"hosts\":\"any\"", "\"hosts\":[\"any\"]"), "hosts[0]");
        expect_refused(with(HARDWARE, "\"snp\":24", "\"snp\":\"new\""), "min_tcb.Milan.snp");
        expect_refused(with(HARDWARE, "\"snp\":24", "\"snp\":-1"), "min_tcb.Milan.snp");
        expect_refused(with(HARDWARE, "{\"Milan\":{\"snp\":24,\"microcode\":219}}", "{}"), "min_tcb");
        expect_refused(with(HARDWARE, "{\"Milan\":{\"snp\":24,\"microcode\":219}}", "0"), "min_tcb");
        expect_refused(with(HARDWARE, "\"binding\":\"" HEX8,
                            "\"binding\":\""
                            "x"),
                       "binding");
        expect_refused(with(HARDWARE, "\"serial\":5", "\"serial\":5,\"gaps\":[\"everything\"]"), "gaps[0]");
        expect_refused(with(HARDWARE, "\"serial\":5", "\"serial\":5,\"debug\":\"no\""), "debug");
}

#define MEASURED(measurement) with(HARDWARE, "[\"" HEX48 "\"]", "[" measurement "]")
#define DIGEST "{\"digest\":\"" HEX48 "\""
#define REGISTERS(registers) DIGEST ",\"registers\":{" registers "}}"
#define ONE(name) "\"" name "\":\"" HEX48 "\""

static void test_registers(void **state) {
        CVM_CLEANUP(policy_freep)
        struct policy *p = read(MEASURED("\"" HEX48 "\"," REGISTERS(ONE("rtmr1") "," ONE("rtmr2"))));

        assert_int_equal(p->n_measurements, 2);
        assert_int_equal(p->measurements[0].n_registers, 0);
        assert_int_equal(p->measurements[1].n_registers, 2);
        assert_string_equal(p->measurements[1].registers[1].name, "rtmr2");
        assert_memory_equal(p->measurements[1].registers[1].value, p->measurements[1].digest, 48);
        expect_refused(MEASURED(DIGEST "}"), "measurements[0].registers");
        expect_refused(MEASURED("{\"registers\":{}}"), "measurements[0].digest");
        expect_refused(MEASURED(DIGEST ",\"registers\":[]}"), "measurements[0].registers");
        expect_refused(MEASURED(REGISTERS("\"a\":\"" HEX32 "\"")), "registers.a");
        expect_refused(MEASURED(REGISTERS(ONE("a") "," ONE("b") "," ONE("c") "," ONE("d") "," ONE("e"))),
                       "registers.e");
        expect_refused(MEASURED(REGISTERS(ONE("a-name-that-is-long"))), "registers.a-name");
}

#define UNVERIFIED(names) \
        DIGEST ",\"registers\":{" ONE("rtmr0") "," ONE("rtmr1") "},\"unverified\":" names "}"

static void test_unverified_registers(void **state) {
        CVM_CLEANUP(policy_freep) struct policy *p = read(MEASURED(UNVERIFIED("[\"rtmr1\"]")));

        assert_false(p->measurements[0].registers[0].is_unverified);
        assert_true(p->measurements[0].registers[1].is_unverified);
        expect_refused(MEASURED(UNVERIFIED("[\"rtmr2\"]")), "unverified[0]");
        expect_refused(MEASURED(UNVERIFIED("[0]")), "unverified[0]");
        expect_refused(MEASURED(UNVERIFIED("true")), "unverified");
}

#define STATUS(value) with(HARDWARE, "\"serial\":5", "\"serial\":5,\"tcb_status\":" value)

static void test_statuses(void **state) {
        CVM_CLEANUP(policy_freep)
        struct policy *p = read(STATUS("{\"UpToDate\":\"any\",\"Late\":\"1970-01-01T00:00:01Z\"}"));

        assert_int_equal(p->n_statuses, 2);
        assert_string_equal(p->statuses[0].name, "UpToDate");
        assert_int_equal(p->statuses[0].min_date, 0);
        assert_int_equal(p->statuses[1].min_date, 1000);
        expect_refused(STATUS("{}"), "tcb_status");
        expect_refused(STATUS("\"any\""), "tcb_status");
        expect_refused(STATUS("{\"UpToDate\":true}"), "tcb_status.UpToDate");
        expect_refused(STATUS("{\"UpToDate\":\"yesterday\"}"), "tcb_status.UpToDate");
        expect_refused(STATUS("{\"" HEX32 "\":\"any\"}"), "tcb_status");
}

static void test_unknown_keys(void **state) {
        expect_refused(with(HARDWARE, "\"serial\":5", "\"serial\":5,\"vmpl\":1"), "vmpl");
        expect_refused(with(HARDWARE, "\"acpi\":false", "\"acpi\":false,\"bios\":true"), "covers.bios");
        expect_refused(with(HARDWARE, "\"serial\":5", "\"serial\":5,\"policy_bits\":{\"on\":[]}"),
                       "policy_bits.on");
        expect_refused(with(HARDWARE, "\"serial\":5",
                            "\"serial\":5,\"migration\":{\"modes\":[],\"hosts\":\"any\",\"when\":1}"),
                       "migration.when");
        expect_refused(with(HARDWARE, "\"serial\":5",
                            "\"serial\":5,\"migration\":{\"modes\":[\"warm\"],\"hosts\":\"any\"}"),
                       "migration.modes[0]");
}

/* Hardware and simulation never in one policy. */
static void test_class_and_its_root(void **state) {
        CVM_CLEANUP(policy_freep) struct policy *simulated = read(SIMULATED);

        assert_true(simulated->has_simulation_root);
        expect_refused(with(SIMULATED, "\"simulation_root\":\"" HEX32 "\",", ""), "simulation_root");
        expect_refused(with(SIMULATED, "\"class\":\"simulated\"", "\"class\":\"hardware\""),
                       "simulation_root");
        expect_refused(with(SIMULATED, "\"serial\":5", "\"serial\":5,\"collateral_max_age\":60"),
                       "collateral_max_age");
}

static void test_unowned_and_binding_exclude_each_other(void **state) {
        CVM_CLEANUP(policy_freep)
        struct policy *unowned = read(with(HARDWARE, "\"binding\":\"" HEX48 "\"", "\"unowned\":true"));

        assert_true(unowned->unowned);
        expect_refused(with(HARDWARE, "\"serial\":5", "\"serial\":5,\"unowned\":true"), "unowned");
}

static struct policy_inputs inputs(void) {
        static const uint8_t digest[CVM_SHA384_SIZE] = { 7 };
        static const char *const hosts[] = { HEX8, NULL };

        return (struct policy_inputs){
                .platform = CVM_PLATFORM_SEV_SNP,
                .class_ = CVM_CLASS_SIMULATED,
                .measurement = digest,
                .covers = { true, true, true, true, false, CVM_COVERED_VERITY },
                .binding = digest,
                .hosts = hosts,
                .simulation_root = digest,
                .serial = 11,
        };
}

static void test_made_is_read(void **state) {
        struct policy_inputs in = inputs();
        CVM_CLEANUP(policy_freep) struct policy *p = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        assert_int_equal(policy_make(&in, &text, NULL), 0);
        p = read(text);
        assert_int_equal(p->serial, 11);
        assert_true(p->min_tcb.any && p->binding.pinned && p->covers.kernel && !p->unowned);
        assert_int_equal(p->covers.root, CVM_COVERED_VERITY);
        assert_memory_equal(p->measurements[0].digest, in.measurement, CVM_SHA384_SIZE);
        assert_string_equal(p->hosts.ids[0], HEX8);
        assert_memory_equal(p->simulation_root, in.simulation_root, CVM_SHA256_SIZE);
}

static void test_made_for_hardware(void **state) {
        struct policy_inputs in = inputs();
        CVM_CLEANUP(policy_freep) struct policy *p = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        in.class_ = CVM_CLASS_HARDWARE;
        in.simulation_root = NULL;
        in.min_tcb = "{\"Turin\":{\"fmc\":2}}";
        assert_int_equal(policy_make(&in, &text, NULL), 0);
        p = read(text);
        assert_string_equal(p->min_tcb.minimums[0].component, "fmc");
}

static void test_made_with_registers(void **state) {
        const struct policy_register registers[] = { { "rtmr0", { 1 }, .is_unverified = true },
                                                     { "rtmr1", { 2 } } };
        struct policy_inputs in = inputs();
        CVM_CLEANUP(policy_freep) struct policy *p = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        in.registers = registers;
        in.n_registers = 2;
        assert_int_equal(policy_make(&in, &text, NULL), 0);
        p = read(text);
        assert_int_equal(p->measurements[0].n_registers, 2);
        assert_memory_equal(p->measurements[0].digest, in.measurement, CVM_SHA384_SIZE);
        for (size_t i = 0; i < 2; i++) {
                assert_string_equal(p->measurements[0].registers[i].name, registers[i].name);
                assert_memory_equal(p->measurements[0].registers[i].value, registers[i].value, 48);
                assert_int_equal(p->measurements[0].registers[i].is_unverified, registers[i].is_unverified);
        }
}

/* Nothing is opened for the owner: what nobody knew must be written in before the policy is one. */
static void test_made_without_facts_needs_an_editor(void **state) {
        struct policy_inputs in = inputs();
        CVM_CLEANUP(cvm_freep) char *no_hosts = NULL, *no_tcb = NULL;

        in.hosts = NULL;
        assert_int_equal(policy_make(&in, &no_hosts, NULL), 0);
        expect_refused(no_hosts, "hosts");
        in = inputs();
        in.class_ = CVM_CLASS_HARDWARE;
        in.simulation_root = NULL;
        assert_int_equal(policy_make(&in, &no_tcb, NULL), 0);
        expect_refused(no_tcb, "min_tcb");
}

static void test_made_of_what_does_not_fit(void **state) {
        struct policy_inputs in = inputs();
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        in.simulation_root = NULL;
        assert_true(policy_make(&in, &text, &err) < 0);
        assert_non_null(strstr(err.text, "simulation_root"));
        assert_null(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_digest_is_of_the_bytes),
                cmocka_unit_test(test_everything_given),
                cmocka_unit_test(test_constrained_binding),
                cmocka_unit_test(test_constraints_must_all_be_there),
                cmocka_unit_test(test_required_fields),
                cmocka_unit_test(test_wrong_values),
                cmocka_unit_test(test_registers),
                cmocka_unit_test(test_unverified_registers),
                cmocka_unit_test(test_made_with_registers),
                cmocka_unit_test(test_statuses),
                cmocka_unit_test(test_unknown_keys),
                cmocka_unit_test(test_class_and_its_root),
                cmocka_unit_test(test_unowned_and_binding_exclude_each_other),
                cmocka_unit_test(test_made_is_read),
                cmocka_unit_test(test_made_for_hardware),
                cmocka_unit_test(test_made_without_facts_needs_an_editor),
                cmocka_unit_test(test_made_of_what_does_not_fit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
