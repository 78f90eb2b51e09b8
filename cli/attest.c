/* cvmctl evidence get, attest, secret put, approve, approval request: the owner's side meets the daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/time.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/request-platform.h"
#include "cli/seal.h"
#include "cli/verify.h"

/* --- evidence get --- */

static const struct option_row get_options[] = {
        { "challenge", OPTION_TEXT, "FILE", "the challenge to be answered" },
        { "nonce", OPTION_TEXT, "HEX", "or the nonce itself" },
        { "request", OPTION_TEXT, "FILE", "what evidence challenge --request wrote with it" },
        { "output", OPTION_TEXT, "FILE", "where the bundle goes, also -o (standard output)" },
        { 0 },
};

/* NULL: the guest is of a platform whose evidence answers no requests. */
static int platform_of(sd_bus *bus, const char *path, const struct request_platform **ret,
                       struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *vm = NULL;
        int r = bus_properties(bus, path, CVMD_VM_INTERFACE, &vm, err);

        if (r >= 0)
                *ret = request_platform_find(json_object_get_string(json_object_object_get(vm, "platform")));
        return r;
}

/* It goes beside the nonce alone, too: the challenge has its key, and does not leave its owner. */
static int read_request(sd_bus *bus, const char *path, const struct arguments *arguments,
                        const struct challenge *challenge, struct cvm_bytes *ret, struct cvm_error *err) {
        const char *file = argument(arguments, "request");
        const struct request_platform *platform = NULL;
        int r = 0;

        if (challenge->has_platform)
                platform = request_platform_find(cvm_platform_texts[challenge->platform]);
        else if (file && argument(arguments, "nonce"))
                r = platform_of(bus, path, &platform, err);
        if (r < 0)
                return r;
        if (!platform)
                return !file ? 0
                             : cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                        "--request goes with the challenge that was made with it");
        return file ? platform->read(file, ret, err)
                    : cvm_fail(err, &CVM_CODE_EVIDENCE_REQUEST, EINVAL,
                               "the challenge was made with a request: give it with --request");
}

static int run_get(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_freep) char *path = NULL, *bundle = NULL;
        const char *file = argument(arguments, "challenge"), *hex = argument(arguments, "nonce");
        CVM_CLEANUP(challenge_wipe) struct challenge challenge = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        int r;

        if (!file == !hex)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "give either --challenge or --nonce");
        r = file ? challenge_read(file, &challenge, err) : 0;
        if (hex && cvm_unhex(hex, challenge.nonce, sizeof challenge.nonce) < 0)
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "--nonce must be 64 hex digits");
        if (r >= 0)
                r = fetch_open_vm(arguments->words[0], &bus, &path, err);
        if (r >= 0)
                r = read_request(bus, path, arguments, &challenge, &request, err);
        if (r >= 0)
                r = fetch_evidence(bus, path, challenge.nonce, &request, &bundle, err);
        return r < 0 ? r : output_file(argument(arguments, "output"), bundle, 0644, err);
}

const struct command command_evidence_get = {
        .group = "evidence",
        .name = "get",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "fetch a running guest's evidence for a challenge",
        .options = get_options,
        .run = run_get,
};

/* --- attest: challenge, fetch, verify, sign, record in one --- */

struct attestation {
        EVP_PKEY *key;
        struct policy *policy;
        struct bundle bundle;
        struct verdict verdict;
        char *bundle_text, *envelope;
};

static void attestation_done(struct attestation *a) {
        EVP_PKEY_free(a->key);
        policy_free(a->policy);
        bundle_done(&a->bundle);
        verdict_done(&a->verdict);
        free(a->bundle_text);
        free(a->envelope);
}

/* A guest whose evidence answers requests is asked by one that is made here, for the hosts that are named.
 */
