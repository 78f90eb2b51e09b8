/* Starts that fail, each with its own code: by a real QEMU where this host can make it fail, else by the
 * text that QEMU is known to print. */
#include "vm/stderr-words.h"

#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "tests/vm/driver-scene.h"

/* It is refused, or ends. */
static void try(struct fixture *f) {
        const struct driver_start s = start_of(f);
        int r = the_driver->spawn(&s, &f->guest, &f->why);

        if (r < 0)
                return;
        while (r > 0 && !f->seen[DRIVER_SPAWNED] && !f->seen[DRIVER_GONE])
                assert_true(sd_event_run(f->event, 60000000) > 0);
        if (!f->seen[DRIVER_GONE] && the_driver->go(f->guest, &f->why) < 0)
                return;
        wait_for(f, DRIVER_GONE, 1);
}

static void expect_end(struct fixture *f, const struct cvm_code *code, const char *words) {
        try(f);
        if (f->why.code != code)
                fail_msg("%s: %s", f->why.code ? f->why.code->id : "none", f->why.text);
        if (!strstr(f->why.text, words))
                fail_msg("\"%s\" is not in \"%s\"", words, f->why.text);
}

/* Where libvirt looks before QEMU does, or does not offer it. */
static void expect_end_by(struct fixture *f, const struct cvm_code *qemu, const char *qemu_words,
                          const struct cvm_code *libvirt, const char *libvirt_words) {
        if (the_driver == &driver_libvirt)
                expect_end(f, libvirt, libvirt_words);
        else
                expect_end(f, qemu, qemu_words);
}

static void test_no_kernel(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, "\"boot\":{\"kernel\":\"disk\"}");
        assert_int_equal(truncate(f.disk, 16), 0);
        expect_end(&f, &CVM_CODE_BOOT_FILE, "no bootable image (QEMU: qemu: invalid kernel header");
}

static void test_an_initrd_that_does_not_fit(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, "\"boot\":{\"kernel\":\"disk\",\"initrd\":\"disk\"}");
        f.files[0] = cvm_close(f.files[0]);
        f.files[1] = cvm_close(f.files[1]);
        assert_int_equal(boot_kernel_write(f.disk), 0);
        f.files[0] = open(f.disk, O_RDONLY | O_CLOEXEC);
        f.files[1] = memfd_create("initrd", MFD_CLOEXEC);
        assert_int_equal(ftruncate(f.files[1], 300 << 20), 0);
        expect_end(&f, &CVM_CODE_BOOT_FILE, "does not fit");
}

static void test_a_firmware_that_is_none(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, "\"firmware\":\"disk\"");
        f.plan->simulated = false; /* so that it is loaded */
        assert_int_equal(truncate(f.disk, 16), 0);
        expect_end(&f, &CVM_CODE_BOOT_FILE, "firmware");
}

static void test_a_disk_of_another_format(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, "\"disks\":[{\"path\":\"disk\",\"format\":\"qcow2\"}]");
        expect_end(&f, &CVM_CODE_DISK_FORMAT, "no qcow2 image");
}

static void test_memory(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        f.definition->memory = 8ull << 40;
        expect_end(&f, &CVM_CODE_MEMORY_HOST, "not enough memory");
}

static void test_huge_pages(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, "\"tuning\":{\"hugepages\":true}," BOOT_DISK);
        f.definition->memory = 8ull << 40;
        expect_end(&f, &CVM_CODE_HUGE_PAGES, "huge pages");
}

static void test_a_numa_node(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, "\"tuning\":{\"numa_node\":0}," BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1); /* under the whole sandbox */
}

static void test_no_such_numa_node(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, "\"tuning\":{\"numa_node\":63}," BOOT_DISK);
        expect_end(&f, &CVM_CODE_NUMA_NODE, "NUMA node");
}

static void test_a_port_in_use(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof address;
        char nics[256];

        assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        snprintf(nics, sizeof nics,
                 "\"nics\":[{\"type\":\"user\",\"forwards\":[{\"host_port\":%u,\"guest_port\":22}]}]," BOOT_DISK,
                 ntohs(address.sin_port));
        begin(&f, nics);
        expect_end_by(&f, &CVM_CODE_NETWORK, "a forwarded port is in use", &CVM_CODE_LIBVIRT_FIELD,
                      "'nics[0].forwards'");
}

