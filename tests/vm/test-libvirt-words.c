/* What libvirt 9.0 and 12.8 really said, each with the code that a user gets for it. */
#include "vm/libvirt-words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#if __has_include(<libvirt/virterror.h>)
#include <libvirt/virterror.h>
/* the numbers of the table */
_Static_assert(VIR_ERR_NO_MEMORY == 2 && VIR_ERR_NO_CONNECT == 5 && VIR_ERR_DOM_EXIST == 28, "numbers");
_Static_assert(VIR_ERR_OPERATION_DENIED == 29 && VIR_ERR_RPC == 39 && VIR_ERR_NO_DOMAIN == 42, "numbers");
_Static_assert(VIR_ERR_NO_NETWORK == 43 && VIR_ERR_AUTH_FAILED == 45, "numbers");
_Static_assert(VIR_ERR_OPERATION_INVALID == 55 && VIR_ERR_OPERATION_TIMEOUT == 68, "numbers");
_Static_assert(VIR_ERR_AUTH_CANCELLED == 79 && VIR_ERR_RESOURCE_BUSY == 87, "numbers");
_Static_assert(VIR_ERR_ACCESS_DENIED == 88 && VIR_ERR_CPU_INCOMPATIBLE == 91, "numbers");
_Static_assert(VIR_ERR_AUTH_UNAVAILABLE == 94, "numbers");
#endif