static int make_request(sd_bus *bus, const char *path, const struct arguments *arguments,
                        struct challenge *challenge, struct cvm_bytes *ret, struct cvm_error *err) {
        const struct request_platform *platform;
        int r = platform_of(bus, path, &platform, err);

        return r < 0 || !platform ? r : platform->challenge(arguments, challenge, ret, err);
}

static int attest(sd_bus *bus, const char *path, const struct arguments *arguments, struct attestation *a,
                  struct cvm_error *err) {
        const char *policy = argument(arguments, "policy"), *key = argument(arguments, "owner-key");
        CVM_CLEANUP(challenge_wipe) struct challenge challenge = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        struct request_kept kept = { 0 };
        struct appraisal with = { 0 };
        int r;

        if (!policy)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--policy is needed: nothing is accepted without one");
        r = key_file_private(key ? key : "owner.pem", &a->key, err);
        if (r >= 0)
                r = document_policy(policy, a->key, &a->policy, err);
        challenge_make(&challenge);
        if (r >= 0)
                r = make_request(bus, path, arguments, &challenge, &request, err);
        if (r >= 0)
                r = request_keep(arguments, &challenge, &kept, &with, err);
        if (r >= 0)
                r = fetch_evidence(bus, path, challenge.nonce, &request, &a->bundle_text, err);
        if (r >= 0)
                r = bundle_read(a->bundle_text, strlen(a->bundle_text), "evidence", &a->bundle, err);
        if (r >= 0)
                r = verify_complete(arguments, a->policy, &a->bundle, &with, err);
        memcpy(with.nonce, challenge.nonce, sizeof with.nonce);
        if (r >= 0)
                r = verify_bundle(a->policy, &a->bundle, &with, a->key, &a->verdict, err);
        if (r >= 0)
                r = verify_remember(a->policy, &a->bundle, &a->verdict, err);
        return r < 0 ? r : verify_sign(&a->verdict, a->key, &a->envelope, err);
}

static int save(const char *dir, const char *name, const char *text, struct cvm_error *err) {
        char path[4096];

        if (!dir)
                return 0;
        if (mkdir(dir, 0755) < 0 && errno != EEXIST)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", dir, strerror(errno));
        snprintf(path, sizeof path, "%s/%s", dir, name);
        return output_file(path, text, 0644, err);
}

static const struct option_row attest_options[] = {
        { "policy", OPTION_TEXT, "FILE", "what the owner accepts" },
        { "owner-key", OPTION_TEXT, "KEY", "the owner's private key (default owner.pem)" },
        BESIDE_OPTIONS,
        REQUEST_ATTEST_OPTIONS,
        { "save", OPTION_TEXT, "DIR", "keep bundle.json and verdict.json there" },
        { 0 },
};

static int run_attest(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(attestation_done) struct attestation a = { 0 };
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        const char *dir = argument(arguments, "save");
        int r = fetch_open_vm(arguments->words[0], &bus, &path, err);

        if (r >= 0)
                r = attest(bus, path, arguments, &a, err);
        if (r >= 0)
                r = save(dir, "bundle.json", a.bundle_text, err);
        if (r >= 0)
                r = save(dir, "verdict.json", a.envelope, err);
        if (r >= 0 && a.bundle.binding)
                r = bus_call(bus, path, CVMD_VM_INTERFACE, "RecordVerdict", NULL, err, "s", a.envelope);
        return r < 0 ? cvm_while(err, r, "attesting '%s'", arguments->words[0]) : verify_tell(&a.verdict);
}

const struct command command_attest = {
        .name = "attest",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "fetch fresh evidence, verify it here, sign and record the verdict (exit 0, 5 or 6)",
        .options = attest_options,
        .run = run_attest,
};

/* --- secret put --- */

static int put(sd_bus *bus, const char *path, const char *secret, const char *verdict, char **ret,
               struct cvm_error *err) {
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, path, CVMD_VM_INTERFACE,
                                               "PutSecret");

        if (r >= 0)
                r = sd_bus_message_append(call, "ss", secret, verdict ? verdict : "");
        if (r >= 0)
                r = bus_operate(bus, call, 0, ret, err);
        sd_bus_message_unref(call);
        return r;
}

