/*
 * What of a host stands in no plain file: processor leaves and registers, and what KVM and the platform's
 * firmware answer. Asked of the machine itself where the root is "/"; for any other root only the recording
 * in ROOT/recorded/probe.json speaks, a hostile file:
 *
 *     {"cpuid":{"8000001f":"EAX EBX ECX EDX as 32 hex digits"},"msr":{"c0010010":"16 hex digits"},
 *      "kvm":{"vm-types":31},"firmware":{"platform-status":"hex"}}
 *
 * Only questions can be put: the enums below are all that there is, and no value of a caller reaches a
 * device as a command.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

enum host_kvm_question {
        HOST_KVM_API_VERSION,
        HOST_KVM_VM_TYPES,    /* bit n: guests of type n */
        HOST_KVM_FEATURES,    /* of encrypted guests' processors */
        HOST_KVM_POLICY_BITS, /* that a guest's policy may have */
        HOST_KVM_PROTECTED,   /* it makes guests that an ultravisor protects */
        HOST_KVM_QUESTION_MAX_
};

enum host_firmware_question {
        HOST_FIRMWARE_STATUS,
        HOST_FIRMWARE_GUEST_STATUS, /* of the present technology, where the status is of an older one */
        HOST_FIRMWARE_CHIP_IDS,
        HOST_FIRMWARE_QUOTING, /* of the service that signs where the firmware cannot */
        HOST_FIRMWARE_QUESTION_MAX_
};

#define HOST_FIRMWARE_ANSWER_MAX 512

struct host_cpuid {
        uint32_t eax, ebx, ecx, edx;
};

/* What the firmware said; a view into the probe, which asks each question once. */
struct host_answer {
        const uint8_t *data;
        size_t size;
};

/* Each ioctl that a probe may make, 0 at the end: for a sandbox. */
extern const unsigned long host_probe_requests[];

struct host_probe;

/* root_fd is borrowed and outlives the probe. Fails where a recording is malformed: CVM_CODE_JSON,
 * CVM_CODE_FIELD, CVM_CODE_TOO_LARGE. */
int host_probe_open(int root_fd, struct host_probe **ret, struct cvm_error *err);
struct host_probe *host_probe_free(struct host_probe *probe);
CVM_DEFINE_CLEANUP(struct host_probe, host_probe_free);

#define HOST_RECORDING "recorded/probe.json"

/* What it answers to all there is to ask, and to these leaves and registers (UINT32_MAX ends them), as such
 * a recording; what it does not answer is left out. hide_ids: a pattern of their length stands for the chip
 * ids. Owned. */
json_object *host_probe_record(struct host_probe *probe, const uint32_t *leaves, const uint32_t *registers,
                               bool hide_ids);

/* Each: -ENOENT where the host has no such thing or the recording is silent; -EACCES and -EPERM where the
 * caller may not ask; CVM_CODE_HOST_PROBE with words. */
int host_probe_cpuid(struct host_probe *probe, uint32_t leaf, struct host_cpuid *ret, struct cvm_error *err);
int host_probe_msr(struct host_probe *probe, uint32_t number, uint64_t *ret, struct cvm_error *err);
int host_probe_kvm(struct host_probe *probe, enum host_kvm_question question, uint64_t *ret,
                   struct cvm_error *err);
int host_probe_firmware(struct host_probe *probe, enum host_firmware_question question,
                        struct host_answer *ret, struct cvm_error *err);
