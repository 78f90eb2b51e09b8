/* The definition: what is complete, and one refusal for each way to get it wrong, naming the field. */
#include "launch/definition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OWNER "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="

static struct definition *read_ok(const char *text) {
        struct definition *d = NULL;
        struct cvm_error err = { 0 };

        if (definition_read(text, strlen(text), "x.json", &d, &err) < 0)
                fail_msg("%s: %s", text, err.text);
        return d;
}

static void test_the_shortest(void **state) {
        CVM_CLEANUP(definition_freep) struct definition *d = read_ok("{\"version\":1,\"image\":\"debian\"}");

        assert_int_equal(d->vcpus, 2);
        assert_int_equal(d->memory, 2ull << 30);
        assert_int_equal(d->console, CONSOLE_LOG);
        assert_false(d->simulate);
}

static void test_a_full_one(void **state) {
        CVM_CLEANUP(definition_freep)
        struct definition *d = read_ok(
                        "{\"version\":1,\"name\":\"web-1.a\",\"uuid\":\"11111111-2222-3333-4444-555555555555\","
                        "\"platform\":[\"sev-snp\"],\"simulate\":true,\"vcpus\":4,\"memory\":\"512MiB\","
                        "\"cpu_model\":\"EPYC-Milan-v2\",\"firmware\":\"/f.fd\",\"boot\":{\"kernel\":\"/k\","
                        "\"initrd\":\"/i\",\"cmdline\":\"quiet\"},\"disks\":[{\"path\":\"/d.raw\",\"format\":\"raw\","
                        "\"serial\":\"root\"},{\"path\":\"/e\",\"format\":\"qcow2\",\"size\":\"1GiB\"}],"
                        "\"nics\":[{\"type\":\"user\",\"mac\":\"52:54:00:00:00:01\",\"forwards\":[{\"protocol\":\"tcp\","
                        "\"host_port\":2222,\"guest_port\":22}]},{\"type\":\"bridge\",\"name\":\"br0\"}],"
                        "\"console\":\"interactive\",\"owner\":\"" OWNER "\",\"root\":{\"type\":\"none\"},"
                        "\"approval\":true,\"hold\":true,\"required_secrets\":[\"db-password\"],\"on_refused\":\"kill\","
                        "\"labels\":{\"team\":\"red\"},\"restart\":\"on-failure\",\"autostart\":true,\"reserve\":true,\"user\":\"alice\","
                        "\"tuning\":{\"hugepages\":true,\"numa_node\":1},\"accel\":\"tcg\","
                        "\"sev-snp\":{\"smt\":false,\"debug\":true}}");

        assert_string_equal(d->name, "web-1.a");
        assert_int_equal(d->platforms[0], CVM_PLATFORM_SEV_SNP);
        assert_int_equal(d->memory, 512ull << 20);
        assert_int_equal(d->n_disks, 2);
        assert_int_equal(d->disks[1].size, 1ull << 30);
        assert_int_equal(d->nics[0].forwards[0].guest_port, 22);
        assert_string_equal(d->labels[0], "team=red");
        assert_true(d->reserve);
        assert_non_null(d->platform_options[CVM_PLATFORM_SEV_SNP]);
        CVM_CLEANUP(cvm_freep) char *cmdline = NULL;
        assert_int_equal(definition_cmdline(d, &cmdline, NULL), 0);
        assert_non_null(strstr(cmdline, "quiet cvm.owner="));
        assert_int_equal(strlen(cmdline), strlen("quiet cvm.owner=") + 96);
}

