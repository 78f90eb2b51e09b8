/*
 * evidence challenge and evidence verify for Secure Execution. The measurement is made with a key that only
 * the owner and the ultravisor of a host she chose know, so an answer needs no certificates: what it is
 * worth follows from the host-key documents that the request was made for.
 */
#include "cli/request-se.h"

#include <errno.h>
#include <string.h>

#include "attest/exchange-se.h"
#include "attest/policy.h"
#include "attest/secret-se.h"
#include "base/fd.h"
#include "base/names.h"
#include "base/platform-id.h"
#include "base/time.h"
#include "cli/image-se.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/raw-evidence.h"
#include "cli/verify.h"

/* --- challenge --- */

static int write_request(const char *path, const struct cvm_bytes *request, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes file = { 0 };
        struct se_exchange x = { .request = *request };
        uint64_t flags = 0;
        int r = se_attestation_flags(request->data, request->size, &flags, err);

        x.expected_additional = se_additional_size(flags);
        if (r >= 0 && se_exchange_write(&x, &file) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a request");
        return r < 0 ? r : cvm_write_file(path, file.data, file.size, 0644, err);
}

static int read_request(const char *path, struct cvm_bytes *ret_request, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };
        int r = cvm_read_file(path, SE_EXCHANGE_MAX, &bytes, err);

        if (r >= 0)
                r = se_exchange_read(bytes.data, bytes.size, &x, err);
        if (r >= 0 && x.is_answer)
                r = cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "it is no request, but an answer");
        if (r < 0)
                return cvm_while(err, r, "the request '%s'", path);
        *ret_request = cvm_bytes_take(&x.request);
        return 0;
}

static int make(const struct arguments *arguments, const struct request_keys *keys, struct cvm_bytes *ret,
                struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret room = { 0 };
        struct se_attestation *attestation;

        if (cvm_secret_new(sizeof *attestation, &room) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a request");
        attestation = (struct se_attestation *)room.data;
        cvm_random(attestation->measurement_key, sizeof attestation->measurement_key);
        cvm_random(attestation->nonce, sizeof attestation->nonce);
        attestation->flags = SE_ATTEST_IMAGE_KEY | SE_ATTEST_REQUEST_KEY;
        if (argument(arguments, "secret-store") || argument(arguments, "added") ||
            argument(arguments, "locked"))
                attestation->flags |= SE_ATTEST_SECRETS;
        if (argument(arguments, "firmware"))
                attestation->flags |= SE_ATTEST_FIRMWARE;
        return se_attestation_make(attestation, &keys->to, ret, err);
}

static void keep(const struct request_keys *keys, const struct cvm_bytes *request, struct challenge *ret) {
        cvm_sha256(request->data, request->size, ret->request);
        memcpy(ret->key, keys->key.data, sizeof ret->key);
        memcpy(ret->root, keys->root, sizeof ret->root);
        ret->platform = CVM_PLATFORM_SECURE_EXECUTION;
        ret->class_ = keys->hosts.items[0].simulated ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE;
        for (ret->n_hosts = 0; ret->n_hosts < keys->hosts.n; ret->n_hosts++)
                memcpy(ret->hosts[ret->n_hosts], keys->hosts.items[ret->n_hosts].hash, CVM_SHA256_SIZE);
        ret->has_request = ret->has_platform = ret->has_key = ret->has_class = ret->has_root = true;
}

static int challenge(const struct arguments *arguments, struct challenge *ret, struct cvm_bytes *ret_request,
                     struct cvm_error *err) {
        CVM_CLEANUP(request_keys_done) struct request_keys keys = { 0 };
        int r = request_keys_make(arguments, &keys, err);

        if (r >= 0)
                r = make(arguments, &keys, ret_request, err);
        if (r >= 0)
                keep(&keys, ret_request, ret);
        return r;
}

/* --- what answers must be measured with --- */

static int take_image(const struct arguments *arguments, struct request_kept *ret, struct cvm_error *err) {
        struct se_header header;
        const char *names[SE_FLAGS_MAX];
        int r = image_header_read(arguments, &header, err);

        if (r < 0)
                return r;
        se_header_boot_tags(&header, ret->image);
        ret->kept.image = ret->image;
        ret->kept.image_size = SE_BOOT_TAGS_SIZE;
        se_flag_names(header.pcf, 0, names);
        while (names[ret->kept.n_flags]) {
                ret->flags[ret->kept.n_flags] = names[ret->kept.n_flags];
                ret->kept.n_flags++;
        }
        ret->kept.flags = ret->flags;
        return 0;
}

/* The tags of the requests one behind the other: only who made them all can know what the store holds. */
static int secret_store(const struct arguments *arguments, uint8_t ret[CVM_SHA512_SIZE],
                        struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer tags = { 0 };
        const char *path;
        int r = 0;

        for (size_t i = 0; r >= 0 && (path = argument_at(arguments, "added", i)); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
                struct se_secret_seen seen = { 0 };

                r = cvm_read_file(path, SE_REQUEST_MAX, &request, err);
                if (r >= 0)
                        r = se_secret_see(request.data, request.size, &seen, err);
                if (r < 0)
                        return cvm_while(err, r, "'%s'", path);
                cvm_write_copy(&tags, seen.tag, sizeof seen.tag);
        }
        if (r >= 0 && tags.failed)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading what was added");
        if (r >= 0)
                se_secret_store_hash(tags.bytes.data, tags.bytes.size / SE_TAG_SIZE,
                                     argument(arguments, "locked"), ret);
        return r;
}

/* --- verify --- */

struct answer {
        const struct arguments *arguments;
        struct challenge challenge;
        struct cvm_bytes bytes; /* of the answer */
        struct se_exchange x;
        struct se_header header;
        struct se_additional additional;
        bool authentic;
        bool is_foreign; /* what was asked is known by the request's key alone: no class, no hosts */
        struct verdict verdict;
};

static void answer_done(struct answer *a) {
        challenge_wipe(&a->challenge);
        cvm_bytes_done(&a->bytes);
        se_exchange_done(&a->x);
        verdict_done(&a->verdict);
}

/* A request that another program made: who has its protection key knows for which hosts that was, and we do
 * not. */
static int read_foreign(struct answer *a, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        const char *path = argument(a->arguments, "request");
        int r = argument(a->arguments, "policy")
                                ? cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                           "--policy needs what evidence challenge kept: --arpk does not say for which "
                                           "hosts the request was made")
                                : image_key_read(a->arguments, "arpk", a->challenge.key, SE_KEY_SIZE, err);

        if (r >= 0 && path)
                r = read_request(path, &request, err);
        if (r < 0 || !path)
                return r;
        cvm_sha256(request.data, request.size, a->challenge.request);
        a->challenge.has_request = true;
        return 0;
}

