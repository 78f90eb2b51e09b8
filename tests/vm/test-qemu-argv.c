/* The command line of each feature of a definition, and texts that would like to be options. */
#include "vm/qemu-argv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD                                                                                  \
        "{\"version\":1,\"name\":\"web1\",\"uuid\":\"11111111-2222-3333-4444-555555555555\"," \
        "\"simulate\":true,\"memory\":\"256MiB\",\"vcpus\":3"

struct line {
        struct definition *definition;
        struct plan *plan;
        char **argv;
        char text[8192]; /* one argument a line */
};

static void line_done(struct line *l) {
        cvm_texts_free(l->argv);
        plan_free(l->plan);
        definition_free(l->definition);
}

/* -EINVAL with words where the definition is refused already. */
static int make(struct line *l, const char *members, bool use_kvm, struct cvm_error *err) {
        static const int files[] = { 40, 41, 42, 43 }, taps[] = { 50, 51 };
        const struct qemu_fds fds = { .qmp = 30,
                                      .channels = { 31, 32 },
                                      .console = 33,
                                      .console_log = 34,
                                      .files = files,
                                      .taps = taps };
        char document[4096];
        int r;

        *l = (struct line){ 0 };
        snprintf(document, sizeof document, "%s%s}", HEAD, members);
        r = definition_read(document, strlen(document), "test", &l->definition, err);
        if (r >= 0)
                r = plan_make(l->definition, NULL, NULL, &l->plan, err);
        if (r >= 0)
                r = qemu_argv(l->plan, &fds, use_kvm, &l->argv, err);
        for (size_t i = 0; r >= 0 && l->argv[i]; i++)
                snprintf(l->text + strlen(l->text), sizeof l->text - strlen(l->text), "%s\n", l->argv[i]);
        return r;
}

static void make_fine(struct line *l, const char *members, bool use_kvm) {
        struct cvm_error err = { 0 };

        if (make(l, members, use_kvm, &err) < 0)
                fail_msg("%s: %s", members, err.text);
}

static void expect(const struct line *l, const char *part) {
        if (!strstr(l->text, part))
                fail_msg("not there: %s\nin:\n%s", part, l->text);
}

static void test_closed_by_default(void **state) {
        static const char *const always[] = {
                "qemu-system-x86_64\n-nodefaults\n-no-user-config\n-S\n",
                "-sandbox\non,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny\n",
                "-display\nnone\n",
                "-name\nguest=web1,debug-threads=off\n",
                "-uuid\n11111111-2222-3333-4444-555555555555\n",
                "-machine\nq35,accel=tcg\n",
                "-cpu\nmax\n",
                "-smp\n3\n",
                "-m\n256M\n",
                "-chardev\nsocket,id=monitor,fd=30,server=on,wait=off\n-mon\nchardev=monitor,mode=control\n",
                "socket,id=channel0,fd=31,server=on,wait=off\n",
                "virtserialport,id=port0,chardev=channel0,name=org.cvmd.agent.0\n",
                "socket,id=channel1,fd=32,server=on,wait=off\n",
                "-chardev\nfile,id=console,path=/dev/fdset/1,append=on\n",
        };
        static const char *const never[] = { "-netdev", "-drive", "-hda",          "-vnc",
                                             "-spice",  "-usb",   "-monitor",      "-append",
                                             "-kernel", "-bios",  "memory-backend" };
        CVM_CLEANUP(line_done) struct line l;

        make_fine(&l, "", false);
        for (size_t i = 0; i < ARRAY_SIZE(always); i++)
                expect(&l, always[i]);
        for (size_t i = 0; i < ARRAY_SIZE(never); i++)
                if (strstr(l.text, never[i]))
                        fail_msg("%s is there:\n%s", never[i], l.text);
}

static void make_on_hardware(struct line *l, const char *document, const struct host_facts *host) {
        static const int files[] = { 40, 41 };
        const struct qemu_fds fds = { .qmp = 30, .channels = { 31 }, .console_log = 34, .files = files };
        struct cvm_error err = { 0 };

        assert_int_equal(definition_read(document, strlen(document), "test", &l->definition, &err), 0);
        assert_int_equal(plan_make(l->definition, host, NULL, &l->plan, &err), 0);
        assert_int_equal(qemu_argv(l->plan, &fds, true, &l->argv, &err), 0);
        for (size_t i = 0; l->argv[i]; i++)
                snprintf(l->text + strlen(l->text), sizeof l->text - strlen(l->text), "%s\n", l->argv[i]);
}

