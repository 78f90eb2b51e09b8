/*
 * The processor that is offered: a Genoa with everything that QEMU's models of AMD's servers ask for, the
 * later ones too. QEMU takes from it what the model has, so that all of them start on it without a warning.
 */
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "tests/testbed/kvm.h"

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX

static const struct kvm_cpuid_entry2 supported[] = {
        { 0x0, 0, 0, .eax = 0x10, .ebx = 0x68747541, .ecx = 0x444d4163,
          .edx = 0x69746e65 }, /* AuthenticAMD */
        { 0x1, 0, 0, .eax = 0x00a10f10, .ecx = 0xf6fa3203, .edx = 0x078bfbff },
        { 0x7, 0, INDEXED, .eax = 1, .ebx = 0xf1bf07a9, .ecx = 0x18415f4e, .edx = 0x00000110 },
        { 0x7, 1, INDEXED, .eax = 0x00000030 },
        { 0xd, 0, INDEXED, .eax = 0x2e7, .ebx = 0xa88,
          .ecx = 0xa88 }, /* components of XCR0 and the image's size */
        { 0xd, 1, INDEXED, .eax = 0xf, .ebx = 0xa88 },
        { 0xd, 2, INDEXED, .eax = 0x100, .ebx = 0x240 }, /* AVX: size and place */
        { 0xd, 5, INDEXED, .eax = 0x040,
          .ebx = 0x440 }, /* AVX-512: masks, and the two parts of its registers */
        { 0xd, 6, INDEXED, .eax = 0x200, .ebx = 0x480 },
        { 0xd, 7, INDEXED, .eax = 0x400, .ebx = 0x680 },
        { 0xd, 9, INDEXED, .eax = 0x008, .ebx = 0xa80 }, /* protection keys */
        { 0x40000000, 0, 0, .eax = 0x40000001, .ebx = 0x4b4d564b, .ecx = 0x564b4d56,
          .edx = 0x4d }, /* KVMKVMKVM */
        { 0x40000001, 0, 0, .eax = 0x0100007b },
        { 0x80000000, 0, 0, .eax = 0x80000022, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65 },
        { 0x80000001, 0, 0, .eax = 0x00a10f10, .ecx = 0x00c003f7, .edx = 0x2fd3fbff },
        { 0x80000007, 0, 0, .edx = 0x100 },
        { 0x80000008, 0, 0, .eax = 0x3030, .ebx = 0x1102d205 },
        { 0x8000000a, 0, 0, .eax = 1, .ebx = 8, .edx = 0xf },
        { 0x8000001f, 0, 0, .eax = 0x1a, .ebx = 51 | 1 << 6 }, /* SEV, SEV-ES, SEV-SNP; the encryption bit */
        { 0x80000021, 0, 0, .eax = 0x58100147 },
        { 0x80000022, 0, 0, .eax = 1, .ebx = 6 },
};

int kvm_supported_cpuid(void *object, const struct call *call, void *argument) {
        struct kvm_cpuid2 *ret = argument;

        if (ret->nent < ARRAY_SIZE(supported))
                return -E2BIG;
        ret->nent = ARRAY_SIZE(supported);
        memcpy(ret->entries, supported, sizeof supported);
        return 0;
}