static int read_challenge(struct answer *a, struct cvm_error *err) {
        const char *path = argument(a->arguments, "request");
        int r = path ? challenge_read(path, &a->challenge, err)
                     : cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--request is needed: what evidence challenge -o wrote");

        if (r >= 0 && (!a->challenge.has_request || !a->challenge.has_key || !a->challenge.has_class))
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' is no challenge of this platform", path);
        if (r >= 0 && a->challenge.is_used)
                return cvm_fail(err, &CVM_CODE_NONCE, EALREADY,
                                "the request '%s' has been answered already: the answer again is a replay",
                                path);
        return r;
}

static int read_answer(struct answer *a, struct cvm_error *err) {
        const char *path = argument(a->arguments, "response");
        uint8_t digest[CVM_SHA256_SIZE];
        int r = path ? cvm_read_file(path, SE_EXCHANGE_MAX, &a->bytes, err)
                     : cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--response is needed: the guest's answer");

        if (r >= 0)
                r = se_exchange_read(a->bytes.data, a->bytes.size, &a->x, err);
        if (r < 0)
                return r;
        cvm_sha256(a->x.request.data, a->x.request.size, digest);
        return !a->challenge.has_request || memcmp(digest, a->challenge.request, sizeof digest) == 0
                               ? 0
                               : cvm_fail(err, &CVM_CODE_NONCE, EBADMSG, "'%s' answers another request",
                                          path);
}

static int authenticate(struct answer *a, struct cvm_error *err) {
        uint8_t tags[SE_BOOT_TAGS_SIZE];
        uint64_t flags = 0;
        int r;

        se_header_boot_tags(&a->header, tags);
        r = se_exchange_verify(&a->x, a->challenge.key, tags, &flags, err);
        if (r >= 0)
                r = se_additional_read(flags, a->x.additional.data, a->x.additional.size, &a->additional,
                                       err);
        a->authentic = r >= 0;
        return r;
}

