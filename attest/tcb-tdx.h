/*
 * What Intel's documents say of the platform behind a quote: the status of its TCB as Intel's own library
 * finds it (SGX-TDX-DCAP-QuoteVerificationLibrary: QuoteVerifier, TcbLevelCheck, TdxModuleCheck,
 * TDRelaunchCheck). Two other verifiers read the same documents in other ways; what they would find stands
 * beside it. All is pure: signatures and dates were judged before.
 */
#pragma once

#include "attest/pck-tdx.h"
#include "attest/quote-tdx.h"
#include "attest/tcb-info-tdx.h"

struct tdx_evaluation {
        enum tdx_status status;
        /* As dcap-qvl has it: the level must have all 16 TDX components, also where the module's identity
         * stands for the first two. */
        enum tdx_status all_components;
        /* As go-tdx-guest has it: where there is a module identity, its status is the whole answer. */
        enum tdx_status module_alone;
        /* What was used, borrowed; NULL: nothing matched. */
        const struct tdx_level *level, *module, *qe;
};

/* That this is the quoting enclave of the document; its level (NULL: its SVN is below all). CVM_CODE_
 * QUOTING_ENCLAVE. */
int tdx_qe_check(const struct tdx_qe_identity *identity, const struct tdx_qe_report *qe,
                 const struct tdx_level **ret, struct cvm_error *err);

/* qe: what tdx_qe_check() found. */
void tdx_evaluate(const struct tdx_tcb_info *info, const struct tdx_platform *platform,
                  const struct tdx_body *body, const struct tdx_level *qe, struct tdx_evaluation *ret);

/* The oldest of the dates of the levels used, UTC milliseconds; 0: none was. */
uint64_t tdx_evaluation_date(const struct tdx_evaluation *evaluation);

/* All advisories of the levels used, each once: "INTEL-SA-00001, ...", cut at a whole one. */
void tdx_evaluation_advisories(const struct tdx_evaluation *evaluation, char *ret, size_t size);
