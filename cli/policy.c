/* cvmctl policy sign, show and test. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/verify.h"

#define POLICY_MAX (1u << 20)

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

static int run_show(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *file = arguments->words[0], *key_file = argument(arguments, "owner-key");
        int r = key_file ? key_file_public(key_file, &key, err) : 0;

        if (r >= 0)
                r = document_policy(file, key, &policy, err);
        if (r >= 0)
                r = document_text(file, POLICY_MAX, &text, err);
        if (r >= 0 && strstr(text, "\"payloadType\"") &&
            cvm_envelope_peek(text, strlen(text), CVM_ENVELOPE_POLICY, &payload, NULL) >= 0)
                r = cvm_json_parse(payload.data, payload.size, file, &node, err);
        else if (r >= 0)
                r = cvm_json_parse(text, strlen(text), file, &node, err);
        if (r < 0)
                return r;
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
        { "owner-key", OPTION_TEXT, "KEY", "the owner's key" },
        { 0 },
};

/* What the verdict would be, were this bundle fresh: its own nonce is taken, so it says nothing about
 * replay. */
static int run_test(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        const char *key_file = argument(arguments, "owner-key");
        int r = key_file ? key_file_public(key_file, &key, err) : 0;

        if (r >= 0)
                r = document_policy(arguments->words[0], key, &policy, err);
        if (r >= 0)
                r = document_bundle(arguments->words[1], &bundle, err);
        if (r >= 0)
                r = verify_bundle(policy, &bundle, bundle.nonce, 0, key, &verdict, err);
        if (r < 0)
                return r;
        output_say("A test: the bundle's own nonce was taken, so this says nothing about replay, and nothing is signed.");
        return verify_tell(&verdict);
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
