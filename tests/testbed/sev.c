/*
 * The commands of a launch. What KVM refuses before the firmware is asked is an errno without a firmware
 * error; what the firmware refuses is -EIO with one.
 */
#include "tests/testbed/sev.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "tests/testbed/fault.h"
#include "tests/testbed/firmware-error.h"
#include "tests/testbed/kvm.h"
#include "tests/testbed/record.h"
#include "tests/testbed/vmsa.h"

#define POLICY_MINOR(policy) ((policy)&0xff)
#define POLICY_MAJOR(policy) ((policy) >> 8 & 0xff)
#define POLICY_SMT (1ull << 16)
#define POLICY_ALWAYS (1ull << 17)
#define FEATURE_SNP_ACTIVE 1ull

static int init2(struct vm *vm, void *data, uint32_t *error) {
        const struct kvm_sev_init *init = data;

        if (vm->type != KVM_X86_SNP_VM || vm->sev.state != SEV_NONE || vm->n_vcpus)
                return -EINVAL;
        if (init->flags || init->vmsa_features & ~SEV_FEATURES_OFFERED)
                return -EINVAL;
        vm->sev = (struct sev){ .state = SEV_INITIALISED,
                                .features = init->vmsa_features | FEATURE_SNP_ACTIVE };
        return 0;
}

/* The processor that is modelled has SMT on: a guest that forbids it does not start. */
static bool policy_is_met(uint64_t policy) {
        bool old = POLICY_MAJOR(policy) > SEV_API_MAJOR ||
                   (POLICY_MAJOR(policy) == SEV_API_MAJOR && POLICY_MINOR(policy) > SEV_API_MINOR);

        return !old && policy & POLICY_SMT;
}

static int launch_start(struct vm *vm, void *data, uint32_t *error) {
        const struct kvm_sev_snp_launch_start *start = data;

        if (vm->sev.state != SEV_INITIALISED)
                return -EINVAL;
        if (start->flags || start->policy & ~SNP_POLICY_BITS || !(start->policy & POLICY_ALWAYS))
                return -EINVAL;
        if (!policy_is_met(start->policy)) {
                *error = FIRMWARE_POLICY_FAILURE;
                return -EIO;
        }
        vm->sev.policy = start->policy;
        vm->sev.state = SEV_LAUNCHING;
        return 0;
}

static bool type_is_known(uint8_t type) {
        return type == DIGEST_NORMAL || (type >= DIGEST_ZERO && type < DIGEST_PAGE_MAX_);
}

/* KVM moves the request forward page by page, so that an interrupted one can be given again. */
static int launch_update(struct vm *vm, void *data, uint32_t *error) {
        struct kvm_sev_snp_launch_update *update = data;
        bool has_contents = update->type != DIGEST_ZERO;

        if (vm->sev.state != SEV_LAUNCHING || update->flags || !type_is_known(update->type))
                return -EINVAL;
        if (!update->len || update->len % GUEST_PAGE || (has_contents && update->uaddr % GUEST_PAGE))
                return -EINVAL;
        for (; update->len; update->len -= GUEST_PAGE, update->gfn_start++) {
                if (!memory_is_private(&vm->memory, update->gfn_start * GUEST_PAGE))
                        return -EINVAL;
                digest_extend(&vm->sev.digest, update->type, update->gfn_start * GUEST_PAGE,
                              (const void *)(uintptr_t)update->uaddr);
                if (has_contents)
                        update->uaddr += GUEST_PAGE;
        }
        return 0;
}

static int measure_vcpus(struct vm *vm) {
        uint8_t page[VMSA_SIZE];

        for (size_t i = 0; i < vm->n_vcpus; i++) {
                int r = vm->vcpus[i] ? vmsa_make(vm->vcpus[i], vm->sev.features, page) : -EINVAL;

                if (r < 0)
                        return r;
                digest_extend(&vm->sev.digest, DIGEST_VMSA, VMSA_GPA, page);
        }
        return 0;
}

static uint32_t check_id(struct sev *sev, const struct kvm_sev_snp_launch_finish *finish) {
        if (!finish->id_block_en)
                return finish->auth_key_en ? FIRMWARE_INVALID_PARAMETER : 0;
        return id_block_check((const uint8_t *)(uintptr_t)finish->id_block_uaddr,
                              (const uint8_t *)(uintptr_t)finish->id_auth_uaddr, finish->auth_key_en,
                              sev->digest.value, sev->policy, &sev->id);
}

static int launch_finish(struct vm *vm, void *data, uint32_t *error) {
        const struct kvm_sev_snp_launch_finish *finish = data;
        int r;

        if (vm->sev.state != SEV_LAUNCHING || finish->flags)
                return -EINVAL;
        r = measure_vcpus(vm);
        if (r < 0)
                return r;
        memcpy(vm->sev.host_data, finish->host_data, sizeof vm->sev.host_data);
        *error = check_id(&vm->sev, finish);
        record_launch(&vm->sev, *error);
        if (*error)
                return -EIO;
        vm->sev.state = SEV_RUNNING;
        return 0;
}

static const struct {
        uint32_t id;
        const char *name;
        int (*run)(struct vm *vm, void *data, uint32_t *error);
} commands[] = {
        { KVM_SEV_INIT2, "INIT2", init2 },
        { KVM_SEV_SNP_LAUNCH_START, "SNP_LAUNCH_START", launch_start },
        { KVM_SEV_SNP_LAUNCH_UPDATE, "SNP_LAUNCH_UPDATE", launch_update },
        { KVM_SEV_SNP_LAUNCH_FINISH, "SNP_LAUNCH_FINISH", launch_finish },
};

int sev_command(struct vm *vm, struct kvm_sev_cmd *command) {
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                uint32_t error = 0;
                int r;

                if (commands[i].id != command->id)
                        continue;
                r = fault_wanted(commands[i].name, &error);
                if (r == 0)
                        r = commands[i].run(vm, (void *)(uintptr_t)command->data, &error);
                command->error = error;
                return r;
        }
        testbed_say("the SEV command %u is not known", command->id);
        return -EINVAL;
}
