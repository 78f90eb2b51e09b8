/*
 * The texts are those of QEMU 11.1 and, where they differ, of 9.2 (target/i386/sev.c), without what varies.
 * A command that failed is told as `COMMAND ret=-ERRNO fw_error=STATUS 'QEMU's name of it'`: the status is
 * the firmware's, 0 or -1 where KVM refused without asking it.
 */
#include "launch/failure-snp.h"

#define FIRMWARE "the security processor's firmware"
#define STATE(text) &CVM_CODE_PLATFORM_STATE, FIRMWARE " " text
#define OLD(text) &CVM_CODE_PLATFORM_OLD, FIRMWARE " is too old: " text
#define FAULT(text) &CVM_CODE_PLATFORM_FAULT, FIRMWARE " says that " text
#define KEYS(text) &CVM_CODE_GUEST_KEYS, text
#define REFUSED(name) &CVM_CODE_LAUNCH_REFUSED, FIRMWARE " refused a step of the launch (" name ")"

/* Status codes (SEV-SNP firmware ABI, "Status Codes"); QEMU has no name for those past 0x18. */
static const struct failure_number statuses[] = {
        { 0x01, STATE("is not initialised for SEV-SNP") },
        { 0x02, REFUSED("invalid guest state") },
        { 0x03, STATE("has no valid configuration") },
        { 0x04, REFUSED("invalid length") },
        { 0x05, REFUSED("already owned") },
        { 0x06, REFUSED("invalid certificate") },
        { 0x07, &CVM_CODE_GUEST_POLICY,
          "this host does not meet the guest's policy: SMT, sockets, or the firmware's version" },
        { 0x08, REFUSED("inactive") },
        { 0x09, REFUSED("invalid address") },
        { 0x0a, &CVM_CODE_ID_BLOCK, "the signature of the ID block or that of its key does not hold" },
        { 0x0b, &CVM_CODE_ID_BLOCK,
          "the guest's measurement is not the one that the owner's ID block names" },
        { 0x0c, KEYS("the guest's ASID belongs to another guest still") },
        { 0x0d, KEYS("the firmware does not take the guest's ASID") },
        { 0x0e, KEYS("the ASIDs of ended guests are not cleaned up yet (WBINVD)") },
        { 0x0f, KEYS("the ASIDs of ended guests are not cleaned up yet (DF_FLUSH)") },
        { 0x10, REFUSED("invalid guest") },
        { 0x11, OLD("it does not know the command") },
        { 0x12, REFUSED("the guest is active already") },
        { 0x13, FAULT("the hardware failed") },
        { 0x14, FAULT("the hardware is not in a safe state") },
        { 0x15, OLD("it does not have what the guest needs") },
        { 0x16, REFUSED("invalid parameter") },
        { 0x17, KEYS("the security processor has no room for one more guest") },
        { 0x18, REFUSED("invalid secure data") },
        { 0x19, REFUSED("invalid page size") },
        { 0x1a, REFUSED("invalid page state") },
        { 0x1b, REFUSED("invalid metadata entry") },
        { 0x1c, REFUSED("invalid page owner") },
        { 0x1d, REFUSED("message counter at its end") },
        { 0x1f, REFUSED("ring buffer mode was left") },
        { 0x20, STATE("has not initialised the RMP table") },
        { 0x21, OLD("its security version is below the one committed") },
        { 0x22, OLD("it does not know a structure's version") },
        { 0x23, STATE("was updated and must be shut down before it goes on") },
        { 0x24, STATE("failed to update") },
        { 0x25, STATE("must be restored after an update that failed") },
        { 0x26, STATE("failed to initialise the RMP table") },
        { 0x27, REFUSED("invalid key") },
        { 0 },
};

#define IMAGE(text) &CVM_CODE_FIRMWARE, "the guest's firmware " text
#define NO_HASHES &CVM_CODE_FIRMWARE_HASHES, "the guest's firmware has no room for the hashes of the kernel"
#define OFFER(text) &CVM_CODE_KVM_CONFIDENTIAL, text
#define MAY_NOT_OPEN &CVM_CODE_PLATFORM_DEVICE, "the guest's QEMU may not open /dev/sev"
#define NO_DEVICE                  \
        &CVM_CODE_PLATFORM_DEVICE, \
                        "there is no /dev/sev: the driver of the security processor has not started"
#define NOT_OPEN &CVM_CODE_PLATFORM_DEVICE, "QEMU cannot open /dev/sev"
#define OURS(text) &CVM_CODE_INTERNAL, "cvmd started QEMU with " text