static void test_a_confidential_guest(void **state) {
        static const struct host_facts host = { .offers[CVM_PLATFORM_SEV_SNP] = true, .encryption_bit = 51 };
        static const char document[] =
                        "{\"version\":1,\"name\":\"c\",\"uuid\":\"11111111-2222-3333-4444-555555555555\","
                        "\"platform\":\"sev-snp\",\"firmware\":\"f\",\"memory\":\"1GiB\",\"boot\":{\"kernel\":\"k\"}}";
        CVM_CLEANUP(line_done) struct line l = { 0 };

        make_on_hardware(&l, document, &host);
        expect(&l, "-machine\nq35,accel=kvm,confidential-guest-support=guest\n");
        expect(&l,
               "-object\n{\"qom-type\":\"sev-snp-guest\",\"id\":\"guest\",\"cbitpos\":51,\"reduced-phys-bits\":1,"
               "\"policy\":196608,\"kernel-hashes\":true}\n");
        expect(&l, "-cpu\nEPYC-v4\n");
        expect(&l, "-bios\n/proc/self/fd/40\n-kernel\n/proc/self/fd/41\n");
        assert_null(strstr(l.text, "org.cvmd.tee"));
}

/* Another machine: devices on another bus, another console, and an object without properties. */
static void test_a_confidential_guest_of_another_machine(void **state) {
        static const struct host_facts host = { .offers[CVM_PLATFORM_SECURE_EXECUTION] = true };
        static const char document[] =
                        "{\"version\":1,\"name\":\"s\",\"uuid\":\"11111111-2222-3333-4444-555555555555\","
                        "\"platform\":\"secure-execution\",\"memory\":\"1GiB\",\"boot\":{\"kernel\":\"i\"},"
                        "\"disks\":[{\"path\":\"d\",\"format\":\"raw\",\"serial\":\"a\"}],"
                        "\"nics\":[{\"type\":\"user\"}]}";
        CVM_CLEANUP(line_done) struct line l = { 0 };

        make_on_hardware(&l, document, &host);
        expect(&l, "qemu-system-s390x\n-nodefaults\n");
        expect(&l, "-machine\ns390-ccw-virtio,accel=kvm,confidential-guest-support=guest\n");
        expect(&l, "-object\n{\"qom-type\":\"s390-pv-guest\",\"id\":\"guest\"}\n");
        expect(&l, "-cpu\nhost\n");
        expect(&l, "-kernel\n/proc/self/fd/40\n");
        expect(&l, "virtio-blk-ccw,drive=disk0,serial=a\n");
        expect(&l, "virtio-serial-ccw,id=channels\n");
        expect(&l, "sclpconsole,chardev=console\n");
        expect(&l, "virtio-net-ccw,netdev=net0,mac=52:54:00:");
        for (const char *const *never = (const char *const[]){ "romfile", "-append", "-initrd", "-bios",
                                                               "balloon", "memory-backend", NULL };
             *never; never++)
                assert_null(strstr(l.text, *never));
}

