/* The TDX module, as far as one guest's launch needs it: KVM passes its commands on. */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/testbed/digest.h"

#define TDX_ATTRIBUTES_OFFERED 0x8000000050000000ull /* SEPT_VE_DISABLE, PKS, PERFMON */
#define TDX_XFAM_OFFERED 0x2e7ull                    /* x87 SSE AVX AVX-512 PKRU */

#define TDX_REGISTERS 4

enum tdx_state {
        TDX_NONE,
        TDX_INITIALISED,
        TDX_RUNNING,
};

struct tdx {
        enum tdx_state state;
        uint64_t attributes, xfam;
        uint8_t mrconfigid[DIGEST_SIZE], mrowner[DIGEST_SIZE], mrownerconfig[DIGEST_SIZE];
        uint8_t mrtd[DIGEST_SIZE]; /* once it runs */
        uint8_t rtmr[TDX_REGISTERS][DIGEST_SIZE];
        EVP_MD_CTX *extends; /* owned: all that was added and extended so far */
        uint64_t n_pages, n_extended;
};

void tdx_done(struct tdx *tdx);

/* TDG.MR.REPORT of a guest that runs. */
#define TDX_REPORT_SIZE 1024
void tdx_report(const struct tdx *tdx, const uint8_t report_data[64], uint8_t ret[TDX_REPORT_SIZE]);
/* TDG.MR.RTMR.EXTEND of register 0 to 3. */
void tdx_extend(struct tdx *tdx, unsigned number, const uint8_t digest[DIGEST_SIZE]);

struct vm;
struct vcpu;
struct kvm_tdx_cmd;

/* KVM_MEMORY_ENCRYPT_OP of a VM and of a vCPU: 0, or a negative errno and the module's error in the command.
 */
int tdx_vm_command(struct vm *vm, struct kvm_tdx_cmd *command);
int tdx_vcpu_command(struct vcpu *vcpu, struct kvm_tdx_cmd *command);