static void test_real_texts(void **state) {
        static const struct {
                int domain, code;
                const char *message;
                const struct cvm_code *expected;
        } cases[] = {
                /* 9.0 */
                { 10, 1, "internal error: failed to write master key file for domain",
                  &CVM_CODE_LIBVIRT_STORE },
                { 10, 38, "Cannot remove stale PID file /run/libvirt/qemu/cvmd-t.pid: Read-only file system",
                  &CVM_CODE_LIBVIRT_STORE },
                { 0, 1,
                  "internal error: Child process (LC_ALL=C /usr/bin/qemu-system-x86_64 -name guest=cvmd-t) "
                  "unexpected exit status 1",
                  &CVM_CODE_QEMU },
                { 5, 27,
                  "XML error: Invalid value for attribute 'type' in element 'launchSecurity': 'sev-snp'.",
                  &CVM_CODE_LIBVIRT_OLD },
                { 10, 67,
                  "unsupported configuration: S390 PV launch security is not supported with this QEMU binary",
                  &CVM_CODE_LIBVIRT_OLD },
                { 20, 27, "XML error: No PCI buses available", &CVM_CODE_QEMU_OPTION },
                { 10, 38, "Unable to read from monitor: Connection reset by peer", &CVM_CODE_QEMU },
                { 0, 1,
                  "internal error: Failed to start QEMU binary /usr/bin/qemu-system-s390x for probing: ",
                  &CVM_CODE_QEMU },
                { 10, 67,
                  "unsupported configuration: Emulator '/usr/bin/qemu-system-s390x' does not support arch 's390x'",
                  &CVM_CODE_QEMU_OPTION },
                { 10, 1,
                  "internal error: qemu unexpectedly closed the monitor: qemu: could not open kernel file "
                  "'/boot/vmlinuz-x': No such file or directory",
                  &CVM_CODE_BOOT_FILE },
                { 10, 38,
                  "/usr/lib/qemu/qemu-bridge-helper --use-vnet --br=nobr0 --fd=12: failed to communicate with "
                  "bridge helper: stderr=failed to parse default acl file `/etc/qemu/bridge.conf'\n"
                  ": Transport endpoint is not connected",
                  &CVM_CODE_NETWORK },
                { 24, 67, "unsupported configuration: Security driver model 'dac' is not available",
                  &CVM_CODE_LIBVIRT },
                { 10, 1,
                  "internal error: qemu unexpectedly closed the monitor: 2026-11-28T15:44:07.892136Z "
                  "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
                  &CVM_CODE_MEMORY_HOST },
                { 10, 38,
                  "Unable to bind to UNIX socket path '/nonexistent/agent.sock': No such file or directory",
                  &CVM_CODE_INTERNAL },
                { 10, 1, "internal error: target managed='no' but specified dev doesn't exist",
                  &CVM_CODE_NETWORK },
                { 10, 67,
                  "unsupported configuration: Maximum CPUs greater than specified machine type limit 288",
                  &CVM_CODE_VCPUS },
                { 7, 38,
                  "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
                  &CVM_CODE_LIBVIRT_CONNECTION },
                { 7, 38,
                  "Failed to connect socket to '/run/user/1/libvirt/virtnetworkd-sock': No such file or directory",
                  &CVM_CODE_NETWORK },
                { 10, 9, "operation failed: Active console session exists for this domain",
                  &CVM_CODE_CONSOLE_BUSY },
                { 0, 9,
                  "operation failed: Requested device '/dev/pts/0' is locked by lock file '/var/lock/LCK.._pts_0' "
                  "held by process 17",
                  &CVM_CODE_CONSOLE_BUSY },
                { 10, 1, "internal error: character device serial0 is not using a PTY", &CVM_CODE_CONSOLE },
                { 10, 1, "internal error: cannot find character device <null>", &CVM_CODE_CONSOLE },
                { 20, 55, "Requested operation is not valid: domain 'web1' is already active",
                  &CVM_CODE_EXISTS },
                { 20, 35, "(domain_definition):36: Couldn't find end of Start Tag bla line 35\n(null)\n^",
                  &CVM_CODE_LIBVIRT },
                /* 12.8 */
                { 10, 67,
                  "unsupported configuration: 'sev-snp' launch security is not supported with this QEMU binary",
                  &CVM_CODE_LIBVIRT_OLD },
                { 10, 67,
                  "unsupported configuration: 'tdx' launch security is not supported with this QEMU binary",
                  &CVM_CODE_LIBVIRT_OLD },
                { 10, 1, "internal error: Machine type 'q99' supports PCI but no PCI controller added",
                  &CVM_CODE_QEMU_OPTION },
                { 10, 1,
                  "internal error: Failed to probe capabilities for /usr/bin/qemu-system-s390x: internal error: "
                  "Failed to start QEMU binary /usr/bin/qemu-system-s390x for probing: ",
                  &CVM_CODE_QEMU },
                { 24, 38, "unable to stat: /boot/vmlinuz-x: No such file or directory", &CVM_CODE_FILE },
                { 0, 38, "Unable to open /dev/net/tun, is tun module loaded?: No such file or directory",
                  &CVM_CODE_NETWORK },
                { 10, 1,
                  "internal error: QEMU unexpectedly closed the monitor (vm='web1'): "
                  "sev_snp_launch_finish: SNP_LAUNCH_FINISH ret=-5 fw_error=11 'Bad measurement'",
                  &CVM_CODE_ID_BLOCK },
                /* both */
                { 31, 1, "internal error: Unknown CPU model EPYC-v9", &CVM_CODE_CPU_MODEL },
                { 10, 1,
                  "internal error: hugetlbfs filesystem is not mounted or disabled by administrator config",
                  &CVM_CODE_HUGE_PAGES },
                { 10, 67,
                  "unsupported configuration: Emulator '/usr/bin/qemu-system-x86_64' does not support virt "
                  "type 'kvm'",
                  &CVM_CODE_KVM },
                { 18, 38, "Cannot access storage file '/nonexistent': No such file or directory",
                  &CVM_CODE_FILE },
                { 10, 38, "Cannot check QEMU binary /usr/bin/qemu-none: No such file or directory",
                  &CVM_CODE_QEMU },
                { 0, 67, "unsupported configuration: NUMA node 9 is unavailable", &CVM_CODE_NUMA_NODE },
                { 10, 42, "Domain not found: no domain with matching name 'nobody'", &CVM_CODE_NO_VM },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct cvm_error err = { 0 };

                assert_true(libvirt_words(cases[i].domain, cases[i].code, cases[i].message, &err) < 0);
                if (err.code != cases[i].expected)
                        fail_msg("%s is told as %s: %s", cases[i].message, err.code->id, err.text);
        }
}

