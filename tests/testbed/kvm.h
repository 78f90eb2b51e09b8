/* The objects of KVM: the device, VMs and vCPUs, with the state that QEMU set in them. Nothing is executed.
 */
#pragma once

#include <linux/kvm.h>

#include "tests/testbed/handle.h"
#include "tests/testbed/memory.h"
#include "tests/testbed/sev.h"
#include "tests/testbed/tdx.h"

#define VCPUS_MAX 512
#define MSRS_MAX 512
#define CPUID_MAX 256
#define XSAVE_SIZE 4096
#define VCPU_AREA_SIZE 0x3000

struct msrs {
        size_t n;
        struct kvm_msr_entry entries[MSRS_MAX];
};

struct vcpu {
        struct vm *vm; /* a reference */
        uint32_t id;
        bool is_initialised; /* by the TDX module */
        struct kvm_run *run; /* the mapping that QEMU has too */
        struct kvm_regs regs;
        struct kvm_sregs2 sregs;
        struct kvm_debugregs debugregs;
        struct kvm_xcrs xcrs;
        struct kvm_vcpu_events events;
        struct kvm_mp_state mp_state;
        struct kvm_lapic_state lapic;
        uint8_t xsave[XSAVE_SIZE];
        struct msrs msrs;
        size_t n_cpuid;
        struct kvm_cpuid_entry2 cpuid[CPUID_MAX];
};

struct vm {
        unsigned references; /* its descriptor and its vCPUs */
        unsigned long type;
        struct memory memory;
        struct sev sev;
        struct tdx tdx;
        size_t n_vcpus;
        struct vcpu *vcpus[VCPUS_MAX]; /* in the order of their creation; each holds a reference, none is
                                          held here */
        struct kvm_pit_state2 pit;
        struct kvm_irqchip irqchips[3];
        struct kvm_clock_data clock;
};

int kvm_system_open(void);
int kvm_check_extension(void *object, const struct call *call, void *argument);
int kvm_supported_cpuid(void *object, const struct call *call, void *argument);

int vm_open(unsigned long type);
struct vm *vm_unref(struct vm *vm);

int vcpu_open(struct vm *vm, uint32_t id);
int vcpu_get_cpuid(void *object, const struct call *call, void *argument);
int vcpu_run(void *object, const struct call *call, void *argument);
uint64_t vcpu_msr(const struct vcpu *vcpu, uint32_t index, uint64_t otherwise);
int msrs_get(const struct msrs *msrs, struct kvm_msrs *ret);
