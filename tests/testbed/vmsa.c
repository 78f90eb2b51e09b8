#include "tests/testbed/vmsa.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"

#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)
#define CR4_MCE (1ull << 6)
#define EFER_SVME (1ull << 12)
#define DR7_FIXED 0x400ull
#define PAT_RESET 0x0007040600070406ull

/* The XSAVE image: FXSAVE's 512 bytes, a header, then the components. */
enum {
        XSAVE_FCW = 0,
        XSAVE_FSW = 2,
        XSAVE_FTW = 4,
        XSAVE_FOP = 6,
        XSAVE_FIP = 8,
        XSAVE_FDP = 16,
        XSAVE_MXCSR = 24,
        XSAVE_ST = 32,
        XSAVE_XMM = 160,
        XSAVE_XSTATE_BV = 512,
        XSAVE_YMM = 576,
        XSAVE_PKRU = 0xa80,
};

static const struct {
        unsigned bit;
        size_t at, size;
} components[] = {
        { 0, XSAVE_FCW, XSAVE_MXCSR }, { 0, XSAVE_ST, XSAVE_XMM - XSAVE_ST },
        { 1, XSAVE_XMM, 256 },         { 2, XSAVE_YMM, 256 },
        { 9, XSAVE_PKRU, 8 },
};

static void put(uint8_t *at, uint64_t v, size_t size) {
        for (size_t i = 0; i < size; i++, v >>= 8)
                at[i] = (uint8_t)v;
}

static void xsave_reset(uint8_t image[XSAVE_SIZE]) {
        memset(image, 0, XSAVE_SIZE);
        put(image + XSAVE_FCW, 0x37f, 2);
        put(image + XSAVE_MXCSR, 0x1f80, 4);
}

void xsave_take(uint8_t ours[XSAVE_SIZE], const uint8_t given[XSAVE_SIZE]) {
        uint64_t present;

        memcpy(&present, given + XSAVE_XSTATE_BV, sizeof present);
        xsave_reset(ours);
        put(ours + XSAVE_XSTATE_BV, present, 8);
        for (size_t i = 0; i < ARRAY_SIZE(components); i++)
                if (present >> components[i].bit & 1)
                        memcpy(ours + components[i].at, given + components[i].at, components[i].size);
        if (present & 6) /* MXCSR goes with SSE and AVX */
                memcpy(ours + XSAVE_MXCSR, given + XSAVE_MXCSR, 4);
}

void vcpu_reset(struct vcpu *vcpu) {
        xsave_reset(vcpu->xsave);
        vcpu->debugregs.dr6 = 0xffff0ff0;
        vcpu->debugregs.dr7 = DR7_FIXED;
        vcpu->xcrs.nr_xcrs = 1;
        vcpu->xcrs.xcrs[0].value = 1;
        vcpu->regs.rflags = 2;
}

static void put_segment(uint8_t *at, const struct kvm_segment *s) {
        bool present = s->present && !s->unusable;

        put(at, s->selector, 2);
        put(at + 2,
            (s->type & 15u) | (s->s & 1u) << 4 | (s->dpl & 3u) << 5 | (unsigned)present << 7 |
                            (s->avl & 1u) << 8 | (s->l & 1u) << 9 | (s->db & 1u) << 10 | (s->g & 1u) << 11,
            2);
        put(at + 4, s->limit, 4);
        put(at + 8, s->base, 8);
}

static void put_table(uint8_t *at, const struct kvm_dtable *t) {
        put(at + 4, t->limit, 4);
        put(at + 8, t->base, 8);
}

static void put_segments(const struct kvm_sregs2 *s, uint8_t *page) {
        put_segment(page + 0x000, &s->es);
        put_segment(page + 0x010, &s->cs);
        put_segment(page + 0x020, &s->ss);
        put_segment(page + 0x030, &s->ds);
        put_segment(page + 0x040, &s->fs);
        put_segment(page + 0x050, &s->gs);
        put_table(page + 0x060, &s->gdt);
        put_segment(page + 0x070, &s->ldt);
        put_table(page + 0x080, &s->idt);
        put_segment(page + 0x090, &s->tr);
        page[0x0cb] = s->ss.dpl & 3; /* CPL */
}