const struct failure_row snp_failures[] = {
        { "CPUID validation failed", &CVM_CODE_CPU_FEATURES,
          FIRMWARE " does not give the guest what its CPU model has" },
        { "failed update CPUID page", &CVM_CODE_CPU_FEATURES,
          FIRMWARE " does not give the guest what its CPU model has" },
        { "unable to query CPUID values", OFFER("KVM does not tell what the guest's CPU has") },
        { "CPUID entry count", &CVM_CODE_CPU_FEATURES,
          "the CPU model has more CPUID functions than SEV-SNP has room for" },

        /* before KVM is asked */
        { "cbitpos check failed", &CVM_CODE_ENCRYPTION_BIT,
          "the guest was planned for a host with another encryption bit" },
        { "reduced_phys_bits check failed", &CVM_CODE_ENCRYPTION_BIT,
          "the guest was planned for a host with other addresses" },
        { "Could not open '/dev/sev': Permission denied", MAY_NOT_OPEN },
        { "Could not open '/dev/sev': No such file", NO_DEVICE },
        { "Could not open '/dev/sev'", NOT_OPEN },
        { "Failed to open /dev/sev 'Permission denied'", MAY_NOT_OPEN }, /* 9.2 */
        { "Failed to open /dev/sev 'No such file", NO_DEVICE },
        { "Failed to open /dev/sev", NOT_OPEN },
        { "failed to get platform status ret=-1 fw_error=", STATE("does not tell its state"), statuses },
        { "host kernel does not support", OFFER("KVM does not have SEV-SNP") },
        { "failed to query supported sev_features", OFFER("KVM does not tell its features of SEV-SNP") },
        { "unsupported sev_features",
          OFFER("KVM does not have the 'sev-snp.guest_features' of the definition") },

        /* by errno, where that says more than the firmware's status */
        { "failed to initialize ret=-16 ", KEYS("all ASIDs for guests of SEV-SNP are taken") },
        { "failed to initialize ret=-22 ",
          OFFER("KVM does not have the 'sev-snp.guest_features' of the definition") },
        { "failed to initialize ret=-25 ",
          OFFER("KVM has SEV-SNP off, or the machine's setup leaves it no ASIDs") },
        { "SNP_LAUNCH_START ret=-22 ", &CVM_CODE_GUEST_POLICY,
          "KVM does not take a bit of the guest's policy" },
        { "SNP_LAUNCH_FINISH ret=-5 fw_error=7 ", &CVM_CODE_ID_BLOCK,
          "the ID block is for another policy than the guest's" },
        { "ret=-12 fw_error=", &CVM_CODE_MEMORY_HOST, "the host has not enough memory for the guest" },
        { "ret=-19 fw_error=", STATE("is not there") },
        { "fw_error=0 ", &CVM_CODE_LAUNCH_REFUSED, "KVM refused a step of the launch" },
        { "fw_error=-1 ", &CVM_CODE_LAUNCH_REFUSED, "KVM refused a step of the launch" },
        { "fw_error=", REFUSED("a status that is not known"), statuses },
        { "failed to create encryption context", OFFER("KVM cannot begin the launch") },

        /* memory */
        { "failed to configure initial", &CVM_CODE_MEMORY_HOST,
          "the host has not enough memory to keep the guest's apart" },
        { "expected update of GPA range", &CVM_CODE_LAUNCH_REFUSED,
          "KVM took a part of the guest's memory only" },

        /* the guest's firmware; what is put in place of the kernel's hashes is checked by an assertion */
        { "has no hashes table GUID", NO_HASHES },
        { "hashes table area is invalid", NO_HASHES },
        { "kernel_hashes_offset", NO_HASHES },
        { "Failed to locate SEV metadata header", IMAGE("has no SEV metadata") },
        { "Failed to get HVA for GPA", IMAGE("asks for pages outside of the guest's memory") },
        { "SNP_LAUNCH_UPDATE called with invalid address",
          IMAGE("has an empty section in its SEV metadata") },
        { "Failed to add metadata page", IMAGE("has SEV metadata that QEMU does not take") },
        { "Firmware GUID Table block not found", IMAGE("has no reset block for the second CPU") },
        { "SEV-ES reset address is zero", IMAGE("has no reset address for the second CPU") },

        /* arguments */
        { "not equal to 96", &CVM_CODE_ID_BLOCK, "the ID block has not 96 bytes" },
        { "parameter length:ID_AUTH", &CVM_CODE_ID_BLOCK, "the ID authentication has more than 4096 bytes" },
        { "not equal to 32", OURS("host data of another length than 32 bytes") },
        { "SEV-SNP does not support SMM", OURS("system management mode") },
        { 0 },
};
