/* A VM: its memory, its vCPUs, its launch; interrupts and timers are accepted and do nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "tests/testbed/kvm.h"
#include "tests/testbed/player.h"

static int create_vcpu(void *object, const struct call *call, void *argument) {
        return vcpu_open(object, (uint32_t)(unsigned long)argument);
}

/* Private memory: nothing reads it here, but it has a size and can be cut holes into. */
static const struct handle_kind memfd_kind = { "kvm-gmem", NULL, 0, NULL };

static int create_guest_memfd(void *object, const struct call *call, void *argument) {
        const struct kvm_create_guest_memfd *wanted = argument;

        return handle_new(&memfd_kind, object, wanted->size);
}

static int set_memory_region(void *object, const struct call *call, void *argument) {
        struct kvm_userspace_memory_region2 slot = { 0 };
        struct vm *vm = object;

        memcpy(&slot, argument,
               sizeof(struct kvm_userspace_memory_region)); /* the older struct is its beginning */
        return memory_set_slot(&vm->memory, &slot);
}

static int set_memory_region2(void *object, const struct call *call, void *argument) {
        const struct kvm_userspace_memory_region2 *slot = argument;
        struct vm *vm = object;

        if (slot->flags & KVM_MEM_GUEST_MEMFD && !handle_object((int)slot->guest_memfd, &memfd_kind))
                return -EBADF;
        return memory_set_slot(&vm->memory, slot);
}

static int set_memory_attributes(void *object, const struct call *call, void *argument) {
        struct vm *vm = object;

        return memory_set_attributes(&vm->memory, argument);
}

static int encrypt_op(void *object, const struct call *call, void *argument) {
        struct vm *vm = object;

        if (!argument)
                return 0; /* asks whether there is such a thing */
        return vm->type == KVM_X86_TDX_VM ? tdx_vm_command(vm, argument) : sev_command(vm, argument);
}

static int irqchip(void *object, const struct call *call, void *argument) {
        struct kvm_irqchip *given = argument;
        struct vm *vm = object;

        if (given->chip_id >= ARRAY_SIZE(vm->irqchips))
                return -EINVAL;
        if (call->request == KVM_SET_IRQCHIP)
                vm->irqchips[given->chip_id] = *given;
        else
                *given = vm->irqchips[given->chip_id];
        return 0;
}

#define STATE(get, set, member)                                                           \
        CALL(get, .run = call_get, .offset = offsetof(struct vm, member),                 \
             .size = sizeof(((struct vm *)NULL)->member)),                                \
                        CALL(set, .run = call_set, .offset = offsetof(struct vm, member), \
                             .size = sizeof(((struct vm *)NULL)->member))

static const struct call calls[] = {
        CALL(KVM_CHECK_EXTENSION, .run = kvm_check_extension),
        CALL(KVM_CREATE_VCPU, .run = create_vcpu),
        CALL(KVM_CREATE_GUEST_MEMFD, .run = create_guest_memfd),
        CALL(KVM_SET_USER_MEMORY_REGION, .run = set_memory_region),
        CALL(KVM_SET_USER_MEMORY_REGION2, .run = set_memory_region2),
        CALL(KVM_SET_MEMORY_ATTRIBUTES, .run = set_memory_attributes),
        CALL(KVM_MEMORY_ENCRYPT_OP, .run = encrypt_op),
        CALL(KVM_GET_IRQCHIP, .run = irqchip),
        CALL(KVM_SET_IRQCHIP, .run = irqchip),
        STATE(KVM_GET_PIT2, KVM_SET_PIT2, pit),
        STATE(KVM_GET_CLOCK, KVM_SET_CLOCK, clock),
        CALL(KVM_MEMORY_ENCRYPT_REG_REGION, .run = call_accept),
        CALL(KVM_MEMORY_ENCRYPT_UNREG_REGION, .run = call_accept),
        CALL(KVM_ENABLE_CAP, .run = call_accept),
        CALL(KVM_SET_TSS_ADDR, .run = call_accept),
        CALL(KVM_SET_TSC_KHZ, .run = call_accept),
        CALL(KVM_SET_IDENTITY_MAP_ADDR, .run = call_accept),
        CALL(KVM_SET_BOOT_CPU_ID, .run = call_accept),
        CALL(KVM_CREATE_IRQCHIP, .run = call_accept),
        CALL(KVM_CREATE_PIT2, .run = call_accept),
        CALL(KVM_REINJECT_CONTROL, .run = call_accept),
        CALL(KVM_SET_GSI_ROUTING, .run = call_accept),
        CALL(KVM_IRQFD, .run = call_accept),
        CALL(KVM_IOEVENTFD, .run = call_accept),
        CALL(KVM_SIGNAL_MSI, .run = call_accept),
        CALL(KVM_IRQ_LINE, .run = call_accept),
        CALL(KVM_IRQ_LINE_STATUS, .run = call_accept),
};

struct vm *vm_unref(struct vm *vm) {
        if (vm && --vm->references == 0) {
                memory_done(&vm->memory);
                tdx_done(&vm->tdx);
                free(vm);
        }
        return NULL;
}

static void release(void *object) {
        vm_unref(object);
}

static const struct handle_kind vm_kind = { "kvm-vm", calls, ARRAY_SIZE(calls), release };

int vm_open(unsigned long type) {
        struct vm *vm;
        int fd;

        if (type != KVM_X86_DEFAULT_VM && type != KVM_X86_SNP_VM && type != KVM_X86_TDX_VM)
                return -EINVAL;
        vm = calloc(1, sizeof *vm);
        if (!vm)
                return -ENOMEM;
        vm->references = 1;
        vm->type = type;
        fd = handle_new(&vm_kind, vm, 0);
        if (fd < 0)
                vm_unref(vm);
        else if (type != KVM_X86_DEFAULT_VM)
                player_begin();
        return fd;
}