static void test_each_feature(void **state) {
        static const struct {
                const char *members, *part;
        } cases[] = {
                { ",\"boot\":{\"kernel\":\"k\",\"initrd\":\"i\",\"cmdline\":\"quiet splash\"}",
                  "-kernel\n/proc/self/fd/40\n-initrd\n/proc/self/fd/41\n-append\nquiet splash\n" },
                { ",\"firmware\":\"f\",\"boot\":{\"kernel\":\"k\"}", "-kernel\n/proc/self/fd/41\n" },
                { ",\"disks\":[{\"path\":\"d\",\"format\":\"raw\"}]",
                  "-add-fd\nfd=40,set=10\n-blockdev\ndriver=raw,node-name=disk0,read-only=off,file.driver=file,"
                  "file.filename=/dev/fdset/10,file.locking=off\n-device\nvirtio-blk-pci,drive=disk0\n" },
                { ",\"disks\":[{\"path\":\"d\",\"format\":\"qcow2\",\"readonly\":true,\"serial\":\"a.b\"}]",
                  "driver=qcow2,node-name=disk0,read-only=on," },
                { ",\"boot\":{\"disk\":\"a.b\"},"
                  "\"disks\":[{\"path\":\"d\",\"format\":\"raw\",\"serial\":\"a.b\"}]",
                  "virtio-blk-pci,drive=disk0,serial=a.b,bootindex=1\n" },
                { ",\"nics\":[{\"type\":\"user\",\"forwards\":[{\"host_port\":2222,\"guest_port\":22},"
                  "{\"protocol\":\"udp\",\"host_address\":\"127.0.0.2\",\"host_port\":53,\"guest_port\":5353}]}]",
                  "user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp:127.0.0.2:53-:5353\n" },
                { ",\"nics\":[{\"type\":\"none\"},{\"type\":\"tap\",\"name\":\"tap0\","
                  "\"mac\":\"52:54:00:12:34:56\"}]",
                  "-netdev\ntap,id=net1,fd=51\n"
                  "-device\nvirtio-net-pci,netdev=net1,mac=52:54:00:12:34:56,romfile=\n" },
                { ",\"nics\":[{\"type\":\"bridge\",\"name\":\"br0\"}]", "-netdev\ntap,id=net0,fd=50\n" },
                { ",\"tuning\":{\"hugepages\":true}",
                  "memory-backend-memfd,id=ram,size=268435456,hugetlb=on\n-machine\nmemory-backend=ram\n" },
                { ",\"tuning\":{\"numa_node\":1}",
                  "memory-backend-memfd,id=ram,size=268435456,hugetlb=off,policy=bind,host-nodes=1\n" },
                { ",\"console\":\"interactive\"",
                  "socket,id=console,fd=33,server=on,wait=off,logfile=/dev/fdset/1,logappend=on\n" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(line_done) struct line l;

                make_fine(&l, cases[i].members, false);
                expect(&l, cases[i].part);
        }
}

static void test_what_takes_away(void **state) {
        CVM_CLEANUP(line_done) struct line kvm;
        CVM_CLEANUP(line_done) struct line none;
        CVM_CLEANUP(line_done) struct line firmware;

        make_fine(&kvm, "", true);
        expect(&kvm, "-machine\nq35,accel=kvm\n");
        make_fine(&none, ",\"console\":\"none\"", false);
        assert_null(strstr(none.text, "isa-serial"));
        make_fine(&firmware, ",\"firmware\":\"f\",\"boot\":{\"kernel\":\"k\"}", false);
        assert_null(strstr(firmware.text, "-bios")); /* measured only */
}

/* Two guests on a bridge without named addresses have different ones, and the same at each start. */
static void test_addresses(void **state) {
        static const char nics[] = ",\"nics\":[{\"type\":\"user\"},{\"type\":\"user\"}]";
        CVM_CLEANUP(line_done) struct line a;
        CVM_CLEANUP(line_done) struct line b;
        const char *first, *second;

        make_fine(&a, nics, false);
        make_fine(&b, nics, false);
        assert_string_equal(a.text, b.text);
        first = strstr(a.text, "mac=52:54:00:");
        assert_non_null(first);
        second = strstr(first + 1, "mac=52:54:00:");
        assert_non_null(second);
        assert_memory_not_equal(first, second, strlen("mac=52:54:00:00:00:00"));
}

/* Each text of a definition that can come near the command line: refused, or it adds no argument. */
static void test_hostile_texts(void **state) {
        static const char *const members[] = {
                ",\"boot\":{\"kernel\":\"%s\"}",
                ",\"boot\":{\"kernel\":\"k\",\"cmdline\":\"%s\"}",
                ",\"boot\":{\"kernel\":\"k\",\"initrd\":\"%s\"}",
                ",\"disks\":[{\"path\":\"%s\",\"format\":\"raw\"}]",
                ",\"disks\":[{\"path\":\"d\",\"format\":\"raw\",\"serial\":\"%s\"}]",
                ",\"disks\":[{\"path\":\"d\",\"format\":\"%s\"}]",
                ",\"nics\":[{\"type\":\"tap\",\"name\":\"%s\"}]",
                ",\"nics\":[{\"type\":\"user\",\"mac\":\"%s\"}]",
                ",\"nics\":[{\"type\":\"user\",\"forwards\":[{\"host_address\":\"%s\",\"host_port\":1,"
                "\"guest_port\":1}]}]",
                ",\"cpu_model\":\"%s\"",
                ",\"labels\":{\"a\":\"%s\"}",
                ",\"firmware\":\"%s\",\"boot\":{\"kernel\":\"k\"}",
        };
        static const char *const texts[] = { "x,readonly=off",    "x,y=z,,w",
                                             "-monitor stdio",    "x\\n-monitor\\nstdio",
                                             "x -device pvpanic", "/dev/fdset/1",
                                             "json:{}",           "%s%n",
                                             "10.0.0.1,id=evil",  "52:54:00:12:34:56,id=evil" };
        unsigned refused = 0;

        for (size_t m = 0; m < ARRAY_SIZE(members); m++)
                for (size_t t = 0; t < ARRAY_SIZE(texts); t++) {
                        const char *at = strstr(members[m], "%s");
                        CVM_CLEANUP(line_done) struct line l;
                        struct cvm_error err = { 0 };
                        char one[1024];

                        snprintf(one, sizeof one, "%.*s%s%s", (int)(at - members[m]), members[m], texts[t],
                                 at + 2);
                        if (make(&l, one, false, &err) < 0) {
                                refused++;
                                continue;
                        }
                        for (size_t i = 1; l.argv[i]; i++)
                                if (strcmp(l.argv[i - 1], "-append") != 0 &&
                                    (strstr(l.argv[i], "evil") || strstr(l.argv[i], "stdio") ||
                                     strstr(l.argv[i], "pvpanic") || strstr(l.argv[i], "readonly") ||
                                     strstr(l.argv[i], ",,") || strstr(l.argv[i], "json:")))
                                        fail_msg("%s gave:\n%s", one, l.text);
                }
        assert_true(refused > 40); /* that the texts were tried where they hurt */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_closed_by_default),
                cmocka_unit_test(test_a_confidential_guest),
                cmocka_unit_test(test_a_confidential_guest_of_another_machine),
                cmocka_unit_test(test_each_feature),
                cmocka_unit_test(test_what_takes_away),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_hostile_texts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
