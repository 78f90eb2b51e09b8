/* A complete host of Secure Execution passes every check; one with one fault gives exactly that finding. */
#include "launch/host-check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "launch/host-platform.h"
#include "launch/host-record.h"
#include "launch/uv-se.h"
#include "tests/launch/host-tree.h"

#define SKIPPED "this was not looked at: "
#define KEY "7e7867f32ec9ed51a30bc8285f9856d8afb284af16269504fd5cd4504264fe7e\n"
#define NO_KEY "0000000000000000000000000000000000000000000000000000000000000000\n"
#define MASK(first) first "\n0000000000000000\n0000000000000000\n0000000000000000\n"
#define CPUINFO(facilities)                                                              \
        "vendor_id       : IBM/S390\n# processors    : 2\nfeatures\t: esan3 zarch sie\n" \
        "facilities      : 0 1 2 3 " facilities "\n"                                     \
        "processor 0: version = FF,  identification = 0158E8,  machine = 3931\n"

static const struct {
        const char *path, *text;
} files[] = {
        { "proc/cpuinfo", CPUINFO("155 156 158 165 193") },
        { "proc/cmdline", "root=/dev/dasda1 prot_virt=1 secret=hunter2\n" },
        { "proc/sysinfo",
          "Manufacturer:         IBM\nType:                 3931\nLPAR Number:          33\n" },
        { "dev/kvm", "" },
        { "usr/bin/qemu-system-s390x", "ELF s390-pv-guest" },
        { "usr/lib/s390x-linux-gnu/libvirt.so.0", "ELF s390-pv" },
        { "sys/fs/cgroup/cgroup.controllers", "cpu memory misc\n" },
        { UV "prot_virt_host", "1\n" },
        { UV "prot_virt_guest", "0\n" },
        { UV_KEYS, KEY NO_KEY NO_KEY },
        { UV "query/facilities", MASK("ffffffff40000000") },
        { UV "query/supp_se_hdr_ver", "8000000000000000\n" },
        { UV "query/dump_finalize_len", "1000\n" },
        { UV "query/max_guests", "4096\n" },
        { UV "query/max_cpus", "248\n" },
};

static json_object *make_ibm(void) {
        json_object *recording = json_object_new_object();

        set(recording, "kvm", "api-version", json_object_new_int(12));
        set(recording, "kvm", "protected", json_object_new_int(1));
        return recording;
}

static void put_ibm(const char *root, json_object *recording) {
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                put(root, files[i].path, files[i].text);
        put_recording(root, recording);
}

static size_t check(const char *root, struct host_check ret[HOST_CHECKS_MAX]) {
        struct cvm_error err = { 0 };
        int n = host_check(root, HOST_SEEN_BY_CALLER, ret, &err);

        if (n < 0)
                fail_msg("%s", err.text);
        return (size_t)n;
}

static void expect_complete(const char *root) {
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n = check(root, checks);

        assert_true(n > 16);
        for (size_t i = 0; i < n; i++)
                if (checks[i].verdict != HOST_PASS || *checks[i].remedy)
                        fail_msg("%s: %s", checks[i].id, checks[i].sentence);
}

static void test_a_complete_host(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_ibm();

        put_ibm(*state, recording);
        expect_complete(*state);
}

/* One change: a file's text (NULL: taken away), or a number that KVM tells. */
static const struct {
        const char *id;
        enum host_verdict verdict;
        const char *path, *text, *key;
        int number;
        const char *words;
} faults[] = {
        { "qemu", HOST_FAIL, "usr/bin/qemu-system-s390x", NULL, NULL, 0, "qemu-system-s390x" },
        { "partition", HOST_FAIL, "proc/sysinfo", "LPAR Number: 33\nVM00 Name: LINUX01\n", NULL, 0,
          "a guest itself" },
        { "partition", HOST_FAIL, UV "prot_virt_guest", "1\n", NULL, 0, "a guest itself" },
        { "partition", HOST_WARN, "proc/sysinfo", NULL, NULL, 0, "'/proc/sysinfo' is not there" },
        { "ultravisor", HOST_FAIL, "proc/cpuinfo", CPUINFO("155 156 165 1580"), NULL, 0, "facility 158" },
        { "ultravisor", HOST_WARN, "proc/cpuinfo", "vendor_id : IBM/S390\n", NULL, 0,
          "lists no facilities" },
        { "kernel", HOST_FAIL, UV "prot_virt_host", NULL, NULL, 0, "/sys/firmware/uv" },
        { "prot-virt", HOST_FAIL, UV "prot_virt_host", "0\n", NULL, 0, "turned off" },
        { "kvm-api", HOST_FAIL, NULL, NULL, "api-version", 11, "another version" },
        { "kvm-protected", HOST_FAIL, NULL, NULL, "protected", 0, "no protected guests" },
        { "host-key", HOST_WARN, UV_KEYS, NULL, NULL, 0, "does not tell its key" },
        { "host-key", HOST_WARN, UV_KEYS, NO_KEY NO_KEY, NULL, 0, "does not tell its key" },
        { "host-key", HOST_WARN, UV_KEYS, "7e78\n", NULL, 0, "has no hashes of keys" },
        { "header-version", HOST_FAIL, UV "query/supp_se_hdr_ver", "4000000000000000\n", NULL, 0,
          "no images of version 1" },
        { "header-version", HOST_WARN, UV "query/supp_se_hdr_ver", "none\n", NULL, 0,
          "no hexadecimal mask" },
        { "attestation", HOST_WARN, UV "query/facilities", MASK("fffffff740000000"), NULL, 0,
          "no evidence" },
        { "add-secret", HOST_WARN, UV "query/facilities", MASK("fffffffb40000000"), NULL, 0,
          "keeps no secrets" },
        { "retrieve-secret", HOST_WARN, UV "query/facilities", MASK("ffffffff00000000"), NULL, 0,
          "cannot read" },
        { "dump", HOST_WARN, UV "query/dump_finalize_len", "0\n", NULL, 0, "cannot be dumped" },
        { "dump", HOST_WARN, UV "query/dump_finalize_len", NULL, NULL, 0, "cannot be dumped" },
        { "qemu-se", HOST_FAIL, "usr/bin/qemu-system-s390x", "ELF s390-ccw", NULL, 0, "does not know" },
        { "libvirt-se", HOST_WARN, "usr/lib/s390x-linux-gnu/libvirt.so.0", "ELF", NULL, 0, "does not know" },
};

