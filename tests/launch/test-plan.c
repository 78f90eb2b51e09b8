/* From a definition to a plan: which platform, which files, which words, and what is measured. */
#include "launch/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define OWNER "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="

static struct definition *read_definition(const char *members) {
        struct definition *d = NULL;
        struct cvm_error err = { 0 };
        char text[2048];

        snprintf(text, sizeof text, "{\"version\":1%s%s}", *members ? "," : "", members);
        if (definition_read(text, strlen(text), "x.json", &d, &err) < 0)
                fail_msg("%s", err.text);
        return d;
}

static struct plan *plan_ok(const struct definition *d) {
        struct plan *plan = NULL;
        struct cvm_error err = { 0 };

        if (plan_make(d, NULL, NULL, &plan, &err) < 0)
                fail_msg("%s", err.text);
        return plan;
}

static bool has_note(const struct plan *plan, const char *words) {
        for (size_t i = 0; plan->notes && plan->notes[i]; i++)
                if (strstr(plan->notes[i], words))
                        return true;
        return false;
}

#define ON_HARDWARE "\"platform\":\"sev-snp\",\"firmware\":\"/f\","
#define BOOT "\"boot\":{\"kernel\":\"/k\",\"initrd\":\"/i\",\"cmdline\":\"quiet\"}"

static void test_a_simulated_guest(void **state) {
        CVM_CLEANUP(definition_freep)
        struct definition *d = read_definition("\"simulate\":true," BOOT
                                               ",\"firmware\":\"/f\",\"owner\":\"" OWNER "\","
                                               "\"disks\":[{\"path\":\"/d\",\"format\":\"raw\"},"
                                               "{\"path\":\"/e\",\"format\":\"raw\",\"readonly\":true}]");
        CVM_CLEANUP(plan_freep) struct plan *plan = plan_ok(d);

        assert_true(plan->simulated && !plan->debug);
        assert_string_equal(plan->cpu, "max");
        assert_true(plan->channels[PLAN_CHANNEL_AGENT] && plan->channels[PLAN_CHANNEL_TEE]);
        assert_null(plan->guest.type);
        assert_true(has_note(plan, "SIMULATED"));
        assert_true(has_note(plan, "measured only"));
        assert_false(has_note(plan, "DEBUG") || has_note(plan, "no kernel"));
        assert_int_equal(strncmp(plan->cmdline, "quiet cvm.owner=", 16), 0);
        assert_int_equal(plan->n_files, 5);
        assert_int_equal(plan->files[0].role, PLAN_FIRMWARE);
        assert_int_equal(plan->files[1].role, PLAN_KERNEL);
        assert_int_equal(plan->files[2].role, PLAN_INITRD);
        assert_true(plan->files[3].writable && plan->files[3].disk == 0);
        assert_true(!plan->files[4].writable && plan->files[4].disk == 1);
}

static void test_debug_and_disk_boot_are_said(void **state) {
        CVM_CLEANUP(definition_freep)
        struct definition *d = read_definition(
                        "\"simulate\":true,\"sev-snp\":{\"debug\":true},\"owner\":\"" OWNER "\","
                        "\"boot\":{\"disk\":\"a\"},"
                        "\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"serial\":\"a\"}]");
        CVM_CLEANUP(plan_freep) struct plan *plan = plan_ok(d);

        assert_true(plan->debug);
        assert_true(has_note(plan, "DEBUG"));
        assert_true(has_note(plan, "covers the firmware, not what it boots"));
        assert_true(has_note(plan, "the guest takes no secrets"));
        assert_string_equal(plan->cmdline, "");
}

static void refuse(const char *members, const struct host_facts *facts, const struct cvm_code *code,
                   const char *words) {
        CVM_CLEANUP(definition_freep) struct definition *d = read_definition(members);
        struct plan *plan = NULL;
        struct cvm_error err = { 0 };

        assert_true(plan_make(d, facts, NULL, &plan, &err) < 0);
        assert_null(plan);
        assert_ptr_equal(err.code, code);
        if (!strstr(err.text, words))
                fail_msg("\"%s\"", err.text);
}

