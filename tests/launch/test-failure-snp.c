/* What QEMU 11.1 and versions near it say when a launch fails, one line for each row of the table, and each
 * status of the firmware. */
#include "launch/failure-snp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

#define Q "qemu-system-x86_64: "
#define INIT Q "sev_common_kvm_init: "
#define KVM_FAILED Q "failed to initialize kvm: Operation not permitted\n"
#define OBJECT Q "-object sev-snp-guest,id=cgs0,cbitpos=51,reduced-phys-bits=1,policy=0x30000: "

static const struct {
        const char *text;
        const struct cvm_code *code;
        const char *words;
} cases[] = {
        /* the CPUID page is refused by two lines after the one with the number */
        { Q
          "SNP_LAUNCH_UPDATE ret=-5 fw_error=22 'Invalid parameter'\n" Q
          "SEV-SNP: CPUID validation failed for function 0x8000001e, index: 0x0, provided: eax:0x00000000, ebx: "
          "0x00000100, ecx: 0x00000b00, edx: 0x00000000, expected: eax:0x00000000, ebx: 0x00000100, ecx: 0x00000300, "
          "edx: 0x00000000\n" Q "SEV-SNP: failed update CPUID page\n",
          &CVM_CODE_CPU_FEATURES, "does not give the guest what its CPU model has" },
        { Q "SEV-SNP: CPUID validation failed due to count mismatch, provided: 29, expected: 28\n" Q
            "SEV-SNP: failed update CPUID page\n",
          &CVM_CODE_CPU_FEATURES, "what its CPU model has" },
        { Q "SNP_LAUNCH_UPDATE ret=-5 fw_error=22 'Invalid parameter'\n" Q
            "SEV-SNP: failed update CPUID page\n",
          &CVM_CODE_CPU_FEATURES, "what its CPU model has" },
        { Q "SEV-SNP: unable to query CPUID values for CPU: 'Bad address'\n" Q
            "snp_populate_metadata_pages: Failed to add metadata page gpa 0x80e000+1000 type 3\n",
          &CVM_CODE_KVM_CONFIDENTIAL, "does not tell what the guest's CPU has" },
        { Q "SEV-SNP: CPUID entry count (65) exceeds max (64)\n" Q
            "SEV-SNP: failed to generate CPUID table information\n",
          &CVM_CODE_CPU_FEATURES, "more CPUID functions" },

        { INIT "cbitpos check failed, host '51' requested '47'\n" KVM_FAILED, &CVM_CODE_ENCRYPTION_BIT,
          "another encryption bit" },
        { INIT
          "reduced_phys_bits check failed, it should be in the range of 1 to 63, requested '0'\n" KVM_FAILED,
          &CVM_CODE_ENCRYPTION_BIT, "other addresses" },
        { Q "Could not open '/dev/sev': Permission denied\n" KVM_FAILED, &CVM_CODE_PLATFORM_DEVICE,
          "may not open" },
        { Q "Could not open '/dev/sev': No such file or directory\n" KVM_FAILED, &CVM_CODE_PLATFORM_DEVICE,
          "no /dev/sev" },
        { Q "Could not open '/dev/sev': No such device or address\n" KVM_FAILED, &CVM_CODE_PLATFORM_DEVICE,
          "cannot open" },
        { INIT "Failed to open /dev/sev 'Permission denied'\n" KVM_FAILED, &CVM_CODE_PLATFORM_DEVICE,
          "may not open" },
        { INIT "Failed to open /dev/sev 'No such file or directory'\n" KVM_FAILED, &CVM_CODE_PLATFORM_DEVICE,
          "no /dev/sev" },
        { INIT "Failed to open /dev/sev 'No such device or address'\n" KVM_FAILED, &CVM_CODE_PLATFORM_DEVICE,
          "cannot open" },
        { INIT "failed to get platform status ret=-1 fw_error='1: Platform state is invalid'\n" KVM_FAILED,
          &CVM_CODE_PLATFORM_STATE, "is not initialised" },
        { INIT "failed to get platform status ret=-1 fw_error='0: '\n", &CVM_CODE_PLATFORM_STATE,
          "does not tell its state" },
        { INIT "failed to get platform status ret=-1 fw_error='21845: unknown error'\n",
          &CVM_CODE_PLATFORM_STATE, "does not tell its state" },
        { Q
          "-accel kvm: SEV: host kernel does not support requested KVM_X86_SEV_ES_VM VM type. To allow use\n",
          &CVM_CODE_KVM_CONFIDENTIAL, "does not have SEV-SNP" },
        { INIT "host kernel does not support the requested SEV configuration.\n" KVM_FAILED,
          &CVM_CODE_KVM_CONFIDENTIAL, "does not have SEV-SNP" },
        { INIT "failed to query supported sev_features\n", &CVM_CODE_KVM_CONFIDENTIAL, "its features" },
        { Q
          "-accel kvm: check_sev_features: VMSA contains unsupported sev_features: 220, supported features: 21\n",
          &CVM_CODE_KVM_CONFIDENTIAL, "guest_features" },

        { INIT "failed to initialize ret=-16 fw_error=0 ''\n" KVM_FAILED, &CVM_CODE_GUEST_KEYS,
          "all ASIDs" },
        { INIT "failed to initialize ret=-22 fw_error=0 ''\n" KVM_FAILED, &CVM_CODE_KVM_CONFIDENTIAL,
          "guest_features" },
        { INIT "failed to initialize ret=-25 fw_error=0 ''\n", &CVM_CODE_KVM_CONFIDENTIAL, "no ASIDs" },
        { INIT "failed to initialize ret=-19 fw_error=-1 'unknown error'\n", &CVM_CODE_PLATFORM_STATE,
          "is not there" },
        { INIT "failed to initialize ret=-5 fw_error=23 'Required firmware resource depleted'\n" KVM_FAILED,
          &CVM_CODE_GUEST_KEYS, "no room" },
        { INIT "failed to initialize ret=-14 fw_error=-1 'unknown error'\n", &CVM_CODE_LAUNCH_REFUSED,
          "KVM refused" },

        { Q "sev_snp_launch_start: SNP_LAUNCH_START ret=-22 fw_error=0 ''\n" INIT
            "failed to create encryption context\n" KVM_FAILED,
          &CVM_CODE_GUEST_POLICY, "KVM does not take a bit" },
        { Q "sev_snp_launch_start: SNP_LAUNCH_START ret=-5 fw_error=7 'Policy is not allowed'\n" INIT
            "failed to create encryption context\n" KVM_FAILED,
          &CVM_CODE_GUEST_POLICY, "does not meet the guest's policy" },
        { INIT "failed to create encryption context\n" KVM_FAILED, &CVM_CODE_KVM_CONFIDENTIAL,
          "cannot begin" },

        { Q "SNP_LAUNCH_UPDATE ret=-5 fw_error=9 'Invalid address'\n", &CVM_CODE_LAUNCH_REFUSED,
          "(invalid address)" },
        { Q "SNP_LAUNCH_UPDATE ret=-12 fw_error=0 ''\n", &CVM_CODE_MEMORY_HOST, "not enough memory" },
        { Q "SNP_LAUNCH_UPDATE ret=-5 fw_error=99 'unknown error'\n", &CVM_CODE_LAUNCH_REFUSED,
          "a status that is not known" },
        { Q "failed to set memory (0xffc00000+0x400000) with attr 0x8 error 'Cannot allocate memory'\n" Q
            "SEV-SNP: failed to configure initialprivate guest memory\n",
          &CVM_CODE_MEMORY_HOST, "not enough memory" },
        { Q "SEV-SNP: expected update of GPA range ffc00000-100000000,got GPA range ffc00000-ffd00000\n",
          &CVM_CODE_LAUNCH_REFUSED, "a part of the guest's memory" },

        { Q "SNP_LAUNCH_FINISH ret=-5 fw_error=11 'Bad measurement'\n", &CVM_CODE_ID_BLOCK,
          "the guest's measurement is not the one" },
        { Q "SNP_LAUNCH_FINISH ret=-5 fw_error=10 'Bad signature'\n", &CVM_CODE_ID_BLOCK,
          "signature of the ID block" },
        { Q "SNP_LAUNCH_FINISH ret=-5 fw_error=7 'Policy is not allowed'\n", &CVM_CODE_ID_BLOCK,
          "another policy" },
        { Q "SNP_LAUNCH_FINISH ret=-22 fw_error=0 ''\n", &CVM_CODE_LAUNCH_REFUSED, "KVM refused" },

        { Q "SEV: kernel specified but guest firmware has no hashes table GUID\n", &CVM_CODE_FIRMWARE_HASHES,
          "no room" },
        { Q "SEV: guest firmware hashes table area is invalid (base=0x0 size=0x0)\n",
          &CVM_CODE_FIRMWARE_HASHES, "no room" },
        { Q "../target/i386/sev.c:1290: snp_launch_update_kernel_hashes: Assertion "
            "`(sev_snp->kernel_hashes_offset + sizeof(*sev_snp->kernel_hashes_data)) <= len' failed.\n",
          &CVM_CODE_FIRMWARE_HASHES, "no room" },
        { Q "sev_snp_launch_finish: Failed to locate SEV metadata header\n", &CVM_CODE_FIRMWARE,
          "no SEV metadata" },
        { Q "snp_populate_metadata_pages: Failed to get HVA for GPA 0x40800000 sz 0x9000\n",
          &CVM_CODE_FIRMWARE, "outside of the guest's memory" },
        { Q "SNP_LAUNCH_UPDATE called with invalid address/ length: 0x7f2a4c000000 / 0\n",
          &CVM_CODE_FIRMWARE, "an empty section" },
        { Q "snp_populate_metadata_pages: Failed to add metadata page gpa 0x80e000+1000 type 3\n",
          &CVM_CODE_FIRMWARE, "does not take" },
        { Q "SEV information block/Firmware GUID Table block not found in pflash rom\n" Q
            "failed to locate and/or save reset vector\n",
          &CVM_CODE_FIRMWARE, "no reset block" },
        { Q "SEV-ES reset address is zero\n" Q "failed to locate and/or save reset vector\n",
          &CVM_CODE_FIRMWARE, "no reset address" },

        { OBJECT "parameter length of 95 not equal to 96\n", &CVM_CODE_ID_BLOCK, "96 bytes" },
        { OBJECT "parameter length:ID_AUTH 4097 exceeds max of 4096\n", &CVM_CODE_ID_BLOCK, "4096 bytes" },
        { OBJECT "parameter length of 48 not equal to 32\n", &CVM_CODE_INTERNAL, "32 bytes" },
        { Q "SEV-SNP does not support SMM.\n", &CVM_CODE_INTERNAL, "system management mode" },
};

