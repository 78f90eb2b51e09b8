/* cvmctl evidence verify: does this bundle hold under this policy? 0: accepted, 5: refused, 6: could not be
 * checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cli/commands.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/raw-evidence.h"
#include "cli/request-platform.h"
#include "cli/verify.h"

static const struct option_row options[] = {
        { "challenge", OPTION_TEXT, "FILE", "the challenge that it must answer; it serves once" },
        { "nonce", OPTION_TEXT, "HEX", "the nonce itself, where no file remembers it" },
        { "policy", OPTION_TEXT, "FILE", "what the owner accepts, signed or not" },
        { "owner-key", OPTION_TEXT, "KEY", "the owner's key; with --verdict her private one" },
        { "verdict", OPTION_TEXT, "FILE", "sign the verdict and write it there" },
        { "at", OPTION_TEXT, "TIME", "judge dates at this time (RFC 3339) instead of now" },
        BESIDE_OPTIONS,
        RAW_EVIDENCE_OPTIONS,
        REQUEST_VERIFY_OPTIONS,
        { 0 },
};

struct inputs {
        struct policy *policy;
        struct bundle bundle;
        struct challenge challenge;
        struct request_kept kept;
        EVP_PKEY *owner;
        struct appraisal with;
};

static void inputs_done(struct inputs *in) {
        policy_free(in->policy);
        bundle_done(&in->bundle);
        challenge_wipe(&in->challenge);
        EVP_PKEY_free(in->owner);
}

static int read_nonce(const struct arguments *arguments, struct challenge *ret, struct cvm_error *err) {
        int r = challenge_find(arguments, ret, err);

        if (r >= 0 && ret->is_used)
                return cvm_fail(err, &CVM_CODE_NONCE, EALREADY,
                                "the challenge '%s' has served already: evidence that answers it again is a replay",
                                argument(arguments, "challenge"));
        return r;
}

static int read_key(const struct arguments *arguments, EVP_PKEY **ret, struct cvm_error *err) {
        const char *name = argument(arguments, "owner-key");

        if (!name && !argument(arguments, "verdict"))
                return 0;
        if (!name)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--verdict needs --owner-key: a verdict is signed");
        return argument(arguments, "verdict") ? key_file_private(name, ret, err)
                                              : key_file_public(name, ret, err);
}

static int read_inputs(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        const char *policy = argument(arguments, "policy");
        int r;

        if (!arguments->n_words || argument(arguments, "platform") || argument(arguments, "certs"))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "give a BUNDLE, or --platform, --report and --certs");
        r = policy ? read_key(arguments, &in->owner, err)
                   : cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                              "--policy is needed: nothing is accepted without one");
        if (r >= 0)
                r = argument_time(arguments, "at", &in->with.now_msec, err);
        if (r >= 0)
                r = document_policy(policy, in->owner, &in->policy, err);
        if (r >= 0)
                r = document_bundle(arguments->words[0], &in->bundle, err);
        if (r >= 0)
                r = verify_complete(arguments, in->policy, &in->bundle, &in->with, err);
        if (r >= 0)
                r = read_nonce(arguments, &in->challenge, err);
        return r < 0 ? r : request_keep(arguments, &in->challenge, &in->kept, &in->with, err);
}

static int appraise(struct inputs *in, struct verdict *ret, struct cvm_error *err) {
        int r;

        memcpy(in->with.nonce, in->challenge.nonce, sizeof in->with.nonce);
        r = verify_bundle(in->policy, &in->bundle, &in->with, in->owner, ret, err);
        return r < 0 ? r : verify_remember(in->policy, &in->bundle, ret, err);
}

static int verify(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(inputs_done) struct inputs in = { 0 };
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        int r = read_inputs(arguments, &in, err);

        if (r >= 0)
                r = appraise(&in, &verdict, err);
        /* A nonce that has answered is spent, whatever the verdict: the same evidence again is a replay. */
        if (r >= 0 && argument(arguments, "challenge"))
                r = challenge_spend(argument(arguments, "challenge"), err);
        if (r >= 0 && argument(arguments, "verdict")) {
                r = verify_sign(&verdict, in.owner, &envelope, err);
                if (r >= 0)
                        r = output_file(argument(arguments, "verdict"), envelope, 0644, err);
        }
        return r < 0 ? r : verify_tell(&verdict);
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        static const char *const of_bundles[] = { "challenge", "nonce", "verdict" };
        const struct request_platform *platform = request_platform(arguments);

        if (platform && !raw_evidence_report(arguments))
                return platform->verify(arguments, err);
        if (!raw_evidence_report(arguments))
                return verify(arguments, err);
        for (size_t i = 0; i < ARRAY_SIZE(of_bundles); i++)
                if (arguments->n_words || argument(arguments, of_bundles[i]))
                        return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--report takes no bundle and no --%s",
                                        of_bundles[i]);
        return raw_evidence_verify(arguments, err);
}

const struct command command_evidence_verify = {
        .group = "evidence",
        .name = "verify",
        .words = "[BUNDLE]",
        .words_max = 1,
        .summary = "judge a bundle, or a raw report: exit 0 accepted, 5 refused, 6 could not check",
        .options = options,
        .run = run,
};