/* Members after the version, and words that the refusal must have. */
static const struct {
        const char *members, *words;
} refusals[] = {
        { "\"nme\":1", "'nme' in 'x.json' is not a known field" },
        { "\"vcpus\":1,\"vcpus\":2", "'vcpus' is given twice" },
        { "\"name\":\"../etc\"", "'name'" },
        { "\"name\":\"a/b\"", "'name'" },
        { "\"name\":\"a..b\"", "'name'" },
        { "\"name\":\"\"", "'name'" },
        { "\"name\":\"Web\"", "'name'" },
        { "\"uuid\":\"00000000-0000-0000-0000-000000000000\"", "'uuid'" },
        { "\"uuid\":\"11111111222233334444555555555555\"", "'uuid'" },
        { "\"uuid\":\"AAAAAAAA-2222-3333-4444-555555555555\"", "'uuid'" },
        { "\"platform\":\"sev\"", "'platform' in 'x.json' is no platform" },
        { "\"platform\":[\"sev-snp\",\"sev-snp\"]", "'platform[1]' in 'x.json' is given twice" },
        { "\"platform\":7", "'platform'" },
        { "\"platform\":[]", "'platform' in 'x.json' must not be empty" },
        { "\"vcpus\":0", "'vcpus' in 'x.json' is 0" },
        { "\"vcpus\":513", "'vcpus' in 'x.json' is 513" },
        { "\"vcpus\":-1", "'vcpus'" },
        { "\"vcpus\":1.5", "'vcpus'" },
        { "\"memory\":\"12MiB\"", "'memory' in 'x.json' is 12 MiB, less than 256 MiB" },
        { "\"memory\":\"12\"", "'memory'" },
        { "\"memory\":\"-2GiB\"", "'memory'" },
        { "\"memory\":\"99999999TiB\"", "'memory'" },
        { "\"memory\":\"17TiB\"", "'memory'" },
        { "\"memory\":\"2 GiB\"", "'memory'" },
        { "\"memory\":300000001", "'memory' in 'x.json' must be whole MiB" },
        { "\"cpu_model\":\"EPYC,+avx\"", "'cpu_model'" },
        { "\"firmware\":\"/a/../b\"", "'firmware'" },
        { "\"firmware\":\"\"", "'firmware'" },
        { "\"firmware\":\"a/b\"", "'firmware' in 'x.json' must be an absolute path" },
        { "\"firmware\":\"/a/\"", "'firmware'" },
        { "\"firmware\":\"/a/..\"", "'firmware'" },
        { "\"firmware\":\".\"", "'firmware'" },
        { "\"firmware\":\"/a\\u0000b\"", "'firmware' in 'x.json' must not have control" },
        { "\"boot\":{\"initrd\":\"/i\"}", "no kernel" },
        { "\"boot\":{\"cmdline\":\"x\"}", "no kernel" },
        { "\"boot\":{\"shim\":\"/s\"}", "no kernel" },
        { "\"boot\":{\"kernel\":\"/k\",\"cmdline\":\"a cvm.owner=1\"}",
          "'boot.cmdline' in 'x.json' must not have cvm.owner" },
        { "\"boot\":{\"kernel\":\"/k\",\"cmdline\":\"a\\\"cvm.owner=1\"}",
          "'boot.cmdline' in 'x.json' must not have cvm.owner" },
        { "\"boot\":{\"kernel\":\"/k\",\"cmdline\":\"a\\u00a0b\"}",
          "'boot.cmdline' in 'x.json' must be printable ASCII" },
        { "\"boot\":{\"kernel\":\"/k\",\"cmdline\":\"a\\nb\"}",
          "'boot.cmdline' in 'x.json' must not have control" },
        { "\"boot\":{\"kernel\":\"/k\",\"disk\":\"root\"}", "'boot.disk'" },
        { "\"boot\":{\"disk\":\"root\"}", "'boot.disk' in 'x.json' is the serial of none" },
        { "\"boot\":{\"kernel\":\"..\"}", "'boot.kernel'" },
        { "\"disks\":{}", "'disks' in 'x.json' must be a list" },
        { "\"disks\":[{\"path\":\"/d\"}]", "'disks[0].format' in 'x.json' is missing" },
        { "\"disks\":[{\"path\":\"/d\",\"format\":\"vmdk\"}]", "'disks[0].format'" },
        { "\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"serial\":\"a,b\"}]", "'disks[0].serial'" },
        { "\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"serial\":\"a\"},{\"path\":\"/e\",\"format\":\"raw\","
          "\"serial\":\"a\"}]",
          "'disks[1]' in 'x.json' has the serial 'a' of another" },
        { "\"disks\":[{\"path\":\"/d\",\"format\":\"raw\"},{\"path\":\"/d\",\"format\":\"raw\"}]",
          "given twice" },
        { "\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"size\":1000}]", "'size'" },
        { "\"disks\":[{\"path\":\"d\",\"format\":\"raw\",\"size\":1024}]", "no path" },
        { "\"boot\":{\"disk\":\"a\"},"
          "\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"size\":1024,\"serial\":\"a\"}]",
          "made empty here" },
        { "\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"size\":1024,\"readonly\":true}]", "'size'" },
        { "\"nics\":[{\"type\":\"user\",\"mac\":\"52:54:00:00:00:01\"},{\"type\":\"user\",\"mac\":\"52:54:00:00:00:01\"}]",
          "'nics[1]' in 'x.json' has the mac" },
        { "\"nics\":[{\"type\":\"tap\",\"name\":\"t\"},{\"type\":\"tap\",\"name\":\"t\"}]",
          "'nics[1]' in 'x.json' has the tap device 't' of another" },
        { "\"nics\":[{\"type\":\"none\",\"mac\":\"52:54:00:00:00:01\"}]",
          "'nics[0]' in 'x.json' may not have a 'mac'" },
        { "\"nics\":[{\"type\":\"tap\"}]", "'nics[0]' in 'x.json' needs a 'name'" },
        { "\"nics\":[{\"type\":\"user\",\"name\":\"x\"}]", "'nics[0]' in 'x.json' needs a 'name'" },
        { "\"nics\":[{\"type\":\"tap\",\"name\":\"a/b\"}]", "'nics[0].name'" },
        { "\"nics\":[{\"type\":\"tap\",\"name\":\"a,script=x\"}]", "'nics[0].name'" },
        { "\"nics\":[{\"type\":\"user\",\"mac\":\"53:54:00:00:00:01\"}]", "'nics[0].mac'" },
        { "\"nics\":[{\"type\":\"user\",\"mac\":\"52:54:00:00:00:01,x\"}]", "'nics[0].mac'" },
        { "\"nics\":[{\"type\":\"user\",\"forwards\":[{\"host_port\":0,\"guest_port\":22}]}]", "host_port" },
        { "\"nics\":[{\"type\":\"user\",\"forwards\":[{\"host_port\":1,\"guest_port\":70000}]}]",
          "guest_port" },
        { "\"nics\":[{\"type\":\"user\",\"forwards\":[{\"host_port\":1,\"guest_port\":2,\"host_address\":\"x\"}]}]",
          "host_address" },
        { "\"nics\":[{\"type\":\"tap\",\"name\":\"t\",\"forwards\":[{\"host_port\":1,\"guest_port\":2}]}]",
          "'forwards'" },
        { "\"image\":\"a/b\"", "'image'" },
        { "\"console\":\"loud\"", "'console' in 'x.json' must be one of 'log', 'interactive', 'none'" },
        { "\"owner\":\"AAAA\"", "'owner'" },
        { "\"owner\":\"-----BEGIN PUBLIC KEY-----\"", "'owner'" },
        { "\"approval\":true", "'approval' in 'x.json' needs an 'owner'" },
        { "\"hold\":true", "'hold' in 'x.json' needs an 'owner'" },
        { "\"service\":\"" OWNER "\"", "'service' in 'x.json' needs an 'owner'" },
        { "\"root\":{\"type\":\"verity\",\"root_hash\":"
          "\"0000000000000000000000000000000000000000000000000000000000000000\"}",
          "'root' in 'x.json' needs an 'owner'" },
        { "\"required_secrets\":[\"a\"]", "'required_secrets' in 'x.json' needs an 'owner'" },
        { "\"owner\":\"" OWNER "\",\"required_secrets\":[\"a\",\"a\"]",
          "'required_secrets' in 'x.json' names a secret twice" },
        { "\"owner\":\"" OWNER "\",\"required_secrets\":[\"../a\"]", "'required_secrets'" },
        { "\"owner\":\"" OWNER "\",\"root\":{\"type\":\"luks\"}",
          "'root' in 'x.json' needs 'header_digest'" },
        { "\"owner\":\"" OWNER "\",\"root\":{\"type\":\"none\",\"root_hash\":"
          "\"0000000000000000000000000000000000000000000000000000000000000000\"}",
          "'root' in 'x.json' needs 'root_hash'" },
        { "\"labels\":{\"A\":\"x\"}", "'labels.A'" },
        { "\"labels\":{\"a\":1}", "'labels.a'" },
        { "\"restart\":\"maybe\"", "'restart'" },
        { "\"tuning\":{\"numa_node\":5000}", "'tuning.numa_node'" },
        { "\"sev-snp\":{\"smt\":1}", "'sev-snp.smt' in 'x.json' must be true or false" },
        { "\"sev-snp\":{\"migrate_ma\":true}", "'sev-snp.migrate_ma' in 'x.json' cannot be" },
        { "\"sev-snp\":{\"vcpu_signature\":0}", "'sev-snp.vcpu_signature'" },
        { "\"sev-snp\":{\"guest_features\":32}", "'sev-snp.guest_features' in 'x.json' must have bit 0" },
        { "\"sev-snp\":7", "'sev-snp' in 'x.json'" },
        { "\"sev-snp\":{\"colour\":true}", "'sev-snp.colour' in 'x.json' is not a known field" },
};

