/* What a host of SEV-SNP is, and whether it can run such guests. */
#pragma once

#include "attest/tcb-snp.h"
#include "launch/host-platform.h"

/* An AMD processor, kvm_amd with SNP enabled, and the firmware's device. */
void snp_read_host(int root_fd, struct host_facts *facts);

/* SEV_PLATFORM_STATUS */
struct sev_host_status {
        uint8_t api_major, api_minor, build;
        uint8_t state; /* 0 uninitialised, 1 initialised, 2 with guests */
        bool is_es;
};

/* SNP_PLATFORM_STATUS. TCBs are bytes whose order is the product's: never one number. */
struct snp_host_status {
        uint8_t api_major, api_minor;
        bool is_initialised, has_rmp, has_no_aliases;
        uint32_t build, flags, guests;
        uint8_t current_tcb[SNP_TCB_SIZE], reported_tcb[SNP_TCB_SIZE];
};

#define SNP_STATUS_MASK_CHIP_ID 0x1 /* of flags */

/* From the probe: its errors, and CVM_CODE_HOST_PROBE for an answer of another length. */
int sev_host_status(struct host_probe *probe, struct sev_host_status *ret, struct cvm_error *err);
int snp_host_status(struct host_probe *probe, struct snp_host_status *ret, struct cvm_error *err);

/* The processor that the host has, from its leaf 1. */
struct snp_host_cpu {
        uint32_t signature;
        uint8_t family, model, stepping;
        bool is_known; /* and is of this product */
        enum snp_product product;
};
int snp_host_cpu(struct host_probe *probe, struct snp_host_cpu *ret, struct cvm_error *err);

/* "bootloader 4, tee 0, snp 24, microcode 219": the product's components in its order. */
void snp_tcb_text(enum snp_product product, const uint8_t tcb[SNP_TCB_SIZE], char *ret, size_t size);

/* All that is known of the host, as `host show --facts` writes it; owned. What cannot be told is left out.
 */
int snp_host_facts(const struct host_scene *scene, json_object **ret, struct cvm_error *err);
