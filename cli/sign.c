/* cvmctl sign verdict, sign approval and sign start-permit: what the owner says before a guest may go on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/signed.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/verify.h"

#define REQUEST_MAX (16u << 10)
#define PERMIT_SECONDS 3600

static const char *key_name(const struct arguments *arguments) {
        return argument(arguments, "owner-key") ? argument(arguments, "owner-key") : "owner.pem";
}

static int write_signed(const struct arguments *arguments, enum cvm_envelope_type type,
                        const struct cvm_json_field *fields, const void *object, EVP_PKEY *key,
                        struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        int r = cvm_signed_make(type, fields, object, key, &envelope, err);

        return r < 0 ? r : output_file(argument(arguments, "output"), envelope, 0644, err);
}

static const struct option_row verdict_options[] = {
        { "owner-key", OPTION_TEXT, "KEY", "the owner's private key (default owner.pem)" },
        { "output", OPTION_TEXT, "FILE", "where the signed verdict goes, also -o (standard output)" },
        { 0 },
};

/* Where who verifies has no key: her verdict is carried to the machine that has it. */
static int run_verdict(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL, *envelope = NULL;
        int r = document_text(arguments->words[0], CVM_ENVELOPE_MAX, &text, err);

        if (r >= 0)
                r = verdict_read(text, strlen(text), &verdict, err);
        if (r >= 0)
                r = key_file_private(key_name(arguments), &key, err);
        if (r >= 0)
                r = verify_sign(&verdict, key, &envelope, err);
        if (r < 0)
                return cvm_while(err, r, "signing '%s'", arguments->words[0]);
        output_say("Signed: '%s' for the VM %s.", verdict_result_texts[verdict.result], verdict.uuid);
        return output_file(argument(arguments, "output"), envelope, 0644, err);
}

const struct command command_sign_verdict = {
        .group = "sign",
        .name = "verdict",
        .words = "VERDICT",
        .words_min = 1,
        .words_max = 1,
        .summary = "sign a verdict that `evidence verify -o json` printed",
        .options = verdict_options,
        .run = run_verdict,
};

static const struct option_row approval_options[] = {
        { "bundle", OPTION_TEXT, "FILE", "the evidence that was verified" },
        { "verdict", OPTION_TEXT, "FILE", "the accepted verdict on it" },
        { "owner-key", OPTION_TEXT, "KEY", "the owner's private key (default owner.pem)" },
        { "output", OPTION_TEXT, "FILE", "where the approval goes, also -o (standard output)" },
        { 0 },
};

static int run_approval(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        const char *bundle_file = argument(arguments, "bundle"),
                   *verdict_file = argument(arguments, "verdict");
        struct approval approval = { 0 };
        int r;

        if (!bundle_file)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--bundle is needed: it names the boot that is approved");
        r = key_file_private(key_name(arguments), &key, err);
        if (r >= 0)
                r = document_bundle(bundle_file, &bundle, err);
        if (r >= 0)
                r = document_accepted(verdict_file, key, &bundle, &verdict, err);
        if (r < 0)
                return cvm_while(err, r, "approving");
        approval.uuid = verdict.uuid; /* borrowed */
        memcpy(approval.keyset, verdict.keyset, sizeof approval.keyset);
        memcpy(approval.binding, verdict.binding, sizeof approval.binding);
        memcpy(approval.evidence, verdict.evidence, sizeof approval.evidence);
        memcpy(approval.chain_head, bundle.chain_head, sizeof approval.chain_head);
        return write_signed(arguments, CVM_ENVELOPE_APPROVAL, approval_fields, &approval, key, err);
}

const struct command command_sign_approval = {
        .group = "sign",
        .name = "approval",
        .words = "",
        .summary = "approve an accepted boot, for the guest's agent",
        .options = approval_options,
        .run = run_approval,
};

static const struct option_row permit_options[] = {
        { "request", OPTION_TEXT, "FILE", "what `approval request NAME` wrote" },
        { "owner-key", OPTION_TEXT, "KEY", "the owner's private key (default owner.pem)" },
        { "expires-in", OPTION_TEXT, "SECONDS", "how long it holds (3600)" },
        { "output", OPTION_TEXT, "FILE", "where the permit goes, also -o (standard output)" },
        { 0 },
};

/* What the request names. */
struct wanted {
        char *waits_for, *uuid;
        uint8_t binding[CVM_SHA384_SIZE], keyset[CVM_SHA384_SIZE], start_nonce[32];
        bool has_keyset, has_nonce;
};

static const struct cvm_json_field wanted_fields[] = {
        { "waits_for", CVM_JSON_TEXT, .required = true, .offset = offsetof(struct wanted, waits_for),
          .max = 128 },
        { "uuid", CVM_JSON_TEXT, .required = true, .offset = offsetof(struct wanted, uuid), .max = 36,
          .check = cvm_uuid_is_valid, .expected = "a uuid" },
        { "binding", CVM_JSON_HEX, .required = true, .offset = offsetof(struct wanted, binding),
          .size = CVM_SHA384_SIZE },
        { "keyset", CVM_JSON_HEX, .nullable = true, .offset = offsetof(struct wanted, keyset),
          .has_offset = offsetof(struct wanted, has_keyset), .size = CVM_SHA384_SIZE },
        { "start_nonce", CVM_JSON_HEX, .nullable = true, .offset = offsetof(struct wanted, start_nonce),
          .has_offset = offsetof(struct wanted, has_nonce), .size = 32 },
        { 0 },
};

static void wanted_done(struct wanted *w) {
        free(w->waits_for);
        free(w->uuid);
}

static int run_permit(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(wanted_done) struct wanted wanted = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        const char *file = argument(arguments, "request");
        struct start_permit permit = { 0 };
        uint64_t seconds = PERMIT_SECONDS;
        int r = file ? document_text(file, REQUEST_MAX, &text, err)
                     : cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--request is needed");

        if (r >= 0)
                r = cvm_json_read_text(text, strlen(text), file, wanted_fields, &wanted, err);
        if (r >= 0 && !wanted.has_nonce)
                r = cvm_fail(err, &CVM_CODE_WRONG_STATE, EINVAL,
                             "'%s' waits for '%s', not for a start permit", file, wanted.waits_for);
        if (r >= 0)
                r = argument_u64(arguments, "expires-in", 30u * 86400, &seconds, err);
        if (r >= 0)
                r = key_file_private(key_name(arguments), &key, err);
        if (r < 0)
                return r;
        permit.uuid = wanted.uuid; /* borrowed */
        memcpy(permit.binding, wanted.binding, sizeof permit.binding);
        memcpy(permit.start_nonce, wanted.start_nonce, sizeof permit.start_nonce);
        permit.expiry = cvm_time_now() + seconds * 1000;
        output_say("A start permit is for the daemon's hold, the operator's convenience: it says nothing about what then "
                   "starts. An approval does.");
        return write_signed(arguments, CVM_ENVELOPE_START_PERMIT, start_permit_fields, &permit, key, err);
}

const struct command command_sign_start_permit = {
        .group = "sign",
        .name = "start-permit",
        .words = "",
        .summary = "let the daemon begin a held VM",
        .options = permit_options,
        .run = run_permit,
};
