/* A complete host of TDX passes every check; one with one fault gives exactly that finding. */
#include "launch/host-check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "launch/host-platform.h"
#include "launch/host-record.h"
#include "tests/launch/host-tree.h"
#include "tests/launch/make-tdvf.h"

#define SKIPPED "this was not looked at: "

/* What the quoting service answers, of this minor version and with this error. */
#define QUOTING(minor, error)       \
        "0100" minor "05000000"     \
        "1c000000" error "08001000" \
        "00000000"                  \
        "00000000"

static const struct {
        const char *path, *text;
} files[] = {
        { "proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n" },
        { "proc/cmdline", "BOOT_IMAGE=/vmlinuz kvm_intel.tdx=1 nohibernate\n" },
        { "dev/kvm", "" },
        { "dev/sgx_enclave", "" },
        { "dev/sgx_provision", "" },
        { "run/tdx-qgs/qgs.socket", "" },
        { "etc/sgx_default_qcnl.conf", "" },
        { "usr/bin/qemu-system-x86_64", "ELF sev-guest tdx-guest" },
        { "usr/lib/x86_64-linux-gnu/libvirt.so.0", "ELF quoteGenerationService" },
        { "sys/fs/cgroup/cgroup.controllers", "cpu memory misc\n" },
        { "sys/fs/cgroup/misc.capacity", "tdx 15\n" },
        { "sys/fs/cgroup/misc.current", "tdx 2\n" },
        { "sys/module/kvm_intel/parameters/tdx", "Y\n" },
};

static json_object *make_intel(void) {
        json_object *recording = json_object_new_object();

        set_leaf(recording, "00000000", "00000020756e65476c65746e49656e69");
        set_leaf(recording, "00000001", "000c06f2" NO_REGISTERS);
        set_leaf(recording, "00000007", "00000000000000040000200000000000");
        set_text(recording, "msr", "00000087", "0000001000000030");
        set_text(recording, "msr", "000000a0", "0000000000000000");
        set_text(recording, "msr", "000000ce", "0000000000000000");
        set_text(recording, "msr", "00000982", "0000000000000003");
        set_text(recording, "msr", "00001401", "000000fffe000c00");
        set_text(recording, "firmware", "quoting-service", QUOTING("0100", "00000000"));
        set(recording, "kvm", "api-version", json_object_new_int(12));
        set(recording, "kvm", "vm-types", json_object_new_int(0x21));
        return recording;
}

static void put_intel(const char *root, json_object *recording) {
        static uint8_t image[IMAGE_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                put(root, files[i].path, files[i].text);
        image_make(&image_good, image);
        put_bytes(root, "usr/share/ovmf/OVMF.inteltdx.fd", image, sizeof image);
        put_recording(root, recording);
}

static size_t check(const char *root, struct host_check ret[HOST_CHECKS_MAX]) {
        struct cvm_error err = { 0 };
        int n = host_check(root, HOST_SEEN_BY_CALLER, ret, &err);

        if (n < 0)
                fail_msg("%s", err.text);
        return (size_t)n;
}

static void test_a_complete_host(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_intel();
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n;

        put_intel(*state, recording);
        n = check(*state, checks);
        assert_true(n > 24);
        for (size_t i = 0; i < n; i++)
                if (checks[i].verdict != HOST_PASS || *checks[i].remedy)
                        fail_msg("%s: %s", checks[i].id, checks[i].sentence);
}

/* One change: a file's text (NULL: taken away), or a value of the recording. */
static const struct {
        const char *id;
        enum host_verdict verdict;
        const char *path, *text, *section, *key, *value;
        int number;
} faults[] = {
#define FILE_(path, text) path, text, NULL, NULL, NULL, 0
#define VALUE(section, key, value) NULL, NULL, section, key, value, 0
#define KVM(key, number) NULL, NULL, "kvm", key, NULL, number
        { "cpu", HOST_FAIL, VALUE("cpuid", "00000000", "0000001068747541444d416369746e65") },
        { "production-part", HOST_WARN, VALUE("msr", "000000ce", "0000000008000000") },
        { "tme", HOST_FAIL, VALUE("cpuid", "00000007", "00000000000000040000000000000000") },
        { "tme-enabled", HOST_FAIL, VALUE("msr", "00000982", "0000000000000001") },
        { "private-keys", HOST_FAIL, VALUE("msr", "00000087", "0000000000000040") },
        { "private-keys", HOST_FAIL, VALUE("msr", "00000087", "0000000100000040") },
        { "seam-memory", HOST_FAIL, VALUE("msr", "00001401", "000000fffe000400") },
        { "mcheck", HOST_WARN, VALUE("msr", "000000a0", "0000000000000001") },
        { "kernel", HOST_FAIL, FILE_("sys/module/kvm_intel/parameters/tdx", NULL) },
        { "kvm-intel-tdx", HOST_FAIL, FILE_("sys/module/kvm_intel/parameters/tdx", "N\n") },
        { "kvm-api", HOST_FAIL, KVM("api-version", 11) },
        { "kvm-vm-type", HOST_FAIL, KVM("vm-types", 0x11) },
        { "keys-free", HOST_WARN, FILE_("sys/fs/cgroup/misc.current", "tdx 15\n") },
        { "sgx", HOST_WARN, VALUE("cpuid", "00000007", "00000000000000000000200000000000") },
        { "sgx-enclave", HOST_WARN, FILE_("dev/sgx_enclave", NULL) },
        { "sgx-provision", HOST_WARN, FILE_("dev/sgx_provision", NULL) },
        { "quoting-service", HOST_WARN, FILE_("run/tdx-qgs/qgs.socket", NULL) },
        { "quoting-service-answers", HOST_WARN,
          VALUE("firmware", "quoting-service", QUOTING("0000", "00000000")) },
        { "quoting-service-answers", HOST_WARN,
          VALUE("firmware", "quoting-service", QUOTING("0100", "07200100")) },
        { "certificate-service", HOST_WARN, FILE_("etc/sgx_default_qcnl.conf", NULL) },
        { "qemu-tdx", HOST_FAIL, FILE_("usr/bin/qemu-system-x86_64", "ELF sev-snp-guest") },
        { "libvirt-tdx", HOST_WARN, FILE_("usr/lib/x86_64-linux-gnu/libvirt.so.0", "ELF tdx") },
        { "firmware-image", HOST_WARN, FILE_("usr/share/ovmf/OVMF.inteltdx.fd", "none") },
};

/* What it found beside what stands on the fault; whether cvmd can start such guests follows from the same.
 */
static void expect_one(const char *root, const char *id, enum host_verdict verdict) {
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n = check(root, checks), found = 0;

        for (size_t i = 0; i < n; i++) {
                if (checks[i].verdict == HOST_PASS || strcmp(checks[i].id, "confidential") == 0 ||
                    strncmp(checks[i].sentence, SKIPPED, strlen(SKIPPED)) == 0)
                        continue;
                if (strcmp(checks[i].id, id) != 0 || checks[i].verdict != verdict || !*checks[i].remedy)
                        fail_msg("%s instead of %s: %s", checks[i].id, id, checks[i].sentence);
                found++;
        }
        if (found != 1)
                fail_msg("%s was not found", id);
}

static void test_each_fault_is_its_finding(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
                CVM_CLEANUP(cvm_json_putp) json_object *recording = make_intel();
                const char *value = faults[i].value;

                if (faults[i].section)
                        set(recording, faults[i].section, faults[i].key,
                            value ? json_object_new_string(value) : json_object_new_int(faults[i].number));
                put_intel(*state, recording);
                if (faults[i].path && faults[i].text)
                        put(*state, faults[i].path, faults[i].text);
                else if (faults[i].path)
                        take(*state, faults[i].path);
                expect_one(*state, faults[i].id, faults[i].verdict);
        }
}

