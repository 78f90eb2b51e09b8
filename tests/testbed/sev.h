/* The secure processor: /dev/sev, and the launch of one guest as KVM passes it on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/testbed/digest.h"
#include "tests/testbed/id-block.h"

#define SEV_FEATURES_OFFERED 0x220ull /* DebugSwap, SecureTSC */
#define SNP_POLICY_BITS 0x3fbffffull  /* what KVM lets through: all but MIGRATE_MA */
#define SEV_API_MAJOR 1
#define SEV_API_MINOR 55

enum sev_state {
        SEV_NONE,
        SEV_INITIALISED,
        SEV_LAUNCHING,
        SEV_RUNNING,
};

struct sev {
        enum sev_state state;
        uint64_t policy, features;
        uint8_t host_data[32];
        struct digest digest;
        struct id id;
};

struct vm;
struct kvm_sev_cmd;

int sev_device_open(void);

/* KVM_MEMORY_ENCRYPT_OP: 0, or a negative errno and the firmware's error in the command. */
int sev_command(struct vm *vm, struct kvm_sev_cmd *command);