static struct failure found(const char *text) {
        struct failure failure = { 0 };

        if (!failure_find(snp_failures, text, &failure))
                fail_msg("nothing is known of %s", text);
        return failure;
}

static void test_each_text_has_its_cause(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const struct failure failure = found(cases[i].text);

                if (failure.code != cases[i].code || !strstr(failure.sentence, cases[i].words))
                        fail_msg("%s, %s: %s", failure.code->id, failure.sentence, cases[i].text);
        }
}

/* No row stands there without a text that leads to it, and none is hidden by one before it. */
static void test_each_row_has_a_text(void **state) {
        for (const struct failure_row *row = snp_failures; row->part; row++) {
                bool is_met = false;

                for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                        is_met |= strstr(cases[i].text, row->part) &&
                                  found(cases[i].text).at == strstr(cases[i].text, row->part) &&
                                  (row->numbers || found(cases[i].text).sentence == row->sentence);
                if (!is_met)
                        fail_msg("no text leads to '%s'", row->part);
        }
}

/* By the firmware's manual: what each status asks of the host. */
static const struct cvm_code *const by_status[] = {
        [0x01] = &CVM_CODE_PLATFORM_STATE, [0x03] = &CVM_CODE_PLATFORM_STATE,
        [0x07] = &CVM_CODE_GUEST_POLICY,   [0x0a] = &CVM_CODE_ID_BLOCK,
        [0x0b] = &CVM_CODE_ID_BLOCK,       [0x0c] = &CVM_CODE_GUEST_KEYS,
        [0x0d] = &CVM_CODE_GUEST_KEYS,     [0x0e] = &CVM_CODE_GUEST_KEYS,
        [0x0f] = &CVM_CODE_GUEST_KEYS,     [0x11] = &CVM_CODE_PLATFORM_OLD,
        [0x13] = &CVM_CODE_PLATFORM_FAULT, [0x14] = &CVM_CODE_PLATFORM_FAULT,
        [0x15] = &CVM_CODE_PLATFORM_OLD,   [0x17] = &CVM_CODE_GUEST_KEYS,
        [0x20] = &CVM_CODE_PLATFORM_STATE, [0x21] = &CVM_CODE_PLATFORM_OLD,
        [0x22] = &CVM_CODE_PLATFORM_OLD,   [0x23] = &CVM_CODE_PLATFORM_STATE,
        [0x24] = &CVM_CODE_PLATFORM_STATE, [0x25] = &CVM_CODE_PLATFORM_STATE,
        [0x26] = &CVM_CODE_PLATFORM_STATE, [0x27] = &CVM_CODE_LAUNCH_REFUSED,
};

