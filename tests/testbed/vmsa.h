/* The save area of a vCPU, as KVM builds it from the registers that were set (Linux sev_es_sync_vmsa). */
#pragma once

#include "tests/testbed/kvm.h"

#define VMSA_SIZE 4096
#define VMSA_GPA 0xfffffffff000ull

/* What KVM itself puts into a new vCPU before anybody sets anything. */
void vcpu_reset(struct vcpu *vcpu);

/* An XSAVE image comes in: a component whose bit is clear goes to its reset state, whatever its bytes say.
 */
void xsave_take(uint8_t ours[XSAVE_SIZE], const uint8_t given[XSAVE_SIZE]);

/* 0, or -EINVAL where KVM refuses: breakpoints are set. */
int vmsa_make(const struct vcpu *vcpu, uint64_t features, uint8_t page[VMSA_SIZE]);
