/*
 * Intel TDX quotes of version 4 and 5 (Intel's "TDX DCAP Quote Generation Library and Quote Verification
 * Library", appendix A) and the TD report inside the guest (TDX Module ABI, TDREPORT_STRUCT): bytes in,
 * fields out. All numbers are little-endian. Nothing is believed here; see attest/evidence-tdx.c.
 */
#pragma once

#include <stdbool.h>

#include "attest/ecdsa-p256.h"
#include "base/bytes.h"
#include "base/error.h"

#define TDX_BODY_10_SIZE 584   /* TD report body 1.0 */
#define TDX_BODY_15_SIZE 648   /* 1.5: with two fields more */
#define TDX_TDREPORT_SIZE 1024 /* what the module gives to the guest */
#define TDX_QE_REPORT_SIZE 384
#define TDX_REGISTERS 4

/* What a quote says of the TD. */
struct tdx_body {
        uint8_t tee_tcb_svn[16]; /* [0] the module's SVN, [1] its major version, [2] the SEAM loader's SVN */
        uint8_t mr_seam[48], mr_signer_seam[48];
        uint64_t seam_attributes, attributes, xfam;
        uint8_t mr_td[48], mr_config_id[48], mr_owner[48], mr_owner_config[48];
        uint8_t rtmr[TDX_REGISTERS][48], report_data[64];
        bool is_15; /* the two that follow are there */
        uint8_t tee_tcb_svn_2[16], mr_service_td[48];
};

/* What the processor says of the quoting enclave (SGX report body). */
struct tdx_qe_report {
        uint8_t attributes[16], mr_signer[32], report_data[64];
        uint32_t misc_select;
        uint16_t isv_prod_id, isv_svn;
};

/* Pointers are into the quote's bytes. */
struct tdx_quote {
        uint16_t version; /* 4, 5 */
        struct tdx_body body;
        const uint8_t *signed_bytes;
        size_t signed_size;
        const uint8_t *signature, *attestation_key; /* P256_SIZE */
        struct tdx_qe_report qe;
        const uint8_t *qe_report, *qe_signature; /* TDX_QE_REPORT_SIZE, P256_SIZE */
        const uint8_t *auth;
        size_t auth_size;
        const uint8_t *chain; /* PEM text: PCK certificate, its CA, the root */
        size_t chain_size;
};

/*
 * Every length must fill what holds it. Bytes behind the signature data are ignored: guests hand out the
 * whole buffer that they got. CVM_CODE_REPORT_FORMAT, also for quotes of SGX enclaves.
 */
int tdx_quote_read(const void *bytes, size_t size, struct tdx_quote *ret, struct cvm_error *err);

/* The body's bytes (TDX_BODY_10_SIZE or TDX_BODY_15_SIZE, by is_15); for tests and simulated platforms. */
size_t tdx_body_write(const struct tdx_body *body, uint8_t ret[TDX_BODY_15_SIZE]);

/*
 * A TD report: its type, and that its two digests are those of its parts. That says nothing of who made it:
 * the MAC can be checked on that processor only. mr_service_td is the report's SERVTD_HASH.
 * CVM_CODE_REPORT_FORMAT.
 */
int tdx_tdreport_read(const void *bytes, size_t size, struct tdx_body *ret, struct cvm_error *err);