/* In both forms in which QEMU writes it; a status of its own never shares another's sentence. */
static void test_each_status(void **state) {
        const char *unknown = found(Q "X ret=-5 fw_error=4711 'unknown error'\n").sentence;

        for (size_t i = 1; i < ARRAY_SIZE(by_status); i++) {
                const struct cvm_code *code = by_status[i] ? by_status[i] : &CVM_CODE_LAUNCH_REFUSED;
                char plain[128], quoted[128];
                struct failure failure;

                snprintf(plain, sizeof plain, Q "SNP_LAUNCH_UPDATE ret=-5 fw_error=%zu 'x'\n", i);
                snprintf(quoted, sizeof quoted,
                         INIT "failed to get platform status ret=-1 fw_error='%zu: x'\n", i);
                failure = found(plain);
                if (failure.code != code)
                        fail_msg("status %zu is %s", i, failure.code->id);
                if (i == 0x1e) { /* is none */
                        assert_string_equal(failure.sentence, unknown);
                        continue;
                }
                assert_string_not_equal(failure.sentence, unknown);
                assert_string_equal(found(quoted).sentence, failure.sentence);
                for (size_t k = 1; k < i; k++) {
                        snprintf(plain, sizeof plain, Q "SNP_LAUNCH_UPDATE ret=-5 fw_error=%zu 'x'\n", k);
                        assert_string_not_equal(found(plain).sentence, failure.sentence);
                }
        }
}

