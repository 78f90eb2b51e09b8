/* Flags build the JSON that a file would have; what cannot be put anywhere is refused by the flag's name. */
#include "launch/definition-flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "launch/definition.h"

static const struct {
        const char *flag, *values[4], *expected;
} good[] = {
        { "vcpus", { "4" }, "{\"vcpus\":4}" },
        { "vcpus", { "4", "5" }, "{\"vcpus\":5}" },
        { "vcpus", { "4x" }, "{\"vcpus\":\"4x\"}" }, /* for the reader to refuse */
        { "vcpus", { "-1" }, "{\"vcpus\":\"-1\"}" },
        { "memory", { "2GiB" }, "{\"memory\":\"2GiB\"}" },
        { "simulate", { "" }, "{\"simulate\":true}" },
        { "platform", { "b", "a" }, "{\"platform\":[\"b\",\"a\"]}" },
        { "kernel", { "k" }, "{\"boot\":{\"kernel\":\"/w/k\"}}" },
        { "kernel", { "././k" }, "{\"boot\":{\"kernel\":\"/w/k\"}}" },
        { "kernel", { "/k" }, "{\"boot\":{\"kernel\":\"/k\"}}" },
        { "kernel", { "" }, "{\"boot\":{\"kernel\":\"\"}}" },
        { "cmdline", { "a=b,c" }, "{\"boot\":{\"cmdline\":\"a=b,c\"}}" },
        { "vcpu-sig", { "0x800f12" }, "{\"sev-snp\":{\"vcpu_signature\":8392466}}" },
        { "vcpu-sig", { "a10f10" }, "{\"sev-snp\":{\"vcpu_signature\":10555152}}" },
        { "guest-features", { "21" }, "{\"sev-snp\":{\"guest_features\":33}}" },
        { "option", { "smt=false", "abi_major=1" }, "{\"sev-snp\":{\"smt\":false,\"abi_major\":1}}" },
        { "option", { "a=0x10", "b=word" }, "{\"sev-snp\":{\"a\":16,\"b\":\"word\"}}" },
        { "label", { "a=b", "c=d=e", "f=" }, "{\"labels\":{\"a\":\"b\",\"c\":\"d=e\",\"f\":\"\"}}" },
        { "disk",
          { "path=d,format=raw,readonly=on,serial=s,size=1GiB" },
          "{\"disks\":[{\"path\":\"/w/d\",\"format\":\"raw\",\"readonly\":true,\"serial\":\"s\",\"size\":\"1GiB\"}]}" },
        { "disk",
          { "d,format=raw", "/e,format=qcow2,size=512" },
          "{\"disks\":[{\"path\":\"/w/d\",\"format\":\"raw\"},{\"path\":\"/e\",\"format\":\"qcow2\",\"size\":512}]}" },
        { "nic",
          { "user,forward=tcp:2222:22,forward=80:8080" },
          "{\"nics\":[{\"type\":\"user\",\"forwards\":[{\"protocol\":\"tcp\",\"host_port\":2222,\"guest_port\":22},"
          "{\"protocol\":\"tcp\",\"host_port\":80,\"guest_port\":8080}]}]}" },
        { "nic",
          { "type=user,forward=udp:0.0.0.0:53:53" },
          "{\"nics\":[{\"type\":\"user\",\"forwards\":[{\"protocol\":\"udp\",\"host_address\":\"0.0.0.0\","
          "\"host_port\":53,\"guest_port\":53}]}]}" },
        { "nic",
          { "user,forward=127.0.0.2:1:2" },
          "{\"nics\":[{\"type\":\"user\",\"forwards\":[{\"protocol\":\"tcp\",\"host_address\":\"127.0.0.2\","
          "\"host_port\":1,\"guest_port\":2}]}]}" },
        { "root", { "none" }, "{\"root\":{\"type\":\"none\"}}" },
        { "root", { "luks:00" }, "{\"root\":{\"type\":\"luks\",\"header_digest\":\"00\"}}" },
        { "root", { "verity:ff" }, "{\"root\":{\"type\":\"verity\",\"root_hash\":\"ff\"}}" },
        { "require-secret", { "a", "b" }, "{\"required_secrets\":[\"a\",\"b\"]}" },
        { "numa-node", { "1" }, "{\"tuning\":{\"numa_node\":1}}" },
};

static size_t count(const char *const values[4]) {
        size_t n = 0;

        while (n < 4 && values[n])
                n++;
        return n;
}

static void test_each_flag_sets_its_member(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                CVM_CLEANUP(cvm_json_putp) json_object *document = json_object_new_object();
                CVM_CLEANUP(cvm_freep) char *text = NULL;
                struct cvm_error err = { 0 };

                if (definition_flag_set(document, good[i].flag, good[i].values, count(good[i].values), "/w",
                                        &err) < 0)
                        fail_msg("--%s: %s", good[i].flag, err.text);
                text = cvm_json_text(document);
                assert_string_equal(text, good[i].expected);
        }
}

