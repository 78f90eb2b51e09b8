/*
 * What Intel publishes of TCBs (PCS API version 4): TCB info of version 3 and the identity of the quoting
 * enclave of version 2. The signature covers the member's exact bytes as they were served, so these are cut
 * out of the text and parsed; nothing outside of them counts.
 */
#pragma once

#include "attest/ecdsa-p256.h"
#include "base/json.h"

#define TDX_COMPONENTS 16
#define TDX_DOCUMENT_MAX (256u << 10)

/* Of one level. The order is that of Intel's enumeration, not of badness. */
enum tdx_status {
        TDX_UP_TO_DATE,
        TDX_SW_HARDENING_NEEDED,
        TDX_CONFIGURATION_NEEDED,
        TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
        TDX_OUT_OF_DATE,
        TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
        TDX_REVOKED,
        TDX_RELAUNCH_ADVISED, /* these are never in a document: the evaluation finds them */
        TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
        TDX_NOT_SUPPORTED,
        TDX_MODULE_MISMATCH,
        TDX_STATUS_MAX_,
};
extern const char *const tdx_status_texts[]; /* "UpToDate", ... */

struct tdx_level {
        uint8_t cpu[TDX_COMPONENTS], tdx[TDX_COMPONENTS]; /* of a platform's level */
        uint16_t svn;                                     /* PCESVN; of a module or enclave its ISVSVN */
        enum tdx_status status;
        uint64_t date;           /* UTC milliseconds */
        json_object *advisories; /* borrowed list of texts; NULL: none */
};

struct tdx_levels {              /* highest first, whatever the order in the document */
        struct tdx_level *items; /* owned */
        size_t n;
};

struct tdx_module {
        uint8_t mr_signer[48];
        uint64_t attributes, attributes_mask;
        unsigned major; /* of an identity: "TDX_%02X" */
        struct tdx_levels levels;
};

/* Of both documents. */
struct tdx_document {
        json_object *node;      /* owned */
        const uint8_t *payload; /* what is signed; borrowed from the text */
        size_t payload_size;
        uint8_t signature[P256_SIZE];
        uint64_t issued, next; /* UTC milliseconds */
        uint32_t evaluation;   /* tcbEvaluationDataNumber */
};

struct tdx_tcb_info {
        struct tdx_document document;
        uint8_t fmspc[6], pce_id[2];
        struct tdx_module module;
        struct tdx_module *identities; /* owned */
        size_t n_identities;
        struct tdx_levels levels;
};

struct tdx_qe_identity {
        struct tdx_document document;
        uint32_t misc_select, misc_select_mask;
        uint8_t attributes[16], attributes_mask[16], mr_signer[32];
        uint16_t isv_prod_id;
        struct tdx_levels levels;
};

void tdx_tcb_info_done(struct tdx_tcb_info *info);
void tdx_qe_identity_done(struct tdx_qe_identity *identity);

/* From the whole answer, {"tcbInfo":{...},"signature":"..."}; no signature is verified. Those of SGX are
 * refused. CVM_CODE_COLLATERAL. */
int tdx_tcb_info_read(const void *text, size_t size, struct tdx_tcb_info *ret, struct cvm_error *err);
/* {"enclaveIdentity":{...},"signature":"..."} */
int tdx_qe_identity_read(const void *text, size_t size, struct tdx_qe_identity *ret, struct cvm_error *err);