/* Registers that the guest sees, by their place in the page (APM volume 2, appendix B). */
#define REGISTER(at, member) \
        { at, offsetof(struct vcpu, member) }

static const struct {
        uint16_t at;
        size_t offset;
} registers[] = {
        REGISTER(0x150, sregs.cr3), REGISTER(0x168, debugregs.dr6), REGISTER(0x170, regs.rflags),
        REGISTER(0x178, regs.rip),  REGISTER(0x1d8, regs.rsp),      REGISTER(0x1f8, regs.rax),
        REGISTER(0x308, regs.rcx),  REGISTER(0x310, regs.rdx),      REGISTER(0x318, regs.rbx),
        REGISTER(0x328, regs.rbp),  REGISTER(0x330, regs.rsi),      REGISTER(0x338, regs.rdi),
        REGISTER(0x340, regs.r8),   REGISTER(0x348, regs.r9),       REGISTER(0x350, regs.r10),
        REGISTER(0x358, regs.r11),  REGISTER(0x360, regs.r12),      REGISTER(0x368, regs.r13),
        REGISTER(0x370, regs.r14),  REGISTER(0x378, regs.r15),
};

static const struct {
        uint16_t at;
        uint32_t msr;
        uint64_t reset;
} msrs[] = {
        { 0x140, 0xda0, 0 },      /* XSS */
        { 0x200, 0xc0000081, 0 }, /* STAR, LSTAR, CSTAR, SFMASK */
        { 0x208, 0xc0000082, 0 }, { 0x210, 0xc0000083, 0 }, { 0x218, 0xc0000084, 0 },
        { 0x220, 0xc0000102, 0 }, /* KERNEL_GS_BASE */
        { 0x228, 0x174, 0 },      /* SYSENTER: CS, ESP, EIP */
        { 0x230, 0x175, 0 },      { 0x238, 0x176, 0 },      { 0x268, 0x277, PAT_RESET },
};

static void put_registers(const struct vcpu *vcpu, uint8_t *page) {
        for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
                memcpy(page + registers[i].at, (const uint8_t *)vcpu + registers[i].offset, 8);
        for (size_t i = 0; i < ARRAY_SIZE(msrs); i++)
                put(page + msrs[i].at, vcpu_msr(vcpu, msrs[i].msr, msrs[i].reset), 8);
        put(page + 0x0d0, vcpu->sregs.efer | EFER_SVME, 8);
        put(page + 0x148, vcpu->sregs.cr4 | CR4_MCE, 8);
        put(page + 0x158, vcpu->sregs.cr0 & ~(CR0_CD | CR0_NW), 8); /* KVM's quirk, on by default */
        put(page + 0x160, vcpu->debugregs.dr7 | DR7_FIXED, 8);
        put(page + 0x3e8, vcpu->xcrs.xcrs[0].value, 8);
}

static void put_fpu(const uint8_t *image, uint8_t *page) {
        memcpy(page + 0x2e8, image + XSAVE_PKRU, 4);
        memcpy(page + 0x400, image + XSAVE_FDP, 8);
        memcpy(page + 0x408, image + XSAVE_MXCSR, 4);
        memcpy(page + 0x40c, image + XSAVE_FTW, 2);
        memcpy(page + 0x40e, image + XSAVE_FSW, 2);
        memcpy(page + 0x410, image + XSAVE_FCW, 2);
        memcpy(page + 0x412, image + XSAVE_FOP, 2);
        memcpy(page + 0x418, image + XSAVE_FIP, 8);
        for (size_t i = 0; i < 8; i++)
                memcpy(page + 0x420 + 10 * i, image + XSAVE_ST + 16 * i, 10);
        memcpy(page + 0x470, image + XSAVE_XMM, 256);
        memcpy(page + 0x570, image + XSAVE_YMM, 256);
}

int vmsa_make(const struct vcpu *vcpu, uint64_t features, uint8_t page[VMSA_SIZE]) {
        if (vcpu->debugregs.dr7 & ~DR7_FIXED)
                return -EINVAL;
        memset(page, 0, VMSA_SIZE);
        put_segments(&vcpu->sregs, page);
        put_registers(vcpu, page);
        put_fpu(vcpu->xsave, page);
        put(page + 0x3b0, features, 8);
        return 0;
}