static void test_refusals(void **state) {
        struct host_facts able = { .offers[CVM_PLATFORM_SEV_SNP] = true }, unable = { 0 };

        refuse("\"image\":\"debian\",\"simulate\":true", NULL, &CVM_CODE_IMAGE_VERBS,
               "making the plan: 'image' names 'debian'");
        refuse(BOOT, NULL, &CVM_CODE_PLATFORM_HARDWARE, "any platform");
        refuse(BOOT, &unable, &CVM_CODE_PLATFORM_HARDWARE, "any platform");
        refuse("\"platform\":\"sev-snp\"," BOOT, &unable, &CVM_CODE_PLATFORM_HARDWARE, "AMD SEV-SNP");
        refuse(BOOT, &able, &CVM_CODE_FIRMWARE, "needs 'firmware'");
        refuse(ON_HARDWARE BOOT ",\"accel\":\"tcg\"", &able, &CVM_CODE_PLATFORM_HARDWARE, "runs under KVM");
        refuse(ON_HARDWARE BOOT ",\"sev-snp\":{\"guest_features\":5}", &able, &CVM_CODE_QEMU_OPTION,
               "0x4, which QEMU cannot set");
}

static const char *property(const struct plan *plan, const char *name) {
        json_object *value = NULL;

        (void)json_object_object_get_ex(plan->guest.properties, name, &value);
        return value ? json_object_get_string(value) : "";
}

static void test_a_guest_on_hardware(void **state) {
        static const struct host_facts host = { .offers[CVM_PLATFORM_SEV_SNP] = true, .encryption_bit = 47 };
        static const struct {
                const char *members, *binding, *cpu;
                const char *properties[8][2];
        } cases[] = {
                { BOOT,
                  "a binding",
                  "EPYC-v4",
                  { { "cbitpos", "47" },
                    { "reduced-phys-bits", "1" },
                    { "policy", "196608" },
                    { "kernel-hashes", "true" },
                    /* SHA-256 of "a binding" */
                    { "host-data", "dDWDqIQuXmvewBMnX7yv04bqhgFPk6MNxBupkSGp1Yk=" },
                    { "id-block", "" } } },
                { "\"cpu_model\":\"EPYC-Genoa\",\"sev-snp\":{\"debug\":true,\"smt\":false,\"guest_features\":545},"
                  "\"boot\":{\"disk\":\"a\"},\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"serial\":\"a\"}]",
                  "",
                  "EPYC-Genoa",
                  { { "policy", "655360" },
                    { "kernel-hashes", "" },
                    { "host-data", "" },
                    { "debug-swap", "true" },
                    { "secure-tsc", "true" } } },
                { "\"sev-snp\":{\"vcpu_signature\":11538193}," BOOT, /* 0x00b00f11: family 26, model 1 */
                  "",
                  "EPYC-v4,family=26,model=1,stepping=1",
                  { { "debug-swap", "" } } },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char members[512];
                struct cvm_bytes binding = { (uint8_t *)cases[i].binding, strlen(cases[i].binding) };
                struct cvm_error err = { 0 };

                snprintf(members, sizeof members, ON_HARDWARE "%s", cases[i].members);
                CVM_CLEANUP(definition_freep) struct definition *d = read_definition(members);
                CVM_CLEANUP(plan_freep) struct plan *plan = NULL;

                if (plan_make(d, &host, &binding, &plan, &err) < 0)
                        fail_msg("%s", err.text);
                assert_string_equal(plan->guest.type, "sev-snp-guest");
                assert_string_equal(plan->cpu, cases[i].cpu);
                assert_string_equal(plan->devices[1], "/dev/sev");
                assert_false(plan->simulated || plan->channels[PLAN_CHANNEL_TEE] ||
                             has_note(plan, "SIMULATED"));
                for (size_t p = 0; p < ARRAY_SIZE(cases[i].properties) && cases[i].properties[p][0]; p++)
                        assert_string_equal(property(plan, cases[i].properties[p][0]),
                                            cases[i].properties[p][1]);
        }
}

/* Only a recorded host, where nothing is protected anyway, starts a simulated guest in the way of hardware.
 */
static void test_a_simulated_guest_on_a_recorded_host(void **state) {
        struct host_facts host = { .offers[CVM_PLATFORM_SEV_SNP] = true, .encryption_bit = 51 };
        CVM_CLEANUP(definition_freep)
        struct definition *d = read_definition("\"simulate\":true," ON_HARDWARE BOOT);

        for (int recorded = 0; recorded < 2; recorded++) {
                CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
                struct cvm_error err = { 0 };

                host.is_recorded = recorded;
                assert_int_equal(plan_make(d, &host, NULL, &plan, &err), 0);
                assert_int_equal(plan->guest.type != NULL, recorded);
                assert_true(plan->simulated && plan->channels[PLAN_CHANNEL_TEE] &&
                            has_note(plan, "SIMULATED"));
                assert_int_equal(has_note(plan, "measured only"), !recorded);
        }
}

