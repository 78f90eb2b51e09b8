#include "attest/tcb-tdx.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What a status becomes when the module or the quoting enclave is out of date. */
static const enum tdx_status when_out_of_date[TDX_STATUS_MAX_] = {
        [TDX_UP_TO_DATE] = TDX_OUT_OF_DATE,
        [TDX_SW_HARDENING_NEEDED] = TDX_OUT_OF_DATE,
        [TDX_CONFIGURATION_NEEDED] = TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
        [TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED] = TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
        [TDX_OUT_OF_DATE] = TDX_OUT_OF_DATE,
        [TDX_OUT_OF_DATE_CONFIGURATION_NEEDED] = TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
        [TDX_REVOKED] = TDX_REVOKED,
        [TDX_RELAUNCH_ADVISED] = TDX_RELAUNCH_ADVISED,
        [TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
        [TDX_NOT_SUPPORTED] = TDX_NOT_SUPPORTED,
        [TDX_MODULE_MISMATCH] = TDX_MODULE_MISMATCH,
};

static enum tdx_status converge(enum tdx_status status, enum tdx_status part) {
        if (status == TDX_REVOKED || part == TDX_REVOKED)
                return TDX_REVOKED;
        if (part == TDX_NOT_SUPPORTED || part == TDX_MODULE_MISMATCH)
                return part;
        return part == TDX_OUT_OF_DATE ? when_out_of_date[status] : status;
}

static enum tdx_status status_of(const struct tdx_level *level) {
        return level ? level->status : TDX_NOT_SUPPORTED;
}

/* The highest level that these SVNs reach, each for itself. */

static bool reaches(const uint8_t *svns, const uint8_t *level, size_t from) {
        for (size_t i = from; i < TDX_COMPONENTS; i++)
                if (svns[i] < level[i])
                        return false;
        return true;
}

static const struct tdx_level *find_level(const struct tdx_levels *levels,
                                          const struct tdx_platform *platform, const uint8_t *tdx,
                                          size_t from) {
        for (size_t i = 0; i < levels->n; i++) {
                const struct tdx_level *level = &levels->items[i];

                if (reaches(platform->cpu, level->cpu, 0) && platform->pce_svn >= level->svn &&
                    (!tdx || reaches(tdx, level->tdx, from)))
                        return level;
        }
        return NULL;
}

static const struct tdx_level *find_svn(const struct tdx_levels *levels, uint16_t svn) {
        for (size_t i = 0; i < levels->n; i++)
                if (svn >= levels->items[i].svn)
                        return &levels->items[i];
        return NULL;
}

static const struct tdx_module *find_module(const struct tdx_tcb_info *info, uint8_t major) {
        for (size_t i = 0; major && i < info->n_identities; i++)
                if (info->identities[i].major == major)
                        return &info->identities[i];
        return major ? NULL : &info->module;
}

static bool module_is(const struct tdx_module *module, const struct tdx_body *body) {
        return module && memcmp(module->mr_signer, body->mr_signer_seam, sizeof module->mr_signer) == 0 &&
               body->seam_attributes == 0 &&
               (body->seam_attributes & module->attributes_mask) == module->attributes;
}

static bool needs_configuration(enum tdx_status status) {
        return status == TDX_CONFIGURATION_NEEDED || status == TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
               status == TDX_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

/* Whether the host has the newest module already, so that a TD started again would run under it. */
static bool newest_is_loaded(const struct tdx_tcb_info *info, const struct tdx_module *module,
                             const uint8_t svn_2[TDX_COMPONENTS]) {
        const struct tdx_level *newest = &info->levels.items[0];
        uint16_t minor = svn_2[1] > 0 ? module->levels.items[0].svn : newest->tdx[0];

        return svn_2[0] >= minor && svn_2[2] >= newest->tdx[2];
}

/* sgx: of the level that the processor alone reaches, tdx: converged with the module's. */
static enum tdx_status advise_relaunch(const struct tdx_tcb_info *info, const struct tdx_body *body,
                                       enum tdx_status sgx, enum tdx_status tdx, enum tdx_status module,
                                       enum tdx_status qe) {
        bool sgx_is_fine = sgx == TDX_UP_TO_DATE || sgx == TDX_SW_HARDENING_NEEDED ||
                           sgx == TDX_CONFIGURATION_NEEDED ||
                           sgx == TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED;
        const struct tdx_module *newest = find_module(info, body->tee_tcb_svn_2[1]);

        if (!body->is_15 || qe != TDX_UP_TO_DATE || !sgx_is_fine || module != TDX_OUT_OF_DATE ||
            (tdx != TDX_OUT_OF_DATE && tdx != TDX_OUT_OF_DATE_CONFIGURATION_NEEDED))
                return tdx;
        if (!newest)
                return TDX_MODULE_MISMATCH;
        if (body->tee_tcb_svn_2[1] > 0 && !newest->levels.n)
                return TDX_NOT_SUPPORTED;
        if (!newest_is_loaded(info, newest, body->tee_tcb_svn_2))
                return tdx;
        return needs_configuration(sgx) || needs_configuration(tdx)
                               ? TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
                               : TDX_RELAUNCH_ADVISED;
}

/* The status with the level that compares TDX components from `from` on. */
static enum tdx_status evaluate(const struct tdx_tcb_info *info, const struct tdx_platform *platform,
                                const struct tdx_body *body, size_t from, struct tdx_evaluation *e) {
        const bool has_module = body->tee_tcb_svn[1] > 0;
        const struct tdx_level *sgx = find_level(&info->levels, platform, NULL, 0);
        enum tdx_status module, status;

        e->level = find_level(&info->levels, platform, body->tee_tcb_svn, from);
        if (!module_is(find_module(info, body->tee_tcb_svn[1]), body))
                return TDX_MODULE_MISMATCH;
        if (!e->level)
                return TDX_NOT_SUPPORTED;
        module = has_module ? status_of(e->module) : TDX_UP_TO_DATE;
        status = converge(e->level->status, module);
        if (status != TDX_NOT_SUPPORTED && status != TDX_REVOKED)
                status = advise_relaunch(info, body, status_of(sgx), status, module, status_of(e->qe));
        return converge(status, status_of(e->qe));
}

void tdx_evaluate(const struct tdx_tcb_info *info, const struct tdx_platform *platform,
                  const struct tdx_body *body, const struct tdx_level *qe, struct tdx_evaluation *ret) {
        const struct tdx_module *module = find_module(info, body->tee_tcb_svn[1]);
        const bool has_identity = body->tee_tcb_svn[1] > 0 && module;
        struct tdx_evaluation other;

        *ret = (struct tdx_evaluation){
                .module = has_identity ? find_svn(&module->levels, body->tee_tcb_svn[0]) : NULL,
                .qe = qe,
        };
        other = *ret;
        /* Where an identity stands for the module's two components, the level's own are not compared. */
        ret->status = evaluate(info, platform, body, body->tee_tcb_svn[1] > 0 ? 2 : 0, ret);
        ret->all_components = evaluate(info, platform, body, 0, &other);
        ret->module_alone = ret->status;
        if (has_identity && ret->status != TDX_MODULE_MISMATCH && ret->status != TDX_NOT_SUPPORTED &&
            status_of(qe) == TDX_UP_TO_DATE)
                ret->module_alone = status_of(ret->module);
}

int tdx_qe_check(const struct tdx_qe_identity *identity, const struct tdx_qe_report *qe,
                 const struct tdx_level **ret, struct cvm_error *err) {
        bool attributes = true;
        const char *what;

        for (size_t i = 0; i < sizeof qe->attributes; i++)
                attributes &= (qe->attributes[i] & identity->attributes_mask[i]) == identity->attributes[i];
        what = (qe->misc_select & identity->misc_select_mask) != identity->misc_select ? "MISCSELECT"
               : !attributes                                                           ? "attributes"
               : memcmp(qe->mr_signer, identity->mr_signer, sizeof qe->mr_signer) != 0 ? "signer"
               : qe->isv_prod_id != identity->isv_prod_id                              ? "product"
                                                                                       : NULL;
        if (what)
                return cvm_fail(err, &CVM_CODE_QUOTING_ENCLAVE, EBADMSG,
                                "the quoting enclave has another %s than the one that Intel published",
                                what);
        *ret = find_svn(&identity->levels, qe->isv_svn);
        return 0;
}

uint64_t tdx_evaluation_date(const struct tdx_evaluation *e) {
        const struct tdx_level *const levels[] = { e->level, e->module, e->qe };
        uint64_t oldest = 0;

        for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
                if (levels[i] && (!oldest || levels[i]->date < oldest))
                        oldest = levels[i]->date;
        return oldest;
}

static bool is_listed(const char *list, const char *advisory) {
        size_t length = strlen(advisory);

        for (const char *at = list; (at = strstr(at, advisory)); at += length)
                if ((at == list || at[-1] == ' ') && (!at[length] || at[length] == ','))
                        return true;
        return false;
}

void tdx_evaluation_advisories(const struct tdx_evaluation *e, char *ret, size_t size) {
        const struct tdx_level *const levels[] = { e->level, e->module, e->qe };
        size_t used = 0;

        *ret = 0;
        for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
                json_object *list = levels[i] ? levels[i]->advisories : NULL;

                for (size_t k = 0; list && k < json_object_array_length(list); k++) {
                        const char *advisory = json_object_get_string(json_object_array_get_idx(list, k));
                        size_t length = strlen(advisory) + (used ? 2 : 0);

                        if (is_listed(ret, advisory) || used + length >= size)
                                continue;
                        snprintf(ret + used, size - used, "%s%s", used ? ", " : "", advisory);
                        used += length;
                }
        }
}
