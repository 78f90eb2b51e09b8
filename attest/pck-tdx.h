/*
 * Intel's certificates ("SGX PCK Certificate and Certificate Revocation List Profile"): the chain behind a
 * quote (PCK, its CA, the root), the one behind TCB info and QE identity (TCB signing, the root), and the
 * extension by which a PCK certificate names its platform.
 */
#pragma once

#include "attest/ecdsa-p256.h"
#include "base/bytes.h"
#include "base/error.h"

#define TDX_CPU_COMPONENTS 16
#define TDX_CHAIN_MAX 3

enum tdx_role {
        TDX_ROLE_PCK,
        TDX_ROLE_PLATFORM_CA,
        TDX_ROLE_PROCESSOR_CA,
        TDX_ROLE_TCB_SIGNING,
        TDX_ROLE_ROOT,
        TDX_ROLE_MAX_,
};
extern const char *const tdx_role_texts[]; /* their common names */

struct tdx_certificate {
        X509 *x509; /* owned; NULL: not there */
        enum tdx_role role;
        bool simulated; /* carries the simulation extension */
};

/* Leaf first, root last. */
struct tdx_chain {
        struct tdx_certificate links[TDX_CHAIN_MAX];
        size_t n;
};

/* Extension 1.2.840.113741.1.13.1: the platform as it was when the certificate was made. */
struct tdx_platform {
        uint8_t ppid[16];
        uint8_t cpu[TDX_CPU_COMPONENTS]; /* SVNs */
        uint16_t pce_svn;
        uint8_t pce_id[2], fmspc[6];
        bool has_instance; /* of the platform CA only */
        uint8_t instance[16];
};

void tdx_chain_done(struct tdx_chain *chain);

/* The value of that extension; CVM_CODE_REPORT_CHAIN. */
int tdx_platform_read(const void *der, size_t size, struct tdx_platform *ret, struct cvm_error *err);
/* The same of a PCK certificate. */
int tdx_platform_of(const struct tdx_certificate *pck, struct tdx_platform *ret, struct cvm_error *err);

/*
 * From PEM, with NULs behind it: at most TDX_CHAIN_MAX certificates of any role; each with one of the names,
 * P-256, ecdsa-with-SHA256, no extension twice and none critical that is unknown. CVM_CODE_REPORT_CHAIN.
 * Signatures and dates are not looked at.
 */
int tdx_certificates_read(const void *pem, size_t size, struct tdx_chain *ret, struct cvm_error *err);
/* The same, exactly PCK certificate, CA and root in that order. */
int tdx_chain_read(const void *pem, size_t size, struct tdx_chain *ret, struct cvm_error *err);

/*
 * Signatures, dates at now_msec, and the simulation extension in all certificates or in none. The root is
 * trusted as far as its own signature; ret_root: SHA-256 of its SubjectPublicKeyInfo, whose it is the caller
 * judges. CVM_CODE_REPORT_CHAIN.
 */
int tdx_chain_verify(const struct tdx_chain *chain, uint64_t now_msec, uint8_t ret_root[32],
                     struct cvm_error *err);

/* SHA-256 of the SubjectPublicKeyInfo of Intel's "Intel SGX Root CA": the key counts, never the name, which
 * the root of pre-production parts has too. */
extern const uint8_t tdx_root[32];

/* ecdsa-with-SHA256: the one algorithm of Intel's certificates and lists. */
bool tdx_algorithm_is_known(const X509_ALGOR *algorithm);