static const struct option_row put_options[] = {
        { "verdict", OPTION_TEXT, "FILE",
          "the accepted verdict; without: what was recorded, or waited for" },
        { "receipt", OPTION_TEXT, "FILE", "where the guest's receipt goes" },
        { "name", OPTION_TEXT, "SECRET", "attest, seal and put in one: the secret's name" },
        { "in", OPTION_TEXT, "FILE", "its bytes (default: standard input)" },
        { "policy", OPTION_TEXT, "FILE", "what the owner accepts" },
        { "owner-key", OPTION_TEXT, "KEY", "the owner's private key (default owner.pem)" },
        HOST_KEY_LIST_OPTION,
        REQUEST_ATTEST_OPTIONS,
        { 0 },
};

/* The short path: all of the owner's work here, and the receipt checked against the boot that was just
 * verified. */
static int put_in_one(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(attestation_done) struct attestation a = { 0 };
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plaintext = { 0 };
        CVM_CLEANUP(cvm_freep) char *path = NULL, *sealed = NULL, *text = NULL;
        CVM_CLEANUP(receipt_done) struct receipt receipt = { 0 };
        const char *in = argument(arguments, "in"), *file = argument(arguments, "receipt");
        struct seal_inputs inputs = { .name = argument(arguments, "name"),
                                      .kind = CVM_SECRET_FILE,
                                      .bundle = &a.bundle,
                                      .verdict = &a.verdict };
        int r = fetch_open_vm(arguments->words[0], &bus, &path, err);

        if (r >= 0)
                r = attest(bus, path, arguments, &a, err);
        if (r >= 0 && a.verdict.result != VERDICT_ACCEPTED)
                return verify_tell(&a.verdict);
        if (r >= 0)
                r = seal_read(in ? in : "-", &plaintext, err);
        if (r >= 0)
                r = seal_secret(&inputs, &plaintext, a.key, &sealed, err);
        if (r >= 0)
                r = put(bus, path, sealed, a.envelope, &text, err);
        if (r >= 0 && file)
                r = output_file(file, text, 0644, err);
        if (r >= 0)
                r = seal_check_receipt(text, &a.bundle, sealed, a.key, &receipt, err);
        return r < 0 ? r : seal_tell_receipt(&receipt);
}

/* The daemon checked it by the boot key that it heard; only the owner's side knows whose key that is. */
static int tell_unchecked(const char *envelope, struct cvm_error *err) {
        CVM_CLEANUP(receipt_done) struct receipt receipt = { 0 };
        int r = cvm_signed_peek(envelope, strlen(envelope), CVM_ENVELOPE_RECEIPT, receipt_fields, &receipt,
                                err);

        if (r < 0)
                return cvm_while(err, r, "the receipt");
        if (receipt.words)
                cvm_text_clean(receipt.words, strlen(receipt.words), false);
        output_say("The guest's word, which `cvmctl secret receipt` checks on the owner's side: '%s' %s%s%s.",
                   receipt.name, receipt_result_texts[receipt.result], receipt.words ? ": " : "",
                   receipt.words ? receipt.words : "");
        return seal_receipt_status(&receipt);
}

static int put_file(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_freep) char *path = NULL, *secret = NULL, *verdict = NULL, *receipt = NULL;
        const char *verdict_file = argument(arguments, "verdict"), *file = argument(arguments, "receipt");
        int r = document_text(arguments->words[1], CVM_ENVELOPE_MAX, &secret, err);

        if (r >= 0 && verdict_file)
                r = document_text(verdict_file, CVM_ENVELOPE_MAX, &verdict, err);
        if (r >= 0)
                r = fetch_open_vm(arguments->words[0], &bus, &path, err);
        if (r >= 0)
                r = put(bus, path, secret, verdict, &receipt, err);
        if (r < 0 || globals.no_wait)
                return r;
        r = output_file(file, receipt, 0644, err);
        return r < 0 ? r : tell_unchecked(receipt, err);
}

