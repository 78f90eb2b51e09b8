/* What QEMU 11.1 says when a launch of TDX fails: a text for each row of the table, none hidden by another.
 */
#include "launch/failure-tdx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

#define Q "qemu-system-x86_64: "
#define IOCTL(name, words) Q "-accel kvm: TDX ioctl KVM_TDX_" name " failed, hw_errors: " words "\n"

static const struct {
        const char *text;
        const struct cvm_code *code;
        const char *words;
} cases[] = {
        { IOCTL("INIT_VM", "0x0: No space left on device"), &CVM_CODE_GUEST_KEYS, "(KeyIDs) are taken" },
        { IOCTL("INIT_VM", "0x0: Device or resource busy"), &CVM_CODE_GUEST_KEYS, "control group" },
        { IOCTL("INIT_VM", "0x0: Resource temporarily unavailable"), &CVM_CODE_PLATFORM_STATE,
          "randomness" },
        { IOCTL("INIT_VM", "0x0: Invalid argument"), &CVM_CODE_GUEST_POLICY,
          "an attribute or a CPU feature" },
        { IOCTL("INIT_VM", "0xc000010000000000: Input/output error"), &CVM_CODE_LAUNCH_REFUSED,
          "was not created" },
        { IOCTL("CAPABILITIES", "0x0: Invalid argument"), &CVM_CODE_KVM_CONFIDENTIAL, "what trust domains" },
        { IOCTL("INIT_VCPU", "0x0: Input/output error"), &CVM_CODE_LAUNCH_REFUSED, "a vCPU" },
        { IOCTL("INIT_MEM_REGION", "0x0: Cannot allocate memory"), &CVM_CODE_MEMORY_HOST, "enough memory" },
        { IOCTL("INIT_MEM_REGION", "0xc0000b0a00000000: Input/output error"), &CVM_CODE_LAUNCH_REFUSED,
          "a page of the guest's firmware" },
        { IOCTL("FINALIZE_VM", "0x0: Input/output error"), &CVM_CODE_LAUNCH_REFUSED, "measurement" },
        { IOCTL("GET_CPUID", "0x0: Input/output error"), &CVM_CODE_LAUNCH_REFUSED, "the guest's CPU" },
        { Q
          "Some QEMU unsupported TD attribute bits being requested: 0x10000001 (QEMU supported: 0x8000000050000000)\n",
          &CVM_CODE_GUEST_POLICY, "QEMU cannot start" },
        { Q "Invalid attributes 0x50000000 for TDX VM (KVM supported: 0x10000000)\n", &CVM_CODE_GUEST_POLICY,
          "the host does not have" },
        { Q "Invalid XFAM 0x602e7 for TDX VM (supported: 0x2e7))\n", &CVM_CODE_CPU_FEATURES, "less state" },
        { Q "TDX requires guest CPU physical bits (48) to match host CPU physical bits (52)\n",
          &CVM_CODE_CPU_FEATURES, "addresses" },
        { Q "KVM doesn't support KVM_CAP_X86_APIC_BUS_CYCLES_NS\n", &CVM_CODE_KVM_CONFIDENTIAL, "too old" },
        { Q "Unable to set core crystal clock frequency to 25MHz: Invalid argument\n",
          &CVM_CODE_KVM_CONFIDENTIAL, "clock" },
        { Q "failed to parse TDVF for TDX VM\n", &CVM_CODE_FIRMWARE, "no TDX metadata" },
        { Q "Invalid TDVF signature in metadata!\n", &CVM_CODE_FIRMWARE, "where its table points" },
        { Q "TDVF metadata len (0x50) mismatch, expected (0x70)\n", &CVM_CODE_FIRMWARE, "does not take" },
        { Q "Invalid number of fw entries (1) in TDVF Metadata\n", &CVM_CODE_FIRMWARE, "does not take" },
        { Q "TDVF contains unsupported section type 7\n", &CVM_CODE_FIRMWARE, "does not add" },
        { Q "Unsupported TDVF section 7\n", &CVM_CODE_FIRMWARE, "does not add" },
        { Q "Failed to accept memory for TDVF section 2\n", &CVM_CODE_FIRMWARE, "does not have" },
        { Q "TD_HOB overrun, size = 0x3000\n", &CVM_CODE_FIRMWARE, "no room" },
        { Q "Failed to mmap memory for TDVF section 3\n", &CVM_CODE_MEMORY_HOST, "enough memory" },
        { Q "Named cpu model is not supported for TDX yet!\n", &CVM_CODE_INTERNAL, "a CPU model" },
        { Q "TDX VM doesn't support SMM\n", &CVM_CODE_INTERNAL, "system management" },
        { Q "TDX VM doesn't support PIC\n", &CVM_CODE_INTERNAL, "interrupt controller" },
        { Q "TDX VM requires kernel_irqchip to be split\n", &CVM_CODE_INTERNAL, "KVM's interrupt" },
        { Q "TDX 'mrconfigid' sha384 digest was 32 bytes, expected 48 bytes\n", &CVM_CODE_INTERNAL,
          "48 bytes" },
};

static void test_each_text_has_its_cause(void **state) {
        bool seen[64] = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct failure failure;
                char text[512];

                /* QEMU's own words about the argument stand before and behind */
                snprintf(text, sizeof text, "%s%s%s",
                         Q
                         "warning: host doesn't support requested feature: CPUID[eax=01h].EDX.ht [bit 28]\n",
                         cases[i].text, Q "failed to initialize kvm: Operation not permitted\n");
                if (!failure_find(tdx_failures, text, &failure))
                        fail_msg("no cause: %s", cases[i].text);
                if (failure.code != cases[i].code || !strstr(failure.sentence, cases[i].words))
                        fail_msg("%s, %s: %s", failure.code->id, failure.sentence, cases[i].text);
                for (size_t row = 0; tdx_failures[row].part; row++)
                        seen[row] |= tdx_failures[row].sentence == failure.sentence &&
                                     strncmp(failure.at, tdx_failures[row].part,
                                             strlen(tdx_failures[row].part)) == 0;
        }
        for (size_t row = 0; tdx_failures[row].part; row++)
                if (!seen[row])
                        fail_msg("no text leads to '%s'", tdx_failures[row].part);
}

static void test_other_texts_have_none(void **state) {
        static const char *const texts[] = { "", Q "terminating on signal 15\n",
                                             Q "warning: TDX forcibly sets the feature: CPUID[eax=01h]\n" };
        struct failure failure;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                assert_false(failure_find(tdx_failures, texts[i], &failure));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_text_has_its_cause),
                cmocka_unit_test(test_other_texts_have_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