static void test_refusals_name_the_field(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
                CVM_CLEANUP(definition_freep) struct definition *d = NULL;
                CVM_CLEANUP(cvm_freep) char *text = NULL;
                struct cvm_error err = { 0 };

                assert_true(asprintf(&text, "{\"version\":1,%s}", refusals[i].members) > 0);
                if (definition_read(text, strlen(text), "x.json", &d, &err) >= 0)
                        fail_msg("%s was taken", text);
                if (!strstr(err.text, refusals[i].words))
                        fail_msg("%s: \"%s\", not \"%s\"", text, err.text, refusals[i].words);
                assert_int_equal(cvm_code_exit_status(err.code), 2);
        }
}

static void test_a_long_command_line_is_refused(void **state) {
        CVM_CLEANUP(definition_freep) struct definition *d = NULL;
        struct cvm_error err = { 0 };
        char text[4096];

        snprintf(text, sizeof text,
                 "{\"version\":1,\"owner\":\"%s\",\"boot\":{\"kernel\":\"/k\",\"cmdline\":\"%0*d\"}}", OWNER,
                 DEFINITION_CMDLINE_MAX - 50, 0);
        assert_true(definition_read(text, strlen(text), "x.json", &d, &err) < 0);
        assert_non_null(strstr(err.text, "cvm.owner included"));
}