static int run_put(const struct arguments *arguments, struct cvm_error *err) {
        bool in_one = argument(arguments, "name");
        int r;

        if (in_one != (arguments->n_words == 1))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "give a sealed FILE, or --name for all in one");
        r = in_one ? put_in_one(arguments, err) : put_file(arguments, err);
        return r < 0 ? cvm_while(err, r, "'%s'", arguments->words[0]) : r;
}

const struct command command_secret_put = {
        .group = "secret",
        .name = "put",
        .words = "NAME [FILE]",
        .words_min = 1,
        .words_max = 2,
        .summary = "hand a sealed secret in and wait for the guest's receipt",
        .options = put_options,
        .run = run_put,
};

/* --- approvals --- */

static int run_approve(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_freep) char *path = NULL, *envelope = NULL;
        int r = document_text(arguments->words[1], CVM_ENVELOPE_MAX, &envelope, err);

        if (r >= 0)
                r = fetch_open_vm(arguments->words[0], &bus, &path, err);
        if (r >= 0)
                r = bus_call(bus, path, CVMD_VM_INTERFACE, "Approve", NULL, err, "s", envelope);
        return r < 0 ? cvm_while(err, r, "'%s'", arguments->words[0]) : 0;
}

const struct command command_approve = {
        .name = "approve",
        .words = "NAME FILE",
        .words_min = 2,
        .words_max = 2,
        .summary = "hand in the owner's approval or start permit, whichever the VM waits for",
        .run = run_approve,
};

static const struct option_row request_options[] = {
        { "output", OPTION_TEXT, "FILE", "where the request goes, also -o (standard output)" },
        { 0 },
};

static void copy_hex(json_object *from, const char *key, json_object *to) {
        const char *text = json_object_get_string(json_object_object_get(from, key));

        json_object_object_add(to, key, text && *text ? json_object_new_string(text) : NULL);
}

static int binding_of(json_object *vm, char ret[2 * CVM_SHA384_SIZE + 1], struct cvm_error *err) {
        struct bundle bundle = { .binding = (char *)json_object_get_string(
                                                 json_object_object_get(vm, "binding")) };
        uint8_t digest[CVM_SHA384_SIZE];
        int r;

        if (bundle.binding && !*bundle.binding)
                bundle.binding = NULL;
        r = bundle_binding_digest(&bundle, digest, err);
        if (r >= 0)
                cvm_hex(digest, sizeof digest, ret);
        return r;
}

static int run_request(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *vm = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        CVM_CLEANUP(cvm_freep) char *path = NULL, *text = NULL;
        char binding[2 * CVM_SHA384_SIZE + 1];
        int r = fetch_open_vm(arguments->words[0], &bus, &path, err);

        if (r >= 0)
                r = bus_properties(bus, path, CVMD_VM_INTERFACE, &vm, err);
        if (r >= 0)
                r = binding_of(vm, binding, err);
        if (r < 0)
                return r;
        json_object_object_add(request, "waits_for",
                               json_object_get(json_object_object_get(vm, "waits_for")));
        json_object_object_add(request, "uuid", json_object_get(json_object_object_get(vm, "id")));
        json_object_object_add(request, "binding", json_object_new_string(binding));
        copy_hex(vm, "keyset", request);
        copy_hex(vm, "start_nonce", request);
        text = cvm_json_text(request);
        return text ? output_file(argument(arguments, "output"), text, 0644, err) : -ENOMEM;
}

const struct command command_approval_request = {
        .group = "approval",
        .name = "request",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "what a VM waits for, to be signed on the owner's machine",
        .options = request_options,
        .run = run_request,
};
