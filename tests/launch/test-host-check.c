/* Complete hosts pass every check; a host with one fault gives exactly that finding. */
#include "launch/host-check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "launch/host-record.h"
#include "tests/launch/host-tree.h"

#define SKIPPED "this was not looked at: "
#define UNKNOWN "this cannot be told: "

static size_t check(const char *root, struct host_check ret[HOST_CHECKS_MAX]) {
        struct cvm_error err = { 0 };
        int n = host_check(root, HOST_SEEN_BY_CALLER, ret, &err);

        if (n < 0)
                fail_msg("%s", err.text);
        return (size_t)n;
}

/* Whether cvmd itself starts such guests is another matter than the host. */
static bool is_of_host(const struct host_check *c) {
        return strcmp(c->id, "confidential") != 0;
}

static void passes(const char *root, const struct host_kind *kind) {
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n;

        put_host(root, kind);
        n = check(root, checks);
        assert_true(n > 35);
        for (size_t i = 0; i < n; i++)
                if (is_of_host(&checks[i]) && (checks[i].verdict != HOST_PASS || *checks[i].remedy))
                        fail_msg("%s: %s", checks[i].id, checks[i].sentence);
}

static void test_a_complete_milan_host(void **state) {
        passes(*state, &milan);
}

static void test_a_complete_turin_host(void **state) {
        passes(*state, &turin);
}

/* One change: a file's text (NULL: taken away), or a value of the recording. */
struct fault {
        const char *id;
        enum host_verdict verdict;
        const char *path, *text;
        const char *section, *key, *value;
        int number; /* where value is NULL */
};

#define FILE_(path, text) path, text, NULL, NULL, NULL, 0
#define LEAF(leaf, registers) NULL, NULL, "cpuid", leaf, registers, 0
#define MSR(number, value) NULL, NULL, "msr", number, value, 0
#define KVM(key, number) NULL, NULL, "kvm", key, NULL, number
#define FIRMWARE(key, value) NULL, NULL, "firmware", key, value, 0
#define FEATURES(eax)                   \
        LEAF("8000001f", eax "00000173" \
                             "000001fd" \
                             "00000064")
#define TCBS "04000000000018db04000000000018db"

