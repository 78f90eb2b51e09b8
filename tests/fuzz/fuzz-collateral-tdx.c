/*
 * What Intel publishes, from any bytes: as one of its documents, and as an item of unknown kind under
 * certificates that signed nothing. Of what is read the signed part lies in the text, levels stand highest
 * first, and the evaluation ends.
 */
#include <string.h>

#include "attest/collateral-tdx.h"
#include "tests/fuzz/fuzz.h"

static void require_order(const struct tdx_levels *levels) {
        for (size_t i = 1; i < levels->n; i++) {
                const struct tdx_level *a = &levels->items[i - 1], *b = &levels->items[i];
                int order = memcmp(a->cpu, b->cpu, sizeof a->cpu);

                FUZZ_REQUIRE(order > 0 || (order == 0 && a->svn >= b->svn));
        }
}

static void require_inside(const struct tdx_document *document, const uint8_t *data, size_t size) {
        FUZZ_REQUIRE(document->payload >= data && document->payload_size <= size &&
                     (size_t)(document->payload - data) <= size - document->payload_size);
}

static void try_documents(const uint8_t *data, size_t size) {
        CVM_CLEANUP(tdx_tcb_info_done) struct tdx_tcb_info info = { 0 };
        CVM_CLEANUP(tdx_qe_identity_done) struct tdx_qe_identity qe = { 0 };
        const struct tdx_platform platform = { .cpu = { 9, 9, 9, 9, 9, 9, 9, 9 }, .pce_svn = 99 };
        const struct tdx_body body = { .tee_tcb_svn = { 4, 1, 9 },
                                       .is_15 = true,
                                       .tee_tcb_svn_2 = { 9, 1, 9 } };
        struct tdx_evaluation e;
        struct cvm_error err = { 0 };
        char advisories[40];

        if (tdx_qe_identity_read(data, size, &qe, &err) >= 0) {
                require_inside(&qe.document, data, size);
                require_order(&qe.levels);
        } else
                FUZZ_REQUIRE(err.code == &CVM_CODE_COLLATERAL || err.code == &CVM_CODE_NO_MEMORY);
        if (tdx_tcb_info_read(data, size, &info, NULL) < 0)
                return;
        require_inside(&info.document, data, size);
        require_order(&info.levels);
        tdx_evaluate(&info, &platform, &body, NULL, &e);
        FUZZ_REQUIRE(e.status < TDX_STATUS_MAX_ && e.all_components < TDX_STATUS_MAX_);
        tdx_evaluation_advisories(&e, advisories, sizeof advisories);
        FUZZ_REQUIRE(strlen(advisories) < sizeof advisories);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(tdx_chain_done)
        struct tdx_chain chain = { .links = { { X509_new(), TDX_ROLE_PCK, false },
                                              { X509_new(), TDX_ROLE_PLATFORM_CA, false },
                                              { X509_new(), TDX_ROLE_ROOT, false } },
                                   .n = 3 };
        const struct cvm_bytes item = { (uint8_t *)data, size };
        const struct tdx_platform platform = { 0 };
        struct tdx_collateral collateral = { 0 };
        struct cvm_error err = { 0 };

        try_documents(data, size);
        FUZZ_REQUIRE(tdx_collateral_read(&item, 1, &chain, &platform, 1800000000000ull, &collateral, &err) <
                     0);
        FUZZ_REQUIRE(err.code != NULL);
        return 0;
}
