/* Every row of the table is complete and found by each of its names. */
#include "launch/platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_rows_are_complete(void **state) {
        const struct platform *p;

        for (size_t i = 0; (p = platform_at(i)); i++) {
                assert_ptr_equal(platform_by_name(p->name), p);
                assert_ptr_equal(platform_by_id(p->id), p);
                assert_string_equal(p->name, cvm_platform_texts[p->id]);
                assert_true(p->title && p->binary && p->machine && p->bus && p->console &&
                            p->kernel_console && p->default_cpu);
                assert_true(p->options_fields && p->check_options && p->add_options && p->is_debug &&
                            p->measure && p->explain && p->read_host);
                assert_int_equal(p->host_data != NULL, p->host_data_size > 0);
                for (size_t k = 0; k < i; k++)
                        assert_int_not_equal(platform_at(k)->id, p->id);
        }
        assert_non_null(platform_at(0));
}

static void test_others_are_not_there(void **state) {
        assert_null(platform_by_name("sev"));
        assert_null(platform_by_name(""));
        assert_null(platform_by_id(CVM_PLATFORM_NONE));
        assert_null(platform_by_id(CVM_PLATFORM_MAX_));
}

/* The platform's default CPU model and its own firmware are measured without further words. */
static void test_defaults_are_measured(void **state) {
        const struct platform *p;

        for (size_t i = 0; (p = platform_at(i)); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes firmware = { 0 };
                struct measurement m = { 0 };
                struct cvm_error err = { 0 };

                if (!p->synthetic_firmware)
                        continue;
                assert_int_equal(p->synthetic_firmware(&firmware), 0);
                struct measure_inputs in = { .firmware = firmware.data,
                                             .firmware_size = firmware.size,
                                             .vcpus = 1,
                                             .cpu_model = p->default_cpu,
                                             .has_kernel = true };
                if (p->measure(&in, &m, &err) < 0)
                        fail_msg("%s: %s", p->name, err.text);
                assert_int_equal(m.platform, p->id);
                assert_true(m.size > 0 && !cvm_is_zero(m.digest, m.size));
        }
}

/* Only where the image's owner and the host allow it; simulated ones ask no host. */
static void test_dumps(void **state) {
        static const struct host_facts able = { .can_dump = true }, unable = { 0 };
        static const struct {
                const char *prediction;
                const struct host_facts *host;
                const struct cvm_code *code;
        } cases[] = {
                { "{\"flags\":[\"pckmo-aes\",\"dump\"]}", &able, NULL },
                { "{\"flags\":[\"dump\"]}", NULL, NULL },
                { "{\"flags\":[\"dump\"]}", &unable, &CVM_CODE_DUMP_HOST },
                { "{\"flags\":[\"pckmo-aes\"]}", &able, &CVM_CODE_DUMP_DENIED },
                { "{\"flags\":[]}", NULL, &CVM_CODE_DUMP_DENIED },
                { "{}", NULL, &CVM_CODE_DUMP_DENIED },
                { NULL, NULL, &CVM_CODE_DUMP_DENIED },
                { "{\"flags\":\"dump\"}", NULL, &CVM_CODE_FIELD },
                { "{\"flags\":", NULL, &CVM_CODE_JSON },
        };

        assert_null(platform_by_id(CVM_PLATFORM_SEV_SNP)->check_dump);
        assert_null(platform_by_id(CVM_PLATFORM_TDX)->check_dump);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct cvm_error err = { 0 };
                int r = platform_by_id(CVM_PLATFORM_SECURE_EXECUTION)
                                        ->check_dump(cases[i].prediction, cases[i].host, &err);

                if (!r != !cases[i].code || err.code != cases[i].code)
                        fail_msg("%zu: %s", i, err.text);
        }
}

static uint64_t policy_of(const char *options) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = options ? json_tokener_parse(options) : NULL;
        const struct platform *p = platform_by_id(CVM_PLATFORM_SEV_SNP);
        struct measure_inputs in = { 0 };
        struct cvm_error err = { 0 };
        uint64_t policy = 0;

        if (p->check_options(node, "x", &err) < 0 || p->add_options(node, &in, &policy, &err) < 0)
                fail_msg("%s: %s", options, err.text);
        return policy;
}

/* The guest policy's bits by name (FWABI 4.3); bit 17 is always one. */
static void test_policy_bits(void **state) {
        static const struct {
                const char *options;
                uint64_t policy;
        } cases[] = {
                { NULL, 0x30000 },
                { "{}", 0x30000 },
                { "{\"smt\":true}", 0x30000 },
                { "{\"smt\":false}", 0x20000 },
                { "{\"debug\":true}", 0xb0000 },
                { "{\"single_socket\":true}", 0x130000 },
                { "{\"cxl_allow\":true}", 0x230000 },
                { "{\"mem_aes_256_xts\":true}", 0x430000 },
                { "{\"rapl_dis\":true}", 0x830000 },
                { "{\"ciphertext_hiding\":true}", 0x1030000 },
                { "{\"page_swap_disable\":true}", 0x2030000 },
                { "{\"migrate_ma\":false}", 0x30000 },
                { "{\"abi_major\":1,\"abi_minor\":55}", 0x30137 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(policy_of(cases[i].options), cases[i].policy);
                assert_int_equal(platform_by_id(CVM_PLATFORM_SEV_SNP)->is_debug(cases[i].policy), i == 4);
        }
}

static void test_measured_options(void **state) {
        CVM_CLEANUP(cvm_json_putp)
        json_object *node = json_tokener_parse("{\"vcpu_signature\":8392466,\"guest_features\":33}");
        struct measure_inputs in = { 0 };
        uint64_t policy;

        assert_int_equal(platform_by_id(CVM_PLATFORM_SEV_SNP)->add_options(node, &in, &policy, NULL), 0);
        assert_int_equal(in.vcpu_signature, 0x800f12);
        assert_int_equal(in.guest_features, 0x21);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows_are_complete),     cmocka_unit_test(test_others_are_not_there),
                cmocka_unit_test(test_defaults_are_measured), cmocka_unit_test(test_policy_bits),
                cmocka_unit_test(test_measured_options),      cmocka_unit_test(test_dumps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