/* What it found beside what stands on the fault; whether cvmd can start such guests follows from the same.
 */
static void expect_one(const char *root, size_t fault) {
        struct host_check checks[HOST_CHECKS_MAX];
        size_t n = check(root, checks), found = 0;

        for (size_t i = 0; i < n; i++) {
                if (checks[i].verdict == HOST_PASS || strcmp(checks[i].id, "confidential") == 0 ||
                    strncmp(checks[i].sentence, SKIPPED, strlen(SKIPPED)) == 0)
                        continue;
                if (strcmp(checks[i].id, faults[fault].id) != 0 ||
                    checks[i].verdict != faults[fault].verdict || !*checks[i].remedy ||
                    !strstr(checks[i].sentence, faults[fault].words))
                        fail_msg("%s instead of %s: %s", checks[i].id, faults[fault].id, checks[i].sentence);
                found++;
        }
        if (found != 1)
                fail_msg("%s was not found", faults[fault].id);
}

static void test_each_fault_is_its_finding(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
                CVM_CLEANUP(cvm_json_putp) json_object *recording = make_ibm();

                if (faults[i].key)
                        set(recording, "kvm", faults[i].key, json_object_new_int(faults[i].number));
                put_ibm(*state, recording);
                if (faults[i].path && faults[i].text)
                        put(*state, faults[i].path, faults[i].text);
                else if (faults[i].path)
                        take(*state, faults[i].path);
                expect_one(*state, i);
        }
}

static void test_facts(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_ibm(), *facts = NULL, *without = NULL;
        CVM_CLEANUP(host_scene_done) struct host_scene scene = { .root_fd = -1 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        put_ibm(*state, recording);
        assert_int_equal(host_scene_open(*state, &scene, &err), 0);
        assert_int_equal(host_platform_of("IBM/S390")->facts(&scene, &facts, &err), 0);
        text = cvm_json_text(facts);
        assert_string_equal(
                        text,
                        "{\"platform\":\"secure-execution\",\"host_keys\":[\"7e7867f32ec9ed51a30bc8285f985"
                        "6d8afb284af16269504fd5cd4504264fe7e\"],\"machine\":\"3931\",\"max_guests\":4096,"
                        "\"max_cpus\":248}");
        assert_true(scene.facts.offers[CVM_PLATFORM_SECURE_EXECUTION]);
        assert_int_equal(scene.facts.n_keys, 1);
        assert_true(scene.facts.can_dump);
        take(*state, UV_KEYS);
        assert_int_equal(host_platform_of("IBM/S390")->facts(&scene, &without, &err), 0);
        assert_int_equal(json_object_array_length(json_object_object_get(without, "host_keys")), 0);
        put(*state, UV_KEYS, "nonsense\n");
        json_object_put(without);
        without = NULL;
        assert_true(host_platform_of("IBM/S390")->facts(&scene, &without, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_HOST_PROBE);
        assert_null(without);
}

static void test_what_makes_no_dumps(void **state) {
        static const char *const lengths[] = { "0\n", "none\n", "", NULL };
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_ibm();
        struct cvm_error err = { 0 };

        put_ibm(*state, recording);
        for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
                struct host_facts facts;

                if (lengths[i])
                        put(*state, UV_DUMP_LENGTH, lengths[i]);
                else
                        take(*state, UV_DUMP_LENGTH);
                assert_int_equal(host_read(*state, &facts, &err), 0);
                assert_true(facts.offers[CVM_PLATFORM_SECURE_EXECUTION]);
                assert_false(facts.can_dump);
        }
}

/* A recording is the host again, without what is nobody's business. */
static void test_a_recording(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_ibm();
        char copy[256], text[256];
        struct cvm_error err = { 0 };
        FILE *file;

        put_ibm(*state, recording);
        snprintf(copy, sizeof copy, "%s/copy", (const char *)*state);
        if (host_record(*state, copy, false, &err) < 0)
                fail_msg("%s", err.text);
        expect_complete(copy);
        strcat(copy, "/proc/cmdline");
        file = fopen(copy, "re");
        assert_non_null(file);
        assert_non_null(fgets(text, sizeof text, file));
        fclose(file);
        assert_string_equal(text, "prot_virt=1 ");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_complete_host, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_each_fault_is_its_finding, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_facts, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_what_makes_no_dumps, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_a_recording, make_root, remove_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
