/*
 * QEMU tells the ultravisor's return code and reason as `KVM PV command 2 (KVM_PV_SET_SEC_PARMS) failed:
 * header rc 108 rrc 5 IOCTL rc: -22`, in hexadecimal digits (9.2; later ones add a sentence). Afterwards the
 * guest goes on in its loader, which says on the console what QEMU told it: newer ones as `Protected boot
 * failed: 0xa02, KVM_PV_VERIFY - RC: 0x102, RRC:0x1b` behind a sentence of their own, older ones only that.
 */
#include "launch/failure-se.h"

#define HEADER(text) &CVM_CODE_IMAGE_FORMAT, "the ultravisor does not take the image's header: " text
#define OTHER(text) &CVM_CODE_IMAGE_CHANGED, "the ultravisor found that the image was changed: " text
#define NOT_HERE(text) &CVM_CODE_HOST_KEY_SLOT, text
#define FLAGS(text) &CVM_CODE_GUEST_POLICY, text
#define OFFER(text) &CVM_CODE_KVM_CONFIDENTIAL, text

#define WRONG_KEY \
        NOT_HERE("the image was not built for this host: none of its key slots is for this host's key")
#define BAD_CUSTOMER HEADER("its customer key is not one of the curve")
#define BACKUP NOT_HERE("the image names another backup key than this host has")
#define VERSION \
        &CVM_CODE_PLATFORM_OLD, "the ultravisor of this host does not know the version of the image's header"
#define PCF FLAGS("the ultravisor of this host does not have what a flag of the image asks for (PCF)")
#define SCF FLAGS("the ultravisor of this host does not have what a secret flag of the image asks for (SCF)")
#define ALD OTHER("its pages lie elsewhere than its header says (ALD)")
#define PLD OTHER("its pages are not those of its header (PLD)")
#define TLD OTHER("the tweaks of its pages are not those of its header (TLD)")
#define PAGES OTHER("it has another number of pages than its header says")
#define CORRUPT HEADER("its sizes do not fit together, or it is not authentic")

/* One return code with a reason, and alone, in each one's own form. */
#define REASON(rc, rrc, what)                        \
        { "header rc " rc " rrc " rrc " ", what }, { \
                "RC: 0x" rc ", RRC:0x" rrc, what     \
        }
#define CODE_ALONE(rc, what)             \
        { "header rc " rc " ", what }, { \
                "RC: 0x" rc ",", what    \
        }

const struct failure_row se_failures[] = {
        /* clang-format off: one line, one code */
        REASON("102", "1a", ALD),
        REASON("102", "1b", PLD),
        REASON("102", "1c", TLD),
        REASON("102", "1d", PAGES),
        CODE_ALONE("102", OTHER("it does not verify")),
        CODE_ALONE("104", VERSION),
        CODE_ALONE("106", PCF),
        REASON("108", "b", BAD_CUSTOMER),
        REASON("108", "34", BACKUP),
        CODE_ALONE("108", WRONG_KEY),
        CODE_ALONE("109", SCF),
        REASON("10a", "31", HEADER("it has another size than it says")),
        REASON("10a", "39", HEADER("its encrypted part has another size than it says")),
        REASON("10a", "40", HEADER("it has no key slots")),
        CODE_ALONE("10a", CORRUPT),
        /* clang-format on */

        { "Please check whether the image is correctly encrypted for this host", WRONG_KEY },
        { "(KVM_PV_SET_SEC_PARMS) failed", &CVM_CODE_LAUNCH_REFUSED,
          "the ultravisor refused the image's header" },
        { "Failed to set secure execution parameters", &CVM_CODE_LAUNCH_REFUSED,
          "the ultravisor refused the image's header" },
        { "(KVM_PV_UNPACK) failed", &CVM_CODE_LAUNCH_REFUSED,
          "the ultravisor did not decrypt a part of the image" },
        { "(KVM_PV_VERIFY) failed", OTHER("it does not verify") },
        { "(KVM_PV_ENABLE) failed", &CVM_CODE_LAUNCH_REFUSED,
          "the ultravisor makes no protected guest: it may have no room for one more" },
        { "KVM PV command ", &CVM_CODE_LAUNCH_REFUSED, "the ultravisor refused a step of the launch" },

        /* before the guest runs */
        { "CPU model does not support Protected Virtualization",
          OFFER("KVM offers no protected guests on this host: its kernel was booted without prot_virt=1, or is "
                "itself a guest") },
        { "Protected Virtualization requires KVM", OFFER("protected guests need KVM") },
        { "Protected VMs support a maximum of", &CVM_CODE_VCPUS, "a protected guest takes fewer vCPUs" },
        { "Protected VMs can currently not be backed with huge pages", &CVM_CODE_HUGE_PAGES,
          "KVM protects no memory that lies on huge pages" },
        { "Protected VM started without a Confidential Guest support interface", &CVM_CODE_INTERNAL,
          "cvmd started QEMU without its object for protected guests" },

        /* on the guest's console: its loader, before anything is protected */
        { "Secure unpack facility is not available",
          OFFER("the guest is offered no protection (facility 161): this is no host for protected guests") },
        { "Protected boot setup has failed", HEADER("QEMU does not take the list of its components") },
        { "Protected boot has failed", &CVM_CODE_LAUNCH_REFUSED,
          "the guest's loader was refused protection" },
        { "Protected boot failed", &CVM_CODE_LAUNCH_REFUSED, "the guest's loader was refused protection" },
        { 0 },
};
