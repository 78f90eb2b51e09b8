/* A host as a tree: what it says of itself stays, what is nobody's business does not come along. */
#include "launch/host-record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fd.h"
#include "launch/host-capacity.h"
#include "launch/host-facts.h"
#include "tests/launch/host-tree.h"

static void record(const char *root, bool hide_ids, char ret[256]) {
        struct cvm_error err = { 0 };

        snprintf(ret, 256, "%s/record", root);
        if (host_record(root, ret, hide_ids, &err) < 0)
                fail_msg("%s", err.text);
}

static char *document(const char *root) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_error err = { 0 };

        if (host_document(root, &node, &err) < 0)
                fail_msg("%s", err.text);
        return cvm_json_text(node);
}

static void read_text(const char *root, const char *path, char *ret, size_t size) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_error err = { 0 };
        char at[512];

        snprintf(at, sizeof at, "%s/%s", root, path);
        if (cvm_read_file(at, size, &bytes, &err) < 0)
                fail_msg("%s", err.text);
        snprintf(ret, size, "%.*s", (int)bytes.size, (char *)bytes.data);
}

static void test_facts_stay(void **state) {
        static const struct host_kind *const kinds[] = { &milan, &turin };

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                CVM_CLEANUP(cvm_freep) char *before = NULL;
                CVM_CLEANUP(cvm_freep) char *after = NULL;
                CVM_CLEANUP(cvm_json_putp) json_object *pools = NULL;
                struct cvm_error err = { 0 };
                char directory[256];

                put_host(*state, kinds[i]);
                record(*state, false, directory);
                before = document(*state);
                after = document(directory);
                assert_string_equal(before, after);
                assert_int_equal(host_capacity(directory, &pools, &err), 0);
                take(*state, "record");
        }
}

static void test_chip_ids_are_hidden_on_request(void **state) {
        CVM_CLEANUP(cvm_freep) char *after = NULL;
        char directory[256];

        put_host(*state, &turin);
        record(*state, true, directory);
        after = document(directory);
        assert_non_null(strstr(after, "\"chip_ids\":[\"cccccccccccccccc\",\"cccccccccccccccc\"]"));
        assert_non_null(strstr(after, "\"reported_tcb\":{\"fmc\":1,"));
}

static void test_what_is_not_recorded(void **state) {
        char directory[256], text[1024], command[600];

        put_host(*state, &milan);
        put(*state, "proc/cmdline", "rd.luks.key=hunter2 iommu=pt quiet amd_iommu=pgtbl_v1 root=UUID=77\n");
        put(*state, "usr/bin/qemu-system-x86_64", "ELF password sev-snp-guest more");
        put(*state, "etc/shadow", "root");
        record(*state, false, directory);
        read_text(directory, "proc/cmdline", text, sizeof text);
        assert_string_equal(text, "iommu=pt amd_iommu=pgtbl_v1 ");
        read_text(directory, "usr/bin/qemu-system-x86_64", text, sizeof text);
        assert_string_equal(text, "sev-snp-guest");
        snprintf(command, sizeof command, "! test -e '%s/etc'", directory);
        assert_int_equal(system(command), 0);
}

/* Of other processors there is nothing to ask. */
static void test_another_processor(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_error err = { 0 };
        char directory[256];

        put_host(*state, &milan);
        put(*state, "proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
        record(*state, false, directory);
        assert_int_equal(host_describe(directory, &node, &err), 0);
        assert_string_equal(json_object_get_string(json_object_object_get(node, "cpu_vendor")),
                            "GenuineIntel");
}

static void test_places_that_do_not_serve(void **state) {
        struct cvm_error err = { 0 };
        char directory[256], long_one[5000];

        put_host(*state, &milan);
        record(*state, false, directory);
        assert_int_equal(host_record(*state, directory, false, &err), -EEXIST);
        assert_ptr_equal(err.code, &CVM_CODE_FILE);
        memset(long_one, 'x', sizeof long_one);
        long_one[sizeof long_one - 1] = 0;
        assert_true(host_record(*state, long_one, false, &err) < 0);
        assert_true(host_record("/nowhere", directory, false, &err) < 0);
        put(*state, "recorded/probe.json", "{");
        snprintf(directory, sizeof directory, "%s/other", (char *)*state);
        assert_true(host_record(*state, directory, false, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_JSON);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_facts_stay, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_chip_ids_are_hidden_on_request, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_what_is_not_recorded, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_another_processor, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_places_that_do_not_serve, make_root, remove_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