/* The log's tail may begin and end anywhere, and say anything. */
static void test_numbers_that_are_none(void **state) {
        static const char *const texts[] = { "fw_error=",       "fw_error='",
                                             "fw_error=''",     "fw_error=x11",
                                             "fw_error=-11 'x", "fw_error=99999999999999999999999999",
                                             "fw_error=\n11" };
        struct failure failure;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                assert_string_equal(found(texts[i]).sentence, found("fw_error=4711").sentence);
        assert_false(failure_find(snp_failures, "", &failure));
        assert_false(failure_find(snp_failures, "11 'Bad measurement'", &failure));
        assert_false(failure_find(snp_failures, Q "terminating on signal 15\n", &failure));
}

/* Whoever looks the code up learns what to do: a command to run, a field to change, or what this host needs.
 */
static void says_what_to_do(const struct cvm_code *code) {
        if (code == &CVM_CODE_INTERNAL) /* nothing of the host's or the user's is wrong */
                return;
        if (!strchr(code->remedy, '`') && !strstr(code->remedy, "host") &&
            !strstr(code->remedy, "Name in '"))
                fail_msg("%s: what is to be done? %s", code->id, code->remedy);
        assert_ptr_equal(cvm_code_find(code->id), code);
}

static void test_each_code_has_a_remedy(void **state) {
        for (const struct failure_row *row = snp_failures; row->part; row++) {
                says_what_to_do(row->code);
                for (const struct failure_number *n = row->numbers; n && n->code; n++)
                        says_what_to_do(n->code);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_text_has_its_cause),
                cmocka_unit_test(test_each_row_has_a_text),
                cmocka_unit_test(test_each_status),
                cmocka_unit_test(test_numbers_that_are_none),
                cmocka_unit_test(test_each_code_has_a_remedy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
