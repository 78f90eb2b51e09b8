/* The domain of each feature of a definition, texts that would like to be elements, and what is refused. */
#include "vm/libvirt-xml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vm/xml-writer.h"

#define HEAD "{\"version\":1,\"name\":\"web1\",\"uuid\":\"11111111-2222-3333-4444-555555555555\""
#define SIMULATED HEAD ",\"simulate\":true,\"memory\":\"256MiB\",\"vcpus\":3"
#define SNP \
        HEAD ",\"platform\":\"sev-snp\",\"firmware\":\"/f\",\"memory\":\"1GiB\",\"boot\":{\"kernel\":\"/k\"}"
#define TDX HEAD ",\"platform\":\"tdx\",\"firmware\":\"/f\",\"memory\":\"1GiB\",\"boot\":{\"kernel\":\"/k\"}"
#define SE HEAD ",\"platform\":\"secure-execution\",\"memory\":\"1GiB\",\"boot\":{\"kernel\":\"/i\"}"

struct scene {
        struct definition *definition;
        struct plan *plan;
        const char *sources[40], *groups[40];
        struct libvirt_domain domain;
        char *xml;
};

static void scene_done(struct scene *s) {
        free(s->xml);
        plan_free(s->plan);
        definition_free(s->definition);
}

/* `change` has the last word on what is rendered. */
static int make(struct scene *s, const char *head, const char *members, void (*change)(struct scene *s),
                struct cvm_error *err) {
        static const struct host_facts host = { .offers = { [CVM_PLATFORM_SEV_SNP] = true,
                                                            [CVM_PLATFORM_TDX] = true,
                                                            [CVM_PLATFORM_SECURE_EXECUTION] = true },
                                                .encryption_bit = 51,
                                                .has_quote_service = true };
        CVM_CLEANUP(cvm_freep) char *document = NULL;
        int r;

        *s = (struct scene){ 0 };
        assert_true(asprintf(&document, "%s%s}", head, members) > 0);
        r = definition_read(document, strlen(document), "test", &s->definition, err);
        if (r >= 0)
                r = plan_make(s->definition, &host, NULL, &s->plan, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < s->plan->n_files; i++)
                s->sources[i] = s->plan->files[i].source;
        s->domain = (struct libvirt_domain){ .plan = s->plan,
                                             .name = "web1",
                                             .uuid = s->definition->uuid,
                                             .sources = s->sources,
                                             .runtime_dir = "/run/x",
                                             .uid = 1234,
                                             .emulator = "/usr/bin/qemu-system-x86_64",
                                             .console_log = "/run/x/console.log" };
        if (change)
                change(s);
        return libvirt_xml(&s->domain, &s->xml, err);
}

static void make_fine(struct scene *s, const char *head, const char *members) {
        struct cvm_error err = { 0 };

        if (make(s, head, members, NULL, &err) < 0)
                fail_msg("%s: %s", members, err.text);
}

static void expect(const struct scene *s, const char *part) {
        if (!strstr(s->xml, part))
                fail_msg("not there: %s\nin:\n%s", part, s->xml);
}

