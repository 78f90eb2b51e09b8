/*
 * The texts are those of QEMU 11.1 (target/i386/kvm/tdx.c, hw/i386/tdvf.c), without what varies. A command
 * that failed is told as `TDX ioctl COMMAND failed, hw_errors: 0xSTATUS: words of the errno`; the status is
 * the TDX module's, 0 where KVM refused without asking it.
 */
#include "launch/failure-tdx.h"

#define KVM_REFUSED "failed, hw_errors: 0x0: "
#define IMAGE(text) &CVM_CODE_FIRMWARE, "the guest's firmware " text
#define OFFER(text) &CVM_CODE_KVM_CONFIDENTIAL, text
#define OURS(text) &CVM_CODE_INTERNAL, "cvmd started QEMU with " text
#define CPU(text) &CVM_CODE_CPU_FEATURES, text

const struct failure_row tdx_failures[] = {
        /* commands: what is known of one errno or status first */
        { "KVM_TDX_INIT_VM " KVM_REFUSED "No space left on device", &CVM_CODE_GUEST_KEYS,
          "all keys for trust domains (KeyIDs) are taken" },
        { "KVM_TDX_INIT_VM " KVM_REFUSED "Device or resource busy", &CVM_CODE_GUEST_KEYS,
          "all keys for trust domains (KeyIDs) that this control group may have are taken" },
        { "KVM_TDX_INIT_VM " KVM_REFUSED "Resource temporarily unavailable", &CVM_CODE_PLATFORM_STATE,
          "the processor has no randomness left for a trust domain's keys" },
        { "KVM_TDX_INIT_VM " KVM_REFUSED "Invalid argument", &CVM_CODE_GUEST_POLICY,
          "KVM does not take an attribute or a CPU feature of the trust domain" },
        { "KVM_TDX_INIT_MEM_REGION " KVM_REFUSED "Cannot allocate memory", &CVM_CODE_MEMORY_HOST,
          "the host has not enough memory for the guest" },
        { "KVM_TDX_CAPABILITIES failed", OFFER("KVM does not tell what trust domains it has") },
        { "KVM_TDX_INIT_VM failed", &CVM_CODE_LAUNCH_REFUSED, "the trust domain was not created" },
        { "KVM_TDX_INIT_VCPU failed", &CVM_CODE_LAUNCH_REFUSED,
          "a vCPU of the trust domain was not created" },
        { "KVM_TDX_INIT_MEM_REGION failed", &CVM_CODE_LAUNCH_REFUSED,
          "a page of the guest's firmware was not added to the trust domain" },
        { "KVM_TDX_FINALIZE_VM failed", &CVM_CODE_LAUNCH_REFUSED,
          "the measurement of the trust domain was not completed" },
        { "KVM_TDX_GET_CPUID failed", &CVM_CODE_LAUNCH_REFUSED,
          "the TDX module does not tell what the guest's CPU has" },

        /* what it may have */
        { "Some QEMU unsupported TD attribute bits", &CVM_CODE_GUEST_POLICY,
          "QEMU cannot start a trust domain with an attribute that the definition asks for" },
        { "Invalid attributes", &CVM_CODE_GUEST_POLICY,
          "the host does not have an attribute that the definition asks for" },
        { "Invalid XFAM",
          CPU("the host gives trust domains less state of the processor than it has itself") },
        { "TDX requires guest CPU physical bits", CPU("the guest's addresses are not those of the host") },
        { "doesn't support KVM_CAP_X86_APIC_BUS_CYCLES_NS", OFFER("KVM is too old for trust domains") },
        { "Unable to set core crystal clock frequency",
          OFFER("KVM does not set the clock of a trust domain") },

        /* firmware */
        { "failed to parse TDVF", IMAGE("has no TDX metadata that QEMU takes") },
        { "Invalid TDVF signature", IMAGE("has no TDX metadata where its table points") },
        { "TDVF metadata", IMAGE("has TDX metadata that QEMU does not take") },
        { "Invalid number of fw entries", IMAGE("has TDX metadata that QEMU does not take") },
        { "TDVF contains unsupported section", IMAGE("has a section that QEMU does not add") },
        { "Unsupported TDVF section", IMAGE("has a section that QEMU does not add") },
        { "Failed to accept memory for TDVF section",
          IMAGE("asks for memory that the guest does not have") },
        { "TD_HOB overrun", IMAGE("has no room for what the host says of the memory") },
        { "Failed to mmap memory for TDVF", &CVM_CODE_MEMORY_HOST,
          "the host has not enough memory for the guest" },

        /* arguments */
        { "Named cpu model is not supported for TDX",
          OURS("a CPU model, where only the host's own is possible") },
        { "TDX VM doesn't support SMM", OURS("system management mode") },
        { "TDX VM doesn't support PIC", OURS("an interrupt controller that trust domains do not have") },
        { "TDX VM requires kernel_irqchip to be split", OURS("KVM's interrupt controller") },
        { "sha384 digest was", OURS("a configuration register of another length than 48 bytes") },
        { 0 },
};