static void test_a_machine_of_another_qemu(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct platform other;

        begin(&f, BOOT_DISK);
        other = *f.plan->platform;
        other.machine = "q35,nothing=on";
        f.plan->platform = &other;
        expect_end_by(&f, &CVM_CODE_QEMU_OPTION, "nothing' not found", &CVM_CODE_QEMU_OPTION,
                      "does not know the machine");
}

static void test_a_processor_of_another_qemu(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        strcpy(f.plan->cpu, "mix");
        expect_end(&f, &CVM_CODE_CPU_MODEL, "mix");
}

static void test_an_object_of_another_qemu(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        if (the_driver == &driver_libvirt)
                skip(); /* libvirt names the object itself */
        begin(&f, BOOT_DISK);
        f.plan->guest.type = "no-such-guest";
        f.plan->guest.properties = json_object_new_object();
        expect_end(&f, &CVM_CODE_QEMU_OPTION, "no-such-guest");
}

static void test_too_many_cpus(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        f.definition->vcpus = 100000;
        expect_end(&f, &CVM_CODE_VCPUS, "fewer vCPUs");
}

static void test_no_qemu(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct platform absent;

        begin(&f, BOOT_DISK);
        absent = *f.plan->platform;
        absent.binary = "qemu-system-of-nowhere";
        f.plan->platform = &absent;
        expect_end_by(&f, &CVM_CODE_QEMU, "QEMU is not installed", &CVM_CODE_NO_QEMU,
                      "'qemu-system-of-nowhere' is not there");
}

static void test_no_kvm(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        if (access("/dev/kvm", F_OK) == 0)
                skip(); /* this host has it */
        begin(&f, BOOT_DISK);
        f.use_kvm = true;
        expect_end_by(&f, &CVM_CODE_KVM, "cannot open /dev/kvm (QEMU: Could not access KVM", &CVM_CODE_KVM,
                      "QEMU cannot use KVM here");
}