static void test_closed_by_default(void **state) {
        static const char *const always[] = {
                "<domain type='qemu'>\n  <name>web1</name>\n  <uuid>11111111-2222-3333-4444-555555555555</uuid>\n",
                "<memory unit='KiB'>262144</memory>\n  <vcpu placement='static'>3</vcpu>\n",
                "<type arch='x86_64' machine='q35'>hvm</type>\n  </os>\n",
                "<features>\n    <acpi/>\n  </features>\n",
                "<cpu mode='maximum' check='none'>\n    <topology sockets='1' cores='3' threads='1'/>\n  </cpu>\n",
                "<on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n  "
                "<on_crash>destroy</on_crash>\n",
                "<controller type='usb' model='none'/>\n",
                "<source mode='bind' path='/run/x/agent.sock'/>\n      "
                "<target type='virtio' name='org.cvmd.agent.0'/>\n",
                "<source mode='bind' path='/run/x/tee.sock'/>\n",
                "<serial type='file'>\n      <source path='/run/x/console.log' append='on'/>\n      "
                "<target type='isa-serial' port='0'/>\n",
                "<memballoon model='none'/>\n",
                "<seclabel type='static' model='dac' relabel='yes'>\n    <label>+1234:+1234</label>\n",
        };
        static const char *const never[] = { "launchSecurity", "<kernel",     "<loader", "<disk",
                                             "<interface",     "<graphics",   "<video",  "<input",
                                             "memoryBacking",  "commandline", "tcg" };
        CVM_CLEANUP(scene_done) struct scene s;

        make_fine(&s, SIMULATED, "");
        for (size_t i = 0; i < ARRAY_SIZE(always); i++)
                expect(&s, always[i]);
        for (size_t i = 0; i < ARRAY_SIZE(never); i++)
                if (strstr(s.xml, never[i]))
                        fail_msg("%s is there:\n%s", never[i], s.xml);
}

#define AT(slot) "<address type='pci' domain='0x0000' bus='0x00' slot='" slot "' function='0x0'/>\n"