static int check_user_data(struct answer *a, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes expected = { 0 };
        const char *path = argument(a->arguments, "user-data");
        int r = path ? cvm_read_file(path, SE_USER_DATA_MAX, &expected, err) : 0;

        if (r < 0 || !path)
                return r;
        if (!cvm_equal(expected.data, expected.size, a->x.user_data.data, a->x.user_data.size))
                verdict_add(&a->verdict, &CVM_CODE_REPORT_DATA,
                            "the guest said something else than '%.128s'", path);
        return 0;
}

/* Both keys must be of one of the hosts. */
static int check_hosts(struct answer *a, struct cvm_error *err) {
        bool image = false, request = false, simulated = false;
        const char *path;
        int r = 0;

        for (size_t i = 0; r >= 0 && (path = argument_at(a->arguments, "host-key-document", i)); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
                CVM_CLEANUP(se_host_done) struct se_host host = { 0 };

                r = cvm_read_file(path, SE_DOCUMENT_MAX, &bytes, err);
                if (r >= 0)
                        r = se_host_read(bytes.data, bytes.size, path, &host, err);
                if (r < 0)
                        return r;
                simulated |= host.simulated;
                image |= a->additional.image_key && memcmp(host.hash, a->additional.image_key, 32) == 0;
                request |= a->additional.request_key &&
                           memcmp(host.hash, a->additional.request_key, 32) == 0;
        }
        if (argument(a->arguments, "host-key-document") &&
            (!a->additional.image_key || !a->additional.request_key))
                verdict_add(&a->verdict, &CVM_CODE_HOST_MASKED,
                            "the request did not ask whose keys opened it and the image");
        else if (argument(a->arguments, "host-key-document") && (!image || !request))
                verdict_add(&a->verdict, &CVM_CODE_HOST_ID,
                            "the host that opened the %s is none of those that are named",
                            image ? "request" : "image");
        if (a->is_foreign && simulated)
                verdict_add(&a->verdict, &CVM_CODE_CLASS_SIMULATED,
                            "a document is of a simulated host: nothing protects the guest that answered");
        return 0;
}

/* Without a policy: hardware, and what was added to its store. */
static int judge_alone(struct answer *a, struct cvm_error *err) {
        uint8_t expected[CVM_SHA512_SIZE];
        bool asked = argument(a->arguments, "added") || argument(a->arguments, "locked");
        int r = asked ? secret_store(a->arguments, expected, err) : 0;

        a->verdict.class_ = a->challenge.class_;
        if (a->challenge.class_ == CVM_CLASS_SIMULATED)
                verdict_add(&a->verdict, &CVM_CODE_CLASS_SIMULATED,
                            "the request was made for simulated hosts: nothing protects the guest that answered");
        if (r >= 0 && asked &&
            (!a->additional.secrets || memcmp(a->additional.secrets, expected, sizeof expected) != 0))
                verdict_add(&a->verdict, &CVM_CODE_SECRET_STORE, "%s",
                            a->additional.secrets
                                            ? "the platform keeps other secrets than those that were added"
                                            : "the evidence does not say which secrets the platform keeps");
        return r;
}

/* An answer alone names no boot and no owner: as much of the policy as it can answer to. */
static int appraise(struct answer *a, const struct policy *policy, struct cvm_error *err) {
        CVM_CLEANUP(verdict_done) struct verdict full = { 0 };
        struct bundle bundle = { .platform = CVM_PLATFORM_SECURE_EXECUTION, /* borrows all: never freed */
                                 .simulated = a->challenge.class_ == CVM_CLASS_SIMULATED,
                                 .uuid = (char *)"",
                                 .suite = CVM_SUITE,
                                 .report = a->bytes };
        struct appraisal with = { .now_msec = cvm_time_now() };
        struct request_kept kept = { 0 };
        int r = request_keep(a->arguments, &a->challenge, &kept, &with, err);

        memcpy(bundle.nonce, a->challenge.nonce, sizeof bundle.nonce);
        memcpy(with.nonce, a->challenge.nonce, sizeof with.nonce);
        if (r >= 0)
                r = policy_appraise(policy, &bundle, &with, &full, err);
        if (r >= 0)
                raw_evidence_take(&full, &a->verdict);
        return r;
}

