/* What QEMU and the loader in front of an image say when a launch of Secure Execution fails: a text for each
 * row of the table, none hidden by another. */
#include "launch/failure-se.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

#define Q "qemu-system-s390x: "
#define PV(number, name, rc, rrc) \
        Q "KVM PV command " number " (KVM_PV_" name ") failed: header rc " rc " rrc " rrc " IOCTL rc: -22\n"
#define LOADER(name, rc, rrc) \
        "Protected boot failed: 0xa02, KVM_PV_" name " - RC: 0x" rc ", RRC:0x" rrc "\r\n"
#define BOTH(number, name, rc, rrc, code, words)      \
        { PV(number, name, rc, rrc), code, words }, { \
                LOADER(name, rc, rrc), code, words    \
        }

static const struct {
        const char *text;
        const struct cvm_code *code;
        const char *words;
} cases[] = {
        BOTH("4", "VERIFY", "102", "1a", &CVM_CODE_IMAGE_CHANGED, "(ALD)"),
        BOTH("4", "VERIFY", "102", "1b", &CVM_CODE_IMAGE_CHANGED, "(PLD)"),
        BOTH("4", "VERIFY", "102", "1c", &CVM_CODE_IMAGE_CHANGED, "(TLD)"),
        BOTH("4", "VERIFY", "102", "1d", &CVM_CODE_IMAGE_CHANGED, "number of pages"),
        BOTH("4", "VERIFY", "102", "7", &CVM_CODE_IMAGE_CHANGED, "does not verify"),
        BOTH("2", "SET_SEC_PARMS", "104", "1", &CVM_CODE_PLATFORM_OLD, "version"),
        BOTH("2", "SET_SEC_PARMS", "106", "30", &CVM_CODE_GUEST_POLICY, "(PCF)"),
        BOTH("2", "SET_SEC_PARMS", "108", "5", &CVM_CODE_HOST_KEY_SLOT, "none of its key slots"),
        BOTH("2", "SET_SEC_PARMS", "108", "b", &CVM_CODE_IMAGE_FORMAT, "customer key"),
        BOTH("2", "SET_SEC_PARMS", "108", "34", &CVM_CODE_HOST_KEY_SLOT, "backup key"),
        BOTH("2", "SET_SEC_PARMS", "109", "0", &CVM_CODE_GUEST_POLICY, "(SCF)"),
        BOTH("2", "SET_SEC_PARMS", "10a", "31", &CVM_CODE_IMAGE_FORMAT, "another size"),
        BOTH("2", "SET_SEC_PARMS", "10a", "39", &CVM_CODE_IMAGE_FORMAT, "encrypted part"),
        BOTH("2", "SET_SEC_PARMS", "10a", "40", &CVM_CODE_IMAGE_FORMAT, "no key slots"),
        BOTH("2", "SET_SEC_PARMS", "10a", "1", &CVM_CODE_IMAGE_FORMAT, "not authentic"),
        { Q "Failed to set secure execution parameters\n"
            "Please check whether the image is correctly encrypted for this host\n",
          &CVM_CODE_HOST_KEY_SLOT, "none of its key slots" },
        { Q "Failed to set secure execution parameters\n", &CVM_CODE_LAUNCH_REFUSED, "header" },
        { PV("2", "SET_SEC_PARMS", "1ff", "0"), &CVM_CODE_LAUNCH_REFUSED, "header" },
        { PV("3", "UNPACK", "1ff", "0"), &CVM_CODE_LAUNCH_REFUSED, "did not decrypt" },
        { PV("4", "VERIFY", "1ff", "0"), &CVM_CODE_IMAGE_CHANGED, "does not verify" },
        { PV("0", "ENABLE", "1ff", "0"), &CVM_CODE_LAUNCH_REFUSED, "no room" },
        { PV("5", "PREP_RESET", "1ff", "0"), &CVM_CODE_LAUNCH_REFUSED, "a step" },
        { Q "CPU model does not support Protected Virtualization\n", &CVM_CODE_KVM_CONFIDENTIAL,
          "prot_virt=1" },
        { Q "Protected Virtualization requires KVM\n", &CVM_CODE_KVM_CONFIDENTIAL, "need KVM" },
        { Q "Protected VMs support a maximum of 247 CPUs\n", &CVM_CODE_VCPUS, "fewer" },
        { Q "Protected VMs can currently not be backed with huge pages\n", &CVM_CODE_HUGE_PAGES,
          "huge pages" },
        { Q "Protected VM started without a Confidential Guest support interface\n", &CVM_CODE_INTERNAL,
          "without its object" },
        { "Secure unpack facility is not available\r\n", &CVM_CODE_KVM_CONFIDENTIAL, "161" },
        { "Protected boot setup has failed: 0x402\r\n", &CVM_CODE_IMAGE_FORMAT, "components" },
        { "Protected boot has failed: 0xa02\r\n", &CVM_CODE_LAUNCH_REFUSED, "loader" },
        { LOADER("UNPACK", "1ff", "0"), &CVM_CODE_LAUNCH_REFUSED, "loader" },
};

static void test_each_text_has_its_cause(void **state) {
        bool seen[64] = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct failure failure;

                if (!failure_find(se_failures, cases[i].text, &failure))
                        fail_msg("no cause: %s", cases[i].text);
                if (failure.code != cases[i].code || !strstr(failure.sentence, cases[i].words))
                        fail_msg("%s, %s: %s", failure.code->id, failure.sentence, cases[i].text);
                for (size_t row = 0; se_failures[row].part; row++)
                        seen[row] |= se_failures[row].sentence == failure.sentence &&
                                     strncmp(failure.at, se_failures[row].part,
                                             strlen(se_failures[row].part)) == 0;
        }
        for (size_t row = 0; se_failures[row].part; row++)
                if (!seen[row])
                        fail_msg("no text leads to '%s'", se_failures[row].part);
}

static void test_other_texts_have_none(void **state) {
        static const char *const texts[] = { "", Q "terminating on signal 15\n",
                                             "[    0.000000] Linux version 6.12 (protected boot)\n" };
        struct failure failure;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                assert_false(failure_find(se_failures, texts[i], &failure));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_text_has_its_cause),
                cmocka_unit_test(test_other_texts_have_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