static void test_the_binding_follows(void **state) {
        static const char text[] =
                        "{\"version\":1,\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"simulate\":true,"
                        "\"owner\":\"" OWNER "\",\"required_secrets\":[\"a\",\"b\"],\"approval\":true}";
        CVM_CLEANUP(definition_freep) struct definition *d = read_ok(text);
        CVM_CLEANUP(binding_done) struct binding b = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(definition_binding(d, CVM_PLATFORM_SEV_SNP, 3, &b, &err), 0);
        assert_int_equal(b.class_, CVM_CLASS_SIMULATED);
        assert_int_equal(definition_check_binding(d, CVM_PLATFORM_SEV_SNP, &b, &err), 0);
        b.approval = false;
        assert_true(definition_check_binding(d, CVM_PLATFORM_SEV_SNP, &b, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_BINDING_DEFINITION);
        assert_non_null(strstr(err.text, "'approval'"));
        b.approval = true;
        b.required_secrets[1][0] = 'c';
        assert_true(definition_check_binding(d, CVM_PLATFORM_SEV_SNP, &b, &err) < 0);
        assert_non_null(strstr(err.text, "'required_secrets'"));
}

/* Bindings are signed and measured: these bytes and their digest are the same in every release. */
static void test_bytes_of_a_binding_never_change(void **state) {
        const char *text =
                        "{\"version\":1,\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"simulate\":true,"
                        "\"owner\":\"" OWNER "\",\"service\":\"" OWNER
                        "\",\"root\":{\"type\":\"verity\",\"root_hash\":"
                        "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"},"
                        "\"required_secrets\":[\"b\",\"a\"],\"approval\":true,\"labels\":{\"a\":\"b\"},\"vcpus\":7}";
        CVM_CLEANUP(definition_freep) struct definition *d = read_ok(text);
        CVM_CLEANUP(binding_done) struct binding b = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t digest[CVM_SHA256_SIZE];
        char hex[2 * CVM_SHA256_SIZE + 1];

        assert_int_equal(definition_binding(d, CVM_PLATFORM_SEV_SNP, 3, &b, NULL), 0);
        assert_int_equal(binding_write(&b, &payload, NULL), 0);
        assert_string_equal(
                        (char *)payload.data,
                        "{\"version\":1,\"serial\":3,\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"platform\""
                        ":\"sev-snp\",\"class\":\"simulated\",\"owner_id\":\"9f4eb04c5bd0212d9c22aae208c208f1f3c29"
                        "8ee4cd4229997e3b49361bc3f4fbbfcaef96ca70d0f0b56aab242dd62ba\",\"root\":{\"type\":\"ver"
                        "ity\",\"root_hash\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
                        "ef\"},\"required_secrets\":[\"b\",\"a\"],\"service_id\":\"9f4eb04c5bd0212d9c22aae208c208f1"
                        "f3c298ee4cd4229997e3b49361bc3f4fbbfcaef96ca70d0f0b56aab242dd62ba\",\"approval\":tru"
                        "e}");
        cvm_sha256(payload.data, payload.size, digest);
        cvm_hex(digest, sizeof digest, hex);
        assert_string_equal(hex, "db370739771d69b9f8cc8008df7c9765c74ab19e88540696179564e512dcbc2d");
}