static const struct fault faults[] = {
        { "qemu", HOST_FAIL, FILE_("usr/bin/qemu-system-x86_64", NULL) },
        { "qemu-snp", HOST_FAIL, FILE_("usr/bin/qemu-system-x86_64", "ELF sev-guest") },
        { "libvirt-snp", HOST_WARN, FILE_("usr/lib/x86_64-linux-gnu/libvirt.so.0", "ELF sev") },
        { "cgroup", HOST_WARN, FILE_("sys/fs/cgroup/cgroup.controllers", NULL) },
        { "cpu", HOST_FAIL,
          LEAF("00000000", "00000010"
                           "756e6547"
                           "6c65746e"
                           "49656e69") },
        { "server-part", HOST_WARN,
          LEAF("80000002", "20444d41"
                           "657a7952"
                           "2039206e"
                           "30353937") },
        { "product", HOST_WARN, LEAF("00000001", "00b90f20" NO_REGISTERS) },
        { "sme", HOST_FAIL, FEATURES("0000013a") },
        { "sme-enabled", HOST_FAIL, MSR("c0010010", "0000000003740000") },
        { "sev", HOST_FAIL, FEATURES("00000139") },
        { "sev-es", HOST_FAIL, FEATURES("00000133") },
        { "snp", HOST_FAIL, FEATURES("0000012b") },
        { "vmpl", HOST_WARN, FEATURES("0000011b") },
        { "snp-enabled", HOST_FAIL, MSR("c0010010", "0000000002f40000") },
        { "vmpl-enabled", HOST_FAIL, MSR("c0010010", "0000000001f40000") },
        { "rmp", HOST_FAIL, MSR("c0010132", "0000000000000000") },
        { "rmp", HOST_FAIL, MSR("c0010133", "0000000000000000") },
        { "iommu", HOST_FAIL, FILE_("sys/class/iommu", NULL) },
        { "iommu", HOST_FAIL, FILE_("sys/class/iommu/ivhd0", NULL) },
        { "iommu", HOST_FAIL, FILE_("proc/cmdline", "quiet iommu=noforce,off\n") },
        { "iommu", HOST_FAIL, FILE_("proc/cmdline", "amd_iommu=off\n") },
        { "kvm-amd", HOST_FAIL, FILE_("sys/module/kvm_amd", NULL) },
        { "kernel", HOST_FAIL, FILE_("sys/module/kvm_amd/parameters/sev_snp", NULL) },
        { "kvm-amd-sev", HOST_FAIL, FILE_("sys/module/kvm_amd/parameters/sev", "N\n") },
        { "kvm-amd-sev-es", HOST_FAIL, FILE_("sys/module/kvm_amd/parameters/sev_es", "0\n") },
        { "kvm-amd-sev-snp", HOST_FAIL, FILE_("sys/module/kvm_amd/parameters/sev_snp", "N\n") },
        { "kvm-api", HOST_FAIL, KVM("api-version", 11) },
        { "kvm-vm-type", HOST_FAIL, KVM("vm-types", 0xd) },
        { "sev-device", HOST_FAIL, FILE_("dev/sev", NULL) },
        { "firmware-api", HOST_FAIL, FIRMWARE("platform-status", "013201000100001200000000") },
        { "firmware-api", HOST_FAIL, FIRMWARE("platform-status", "000001000100001200000000") },
        { "firmware-state", HOST_FAIL, FIRMWARE("platform-status", "013700000100001200000000") },
        { "firmware-es", HOST_WARN, FIRMWARE("platform-status", "013701000000001200000000") },
        { "snp-initialised", HOST_FAIL, FIRMWARE("guest-status", "01370003120000000000000000000000" TCBS) },
        { "rmp-initialised", HOST_FAIL, FIRMWARE("guest-status", "01370102120000000000000000000000" TCBS) },
        { "memory-aliases", HOST_WARN, FIRMWARE("guest-status", "01370101120000000000000000000000" TCBS) },
        { "chip-id", HOST_WARN, FIRMWARE("guest-status", "01370103120000000100000000000000" TCBS) },
        { "tcb", HOST_WARN,
          FIRMWARE("guest-status", STATUS_HEAD "04000000000018db"
                                               "04000000000017db") },
        { "asids", HOST_FAIL, FILE_("sys/fs/cgroup/misc.capacity", "sev 509\nsev_es 0\n") },
        { "asids-free", HOST_WARN, FILE_("sys/fs/cgroup/misc.current", "sev 0\nsev_es 99\n") },
        { "firmware-image", HOST_WARN, FILE_("usr/share/ovmf/OVMF.amdsev.fd", NULL) },
        { "firmware-image", HOST_WARN, FILE_("usr/share/ovmf/OVMF.amdsev.fd", "no firmware") },
        { "memory-lock", HOST_WARN, FILE_("proc/self/limits", NULL) },
};

static void put_fault(const char *root, const struct fault *fault) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_recording(&milan);

        put_host(root, &milan);
        if (fault->path && fault->text)
                put(root, fault->path, fault->text);
        else if (fault->path)
                take(root, fault->path);
        else
                set(recording, fault->section, fault->key,
                    fault->value ? json_object_new_string(fault->value)
                                 : json_object_new_int(fault->number));
        put_recording(root, recording);
}

/* What stands on a failed check is skipped, with words; everything else is as on a complete host. */
static void gives_only(const char *root, const struct fault *fault) {
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n = check(root, checks), found = 0;

        for (size_t i = 0; i < n; i++) {
                const struct host_check *c = &checks[i];

                if (strcmp(c->id, fault->id) == 0 && c->verdict == fault->verdict && *c->remedy &&
                    strncmp(c->sentence, UNKNOWN, strlen(UNKNOWN)) != 0)
                        found++;
                else if (is_of_host(c) && c->verdict != HOST_PASS &&
                         !(c->verdict == HOST_WARN && strncmp(c->sentence, SKIPPED, strlen(SKIPPED)) == 0 &&
                           strstr(c->sentence, fault->id)))
                        fail_msg("a fault of '%s' gives %s: %s", fault->id, c->id, c->sentence);
        }
        if (found != 1)
                fail_msg("a fault of '%s' is not found", fault->id);
}

static void test_each_fault_is_found_alone(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
                put_fault(*state, &faults[i]);
                gives_only(*state, &faults[i]);
        }
}

