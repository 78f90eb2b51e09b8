#include "cli/collateral-use.h"

#include <errno.h>

#include "attest/evidence.h"
#include "cli/output.h"
#include "collateral/mark.h"

static int use_list(const struct collateral_store *store, const char *name, struct bundle *bundle,
                    struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct cvm_error why = { 0 };
        int r = collateral_store_get(store, name, &object, NULL, NULL, &why);

        if (r > 0)
                return evidence_add_revocation(bundle, object.data, object.size, err);
        return r < 0 ? cvm_fail(err,
                                cvm_error_code(&why)->fault == CVM_FAULT_EVIDENCE_UNKNOWN ? why.code
                                                                                          : &CVM_CODE_CRL,
                                -r, "the revocation list in '%s': %.300s", store->cache, why.text)
                     : 0;
}

static int use_certificates(const struct collateral_store *store, const char *name, struct bundle *bundle,
                            struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct cvm_error why = { 0 };
        int r = collateral_store_get(store, name, &object, NULL, NULL, &why);

        if (r > 0)
                return evidence_add_certificate(bundle, object.data, object.size, err);
        if (r < 0)
                output_say("'%s' is not used: %s", store->cache, why.text);
        return 0;
}

int collateral_use(const char *cache, const uint8_t *simulation_root, uint64_t now_msec,
                   struct bundle *bundle, struct cvm_error *err) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = { 0 };
        struct collateral_need needs[COLLATERAL_NEEDS_MAX];
        size_t n = 0;
        int r = collateral_open(cache, bundle->platform, simulation_root, now_msec, &store, err);

        /* What the report lacks so much that nothing can be named for it, the appraisal will say. */
        if (r >= 0 && store.source->needs(bundle, NULL, needs, &n, NULL) < 0)
                n = 0;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (!needs[i].name[0] || needs[i].is_there)
                        continue;
                r = needs[i].kind == COLLATERAL_REVOCATIONS
                                    ? use_list(&store, needs[i].name, bundle, err)
                                    : use_certificates(&store, needs[i].name, bundle, err);
        }
        return r;
}

/* 1: the directory and the name of this evidence's mark; 0: it has none. */
static int find_mark(const uint8_t *simulation_root, const struct bundle *bundle,
                     struct collateral_store *store, struct collateral_need *ret, struct cvm_error *err) {
        struct collateral_need needs[COLLATERAL_NEEDS_MAX];
        size_t n = 0;
        int r;

        if (!bundle->n_revocations || !collateral_source_find(bundle->platform))
                return 0;
        r = collateral_open("", bundle->platform, simulation_root, 0, store, err);
        if (r < 0 || store->source->needs(bundle, NULL, needs, &n, NULL) < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (needs[i].kind == COLLATERAL_REVOCATIONS) {
                        *ret = needs[i];
                        return 1;
                }
        return 0;
}

int collateral_mark(const uint8_t *simulation_root, const struct bundle *bundle, uint64_t *ret,
                    struct cvm_error *err) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = { 0 };
        struct collateral_need need;
        int r = find_mark(simulation_root, bundle, &store, &need, err);

        *ret = 0;
        return r > 0 ? mark_read(store.marks, need.name, ret, err) : r;
}

int collateral_raise_mark(const uint8_t *simulation_root, const struct bundle *bundle, uint64_t made,
                          struct cvm_error *err) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = { 0 };
        struct collateral_need need;
        int r = made ? find_mark(simulation_root, bundle, &store, &need, err) : 0;

        return r > 0 ? mark_raise(store.marks, need.name, made, err) : r;
}