static void test_known_texts(void **state) {
        static const struct {
                const char *text;
                const struct cvm_code *code;
                const char *words;
        } cases[] = {
                { "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x0\n"
                  "qemu-system-x86_64: ../target/i386/kvm/kvm.c:3213: kvm_buf_set_msrs: Assertion `ret == x' failed.\n",
                  &CVM_CODE_KVM,
                  "this CPU model (QEMU: qemu-system-x86_64: error: failed to set MSR 0x10a to 0x0)" },
                { "ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy\n"
                  "qemu-system-x86_64: failed to initialize kvm: Device or resource busy\n",
                  &CVM_CODE_KVM, "another hypervisor" },
                { "qemu-system-x86_64: cannot set up private guest memory for sev-snp-guest: KVM required\n",
                  &CVM_CODE_KVM, "needs KVM" },
                { "qemu-system-x86_64: -accel kvm: vm-type SEV-SNP not supported by KVM\n",
                  &CVM_CODE_KVM_CONFIDENTIAL, "does not have this kind of guest" },
                { "qemu-system-x86_64: KVM does not support guest_memfd\n", &CVM_CODE_KVM_CONFIDENTIAL,
                  "no private guest memory" },
                { "qemu-system-x86_64: Error creating KVM guest_memfd: Cannot allocate memory\n",
                  &CVM_CODE_MEMORY_HOST, "not enough memory" },
                { "qemu-system-x86_64: Error creating KVM guest_memfd: Invalid argument\n",
                  &CVM_CODE_KVM_CONFIDENTIAL, "cannot make private" },
                { "qemu-system-x86_64: kvm_set_phys_mem: failed to set memory attribute private: Invalid "
                  "argument\n",
                  &CVM_CODE_KVM_CONFIDENTIAL, "apart" },
                { "qemu-system-x86_64: accelerator does not support confidential guest sev-snp-guest\n",
                  &CVM_CODE_KVM, "needs KVM" },
                { "Number of SMP cpus requested (512) exceeds the maximum cpus supported by KVM (256)\n",
                  &CVM_CODE_VCPUS, "takes fewer vCPUs" },
                { "qemu-system-x86_64: kvm_init_vcpu: kvm_create_vcpu failed (3): Invalid argument\n",
                  &CVM_CODE_KVM, "cannot make a vCPU" },
                /* a technology's words come before those for all guests, and QEMU's own follow */
                { "warning: a\nqemu-system-x86_64: -accel kvm: sev_common_kvm_init: failed to initialize ret=-16 "
                  "fw_error=0 ''\nqemu-system-x86_64: -accel kvm: failed to initialize kvm: Operation not "
                  "permitted\n",
                  &CVM_CODE_GUEST_KEYS,
                  "all ASIDs for guests of SEV-SNP are taken (QEMU: qemu-system-x86_64: -accel kvm: "
                  "sev_common_kvm_init: failed to initialize ret=-16 fw_error=0 '')" },
                { "qemu-system-x86_64: -object x: /dev/x: Device or resource busy\n", &CVM_CODE_DEVICE_BUSY,
                  "another program" },
                { "warning: a\nwhat \033[2Jnobody knows\n\n", &CVM_CODE_QEMU,
                  "QEMU ended: what ?[2Jnobody knows" },
                { "", &CVM_CODE_QEMU, "without a word" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(cvm_closep) int fd = cvm_memfd("stderr", cases[i].text, strlen(cases[i].text));
                struct cvm_error err = { 0 };

                stderr_words(fd, &err);
                assert_ptr_equal(err.code, cases[i].code);
                if (!strstr(err.text, cases[i].words))
                        fail_msg("\"%s\" is not in \"%s\"", cases[i].words, err.text);
        }
}

/* However long the log is: its end is read, and what stands before that is not. */
static void test_only_the_tail(void **state) {
        static const char line[] = "\nqemu-system-x86_64: invalid kernel header\n";
        CVM_CLEANUP(cvm_freep) char *log = malloc(1 << 20);
        CVM_CLEANUP(cvm_closep) int at_end = -EBADF;
        CVM_CLEANUP(cvm_closep) int at_start = -EBADF;
        struct cvm_error err = { 0 };

        memset(log, 'x', 1 << 20);
        memcpy(log, line, strlen(line));
        at_start = cvm_memfd("stderr", log, 1 << 20);
        stderr_words(at_start, &err);
        assert_ptr_equal(err.code, &CVM_CODE_QEMU);
        memcpy(log + (1 << 20) - strlen(line), line, strlen(line));
        at_end = cvm_memfd("stderr", log, 1 << 20);
        stderr_words(at_end, &err);
        assert_ptr_equal(err.code, &CVM_CODE_BOOT_FILE);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_kernel),
                cmocka_unit_test(test_an_initrd_that_does_not_fit),
                cmocka_unit_test(test_a_firmware_that_is_none),
                cmocka_unit_test(test_a_disk_of_another_format),
                cmocka_unit_test(test_memory),
                cmocka_unit_test(test_huge_pages),
                cmocka_unit_test(test_a_numa_node),
                cmocka_unit_test(test_no_such_numa_node),
                cmocka_unit_test(test_a_port_in_use),
                cmocka_unit_test(test_a_machine_of_another_qemu),
                cmocka_unit_test(test_a_processor_of_another_qemu),
                cmocka_unit_test(test_an_object_of_another_qemu),
                cmocka_unit_test(test_too_many_cpus),
                cmocka_unit_test(test_no_qemu),
                cmocka_unit_test(test_no_kvm),
                cmocka_unit_test(test_known_texts),
                cmocka_unit_test(test_only_the_tail),
        };

        if (system("command -v qemu-system-x86_64 >/dev/null") != 0) {
                puts("SKIP: qemu-system-x86_64 is not installed");
                return 77;
        }
        the_driver = driver_of_test();
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        if (argc > 1)
                cmocka_set_test_filter(argv[1]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
