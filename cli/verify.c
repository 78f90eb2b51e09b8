#include "cli/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "base/fd.h"
#include "base/time.h"
#include "cli/output.h"

#define LIST_MAX (1u << 20)

static int add_lists(const struct arguments *arguments, struct bundle *bundle, struct cvm_error *err) {
        const char *path;
        int r = 0;

        for (size_t i = 0; r >= 0 && (path = argument_at(arguments, "crl", i)); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes list = { 0 };

                r = cvm_read_file(path, LIST_MAX, &list, err);
                if (r >= 0)
                        r = evidence_add_revocation(bundle, list.data, list.size, err);
        }
        return r;
}

static const uint8_t *root_of(const struct policy *policy) {
        return policy ? policy_simulation_root(policy) : NULL;
}

int verify_complete(const struct arguments *arguments, const struct policy *policy, struct bundle *bundle,
                    struct appraisal *with, struct cvm_error *err) {
        const char *cache = argument(arguments, "collateral");
        const struct evidence_ops *ops = evidence_ops_find(bundle->platform);
        bool asked_before = ops && ops->use_kept; /* of the hosts' documents, when the request was made */
        int r = asked_before ? 0 : add_lists(arguments, bundle, err);

        if (!with->now_msec)
                with->now_msec = cvm_time_now();
        if (r >= 0 && cache && !asked_before)
                r = collateral_use(cache, root_of(policy), with->now_msec, bundle, err);
        return r < 0 ? r : collateral_marks(root_of(policy), bundle, with->seen, err);
}

int verify_remember(const struct policy *policy, const struct bundle *bundle, const struct verdict *verdict,
                    struct cvm_error *err) {
        return collateral_raise_marks(root_of(policy), bundle, verdict->published, err);
}

int verify_bundle(const struct policy *policy, const struct bundle *bundle, const struct appraisal *with,
                  EVP_PKEY *owner, struct verdict *ret, struct cvm_error *err) {
        struct appraisal appraisal = *with;
        uint8_t spki[CVM_SPKI_SIZE];
        int r = owner ? cvm_key_spki(owner, spki, err) : 0;

        if (r < 0)
                return r;
        appraisal.owner_spki = owner ? spki : NULL;
        return policy_appraise(policy, bundle, &appraisal, ret, err);
}

int verify_sign(const struct verdict *verdict, EVP_PKEY *key, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *payload = verdict_write(verdict);

        if (!payload)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing a verdict");
        return cvm_envelope_sign(CVM_ENVELOPE_VERDICT, payload, strlen(payload), key, ret, err);
}

int verify_status(const struct verdict *verdict) {
        static const int statuses[] = {
                [VERDICT_ACCEPTED] = 0, [VERDICT_REFUSED] = 5, [VERDICT_UNKNOWN] = 6
        };

        return statuses[verdict->result];
}

void verify_say_reasons(const struct verdict *verdict) {
        if (verdict->class_ == CVM_CLASS_SIMULATED)
                output_say("SIMULATED: this evidence vouches for no hardware");
        for (size_t i = 0; i < verdict->n_reasons; i++)
                output_say("%s: %s", verdict->reasons[i].code->id, verdict->reasons[i].text);
}

int verify_tell(const struct verdict *verdict) {
        CVM_CLEANUP(cvm_freep) char *text = verdict_write(verdict);
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;

        verify_say_reasons(verdict);
        if (text && cvm_json_parse(text, strlen(text), "verdict", &node, NULL) >= 0)
                output_object(node, "result");
        return verify_status(verdict);
}