static void refuse_changed(const struct definition *d, const char *field, struct binding *b, void *member,
                           size_t size) {
        struct cvm_error err = { 0 };
        uint8_t saved[64];
        char words[64];

        memcpy(saved, member, size);
        *(uint8_t *)member ^= 1;
        assert_true(definition_check_binding(d, CVM_PLATFORM_SEV_SNP, b, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_BINDING_DEFINITION);
        snprintf(words, sizeof words, "'%s' of the binding", field);
        if (!strstr(err.text, words))
                fail_msg("%s: \"%s\"", field, err.text);
        memcpy(member, saved, size);
}

static void test_each_field_of_a_binding_is_compared(void **state) {
        CVM_CLEANUP(definition_freep)
        struct definition *d = read_ok(
                        "{\"version\":1,\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"simulate\":true,"
                        "\"owner\":\"" OWNER "\",\"required_secrets\":[\"a\"]}");
        CVM_CLEANUP(binding_done) struct binding b = { 0 };

        assert_int_equal(definition_binding(d, CVM_PLATFORM_SEV_SNP, 9, &b, NULL), 0);
        refuse_changed(d, "uuid", &b, b.uuid, 1);
        refuse_changed(d, "platform", &b, &b.platform, sizeof b.platform);
        refuse_changed(d, "class", &b, &b.class_, sizeof b.class_);
        refuse_changed(d, "owner_id", &b, b.owner_id, sizeof b.owner_id);
        refuse_changed(d, "root", &b, &b.root, sizeof b.root);
        refuse_changed(d, "root", &b, b.root_digest, sizeof b.root_digest);
        refuse_changed(d, "required_secrets", &b, b.required_secrets[0], 1);
        refuse_changed(d, "service_id", &b, &b.has_service, sizeof b.has_service);
        refuse_changed(d, "approval", &b, &b.approval, sizeof b.approval);
        assert_int_equal(definition_check_binding(d, CVM_PLATFORM_SEV_SNP, &b, NULL), 0);
}

static void test_a_binding_needs_uuid_and_owner(void **state) {
        static const char *const texts[] = {
                "{\"version\":1,\"owner\":\"" OWNER "\"}",
                "{\"version\":1,\"uuid\":\"11111111-2222-3333-4444-555555555555\"}"
        };
        static const char *const words[] = { "'uuid'", "'owner'" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                CVM_CLEANUP(definition_freep) struct definition *d = read_ok(texts[i]);
                struct binding b = { 0 };
                struct cvm_error err = { 0 };

                assert_true(definition_binding(d, CVM_PLATFORM_SEV_SNP, 1, &b, &err) < 0);
                assert_ptr_equal(err.code, &CVM_CODE_FIELD);
                assert_non_null(strstr(err.text, words[i]));
                assert_null(b.uuid);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_shortest),
                cmocka_unit_test(test_a_full_one),
                cmocka_unit_test(test_refusals_name_the_field),
                cmocka_unit_test(test_a_long_command_line_is_refused),
                cmocka_unit_test(test_the_binding_follows),
                cmocka_unit_test(test_bytes_of_a_binding_never_change),
                cmocka_unit_test(test_each_field_of_a_binding_is_compared),
                cmocka_unit_test(test_a_binding_needs_uuid_and_owner),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
