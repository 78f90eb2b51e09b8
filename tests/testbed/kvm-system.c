/* /dev/kvm: what the kernel and the processor offer. */
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "tests/testbed/kvm.h"

/* An answer other than 1 is a size, a number or a mask. What is not listed is not offered. */
static const struct {
        unsigned long capability;
        int answer;
} capabilities[] = {
        { KVM_CAP_IRQCHIP, 1 },
        { KVM_CAP_USER_MEMORY, 1 },
        { KVM_CAP_SET_TSS_ADDR, 1 },
        { KVM_CAP_EXT_CPUID, 1 },
        { KVM_CAP_NR_VCPUS, VCPUS_MAX },
        { KVM_CAP_NR_MEMSLOTS, SLOTS_MAX },
        { KVM_CAP_NOP_IO_DELAY, 1 },
        { KVM_CAP_MP_STATE, 1 },
        { KVM_CAP_SYNC_MMU, 1 },
        { KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
        { KVM_CAP_REINJECT_CONTROL, 1 },
        { KVM_CAP_IRQ_ROUTING, 4096 },
        { KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
        { KVM_CAP_MCE, 32 },
        { KVM_CAP_IRQFD, 1 },
        { KVM_CAP_PIT2, 1 },
        { KVM_CAP_SET_BOOT_CPU_ID, 1 },
        { KVM_CAP_PIT_STATE2, 1 },
        { KVM_CAP_IOEVENTFD, 1 },
        { KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
        { KVM_CAP_ADJUST_CLOCK, 1 },
        { KVM_CAP_INTERNAL_ERROR_DATA, 1 },
        { KVM_CAP_VCPU_EVENTS, 1 },
        { KVM_CAP_DEBUGREGS, 1 },
        { KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
        { KVM_CAP_XSAVE, 1 },
        { KVM_CAP_XCRS, 1 },
        { KVM_CAP_TSC_CONTROL, 1 },
        { KVM_CAP_GET_TSC_KHZ, 1 },
        { KVM_CAP_MAX_VCPUS, VCPUS_MAX },
        { KVM_CAP_SIGNAL_MSI, 1 },
        { KVM_CAP_READONLY_MEM, 1 },
        { KVM_CAP_IRQFD_RESAMPLE, 1 },
        { KVM_CAP_DISABLE_QUIRKS, 1 },
        { KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
        { KVM_CAP_MAX_VCPU_ID, VCPUS_MAX },
        { KVM_CAP_X2APIC_API, 3 },
        { KVM_CAP_IMMEDIATE_EXIT, 1 },
        { KVM_CAP_GET_MSR_FEATURES, 1 },
        { KVM_CAP_EXCEPTION_PAYLOAD, 1 },
        { KVM_CAP_SREGS2, 1 },
        { KVM_CAP_EXIT_HYPERCALL, 1 << 12 }, /* KVM_HC_MAP_GPA_RANGE */
        { KVM_CAP_XSAVE2, XSAVE_SIZE },
        { KVM_CAP_SYS_ATTRIBUTES, 1 },
        { KVM_CAP_VM_TYPES, 1 << KVM_X86_DEFAULT_VM | 1 << KVM_X86_SNP_VM | 1 << KVM_X86_TDX_VM },
        { KVM_CAP_USER_MEMORY2, 1 },
        { KVM_CAP_MEMORY_ATTRIBUTES, KVM_MEMORY_ATTRIBUTE_PRIVATE },
        { KVM_CAP_GUEST_MEMFD, 1 },
        { KVM_CAP_X86_APIC_BUS_CYCLES_NS, 1 },
};

int kvm_check_extension(void *object, const struct call *call, void *argument) {
        for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
                if (capabilities[i].capability == (unsigned long)argument)
                        return capabilities[i].answer;
        return 0;
}

static int api_version(void *object, const struct call *call, void *argument) {
        return KVM_API_VERSION;
}

static int create_vm(void *object, const struct call *call, void *argument) {
        return vm_open((unsigned long)argument);
}

static int vcpu_area_size(void *object, const struct call *call, void *argument) {
        return VCPU_AREA_SIZE;
}

/* Registers that exist; the list must not be empty, and QEMU keeps only those of it. */
static const uint32_t msr_indexes[] = {
        0x10,       0x174,      0x175,      0x176,      0x1a0,      0x277,
        0xda0,      0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100,
        0xc0000101, 0xc0000102, 0xc0000103, 0x4b564d00, 0x4b564d01,
};

/* What tells features of the processor: IA32_ARCH_CAPABILITIES and AMD's DE_CFG, both without any. */
static const uint32_t feature_msr_indexes[] = { 0x10a, 0xc0011029 };

static int list(struct kvm_msr_list *ret, const uint32_t *indexes, uint32_t n) {
        uint32_t room = ret->nmsrs;

        ret->nmsrs = n;
        if (room < n)
                return -E2BIG;
        memcpy(ret->indices, indexes, n * sizeof *indexes);
        return 0;
}

static int msr_list(void *object, const struct call *call, void *argument) {
        return list(argument, msr_indexes, ARRAY_SIZE(msr_indexes));
}

static int feature_msr_list(void *object, const struct call *call, void *argument) {
        return list(argument, feature_msr_indexes, ARRAY_SIZE(feature_msr_indexes));
}

static int feature_msrs(void *object, const struct call *call, void *argument) {
        static const struct msrs none;

        return msrs_get(&none, argument);
}

static int mce_capabilities(void *object, const struct call *call, void *argument) {
        const uint64_t banks = 32, mcg_ctl_p = 1u << 8, mcg_ser_p = 1u << 24;

        *(uint64_t *)argument = banks | mcg_ctl_p | mcg_ser_p;
        return 0;
}

static const struct {
        uint32_t group;
        uint64_t attribute, value;
} attributes[] = {
        { 0, KVM_X86_XCOMP_GUEST_SUPP, 0x2e7 }, /* x87 SSE AVX AVX-512 PKRU */
        { KVM_X86_GRP_SEV, KVM_X86_SEV_VMSA_FEATURES, SEV_FEATURES_OFFERED },
        { KVM_X86_GRP_SEV, KVM_X86_SNP_POLICY_BITS, SNP_POLICY_BITS },
};

static int has_attribute(void *object, const struct call *call, void *argument) {
        const struct kvm_device_attr *wanted = argument;

        for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
                if (attributes[i].group == wanted->group && attributes[i].attribute == wanted->attr)
                        return (int)i;
        return -ENXIO;
}

static int get_attribute(void *object, const struct call *call, void *argument) {
        const struct kvm_device_attr *wanted = argument;
        int i = has_attribute(object, call, argument);

        if (i < 0)
                return i;
        memcpy((void *)(uintptr_t)wanted->addr, &attributes[i].value, sizeof attributes[i].value);
        return 0;
}

static int know_attribute(void *object, const struct call *call, void *argument) {
        int i = has_attribute(object, call, argument);

        return i < 0 ? i : 0;
}

static const struct call calls[] = {
        CALL(KVM_GET_API_VERSION, .run = api_version),
        CALL(KVM_CHECK_EXTENSION, .run = kvm_check_extension),
        CALL(KVM_CREATE_VM, .run = create_vm),
        CALL(KVM_GET_VCPU_MMAP_SIZE, .run = vcpu_area_size),
        CALL(KVM_GET_MSR_INDEX_LIST, .run = msr_list),
        CALL(KVM_GET_MSR_FEATURE_INDEX_LIST, .run = feature_msr_list),
        CALL(KVM_GET_MSRS, .run = feature_msrs),
        CALL(KVM_GET_SUPPORTED_CPUID, .run = kvm_supported_cpuid),
        CALL(KVM_X86_GET_MCE_CAP_SUPPORTED, .run = mce_capabilities),
        CALL(KVM_HAS_DEVICE_ATTR, .run = know_attribute),
        CALL(KVM_GET_DEVICE_ATTR, .run = get_attribute),
};

static const struct handle_kind system_kind = { "kvm", calls, ARRAY_SIZE(calls), NULL };

int kvm_system_open(void) {
        return handle_new(&system_kind, NULL, 0);
}
