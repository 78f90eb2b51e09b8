/* cvmctl policy sign, show and test. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/policy-open.h"
#include "cli/request-platform.h"
#include "cli/verify.h"

static const struct option_row sign_options[] = {
        { "owner-key", OPTION_TEXT, "KEY", "the owner's private key (default owner.pem)" },
        { "output", OPTION_TEXT, "FILE", "where the signed policy goes, also -o (standard output)" },
        { 0 },
};

static const char *key_name(const struct arguments *arguments) {
        return argument(arguments, "owner-key") ? argument(arguments, "owner-key") : "owner.pem";
}

/* Only what is a policy is signed. */
static int run_sign(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL, *envelope = NULL;
        const char *file = arguments->words[0];
        int r = document_text(file, POLICY_MAX, &text, err);

        if (r >= 0)
                r = policy_read(text, strlen(text), file, &policy, err);
        if (r >= 0)
                r = key_file_private(key_name(arguments), &key, err);
        if (r >= 0)
                r = cvm_envelope_sign(CVM_ENVELOPE_POLICY, text, strlen(text), key, &envelope, err);
        return r < 0 ? r : output_file(argument(arguments, "output"), envelope, 0644, err);
}

const struct command command_policy_sign = {
        .group = "policy",
        .name = "sign",
        .words = "POLICY",
        .words_min = 1,
        .words_max = 1,
        .summary = "sign a policy with the owner's key",
        .options = sign_options,
        .run = run_sign,
};

static const struct option_row show_options[] = {
        { "owner-key", OPTION_TEXT, "KEY", "the key that must have signed it, where it is signed" },
        { 0 },
};

/* Looking is free; whose signature it has is said only where the key is given. */
static int run_show(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *file = arguments->words[0], *key_file = argument(arguments, "owner-key");
        int r = key_file ? key_file_public(key_file, &key, err) : 0;

        if (r >= 0)
                r = document_policy_payload(file, key, true, &payload, err);
        if (r >= 0)
                r = policy_read(payload.data, payload.size, file, &policy, err);
        if (r >= 0)
                r = cvm_json_parse(payload.data, payload.size, file, &node, err);
        if (r < 0)
                return r;
        policy_say_open(node);
        if (!key)
                output_say("Nobody checked who signed it: that takes --owner-key.");
        output_object(node, "serial");
        return 0;
}

const struct command command_policy_show = {
        .group = "policy",
        .name = "show",
        .words = "POLICY",
        .words_min = 1,
        .words_max = 1,
        .summary = "check a policy and print it",
        .options = show_options,
        .run = run_show,
};

static const struct option_row test_options[] = {
        { "challenge", OPTION_TEXT, "FILE", "the challenge that it answers; a test does not use it up" },
        { "nonce", OPTION_TEXT, "HEX", "the nonce itself; without both: the bundle's own" },
        { "owner-key", OPTION_TEXT, "KEY", "the owner's key" },
        BESIDE_OPTIONS,
        { "at", OPTION_TEXT, "TIME", "judge dates at this time (RFC 3339) instead of now" },
        REQUEST_ANSWER_OPTIONS,
        { 0 },
};

/* The bundle's own nonce proves nothing about replay, and that is said. */
static int test_nonce(const struct arguments *arguments, const struct bundle *bundle,
                      struct challenge *challenge, uint8_t ret[CVM_NONCE_SIZE], struct cvm_error *err) {
        bool own = !argument(arguments, "challenge") && !argument(arguments, "nonce");
        int r = own ? 0 : challenge_find(arguments, challenge, err);

        if (r >= 0)
                memcpy(ret, own ? bundle->nonce : challenge->nonce, CVM_NONCE_SIZE);
        output_say("A test: nothing is signed%s.",
                   own ? ", and as the bundle's own nonce was taken, it says nothing about replay" : "");
        return r;
}

static int run_test(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        CVM_CLEANUP(challenge_wipe) struct challenge challenge = { 0 };
        const char *key_file = argument(arguments, "owner-key");
        struct request_kept kept = { 0 };
        struct appraisal with = { 0 };
        int r = key_file ? key_file_public(key_file, &key, err) : 0;

        if (r >= 0)
                r = argument_time(arguments, "at", &with.now_msec, err);
        if (r >= 0)
                r = document_policy(arguments->words[0], key, &policy, err);
        if (r >= 0)
                r = document_bundle(arguments->words[1], &bundle, err);
        if (r >= 0)
                r = test_nonce(arguments, &bundle, &challenge, with.nonce, err);
        if (r >= 0)
                r = request_keep(arguments, &challenge, &kept, &with, err);
        if (r >= 0)
                r = verify_complete(arguments, policy, &bundle, &with, err);
        if (r >= 0)
                r = verify_bundle(policy, &bundle, &with, key, &verdict, err);
        return r < 0 ? r : verify_tell(&verdict);
}

const struct command command_policy_test = {
        .group = "policy",
        .name = "test",
        .words = "POLICY BUNDLE",
        .words_min = 2,
        .words_max = 2,
        .summary = "what the verdict on a bundle would be",
        .options = test_options,
        .run = run_test,
};