static void test_in_a_virtual_machine(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_intel();

        set_leaf(recording, "00000001", "000c06f2000000008000000000000000");
        put_intel(*state, recording);
        put(*state, "sys/module/kvm_intel/parameters/tdx", "N\n");
        expect_one(*state, "bare-metal", HOST_FAIL);
}

/* A guest's QEMU is no superuser: it has the socket's group, where that is not the superuser's. */
static void test_who_may_connect(void **state) {
        static const struct {
                mode_t directory, socket;
                gid_t group;
                bool opens;
        } rows[] = {
                { 0755, 0666, 0, true },     { 0755, 0600, 4321, false }, { 0755, 0660, 4321, true },
                { 0755, 0660, 0, false },    { 0755, 0640, 4321, false }, { 0700, 0666, 0, false },
                { 0750, 0660, 4321, false },
        };
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_intel();
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CVM_CLEANUP(cvm_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char directory[64];

        if (geteuid() != 0)
                skip();
        put_intel(*state, recording);
        take(*state, "run/tdx-qgs/qgs.socket");
        snprintf(directory, sizeof directory, "%s/run/tdx-qgs", (char *)*state);
        snprintf(address.sun_path, sizeof address.sun_path, "%s/qgs.socket", directory);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct host_check checks[HOST_CHECKS_MAX];
                size_t n, found = 0;

                assert_int_equal(chmod(directory, rows[i].directory), 0);
                assert_int_equal(chmod(address.sun_path, rows[i].socket), 0);
                assert_int_equal(chown(address.sun_path, 0, rows[i].group), 0);
                n = check(*state, checks);
                while (found < n && strcmp(checks[found].id, "quoting-service-open") != 0)
                        found++;
                assert_true(found < n);
                assert_int_equal(checks[found].verdict, rows[i].opens ? HOST_PASS : HOST_WARN);
                assert_true(rows[i].opens || strstr(checks[found].remedy, "socket_mode = 0660"));
        }
}

static void test_facts(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_intel(), *facts = NULL;
        CVM_CLEANUP(host_scene_done) struct host_scene scene = { .root_fd = -1 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        put_intel(*state, recording);
        assert_int_equal(host_scene_open(*state, &scene, &err), 0);
        assert_int_equal(host_platform_of("GenuineIntel")->facts(&scene, &facts, &err), 0);
        text = cvm_json_text(facts);
        assert_string_equal(text,
                            "{\"platform\":\"tdx\",\"cpu_signature\":\"000c06f2\",\"quoting_service\":true,"
                            "\"private_keys\":16}");
        assert_true(scene.facts.offers[CVM_PLATFORM_TDX] && scene.facts.has_quote_service);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_complete_host, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_each_fault_is_its_finding, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_in_a_virtual_machine, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_who_may_connect, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_facts, make_root, remove_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
