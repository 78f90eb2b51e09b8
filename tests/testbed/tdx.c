/*
 * The commands of a launch, and the measurement register as the module computes it: one digest over a record
 * for each page that is added, and for each 256 bytes of it that extend the measurement (TDX module
 * specification, TDH.MEM.PAGE.ADD and TDH.MR.EXTEND).
 */
#include "tests/testbed/tdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "tests/testbed/fault.h"
#include "tests/testbed/kvm.h"
#include "tests/testbed/record.h"

#define CHUNK 256u

struct extend_record {
        char what[16];
        uint64_t gpa;
        uint8_t zero[104];
};
_Static_assert(sizeof(struct extend_record) == 128, "a record has 128 bytes");

void tdx_done(struct tdx *tdx) {
        EVP_MD_CTX_free(tdx->extends);
        tdx->extends = NULL;
}

static void update(struct tdx *tdx, const void *data, size_t size) {
        if (EVP_DigestUpdate(tdx->extends, data, size) != 1)
                abort();
}

static void add_record(struct tdx *tdx, const char *what, uint64_t gpa) {
        struct extend_record record = { .gpa = gpa };

        memcpy(record.what, what, strlen(what));
        update(tdx, &record, sizeof record);
}

static void add_page(struct tdx *tdx, uint64_t gpa, const uint8_t *contents, bool is_measured) {
        add_record(tdx, "MEM.PAGE.ADD", gpa);
        tdx->n_pages++;
        for (size_t at = 0; is_measured && at < GUEST_PAGE; at += CHUNK) {
                add_record(tdx, "MR.EXTEND", gpa + at);
                update(tdx, contents + at, CHUNK);
        }
        tdx->n_extended += is_measured;
}

/* Everything that the processor has may be configured. */
static int capabilities(struct vm *vm, const struct kvm_tdx_cmd *command) {
        struct kvm_tdx_capabilities *ret = (void *)(uintptr_t)command->data;

        ret->supported_attrs = TDX_ATTRIBUTES_OFFERED;
        ret->supported_xfam = TDX_XFAM_OFFERED;
        return kvm_supported_cpuid(NULL, NULL, &ret->cpuid);
}

static int init_vm(struct vm *vm, const struct kvm_tdx_cmd *command) {
        const struct kvm_tdx_init_vm *init = (const void *)(uintptr_t)command->data;

        if (vm->tdx.state != TDX_NONE || vm->n_vcpus || command->flags)
                return -EINVAL;
        if (init->attributes & ~TDX_ATTRIBUTES_OFFERED || init->xfam & ~TDX_XFAM_OFFERED)
                return -EINVAL;
        vm->tdx.extends = EVP_MD_CTX_new();
        if (!vm->tdx.extends || EVP_DigestInit_ex(vm->tdx.extends, EVP_sha384(), NULL) != 1)
                return -ENOMEM;
        vm->tdx.attributes = init->attributes;
        vm->tdx.xfam = init->xfam;
        memcpy(vm->tdx.mrconfigid, init->mrconfigid, DIGEST_SIZE);
        memcpy(vm->tdx.mrowner, init->mrowner, DIGEST_SIZE);
        memcpy(vm->tdx.mrownerconfig, init->mrownerconfig, DIGEST_SIZE);
        vm->tdx.state = TDX_INITIALISED;
        return 0;
}

static int finalize_vm(struct vm *vm, const struct kvm_tdx_cmd *command) {
        struct tdx *tdx = &vm->tdx;

        if (tdx->state != TDX_INITIALISED || command->flags || command->data)
                return -EINVAL;
        for (size_t i = 0; i < vm->n_vcpus; i++)
                if (!vm->vcpus[i] || !vm->vcpus[i]->is_initialised)
                        return -EINVAL;
        if (EVP_DigestFinal_ex(tdx->extends, tdx->mrtd, NULL) != 1)
                abort();
        tdx->state = TDX_RUNNING;
        record_td(tdx);
        return 0;
}

static int init_vcpu(struct vcpu *vcpu, const struct kvm_tdx_cmd *command) {
        if (vcpu->vm->tdx.state != TDX_INITIALISED || vcpu->is_initialised || command->flags)
                return -EINVAL;
        vcpu->is_initialised = true;
        return 0;
}

/* KVM moves the request forward page by page, so that an interrupted one can be given again. */
static int init_mem_region(struct vcpu *vcpu, const struct kvm_tdx_cmd *command) {
        struct kvm_tdx_init_mem_region *region = (void *)(uintptr_t)command->data;
        struct vm *vm = vcpu->vm;

        if (vm->tdx.state != TDX_INITIALISED || command->flags & ~KVM_TDX_MEASURE_MEMORY_REGION)
                return -EINVAL;
        if (!region->nr_pages || region->gpa % GUEST_PAGE || region->source_addr % GUEST_PAGE)
                return -EINVAL;
        for (; region->nr_pages; region->nr_pages--) {
                if (!memory_is_private(&vm->memory, region->gpa))
                        return -EINVAL;
                add_page(&vm->tdx, region->gpa, (const void *)(uintptr_t)region->source_addr,
                         command->flags & KVM_TDX_MEASURE_MEMORY_REGION);
                region->gpa += GUEST_PAGE;
                region->source_addr += GUEST_PAGE;
        }
        return 0;
}

static int get_cpuid(struct vcpu *vcpu, const struct kvm_tdx_cmd *command) {
        return vcpu_get_cpuid(vcpu, NULL, (void *)(uintptr_t)command->data);
}

static const struct {
        uint32_t id;
        const char *name;
        int (*of_vm)(struct vm *vm, const struct kvm_tdx_cmd *command);
        int (*of_vcpu)(struct vcpu *vcpu, const struct kvm_tdx_cmd *command);
} commands[] = {
        { KVM_TDX_CAPABILITIES, "TDX_CAPABILITIES", capabilities, NULL },
        { KVM_TDX_INIT_VM, "TDX_INIT_VM", init_vm, NULL },
        { KVM_TDX_INIT_VCPU, "TDX_INIT_VCPU", NULL, init_vcpu },
        { KVM_TDX_INIT_MEM_REGION, "TDX_INIT_MEM_REGION", NULL, init_mem_region },
        { KVM_TDX_FINALIZE_VM, "TDX_FINALIZE_VM", finalize_vm, NULL },
        { KVM_TDX_GET_CPUID, "TDX_GET_CPUID", NULL, get_cpuid },
};

static int run(struct vm *vm, struct vcpu *vcpu, struct kvm_tdx_cmd *command) {
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                uint32_t error = 0;
                int r;

                if (commands[i].id != command->id ||
                    !(vcpu ? commands[i].of_vcpu != NULL : commands[i].of_vm != NULL))
                        continue;
                r = fault_wanted(commands[i].name, &error);
                command->hw_error = error;
                if (r < 0)
                        return r;
                return vcpu ? commands[i].of_vcpu(vcpu, command) : commands[i].of_vm(vm, command);
        }
        testbed_say("the TDX command %u is not known", command->id);
        return -EINVAL;
}

int tdx_vm_command(struct vm *vm, struct kvm_tdx_cmd *command) {
        return run(vm, NULL, command);
}

int tdx_vcpu_command(struct vcpu *vcpu, struct kvm_tdx_cmd *command) {
        return run(NULL, vcpu, command);
}