static void test_a_shim_is_for_firmware_that_measures_it(void **state) {
        struct host_facts host = { .offers[CVM_PLATFORM_SEV_SNP] = true,
                                   .offers[CVM_PLATFORM_TDX] = true,
                                   .encryption_bit = 51 };
        static const char boot[] =
                        "\"firmware\":\"/f\",\"boot\":{\"kernel\":\"/k\",\"shim\":\"/s\"},\"platform\":";
        static const char *const platforms[] = { "sev-snp", "tdx" };

        for (size_t i = 0; i < ARRAY_SIZE(platforms); i++) {
                CVM_CLEANUP(definition_freep) struct definition *d = NULL;
                CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
                struct cvm_error err = { 0 };
                char members[128];

                snprintf(members, sizeof members, "%s\"%s\"", boot, platforms[i]);
                d = read_definition(members);
                if (i == 0) {
                        assert_true(plan_make(d, &host, NULL, &plan, &err) < 0);
                        assert_non_null(strstr(err.text, "'boot.shim'"));
                        continue;
                }
                assert_int_equal(plan_make(d, &host, NULL, &plan, &err), 0);
                assert_int_equal(plan->n_files, 3);
                assert_int_equal(plan->files[2].role, PLAN_SHIM);
        }
}

static int measure(struct plan *plan, bool firmware, bool kernel, bool initrd, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes image = { 0 };
        const uint8_t digest[CVM_SHA256_SIZE] = { 1 };
        struct plan_contents contents = { .kernel_sha256 = kernel ? digest : NULL,
                                          .initrd_sha256 = initrd ? digest : NULL };

        if (firmware) {
                assert_int_equal(plan->platform->synthetic_firmware(&image), 0);
                contents.firmware = image.data;
                contents.firmware_size = image.size;
        }
        return plan_measure(plan, &contents, err);
}

static void test_measuring(void **state) {
        CVM_CLEANUP(definition_freep)
        struct definition *d = read_definition("\"simulate\":true,\"vcpus\":3," BOOT);
        CVM_CLEANUP(plan_freep) struct plan *plan = plan_ok(d), *predicted = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_error err = { 0 };

        assert_int_equal(plan->measurement.size, 0);
        assert_int_equal(measure(plan, false, true, true, &err), 0);
        assert_int_equal(plan->measurement.size, 48);
        assert_int_equal(plan->measurement.vcpus, 3);
        assert_int_equal(plan_predict(d, &predicted, &err), 0);
        assert_int_equal(measure(predicted, false, true, true, &err), 0);
        assert_memory_equal(plan->measurement.digest, predicted->measurement.digest, 48);
        node = plan_json(plan);
        assert_string_equal(json_object_get_string(json_object_object_get(node, "policy")), "0x30000");
        assert_true(json_object_get_boolean(json_object_object_get(node, "simulated")));
        assert_non_null(json_object_object_get(json_object_object_get(node, "prediction"), "measurement"));
        assert_int_equal(json_object_array_length(json_object_object_get(node, "files")), 2);
}

/* Contents that are missing or too many are not measured as something else. */
static void test_other_contents_are_refused(void **state) {
        CVM_CLEANUP(definition_freep) struct definition *d = read_definition("\"simulate\":true," BOOT);
        CVM_CLEANUP(plan_freep) struct plan *plan = plan_ok(d);
        struct cvm_error err = { 0 };

        assert_true(measure(plan, false, false, true, &err) < 0);
        assert_true(measure(plan, false, true, false, &err) < 0);
        assert_true(measure(plan, true, true, true, &err) < 0);
        assert_int_equal(plan->measurement.size, 0);
}

static void test_hardware_needs_a_firmware(void **state) {
        CVM_CLEANUP(definition_freep) struct definition *d = read_definition(BOOT);
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        struct cvm_error err = { 0 };

        assert_int_equal(plan_predict(d, &plan, &err), 0);
        assert_true(measure(plan, false, true, true, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FIRMWARE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_simulated_guest),
                cmocka_unit_test(test_debug_and_disk_boot_are_said),
                cmocka_unit_test(test_a_guest_on_hardware),
                cmocka_unit_test(test_a_simulated_guest_on_a_recorded_host),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_a_shim_is_for_firmware_that_measures_it),
                cmocka_unit_test(test_measuring),
                cmocka_unit_test(test_other_contents_are_refused),
                cmocka_unit_test(test_hardware_needs_a_firmware),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
