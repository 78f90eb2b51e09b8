/* A vCPU: the registers as QEMU set them last, from which its save area is built. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/macros.h"
#include "tests/testbed/kvm.h"
#include "tests/testbed/player.h"
#include "tests/testbed/vmsa.h"

uint64_t vcpu_msr(const struct vcpu *vcpu, uint32_t index, uint64_t otherwise) {
        for (size_t i = 0; i < vcpu->msrs.n; i++)
                if (vcpu->msrs.entries[i].index == index)
                        return vcpu->msrs.entries[i].data;
        return otherwise;
}

int msrs_get(const struct msrs *msrs, struct kvm_msrs *ret) {
        for (uint32_t i = 0; i < ret->nmsrs; i++) {
                ret->entries[i].data = 0;
                for (size_t j = 0; j < msrs->n; j++)
                        if (msrs->entries[j].index == ret->entries[i].index)
                                ret->entries[i].data = msrs->entries[j].data;
        }
        return (int)ret->nmsrs;
}

static int get_msrs(void *object, const struct call *call, void *argument) {
        struct vcpu *vcpu = object;

        return msrs_get(&vcpu->msrs, argument);
}

static bool msr_set(struct msrs *msrs, const struct kvm_msr_entry *entry) {
        size_t i = 0;

        while (i < msrs->n && msrs->entries[i].index != entry->index)
                i++;
        if (i == MSRS_MAX)
                return false;
        msrs->entries[i] = *entry;
        msrs->n += i == msrs->n;
        return true;
}

static int set_msrs(void *object, const struct call *call, void *argument) {
        const struct kvm_msrs *given = argument;
        struct vcpu *vcpu = object;
        uint32_t n = 0;

        while (n < given->nmsrs && msr_set(&vcpu->msrs, &given->entries[n]))
                n++;
        return (int)n;
}

static int set_cpuid(void *object, const struct call *call, void *argument) {
        const struct kvm_cpuid2 *given = argument;
        struct vcpu *vcpu = object;

        if (given->nent > CPUID_MAX)
                return -E2BIG;
        vcpu->n_cpuid = given->nent;
        memcpy(vcpu->cpuid, given->entries, given->nent * sizeof *given->entries);
        return 0;
}

int vcpu_get_cpuid(void *object, const struct call *call, void *argument) {
        struct kvm_cpuid2 *ret = argument;
        struct vcpu *vcpu = object;

        if (ret->nent < vcpu->n_cpuid)
                return -E2BIG;
        ret->nent = (uint32_t)vcpu->n_cpuid;
        memcpy(ret->entries, vcpu->cpuid, vcpu->n_cpuid * sizeof *vcpu->cpuid);
        return 0;
}

static int set_xsave(void *object, const struct call *call, void *argument) {
        struct vcpu *vcpu = object;

        xsave_take(vcpu->xsave, argument);
        return 0;
}

static int encrypt_op(void *object, const struct call *call, void *argument) {
        struct vcpu *vcpu = object;

        return vcpu->vm->type == KVM_X86_TDX_VM ? tdx_vcpu_command(vcpu, argument) : -EINVAL;
}

static int tsc_khz(void *object, const struct call *call, void *argument) {
        return 2000000;
}

/*
 * The vCPU rests until the player has a command for it or QEMU wants it: a signal whose handler sets
 * immediate_exit. Blocked until the wait itself, it cannot come between the look and the wait.
 */
int vcpu_run(void *object, const struct call *call, void *argument) {
        struct vcpu *vcpu = object;
        bool exits = false;
        sigset_t all, before;

        player_continue(vcpu);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        while (!exits && !__atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_ACQUIRE))
                exits = player_wait(vcpu, &before);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return exits ? 0 : -EINTR;
}

#define STATE(get, set, member)                                                             \
        CALL(get, .run = call_get, .offset = offsetof(struct vcpu, member),                 \
             .size = sizeof(((struct vcpu *)NULL)->member)),                                \
                        CALL(set, .run = call_set, .offset = offsetof(struct vcpu, member), \
                             .size = sizeof(((struct vcpu *)NULL)->member))