static void test_each_feature(void **state) {
        static const struct {
                const char *members, *part;
        } cases[] = {
                { ",\"boot\":{\"kernel\":\"/k\",\"initrd\":\"/i\",\"cmdline\":\"quiet splash\"}",
                  "<kernel>/k</kernel>\n    <initrd>/i</initrd>\n    <cmdline>quiet splash</cmdline>\n" },
                { ",\"disks\":[{\"path\":\"/d\",\"format\":\"raw\"}]",
                  "<driver name='qemu' type='raw'/>\n      <source file='/d'/>\n      "
                  "<target dev='vda' bus='virtio'/>\n      " AT("0x01") },
                { ",\"disks\":[{\"path\":\"/d\",\"format\":\"qcow2\",\"readonly\":true,\"serial\":\"a.b\"}]",
                  "type='qcow2'/>\n      <source file='/d'/>\n      <target dev='vda' bus='virtio'/>\n      "
                  "<readonly/>\n      <serial>a.b</serial>\n" },
                { ",\"boot\":{\"disk\":\"a.b\"},"
                  "\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"serial\":\"a.b\"}]",
                  "<serial>a.b</serial>\n      <boot order='1'/>\n" },
                { ",\"nics\":[{\"type\":\"none\"},{\"type\":\"tap\",\"name\":\"tap0\","
                  "\"mac\":\"52:54:00:12:34:56\"}]",
                  "<interface type='ethernet'>\n      <target dev='tap0' managed='no'/>\n      "
                  "<mac address='52:54:00:12:34:56'/>\n      <model type='virtio'/>\n      "
                  "<rom enabled='no'/>\n      " AT("0x01") },
                { ",\"nics\":[{\"type\":\"bridge\",\"name\":\"br0\"},{\"type\":\"user\"}]",
                  "<interface type='bridge'>\n      <source bridge='br0'/>\n      <mac address='52:54:00:" },
                { ",\"tuning\":{\"hugepages\":true}", "<hugepages/>\n    <source type='memfd'/>\n" },
                { ",\"tuning\":{\"numa_node\":1}", "<memory mode='strict' nodeset='1'/>\n" },
                { ",\"console\":\"interactive\"", "<serial type='pty'>\n      "
                                                  "<log file='/run/x/console.log' append='on'/>\n" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(scene_done) struct scene s;

                make_fine(&s, SIMULATED, cases[i].members);
                expect(&s, cases[i].part);
        }
}

static void test_what_takes_away(void **state) {
        CVM_CLEANUP(scene_done) struct scene none;
        CVM_CLEANUP(scene_done) struct scene firmware;

        make_fine(&none, SIMULATED, ",\"console\":\"none\"");
        assert_null(strstr(none.xml, "serial type="));
        make_fine(&firmware, SIMULATED, ",\"firmware\":\"/f\",\"boot\":{\"kernel\":\"/k\"}");
        assert_null(strstr(firmware.xml, "<loader")); /* measured only */
        expect(&firmware, "<kernel>/k</kernel>");
}

static void test_confidential_guests(void **state) {
        static const char owner[] =
                        ",\"owner\":\"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\"";
        CVM_CLEANUP(scene_done) struct scene snp;
        CVM_CLEANUP(scene_done) struct scene tdx;

        make_fine(&snp, SNP, owner);
        expect(&snp, "<loader type='rom' stateless='yes'>/f</loader>\n    <kernel>/k</kernel>");
        expect(&snp, "<model fallback='forbid'>EPYC-v4</model>");
        expect(&snp, "<launchSecurity type='sev-snp' kernelHashes='yes'>\n    <policy>0x30000</policy>\n  "
                     "</launchSecurity>\n");
        assert_null(strstr(snp.xml, "cbitpos"));
        assert_null(strstr(snp.xml, "tee.sock"));
        make_fine(&tdx, TDX, "");
        expect(&tdx, "<pmu state='off'/>\n    <ioapic driver='qemu'/>\n");
        expect(&tdx, "<cpu mode='host-passthrough' check='none'>\n    <topology sockets='1' cores='2' "
                     "threads='1'/>\n    <feature policy='disable' name='pks'/>\n");
        expect(&tdx, "<launchSecurity type='tdx'>\n    <policy>0x10000000</policy>\n    "
                     "<quoteGenerationService path='/run/tdx-qgs/qgs.socket'/>\n");
}

/* All that a plan's object can have, without a definition that has it. */
static void add_id_block(struct scene *s) {
        struct cvm_error err = { 0 };

        assert_int_equal(plan_add(s->plan, "id-auth", json_object_new_string("QVVUSA=="), &err), 0);
        assert_int_equal(plan_add(s->plan, "id-block", json_object_new_string("QkxPQ0s="), &err), 0);
        assert_int_equal(plan_add(s->plan, "host-data", json_object_new_string("SE9TVA=="), &err), 0);
        assert_int_equal(plan_add(s->plan, "author-key-enabled", json_object_new_boolean(true), &err), 0);
        s->domain.use_kvm = true;
}

static void add_owner(struct scene *s) {
        struct cvm_error err = { 0 };

        assert_int_equal(plan_add(s->plan, "mrconfigid", json_object_new_string("QQ=="), &err), 0);
        assert_int_equal(plan_add(s->plan, "mrowner", json_object_new_string("Qg=="), &err), 0);
}

static void test_what_the_owner_signed(void **state) {
        CVM_CLEANUP(scene_done) struct scene snp;
        CVM_CLEANUP(scene_done) struct scene tdx;
        struct cvm_error err = { 0 };

        assert_int_equal(make(&snp, SNP, "", add_id_block, &err), 0);
        expect(&snp, "<domain type='kvm'>");
        expect(&snp, "<launchSecurity type='sev-snp' kernelHashes='yes' authorKey='yes'>\n"
                     "    <policy>0x30000</policy>\n    <idBlock>QkxPQ0s=</idBlock>\n    "
                     "<idAuth>QVVUSA==</idAuth>\n    <hostData>SE9TVA==</hostData>\n");
        assert_int_equal(make(&tdx, TDX, "", add_owner, &err), 0);
        expect(&tdx, "<mrConfigId>QQ==</mrConfigId>\n    <mrOwner>Qg==</mrOwner>\n");
}

static void test_another_machine(void **state) {
        CVM_CLEANUP(scene_done) struct scene s;

        make_fine(&s, SE,
                  ",\"disks\":[{\"path\":\"/d\",\"format\":\"raw\"}],\"nics\":[{\"type\":\"user\"}]");
        expect(&s,
               "<type arch='s390x' machine='s390-ccw-virtio'>hvm</type>\n    <kernel>/i</kernel>\n  </os>\n");
        expect(&s, "<cpu mode='host-passthrough' check='none'>");
        expect(&s, "<launchSecurity type='s390-pv'/>\n");
        expect(&s, "<console type='file'>\n      <source path='/run/x/console.log' append='on'/>\n      "
                   "<target type='sclp' port='0'/>\n");
        assert_null(strstr(s.xml, "<address type='pci'"));
        assert_null(strstr(s.xml, "<acpi/>"));
        assert_null(strstr(s.xml, "<rom"));
}

static void as_root_by_groups(struct scene *s) {
        s->groups[1] = "g<1>";
        s->domain.fd_groups = s->groups;
        s->domain.uid = 0;
        s->domain.console_log = NULL;
}

static void test_groups_of_descriptors(void **state) {
        CVM_CLEANUP(scene_done) struct scene s;
        struct cvm_error err = { 0 };

        assert_int_equal(make(&s, SIMULATED,
                              ",\"disks\":[{\"path\":\"/d\",\"format\":\"raw\"},{\"path\":\"/e\","
                              "\"format\":\"raw\"}]",
                              as_root_by_groups, &err),
                         0);
        expect(&s, "<source file='/d'/>\n");
        expect(&s, "<source file='/e' fdgroup='g&lt;1&gt;'/>\n      <target dev='vdb'");
        expect(&s, "<serial type='null'>\n      <target");
        assert_null(strstr(s.xml, "seclabel"));
}

static void without_a_table(struct scene *s) {
        static struct platform platform;

        platform = *s->plan->platform;
        platform.libvirt = NULL;
        s->plan->platform = &platform;
}

static void add_unknown(struct scene *s) {
        assert_int_equal(plan_add(s->plan, "migration-agent", json_object_new_boolean(true), NULL), 0);
}

static void name_bytes(struct scene *s) {
        s->sources[0] = "/f\x01";
}

static void name_no_utf8(struct scene *s) {
        s->sources[0] = "/f\xff";
}

static void name_no_character(struct scene *s) {
        s->sources[0] = "/f\xef\xbf\xbe";
}

static void name_no_character_either(struct scene *s) {
        s->sources[0] = "/f\xef\xbf\xbf";
}

/* Never left out silently, and named as the user wrote it. */
static void test_what_cannot_be_said(void **state) {
        static const struct {
                const char *head, *members;
                void (*change)(struct scene *s);
                const char *words;
        } cases[] = {
                { SIMULATED,
                  ",\"nics\":[{\"type\":\"none\"},{\"type\":\"user\",\"forwards\":[{\"host_port\":1,"
                  "\"guest_port\":1}]}]",
                  NULL, "'nics[1].forwards'" },
                { SNP, ",\"sev-snp\":{\"guest_features\":33}", NULL,
                  "'sev-snp.guest_features': QEMU's 'debug-swap'" },
                { SNP, ",\"sev-snp\":{\"vcpu_signature\":10489617}", NULL, "'family=" },
                { SNP, "", add_unknown, "'sev-snp': QEMU's 'migration-agent'" },
                { SNP, "", without_a_table, "'platform'" },
                { TDX, ",\"tdx\":{\"pks\":true}", NULL,
                  "'tdx': the bits 0x40000000 of QEMU's 'attributes'" },
                { SNP, "", name_bytes, "a path has bytes" },
                { SNP, "", name_no_utf8, "a path has bytes" },
                { SNP, "", name_no_character, "a path has bytes" },
                { SNP, "", name_no_character_either, "a path has bytes" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(scene_done) struct scene s;
                struct cvm_error err = { 0 };

                assert_true(make(&s, cases[i].head, cases[i].members, cases[i].change, &err) < 0);
                assert_null(s.xml);
                assert_string_equal(err.code->id, CVM_CODE_LIBVIRT_FIELD.id);
                if (!strstr(err.text, cases[i].words))
                        fail_msg("'%s' is not in '%s'", cases[i].words, err.text);
        }
}

static void test_no_slot_is_left(void **state) {
        char members[4096] = ",\"disks\":[";
        CVM_CLEANUP(scene_done) struct scene s;
        struct cvm_error err = { 0 };

        for (int i = 0; i < DEFINITION_DISKS_MAX; i++)
                snprintf(members + strlen(members), sizeof members - strlen(members),
                         "%s{\"path\":\"/d%d\",\"format\":\"raw\"}", i ? "," : "", i);
        strcat(members, "]");
        assert_true(make(&s, SIMULATED, members, NULL, &err) < 0);
        assert_non_null(strstr(err.text, "'disks': with the NICs"));
}

/* Each text that reaches the XML stays a text. */
static void test_hostile_texts(void **state) {
        static const char *const members[] = {
                ",\"boot\":{\"kernel\":\"/%s\"}",
                ",\"boot\":{\"kernel\":\"/k\",\"cmdline\":\"%s\"}",
                ",\"boot\":{\"kernel\":\"/k\",\"initrd\":\"/%s\"}",
                ",\"disks\":[{\"path\":\"/%s\",\"format\":\"raw\"}]",
                ",\"disks\":[{\"path\":\"/d\",\"format\":\"raw\",\"serial\":\"%s\"}]",
                ",\"nics\":[{\"type\":\"tap\",\"name\":\"%s\"}]",
                ",\"nics\":[{\"type\":\"bridge\",\"name\":\"%s\"}]",
                ",\"cpu_model\":\"%s\"",
        };
        static const char *const texts[] = { "'/><evil/>",  "</kernel><evil/>", "]]><evil/>",
                                             "<!--<evil/>", "&evil;",           "' evil='",
                                             "<?evil?>",    "<![CDATA[<evil/>" };
        unsigned made = 0;

        for (size_t m = 0; m < ARRAY_SIZE(members); m++)
                for (size_t t = 0; t < ARRAY_SIZE(texts); t++) {
                        const char *at = strstr(members[m], "%s");
                        CVM_CLEANUP(scene_done) struct scene s;
                        struct cvm_error err = { 0 };
                        char one[1024];

                        snprintf(one, sizeof one, "%.*s%s%s", (int)(at - members[m]), members[m], texts[t],
                                 at + 2);
                        if (make(&s, SIMULATED, one, NULL, &err) < 0)
                                continue;
                        made += strstr(s.xml, "evil") != NULL;
                        if (strstr(s.xml, "<evil") || strstr(s.xml, "&evil") || strstr(s.xml, "' evil") ||
                            strstr(s.xml, "<!") || strstr(s.xml, "<?"))
                                fail_msg("%s gave:\n%s", one, s.xml);
                }
        assert_true(made >= 24); /* that the texts came through where they are allowed */
}

static void test_the_writer(void **state) {
        struct xml_writer w;
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        xml_begin(&w);
        for (int i = 0; i <= XML_DEPTH_MAX; i++)
                xml_open(&w, "a");
        assert_int_equal(xml_take(&w, &text), -E2BIG);
        xml_done(&w);
        xml_begin(&w);
        xml_open(&w, "a");
        xml_mark(&w, "b", "c", "\xc3\xa4&");
        xml_number(&w, UINT64_MAX);
        xml_close(&w);
        assert_int_equal(xml_take(&w, &text), 0);
        assert_string_equal(text, "<a>\n  <b c='\xc3\xa4&amp;'/>18446744073709551615\n</a>\n");
        xml_done(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_closed_by_default),
                cmocka_unit_test(test_each_feature),
                cmocka_unit_test(test_what_takes_away),
                cmocka_unit_test(test_confidential_guests),
                cmocka_unit_test(test_what_the_owner_signed),
                cmocka_unit_test(test_another_machine),
                cmocka_unit_test(test_groups_of_descriptors),
                cmocka_unit_test(test_what_cannot_be_said),
                cmocka_unit_test(test_no_slot_is_left),
                cmocka_unit_test(test_hostile_texts),
                cmocka_unit_test(test_the_writer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