static const struct {
        const char *flag, *value, *words;
} bad[] = {
        { "colour", "red", "there is no flag '--colour'" },
        { "label", "a", "--label: must be KEY=VALUE, not 'a'" },
        { "option", "smt", "--option: must be KEY=VALUE" },
        { "disk", "path=d,colour=red", "--disk: 'colour' is no KEY=VALUE" },
        { "disk", "path=d,raw", "--disk: 'raw' is no KEY=VALUE" },
        { "disk", "path=d,path=e", "--disk: 'path' is given twice" },
        { "disk", "d,path=e", "--disk: 'path' is given twice" },
        { "nic", "user,forward=22", "--nic: forward must be" },
        { "nic", "user,forward=1:2:3:4:5", "--nic: forward must be" },
        { "nic", "user,forward=127.0.0.1:127.0.0.1:3:4", "--nic: forward must be" },
};

static void test_refusals_name_the_flag(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                CVM_CLEANUP(cvm_json_putp) json_object *document = json_object_new_object();
                struct cvm_error err = { 0 };

                assert_true(definition_flag_set(document, bad[i].flag, &bad[i].value, 1, "/w", &err) < 0);
                assert_ptr_equal(err.code, &CVM_CODE_ARGUMENT);
                if (!strstr(err.text, bad[i].words))
                        fail_msg("--%s %s: \"%s\"", bad[i].flag, bad[i].value, err.text);
        }
}

static json_object *parse(const char *text) {
        json_object *node = NULL;

        assert_int_equal(cvm_json_parse(text, strlen(text), "x", &node, NULL), 0);
        return node;
}

static void test_flags_stand_over_a_file(void **state) {
        CVM_CLEANUP(cvm_json_putp)
        json_object *document =
                        parse("{\"platform\":[\"sev-snp\"],\"disks\":[1,2],\"boot\":{\"kernel\":\"/a\"},"
                              "\"labels\":{\"a\":\"1\",\"b\":\"1\"}}");
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        assert_int_equal(definition_flag_set(document, "disk", &(const char *){ "/d" }, 1, "/w", NULL), 0);
        assert_int_equal(definition_flag_set(document, "initrd", &(const char *){ "/i" }, 1, "/w", NULL), 0);
        assert_int_equal(definition_flag_set(document, "label", &(const char *){ "b=2" }, 1, "/w", NULL), 0);
        assert_int_equal(definition_flag_set(document, "option", &(const char *){ "smt=no" }, 1, "/w", NULL),
                         0);
        text = cvm_json_text(document);
        assert_string_equal(text,
                            "{\"platform\":[\"sev-snp\"],\"boot\":{\"kernel\":\"/a\",\"initrd\":\"/i\"},"
                            "\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"disks\":[{\"path\":\"/d\"}],"
                            "\"sev-snp\":{\"smt\":false}}");
}

/* A file that has something else where an object must be is refused, not followed. */
static void test_a_file_of_another_shape(void **state) {
        CVM_CLEANUP(cvm_json_putp) json_object *document = parse("{\"boot\":7,\"platform\":[]}");
        struct cvm_error err = { 0 };

        assert_true(definition_flag_set(document, "kernel", &(const char *){ "/k" }, 1, "/w", &err) < 0);
        assert_string_equal(err.text, "--kernel: 'boot' must be an object");
        assert_int_equal(definition_flag_set(document, "option", &(const char *){ "a=b" }, 1, "/w", NULL),
                         0);
}

/* What the flags build, the reader takes. */
static void test_the_reader_takes_it(void **state) {
        static const struct {
                const char *flag, *value;
        } flags[] = {
                { "vcpus", "2" },        { "memory", "2GiB" },          { "kernel", "k" },
                { "initrd", "i" },       { "cmdline", "quiet" },        { "disk", "d,format=raw" },
                { "simulate", "" },      { "nic", "user,forward=2:3" }, { "label", "a=b" },
                { "option", "smt=off" },
        };
        CVM_CLEANUP(cvm_json_putp) json_object *document = parse("{\"version\":1}");
        CVM_CLEANUP(definition_freep) struct definition *d = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                assert_int_equal(definition_flag_set(document, flags[i].flag, &flags[i].value, 1, "/w",
                                                     &err),
                                 0);
        text = cvm_json_text(document);
        if (definition_read(text, strlen(text), "flags", &d, &err) < 0)
                fail_msg("%s", err.text);
        assert_string_equal(d->kernel, "/w/k");
        assert_int_equal(d->nics[0].forwards[0].guest_port, 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_flag_sets_its_member),
                cmocka_unit_test(test_refusals_name_the_flag),
                cmocka_unit_test(test_flags_stand_over_a_file),
                cmocka_unit_test(test_a_file_of_another_shape),
                cmocka_unit_test(test_the_reader_takes_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