static int judge_policy(struct answer *a, const char *path, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *owner = NULL;
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        const char *key = argument(a->arguments, "owner-key");
        int r = key ? key_file_public(key, &owner, err) : 0;

        if (r >= 0)
                r = document_policy(path, owner, &policy, err);
        return r < 0 ? r : appraise(a, policy, err);
}

static void add_hex(json_object *node, const char *key, const void *data, size_t size) {
        char hex[2 * 320 + 1];

        if (!data || size * 2 >= sizeof hex)
                return;
        cvm_hex(data, size, hex);
        json_object_object_add(node, key, json_object_new_string(hex));
}

static json_object *not_judged(const struct answer *a) {
        json_object *list = json_object_new_array();

        json_object_array_add(list, json_object_new_string("class"));
        if (!argument(a->arguments, "host-key-document"))
                json_object_array_add(list, json_object_new_string("hosts"));
        if (!a->challenge.has_request)
                json_object_array_add(list, json_object_new_string("freshness"));
        return list;
}

static int tell(const struct answer *a) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        json_object *claims = json_object_new_object();
        uint8_t tags[SE_BOOT_TAGS_SIZE], measurement[CVM_SHA384_SIZE];

        json_object_object_add(node, "result",
                               json_object_new_string(verdict_result_texts[a->verdict.result]));
        json_object_object_add(node, "reasons", verdict_reasons_write(&a->verdict));
        json_object_object_add(node, "platform",
                               json_object_new_string(cvm_platform_texts[CVM_PLATFORM_SECURE_EXECUTION]));
        if (a->is_foreign)
                json_object_object_add(node, "not_judged", not_judged(a));
        else
                json_object_object_add(node, "class",
                                       json_object_new_string(cvm_class_texts[a->challenge.class_]));
        if (a->authentic) {
                add_hex(claims, "tag", se_header_tag(&a->header), SE_TAG_SIZE);
                se_header_boot_tags(&a->header, tags);
                se_image_measurement(tags, measurement);
                add_hex(claims, "measurement", measurement, sizeof measurement);
                add_hex(claims, "cuid", a->x.cuid, SE_CUID_SIZE);
                add_hex(claims, "user_data", a->x.user_data.data, a->x.user_data.size);
                add_hex(claims, "image_key", a->additional.image_key, 32);
                add_hex(claims, "request_key", a->additional.request_key, 32);
                add_hex(claims, "secret_store", a->additional.secrets, 64);
                add_hex(claims, "firmware", a->additional.firmware, 320);
        }
        json_object_object_add(node, "claims", claims);
        verify_say_reasons(&a->verdict);
        output_say("What the guest says of itself (user data) and the firmware's state are shown, not judged.");
        output_object(node, "result");
        return verify_status(&a->verdict);
}

static int judge(struct answer *a, struct cvm_error *err) {
        const char *policy = argument(a->arguments, "policy");
        int r = check_user_data(a, err);

        if (r >= 0)
                r = check_hosts(a, err);
        if (r < 0)
                return r;
        return policy ? judge_policy(a, policy, err) : judge_alone(a, err);
}

static int verify(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(answer_done)
        struct answer a = { .arguments = arguments, .is_foreign = argument(arguments, "arpk") };
        int r = a.is_foreign ? read_foreign(&a, err) : read_challenge(&a, err);

        if (r >= 0)
                r = image_header_read(arguments, &a.header, err);
        if (r >= 0)
                r = read_answer(&a, err);
        if (r >= 0)
                r = authenticate(&a, err);
        if (r >= 0)
                r = judge(&a, err);
        /* Answered is answered, whatever came out; what was no answer to it has not used it up. */
        if (r >= 0 && !a.is_foreign)
                r = challenge_spend(argument(arguments, "request"), err);
        return r < 0 ? r : tell(&a);
}

const struct request_platform request_platform_se = {
        .id = CVM_PLATFORM_SECURE_EXECUTION,
        .name = "se",
        .any_firmware = "the state of the firmware is shown, not judged",
        .challenge = challenge,
        .write = write_request,
        .read = read_request,
        .image = take_image,
        .secret_store = secret_store,
        .measure = measure_se,
        .policy = policy_se,
        .verify = verify,
        .seal = secret_seal_se,
};