static const struct call calls[] = {
        CALL(KVM_RUN, .run = vcpu_run, .blocks = true),
        STATE(KVM_GET_REGS, KVM_SET_REGS, regs),
        STATE(KVM_GET_SREGS2, KVM_SET_SREGS2, sregs),
        STATE(KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, debugregs),
        STATE(KVM_GET_XCRS, KVM_SET_XCRS, xcrs),
        STATE(KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, events),
        STATE(KVM_GET_MP_STATE, KVM_SET_MP_STATE, mp_state),
        STATE(KVM_GET_LAPIC, KVM_SET_LAPIC, lapic),
        CALL(KVM_GET_XSAVE, .run = call_get, .offset = offsetof(struct vcpu, xsave), .size = XSAVE_SIZE),
        CALL(KVM_GET_XSAVE2, .run = call_get, .offset = offsetof(struct vcpu, xsave), .size = XSAVE_SIZE),
        CALL(KVM_SET_XSAVE, .run = set_xsave),
        CALL(KVM_GET_MSRS, .run = get_msrs),
        CALL(KVM_SET_MSRS, .run = set_msrs),
        CALL(KVM_GET_CPUID2, .run = vcpu_get_cpuid),
        CALL(KVM_SET_CPUID2, .run = set_cpuid),
        CALL(KVM_GET_TSC_KHZ, .run = tsc_khz),
        CALL(KVM_SET_TSC_KHZ, .run = call_accept),
        CALL(KVM_MEMORY_ENCRYPT_OP, .run = encrypt_op),
        CALL(KVM_X86_SETUP_MCE, .run = call_accept),
        CALL(KVM_GET_ONE_REG, .run = call_accept),
        CALL(KVM_SET_ONE_REG, .run = call_accept),
        CALL(KVM_ENABLE_CAP, .run = call_accept),
        CALL(KVM_SET_SIGNAL_MASK, .run = call_accept),
        CALL(KVM_KVMCLOCK_CTRL, .run = call_accept),
        CALL(KVM_TPR_ACCESS_REPORTING, .run = call_accept),
        CALL(KVM_SET_VAPIC_ADDR, .run = call_accept),
        CALL(KVM_GET_STATS_FD, .run = call_refuse),
        CALL(KVM_SMI, .run = call_accept),
        CALL(KVM_NMI, .run = call_accept),
};

/* The VM's table keeps its place: a hole is not measured. */
static void release(void *object) {
        struct vcpu *vcpu = object;

        if (vcpu->run)
                munmap(vcpu->run, VCPU_AREA_SIZE);
        if (vcpu->vm)
                for (size_t i = 0; i < vcpu->vm->n_vcpus; i++)
                        if (vcpu->vm->vcpus[i] == vcpu)
                                vcpu->vm->vcpus[i] = NULL;
        vm_unref(vcpu->vm);
        free(vcpu);
}

static const struct handle_kind vcpu_kind = { "kvm-vcpu", calls, ARRAY_SIZE(calls), release };

static int map(struct vcpu *vcpu, int fd) {
        void *area = mmap(NULL, VCPU_AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (area == MAP_FAILED)
                return -errno;
        vcpu->run = area;
        return 0;
}

int vcpu_open(struct vm *vm, uint32_t id) {
        struct vcpu *vcpu;
        int fd;

        if (vm->n_vcpus == VCPUS_MAX)
                return -EINVAL;
        vcpu = calloc(1, sizeof *vcpu);
        if (!vcpu)
                return -ENOMEM;
        vcpu->id = id;
        vcpu_reset(vcpu);
        fd = handle_new(&vcpu_kind, vcpu, VCPU_AREA_SIZE);
        if (fd < 0 || map(vcpu, fd) < 0) {
                free(vcpu);
                return -ENOMEM;
        }
        vm->references++;
        vcpu->vm = vm;
        vm->vcpus[vm->n_vcpus++] = vcpu;
        return fd;
}
