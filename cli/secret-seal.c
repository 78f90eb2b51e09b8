/* cvmctl secret seal and secret receipt: the owner's side of a secret, by files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/request-platform.h"
#include "cli/seal.h"

static const struct option_row options[] = {
        { "bundle", OPTION_TEXT, "FILE", "the evidence that was verified" },
        { "verdict", OPTION_TEXT, "FILE", "the accepted verdict on it" },
        { "owner-key", OPTION_TEXT, "KEY", "the owner's private key (default owner.pem)" },
        { "kind", OPTION_TEXT, "KIND", "file (the default) or disk-key" },
        { "in", OPTION_TEXT, "FILE", "the secret's bytes (default: standard input)" },
        { "after", OPTION_TEXT, "SEQ", "the last sequence number known, where the clock may lag" },
        { "output", OPTION_TEXT, "FILE", "where the sealed secret goes, also -o (standard output)" },
        REQUEST_SEAL_OPTIONS,
        { 0 },
};

static int read_kind(const char *text, int *ret, struct cvm_error *err) {
        for (int kind = CVM_SECRET_FILE; kind <= CVM_SECRET_DISK_KEY; kind++)
                if (!text || strcmp(text, cvm_secret_kind_text(kind)) == 0) {
                        *ret = kind;
                        return 0;
                }
        return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "--kind must be file or disk-key, not '%s'", text);
}

static int run_seal(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(seal_target_done) struct seal_target target = { 0 };
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plaintext = { 0 };
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        const char *in = argument(arguments, "in");
        const struct request_platform *platform;
        int kind = 0, r = request_platform_only(arguments, &platform, err);

        if (r < 0 || platform)
                return r < 0 ? r : platform->seal(arguments, err);
        r = read_kind(argument(arguments, "kind"), &kind, err);
        if (r >= 0)
                r = seal_target_read(arguments, &target, err);
        target.inputs.kind = kind;
        if (r >= 0)
                r = seal_read(in ? in : "-", &plaintext, err);
        if (r >= 0)
                r = seal_secret(&target.inputs, &plaintext, target.key, &envelope, err);
        if (r < 0)
                return cvm_while(err, r, "sealing '%.64s'", arguments->words[0]);
        seal_target_say(&target);
        return output_file(argument(arguments, "output"), envelope, 0644, err);
}

const struct command command_secret_seal = {
        .group = "secret",
        .name = "seal",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "seal and sign a secret for a boot that was accepted",
        .options = options,
        .run = run_seal,
};

static const struct option_row receipt_options[] = {
        { "bundle", OPTION_TEXT, "FILE", "the evidence of the boot that must have signed it" },
        { "secret", OPTION_TEXT, "FILE", "the sealed secret that it must be for" },
        { "owner-key", OPTION_TEXT, "KEY", "the key that signed the secret (default owner.pem)" },
        { 0 },
};

static int run_receipt(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        CVM_CLEANUP(receipt_done) struct receipt receipt = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL, *secret = NULL;
        const char *bundle_file = argument(arguments, "bundle"),
                   *secret_file = argument(arguments, "secret");
        const char *key_name = argument(arguments, "owner-key");
        int r;

        if (!bundle_file)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--bundle is needed: it names the boot key");
        r = document_bundle(bundle_file, &bundle, err);
        if (r >= 0)
                r = document_text(arguments->words[0], CVM_ENVELOPE_MAX, &text, err);
        if (r >= 0 && secret_file)
                r = document_text(secret_file, CVM_ENVELOPE_MAX, &secret, err);
        if (r >= 0 && secret_file)
                r = key_file_public(key_name ? key_name : "owner.pem", &key, err);
        if (r >= 0)
                r = seal_check_receipt(text, &bundle, secret, key, &receipt, err);
        return r < 0 ? r : seal_tell_receipt(&receipt);
}

const struct command command_secret_receipt = {
        .group = "secret",
        .name = "receipt",
        .words = "RECEIPT",
        .words_min = 1,
        .words_max = 1,
        .summary = "check the guest's receipt",
        .options = receipt_options,
        .run = run_receipt,
};
