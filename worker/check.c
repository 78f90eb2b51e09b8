/* check: appraise a bundle under a policy, here and now. What it says is the host's own opinion. */
#include <errno.h>
#include <string.h>

#include "attest/policy.h"
#include "base/time.h"
#include "worker/verb.h"

static int read_inputs(const struct cvm_json *request, struct policy **ret_policy, struct bundle *ret_bundle,
                       struct cvm_error *err) {
        const char *policy = "", *bundle = "";
        int r = cvm_json_get_text(request, "policy", &policy, err);

        if (r >= 0)
                r = cvm_json_get_text(request, "bundle", &bundle, err);
        if (r >= 0)
                r = policy_read(policy, strlen(policy), "policy", ret_policy, err);
        return r < 0 ? r : bundle_read(bundle, strlen(bundle), "bundle", ret_bundle, err);
}

static int read_hex(const struct cvm_json *request, const char *key, uint8_t *ret, size_t size,
                    struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(request, key);
        const char *hex = "";
        int r = cvm_json_get_text(request, key, &hex, err);

        if (r > 0 && cvm_unhex(hex, ret, size) < 0)
                return cvm_json_refuse(&at, err, "must be %zu lower-case hex digits", 2 * size);
        return r;
}

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        struct appraisal appraisal = { .now_msec = cvm_time_now() };
        uint8_t owner[CVM_SPKI_SIZE];
        int r = read_inputs(request, &policy, &bundle, err);

        if (r >= 0)
                r = read_hex(request, "nonce", appraisal.nonce, sizeof appraisal.nonce, err);
        if (r == 0)
                r = cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "the request needs 'nonce'");
        if (r >= 0)
                r = read_hex(request, "owner", owner, sizeof owner, err);
        if (r > 0)
                appraisal.owner_spki = owner;
        if (r >= 0)
                r = policy_appraise(policy, &bundle, &appraisal, &verdict, err);
        if (r < 0)
                return r;
        *ret = json_object_new_object();
        json_object_object_add(*ret, "result", json_object_new_string(verdict_result_texts[verdict.result]));
        json_object_object_add(*ret, "reasons", verdict_reasons_write(&verdict));
        return 0;
}

const struct verb verb_check = { "check", run, SANDBOX_FILES };