/* As they stand in libvirt's programs; this machine cannot provoke them. */
static void test_texts_of_others(void **state) {
        static const struct {
                int code;
                const char *message;
                const struct cvm_code *expected;
        } cases[] = {
                { 67, "S390 PV launch security is not supported by this host or kernel",
                  &CVM_CODE_KVM_CONFIDENTIAL },
                { 67,
                  "Only bit0(debug) and bit28(sept-ve-disable) are supported intel TDX launch security policy",
                  &CVM_CODE_GUEST_POLICY },
                { 67, "Intel TDX launch security needs split kernel irqchip", &CVM_CODE_INTERNAL },
                { 67, "Intel TDX launch security is not supported with PMU enabled", &CVM_CODE_INTERNAL },
                { 9, "operation failed: domain 'web1' already exists with uuid 1", &CVM_CODE_EXISTS },
                { 55, "Requested operation is not valid: network 'default' is not active",
                  &CVM_CODE_NETWORK },
                { 55, "Requested operation is not valid: domain is not running", &CVM_CODE_WRONG_STATE },
                { 68, "Timed out during operation: cannot acquire state change lock", &CVM_CODE_TIMEOUT },
                { 88, "access denied: 'QEMU' denied access", &CVM_CODE_LIBVIRT_CONNECTION },
                { 38, "Cannot recv data: Connection reset by peer", &CVM_CODE_LIBVIRT_CONNECTION },
                { 38, "unable to open x: Permission denied", &CVM_CODE_FILE },
                { 2, "out of memory", &CVM_CODE_NO_MEMORY },
                { 91, "the CPU is incompatible with host CPU: x", &CVM_CODE_CPU_FEATURES },
                { 1, "internal error: unable to execute QEMU command 'cont': something new", &CVM_CODE_QMP },
                { 1, "internal error: process exited while connecting to monitor: qemu: KVM required",
                  &CVM_CODE_KVM },
                { 1, "internal error: process exited while connecting to monitor", &CVM_CODE_QEMU },
                { 1, "An error occurred, but the cause is unknown", &CVM_CODE_LIBVIRT_CONNECTION },
                { 1, "internal error: something else", &CVM_CODE_LIBVIRT },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct cvm_error err = { 0 };

                assert_true(libvirt_words(10, cases[i].code, cases[i].message, &err) < 0);
                if (err.code != cases[i].expected)
                        fail_msg("%s is told as %s: %s", cases[i].message, err.code->id, err.text);
        }
}

static void test_hostile_messages(void **state) {
        static const char *const messages[] = { NULL,
                                                "",
                                                "\x1b[2Jevil\x07",
                                                "qemu unexpectedly closed the monitor",
                                                "\xff\xfe",
                                                "qemu unexpectedly closed the monitor: \n\n\x1b[2J\n",
                                                "process exited while connecting to monitor::" };
        char large[4096];
        struct cvm_error err;

        memset(large, 'a', sizeof large - 1);
        large[sizeof large - 1] = 0;
        for (size_t i = 0; i <= ARRAY_SIZE(messages); i++) {
                err = (struct cvm_error){ 0 };
                assert_true(libvirt_words(-1, -1, i < ARRAY_SIZE(messages) ? messages[i] : large, &err) < 0);
                assert_non_null(err.code);
                assert_true(*err.text);
                for (const char *p = err.text; *p; p++)
                        assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
        }
}

static void test_log(void **state) {
        static const struct {
                const char *log, *expected;
        } cases[] = {
                { "", "" },
                { "2026-11-28 17:52:40.780+0000: starting up libvirt version: 12.8.0, hostname: vm\n"
                  "LC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-name guest=cvmd-a\n"
                  "qemu: of the last start\n2026-11-28 17:52:50.143+0000: shutting down, reason=failed\n"
                  "2026-11-28 17:52:52.780+0000: starting up libvirt version: 12.8.0, hostname: vm\n"
                  "LC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-append 'Bad measurement' \\\n-msg timestamp=on\n"
                  "2026-11-28 17:52:52.780+0000: Domain id=18 is tainted: high-privileges\n"
                  "2026-11-28T17:52:52.917396Z qemu-system-x86_64: warning: \x1b[2J\n"
                  "qemu: could not load PC BIOS '/x'\n"
                  "2026-11-28 17:52:55.143+0000: shutting down, reason=crashed\n",
                  "2026-11-28T17:52:52.917396Z qemu-system-x86_64: warning: ?[2J\n"
                  "qemu: could not load PC BIOS '/x'\n" },
                /* the tail of a long one: in the middle of a command line */
                { "nd 'Bad measurement' \\\n-msg timestamp=on\nqemu: words", "qemu: words" },
                { "starting up libvirt version", "" },
                { "\\\n\\", "" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(cvm_freep)
                char *text = libvirt_log_text(cases[i].log, strlen(cases[i].log));

                assert_non_null(text);
                assert_string_equal(text, cases[i].expected);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_real_texts),
                cmocka_unit_test(test_texts_of_others),
                cmocka_unit_test(test_hostile_messages),
                cmocka_unit_test(test_log),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