/* A recording holds all that a check looks at: it gives the same finding, and no other. */
static void test_each_fault_is_recorded(void **state) {
        char directory[256];

        snprintf(directory, sizeof directory, "%s/record", (char *)*state);
        for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
                struct cvm_error err = { 0 };

                put_fault(*state, &faults[i]);
                if (host_record(*state, directory, false, &err) < 0)
                        fail_msg("%s", err.text);
                gives_only(directory, &faults[i]);
                take(*state, "record");
        }
}

/* Every check of the table has a fault above, but those that a host without them passes as well. */
static void test_each_check_has_a_fault(void **state) {
        static const char *const others[] = {
                "kvm",        "confidential",    "secure-tsc",       "bare-metal",
                "iommu-mode", "firmware-hashes", "ciphertext-hiding"
        };
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n;

        put_host(*state, &milan);
        n = check(*state, checks);
        for (size_t i = 0; i < n; i++) {
                bool known = false;

                for (size_t j = 0; j < ARRAY_SIZE(faults); j++)
                        known |= strcmp(faults[j].id, checks[i].id) == 0;
                for (size_t j = 0; j < ARRAY_SIZE(others); j++)
                        known |= strcmp(others[j], checks[i].id) == 0;
                if (!known)
                        fail_msg("no fault is made for '%s'", checks[i].id);
        }
}

static const struct host_check *find(const struct host_check *checks, size_t n, const char *id) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(checks[i].id, id) == 0)
                        return &checks[i];
        fail_msg("there is no check '%s'", id);
        return NULL;
}

static void test_no_kvm_is_told_twice(void **state) {
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n;

        put_host(*state, &milan);
        take(*state, "dev/kvm");
        n = check(*state, checks);
        assert_int_equal(find(checks, n, "kvm")->verdict, HOST_WARN);
        assert_int_equal(find(checks, n, "kvm-api")->verdict, HOST_FAIL);
}

static const struct host_check *check_one(const char *root, const char *id) {
        static struct host_check checks[HOST_CHECKS_MAX];

        return find(checks, check(root, checks), id);
}

/* One finding instead of one for each thing that a virtual machine lacks. */
static void test_a_virtual_machine_is_told_once(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_recording(&milan);
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n;

        put_host(*state, &milan);
        set_leaf(recording, "00000001", "00a00f11000000008000000000000000");
        put_recording(*state, recording);
        assert_int_equal(check_one(*state, "bare-metal")->verdict, HOST_PASS); /* kvm_amd has found SNP */
        put(*state, "sys/module/kvm_amd/parameters/sev_snp", "N\n");
        n = check(*state, checks);
        assert_int_equal(n, 5);
        assert_string_equal(checks[4].id, "bare-metal");
        assert_int_equal(checks[4].verdict, HOST_FAIL);
        assert_non_null(strstr(checks[4].sentence, "this is a virtual machine"));
}

/* What the kernel was booted with counts where kvm_amd has SNP off: else this IOMMU puts up with it. */
static void test_modes_of_the_iommu(void **state) {
        static const struct {
                const char *cmdline, *word; /* word NULL: no harm */
        } rows[] = {
                { "quiet iommu=pt\n", "iommu=pt" },
                { "iommu=noforce,pt", "iommu=pt" },
                { "iommu.passthrough=1 quiet", "iommu.passthrough=1" },
                { "amd_iommu=fullflush,pgtbl_v2", "amd_iommu=pgtbl_v2" },
                { "iommu=pt iommu=nopt", NULL },
                { "iommu=pt iommu.passthrough=0", NULL },
                { "amd_iommu=pgtbl_v2 amd_iommu=pgtbl_v1", NULL },
                { "xiommu=pt iommu=ptx iommu pt", NULL },
        };

        put_host(*state, &milan);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const struct host_check *c;

                put(*state, "proc/cmdline", rows[i].cmdline);
                put(*state, "sys/module/kvm_amd/parameters/sev_snp", "Y\n");
                c = check_one(*state, "iommu-mode");
                assert_int_equal(c->verdict, HOST_PASS);
                assert_int_equal(strchr(c->sentence, '(') != NULL, rows[i].word != NULL);
                put(*state, "sys/module/kvm_amd/parameters/sev_snp", "N\n");
                c = check_one(*state, "iommu-mode");
                if (c->verdict != (rows[i].word ? HOST_FAIL : HOST_PASS) ||
                    (rows[i].word && !strstr(c->sentence, rows[i].word)))
                        fail_msg("%s: %s", rows[i].cmdline, c->sentence);
        }
}

