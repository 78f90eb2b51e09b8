/* Hosts as trees of files made here: what is offered, and what each missing piece costs. */
#include "launch/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fd.h"

#define AMD \
        "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n\nprocessor\t: 1\nvendor_id\t: Other\n"
#define PROBE "recorded/probe.json"
#define SWITCH "sys/module/kvm_amd/parameters/sev_snp"

/* A host in a new directory; removed with everything in it. */
static int make_root(void **state) {
        char *root = strdup("/tmp/cvm-host-XXXXXX");

        *state = root;
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
        char command[256];
        int r;

        snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
        r = system(command);
        free(*state);
        return r;
}

static void put(const char *root, const char *path, const char *text) {
        struct cvm_error err = { 0 };
        char at[512];

        snprintf(at, sizeof at, "%s/%s", root, path);
        for (char *p = at + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
                *p = 0;
                mkdir(at, 0700);
        }
        if (cvm_write_file(at, text, strlen(text), 0600, &err) < 0)
                fail_msg("%s", err.text);
}

static void put_snp_host(const char *root) {
        put(root, "proc/cpuinfo", AMD);
        put(root, SWITCH, "Y\n");
        put(root, "dev/kvm", "");
        put(root, "dev/sev", "");
        put(root, PROBE, "{\"cpuid\":{\"8000001f\":\"0101fd3f000010b3000001fd00000080\"}}");
}

static struct host_facts read_host(const char *root) {
        struct host_facts facts;
        struct cvm_error err = { 0 };

        if (host_read(root, &facts, &err) < 0)
                fail_msg("%s", err.text);
        return facts;
}

static void test_a_host_of_snp(void **state) {
        struct host_facts facts;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        put_snp_host(*state);
        facts = read_host(*state);
        assert_string_equal(facts.cpu_vendor, "AuthenticAMD");
        assert_true(facts.has_kvm);
        assert_true(facts.offers[CVM_PLATFORM_SEV_SNP]);
        assert_int_equal(facts.encryption_bit, 51);
        assert_true(facts.is_recorded);
        node = host_json(&facts);
        text = cvm_json_text(node);
        assert_string_equal(text,
                            "{\"cpu_vendor\":\"AuthenticAMD\",\"kvm\":true,\"platforms\":[\"sev-snp\"]}");
}

static void test_an_empty_host_offers_nothing(void **state) {
        struct host_facts facts = read_host(*state);

        assert_string_equal(facts.cpu_vendor, "");
        assert_false(facts.has_kvm);
        for (size_t i = 0; i < CVM_PLATFORM_MAX_; i++)
                assert_false(facts.offers[i]);
}

/* One piece changed (or removed: NULL), and nothing is offered. */
static const struct {
        const char *path, *text;
} pieces[] = {
        { "dev/kvm", NULL },
        { "dev/sev", NULL },
        { SWITCH, NULL },
        { SWITCH, "N\n" },
        { SWITCH, "0\n" },
        { SWITCH, "" },
        { "proc/cpuinfo", NULL },
        { "proc/cpuinfo", "vendor_id\t: GenuineIntel\n" },
        { "proc/cpuinfo", "vendor_id AuthenticAMD\n" },
        { "proc/cpuinfo", "vendor_id\t: AuthenticAMD and much more than any processor has ever said\n" },
};

static void test_each_piece_counts(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
                char at[512];

                put_snp_host(*state);
                snprintf(at, sizeof at, "%s/%s", (char *)*state, pieces[i].path);
                if (pieces[i].text)
                        put(*state, pieces[i].path, pieces[i].text);
                else
                        assert_int_equal(unlink(at), 0);
                if (read_host(*state).offers[CVM_PLATFORM_SEV_SNP])
                        fail_msg("offered with %s %s", pieces[i].path, pieces[i].text);
        }
}

static void test_no_root(void **state) {
        struct host_facts facts;
        struct cvm_error err = { 0 };
        char at[512];

        snprintf(at, sizeof at, "%s/gone", (char *)*state);
        assert_true(host_read(at, &facts, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FILE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_host_of_snp, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_an_empty_host_offers_nothing, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_each_piece_counts, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_no_root, make_root, remove_root),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
