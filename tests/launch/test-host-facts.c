/* What a host says of itself: components in its product's order, chip ids of its length, guests that fit. */
#include "launch/host-facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "launch/host-capacity.h"
#include "tests/launch/host-tree.h"

static void shows(const char *root, const struct host_kind *kind, const char *expected) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        put_host(root, kind);
        if (host_document(root, &node, &err) < 0)
                fail_msg("%s", err.text);
        text = cvm_json_text(node);
        assert_string_equal(text, expected);
}

static void test_a_milan_host(void **state) {
        shows(*state, &milan,
              "{\"version\":1,\"platform\":\"sev-snp\",\"product\":\"Milan\",\"cpu_signature\":\"00a00f11\","
              "\"cbitpos\":51,\"reduced_phys_bits\":5,\"guest_features\":\"221\",\"policy_bits\":\"3fbffff\","
              "\"chip_ids\":[\"" CHIP_MILAN "\"],\"firmware\":\"1.55.18\",\"initialised\":true,"
              "\"chip_id_masked\":false,\"guests\":2,\"reported_is_current\":true,"
              "\"current_tcb\":{\"bootloader\":4,\"tee\":0,\"snp\":24,\"microcode\":219},"
              "\"reported_tcb\":{\"bootloader\":4,\"tee\":0,\"snp\":24,\"microcode\":219}}");
}

static void test_a_turin_host_of_two_sockets(void **state) {
        shows(*state, &turin,
              "{\"version\":1,\"platform\":\"sev-snp\",\"product\":\"Turin\",\"cpu_signature\":\"00b00f21\","
              "\"cbitpos\":51,\"reduced_phys_bits\":5,\"guest_features\":\"221\",\"policy_bits\":\"3fbffff\","
              "\"chip_ids\":[\"c300000000000001\",\"c300000000000002\"],\"firmware\":\"1.55.18\","
              "\"initialised\":true,\"chip_id_masked\":false,\"guests\":2,\"reported_is_current\":true,"
              "\"current_tcb\":{\"fmc\":1,\"bootloader\":2,\"tee\":3,\"snp\":4,\"microcode\":74},"
              "\"reported_tcb\":{\"fmc\":1,\"bootloader\":2,\"tee\":3,\"snp\":4,\"microcode\":74}}");
}

/* What runs and what reports name are two things; what is committed the host cannot know. */
static void test_tcbs_that_differ(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *recording = make_recording(&milan);
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_error err = { 0 };
        json_object *facts;

        put_host(*state, &milan);
        set_text(recording, "firmware", "guest-status",
                 STATUS_HEAD "04000000000018db"
                             "04000000000017db");
        put_recording(*state, recording);
        assert_int_equal(host_describe(*state, &node, &err), 0);
        facts = json_object_object_get(node, "facts");
        assert_false(json_object_get_boolean(json_object_object_get(facts, "reported_is_current")));
        assert_null(json_object_object_get(facts, "committed_tcb"));
        assert_non_null(strstr(json_object_get_string(json_object_object_get(node, "untold")),
                               "committed_tcb"));
}

/* What cannot be told is left out, never made up. */
static void test_what_cannot_be_told(void **state) {
        static const struct {
                const char *section, *key, *value, *member;
        } rows[] = {
                { "firmware", "guest-status", "0137", "reported_tcb" },
                { "firmware", "guest-status", "zz", "reported_tcb" },
                { "cpuid", "8000001f", "01", "cbitpos" },
                { "cpuid", "8000001f", "00000000" NO_REGISTERS, "cbitpos" },
                { "cpuid", "00000001", "00b90f20" NO_REGISTERS, "product" },
                { "kvm", "features", "545", "guest_features" },
        };

        put_host(*state, &milan);
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(cvm_json_putp) json_object *recording = make_recording(&milan);
                CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
                struct cvm_error err = { 0 };

                set_text(recording, rows[i].section, rows[i].key, rows[i].value);
                put_recording(*state, recording);
                assert_int_equal(host_document(*state, &node, &err), 0);
                if (json_object_object_get(node, rows[i].member))
                        fail_msg("'%s' is told from %s", rows[i].member, rows[i].value);
        }
}

static void test_zeros_and_pieces_name_no_chip(void **state) {
        static const char *const ids[] = { "", "a1", "00000000000000" ZEROS_56 "00", CHIP_MILAN "a1" };

        put_host(*state, &milan);
        for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
                CVM_CLEANUP(cvm_json_putp) json_object *recording = make_recording(&milan);
                CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
                struct cvm_error err = { 0 };

                set_text(recording, "firmware", "chip-ids", ids[i]);
                put_recording(*state, recording);
                assert_int_equal(host_document(*state, &node, &err), 0);
                assert_int_equal(json_object_array_length(json_object_object_get(node, "chip_ids")), i == 3);
        }
}

static void test_other_processors(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_error err = { 0 };

        put_host(*state, &milan);
        put(*state, "proc/cpuinfo", "vendor_id\t: CentaurHauls\n");
        assert_true(host_document(*state, &node, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_PLATFORM_HARDWARE);
        assert_int_equal(host_describe(*state, &node, &err), 0);
        assert_null(json_object_object_get(node, "facts"));
        assert_null(json_object_object_get(node, "untold"));
}

static void test_capacity(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *list = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        put_host(*state, &milan);
        put(*state, "sys/fs/cgroup/misc.capacity", "res 7\nsev 410\nsev_es 99\n");
        put(*state, "sys/fs/cgroup/misc.current", "sev_es 100\nsev 11\n");
        if (host_capacity(*state, &list, &err) < 0)
                fail_msg("%s", err.text);
        text = cvm_json_text(list);
        assert_string_equal(
                        text,
                        "[{\"pool\":\"sev\",\"guests\":\"SEV\",\"capacity\":410,\"used\":11,\"free\":399},"
                        "{\"pool\":\"sev_es\",\"guests\":\"SEV-ES and SEV-SNP\",\"capacity\":99,\"used\":100,"
                        "\"free\":0}]");
}

static void test_capacity_that_is_divided(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *list = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        put_host(*state, &milan);
        put(*state, "sys/module/kvm_amd/parameters/ciphertext_hiding_asids", "20\n");
        assert_int_equal(host_capacity(*state, &list, &err), 0);
        text = cvm_json_text(list);
        assert_string_equal(
                        text,
                        "[{\"pool\":\"sev\",\"guests\":\"SEV\",\"capacity\":410,\"used\":0,\"free\":410},"
                        "{\"pool\":\"sev_es\",\"guests\":\"SEV-ES and SEV-SNP\",\"capacity\":99,\"used\":3,"
                        "\"free\":96,\"limit\":20}]");
}

static void test_what_is_no_count(void **state) {
        static const char *const texts[] = { "",
                                             "sev\nsev_es 1\n",
                                             "sev -1\nsev_es 1\n",
                                             "sev 1 2\n",
                                             "sev 99999999999999999999\n",
                                             "sevens 3\nsev_es 1\n" };

        put_host(*state, &milan);
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                CVM_CLEANUP(cvm_json_putp) json_object *list = NULL;
                struct cvm_error err = { 0 };

                put(*state, "sys/fs/cgroup/misc.current", texts[i]);
                assert_true(host_capacity(*state, &list, &err) < 0);
                assert_ptr_equal(err.code, &CVM_CODE_HOST_COUNT);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_milan_host, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_a_turin_host_of_two_sockets, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_tcbs_that_differ, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_what_cannot_be_told, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_zeros_and_pieces_name_no_chip, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_other_processors, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_capacity, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_capacity_that_is_divided, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_what_is_no_count, make_root, remove_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