static void test_components_that_differ(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_recording(&turin);

        put_host(*state, &turin);
        set_text(recording, "firmware", "guest-status",
                 STATUS_HEAD "010203040000004b"
                             "010203050000004a");
        put_recording(*state, recording);
        assert_non_null(strstr(check_one(*state, "tcb")->sentence,
                               "(snp 4 runs, 5 is reported; microcode 75 runs, 74 is reported)"));
}

static void test_identifiers_divided_by_ciphertext_hiding(void **state) {
        static const char path[] = "sys/module/kvm_amd/parameters/ciphertext_hiding_asids";

        put_host(*state, &milan);
        put(*state, path, "20\n");
        assert_non_null(strstr(check_one(*state, "ciphertext-hiding")->sentence,
                               "hides the ciphertext of SEV-SNP guests from the host (20 identifiers"));
        put(*state, path, "0\n");
        assert_non_null(strstr(check_one(*state, "ciphertext-hiding")->sentence, "does not hide"));
        assert_int_equal(check_one(*state, "ciphertext-hiding")->verdict, HOST_PASS);
}

/* A firmware with room is taken where there is one, wherever it stands. */
static void test_a_firmware_without_room_for_hashes(void **state) {
        static const uint8_t guid[] = { 0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes firmware = { 0 };
        uint8_t *place;

        put_host(*state, &milan);
        assert_int_equal(platform_by_id(CVM_PLATFORM_SEV_SNP)->synthetic_firmware(&firmware), 0);
        put_bytes(*state, "usr/share/qemu/ovmf-x86_64-sev.bin", firmware.data, firmware.size);
        place = memmem(firmware.data, firmware.size, guid, sizeof guid);
        assert_non_null(place);
        *place ^= 1; /* an entry that nobody knows */
        put_bytes(*state, "usr/share/ovmf/OVMF.amdsev.fd", firmware.data, firmware.size);
        assert_non_null(strstr(check_one(*state, "firmware-image")->sentence, "(/usr/share/ovmf/"));
        assert_non_null(strstr(check_one(*state, "firmware-hashes")->sentence, "(/usr/share/qemu/"));
        take(*state, "usr/share/qemu");
        assert_int_equal(check_one(*state, "firmware-image")->verdict, HOST_PASS);
        assert_int_equal(check_one(*state, "firmware-hashes")->verdict, HOST_WARN);
        assert_non_null(strstr(check_one(*state, "firmware-hashes")->sentence, "no room for the hashes"));
}

/* A service says who may read what it may not, and fails nothing for it. */
static void test_what_a_service_may_not_read(void **state) {
        struct host_check checks[HOST_CHECKS_MAX];
        struct cvm_error err = { 0 };
        const struct host_check *c;
        int n;

        put_host(*state, &milan);
        take(*state, "recorded");
        n = host_check(*state, HOST_SEEN_BY_SERVICE, checks, &err);
        assert_true(n > 35);
        c = find(checks, (size_t)n, "sme-enabled");
        assert_int_equal(c->verdict, HOST_WARN);
        assert_int_equal(strncmp(c->sentence, "this could not be read by the service: ", 39), 0);
        assert_string_equal(c->remedy, "Run `cvmctl host check` as root.");
}

static void test_a_segmented_table_has_no_end(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_recording(&turin);
        struct host_check checks[HOST_CHECKS_MAX];

        put_host(*state, &turin);
        set_text(recording, "msr", "c0010133", "0000000000000000");
        set_text(recording, "msr", "c0010136", "0000000000001a01");
        put_recording(*state, recording);
        assert_int_equal(find(checks, check(*state, checks), "rmp")->verdict, HOST_PASS);
}

/* What was not recorded never comes from this machine. */
static void test_a_silent_recording_is_no_failure(void **state) {
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n, unknown = 0;

        put_host(*state, &milan);
        take(*state, "recorded");
        n = check(*state, checks);
        for (size_t i = 0; i < n; i++) {
                assert_int_not_equal(checks[i].verdict, HOST_FAIL);
                unknown += strncmp(checks[i].sentence, UNKNOWN, strlen(UNKNOWN)) == 0;
        }
        assert_true(unknown > 15);
}

static void test_other_processors_are_not_judged(void **state) {
        struct host_check checks[HOST_CHECKS_MAX];

        put_host(*state, &milan);
        put(*state, "proc/cpuinfo", "vendor_id\t: CentaurHauls\n");
        assert_int_equal(check(*state, checks), 4);
}

static void refuse(const char *root, const char *recording, const struct cvm_code *code) {
        struct host_check checks[HOST_CHECKS_MAX];
        struct cvm_error err = { 0 };

        put(root, "recorded/probe.json", recording);
        assert_true(host_check(root, HOST_SEEN_BY_CALLER, checks, &err) < 0);
        assert_ptr_equal(err.code, code);
}

static void test_what_is_no_recording(void **state) {
        CVM_CLEANUP(cvm_freep) char *large = malloc(70000);

        memset(large, ' ', 69999);
        large[69999] = 0;
        put_host(*state, &milan);
        refuse(*state, "", &CVM_CODE_JSON);
        refuse(*state, "{\"cpuid\":", &CVM_CODE_JSON);
        refuse(*state, "{\"cpuid\":{},\"cpuid\":{}}", &CVM_CODE_FIELD);
        refuse(*state, large, &CVM_CODE_TOO_LARGE);
}

/* Values of another type or length are not told; nothing is guessed. */
static void test_malformed_values(void **state) {
        static const char *const recordings[] = {
                "{\"msr\":{\"c0010010\":3}}",
                "{\"msr\":{\"c0010010\":\"03\"}}",
                "{\"msr\":[1]}",
                "{\"msr\":{\"c0010010\":\"00000000000000000000\"}}",
                "{\"msr\":{\"c0010010\":\"XY\"}}",
                "[]",
                "7",
        };

        for (size_t i = 0; i < ARRAY_SIZE(recordings); i++) {
                struct host_check checks[HOST_CHECKS_MAX];
                const struct host_check *found;

                put_host(*state, &milan);
                put(*state, "recorded/probe.json", recordings[i]);
                found = find(checks, check(*state, checks), "sme-enabled");
                assert_int_equal(found->verdict, HOST_WARN);
                assert_int_equal(strncmp(found->sentence, UNKNOWN, strlen(UNKNOWN)), 0);
        }
}

/* A tree from elsewhere does not lead to this machine's files. */
static void test_links_stay_inside(void **state) {
        struct host_check checks[HOST_CHECKS_MAX];
        char at[512];

        put_host(*state, &milan);
        take(*state, "proc/self/limits");
        snprintf(at, sizeof at, "%s/proc/self/limits", (char *)*state);
        assert_int_equal(symlink("/proc/1/limits", at), 0);
        assert_int_equal(find(checks, check(*state, checks), "memory-lock")->verdict, HOST_WARN);
}

/* Whatever this machine is: every check has its say. */
static void test_this_machine(void **state) {
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n = check("/", checks);

        assert_true(n >= 4);
        for (size_t i = 0; i < n; i++)
                assert_true(*checks[i].sentence && (checks[i].verdict == HOST_PASS) == !*checks[i].remedy);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_complete_milan_host, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_a_complete_turin_host, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_each_fault_is_found_alone, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_each_fault_is_recorded, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_each_check_has_a_fault, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_no_kvm_is_told_twice, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_a_virtual_machine_is_told_once, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_modes_of_the_iommu, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_components_that_differ, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_identifiers_divided_by_ciphertext_hiding, make_root,
                                                remove_root),
                cmocka_unit_test_setup_teardown(test_a_firmware_without_room_for_hashes, make_root,
                                                remove_root),
                cmocka_unit_test_setup_teardown(test_what_a_service_may_not_read, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_a_segmented_table_has_no_end, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_a_silent_recording_is_no_failure, make_root,
                                                remove_root),
                cmocka_unit_test_setup_teardown(test_other_processors_are_not_judged, make_root,
                                                remove_root),
                cmocka_unit_test_setup_teardown(test_what_is_no_recording, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_malformed_values, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_links_stay_inside, make_root, remove_root),
                cmocka_unit_test(test_this_machine),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
