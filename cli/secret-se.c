/*
 * secret seal for Secure Execution: a request that adds a secret to the store of a guest's ultravisor. Alone
 * it is for guests of any kind; to a guest of ours (--bundle) it goes sealed and signed, as a secret of kind
 * uv-request: its agent hands on no other.
 */
#include <errno.h>
#include <string.h>

#include "attest/exchange-se.h"
#include "attest/keys.h"
#include "attest/secret-se.h"
#include "base/fd.h"
#include "cli/image-se.h"
#include "cli/output.h"
#include "cli/request-se.h"
#include "cli/seal.h"

#define PEM_MAX (16u << 10)

struct inputs {
        struct seal_target target; /* only with --bundle */
        bool is_sealed;
        struct request_keys keys;
        struct se_header header;
        struct cvm_secret data, extension;
        struct cvm_bytes user_data;
        EVP_PKEY *user_key;
        uint8_t tags[SE_BOOT_TAGS_SIZE], cuid[SE_CUID_SIZE];
        struct se_secret secret;
};

static void inputs_done(struct inputs *in) {
        seal_target_done(&in->target);
        request_keys_done(&in->keys);
        cvm_secret_done(&in->data);
        cvm_secret_done(&in->extension);
        cvm_bytes_done(&in->user_data);
        EVP_PKEY_free(in->user_key);
}

static int read_type(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        const char *type = argument(arguments, "type"), *file = argument(arguments, "in");
        const struct se_secret_type *found = se_secret_type_find(type ? type : "plaintext");
        int r = 0;

        if (!found)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "there is no type of secret '%s'", type);
        in->secret.type = found;
        if (strcmp(found->name, "meta") != 0)
                r = seal_read(file ? file : "-", &in->data, err);
        else if (file)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--in goes with a type that has a secret, and 'meta' has none");
        in->secret.data = in->data.data;
        in->secret.size = in->data.size;
        if (r >= 0 && se_secret_id(arguments->words[0], argument(arguments, "use-name"), in->secret.id) < 0)
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                             "a secret has a name, of at most 31 bytes where it is the id");
        /* The id of a new CCK is no name. */
        if (strcmp(found->name, "cck-update") == 0)
                memset(in->secret.id, 0, sizeof in->secret.id);
        return r;
}

/* The guest that was accepted is of the image that the request is for: any other's ultravisor refuses it. */
static int check_image(const struct arguments *arguments, const struct inputs *in, struct cvm_error *err) {
        const struct verdict *verdict = &in->target.verdict;
        uint8_t image[CVM_SHA384_SIZE];

        if (!verdict->has_image)
                return cvm_fail(err, &CVM_CODE_VERDICT_MISSING, ENODATA,
                                "the verdict '%s' names no image: an older cvmctl made it",
                                argument(arguments, "verdict"));
        se_image_measurement(in->tags, image);
        return memcmp(image, verdict->image, sizeof image) == 0
                               ? 0
                               : cvm_fail(err, &CVM_CODE_VERDICT_IMAGE, EACCES,
                                          "the verdict '%s' is on a guest of another image than '%s'",
                                          argument(arguments, "verdict"), argument(arguments, "header"));
}

/* The run that gave the evidence: an accepted verdict names its very bytes. */
static int read_target(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        CVM_CLEANUP(se_exchange_done) struct se_exchange answer = { 0 };
        const struct cvm_bytes *report = &in->target.bundle.report;
        int r = seal_target_read(arguments, &in->target, err);

        if (r >= 0 && in->target.bundle.platform != CVM_PLATFORM_SECURE_EXECUTION)
                r = cvm_fail(err, &CVM_CODE_PLATFORM, EINVAL, "the bundle is of a guest of '%s'",
                             cvm_platform_texts[in->target.bundle.platform]);
        if (r >= 0)
                r = check_image(arguments, in, err);
        if (r >= 0)
                r = se_exchange_read(report->data, report->size, &answer, err);
        in->target.inputs.kind = CVM_SECRET_UV_REQUEST;
        in->is_sealed = true;
        memcpy(in->cuid, answer.cuid, sizeof in->cuid);
        return r;
}

static int read_instance(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        const char *cuid = argument(arguments, "cuid");
        bool any = argument(arguments, "any-instance"), sealed = argument(arguments, "bundle");
        int r = 0;

        if (cuid ? any || sealed : !any && !sealed)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "give --cuid of the run that it is for, or --any-instance; a --bundle says the "
                                "run itself");
        if (argument(arguments, "request") && !sealed)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--request goes with --bundle: alone, the request itself goes to --output");
        if (sealed)
                r = read_target(arguments, in, err);
        else if (cuid && cvm_unhex(cuid, in->cuid, sizeof in->cuid) < 0)
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "--cuid must be 32 lower-case hex digits");
        if (r >= 0 && !any &&
            cvm_is_zero(in->cuid, sizeof in->cuid)) /* these are any run: only asked for by name */
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                             "no run has an id of zeros; for any run there is --any-instance");
        in->secret.cuid = any ? NULL : in->cuid;
        return r;
}

static int read_extension(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret cck = { 0 };
        bool derived = argument(arguments, "cck"), given = argument(arguments, "extension-secret");
        int r;

        if (derived && given)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--cck and --extension-secret exclude each other");
        if (!derived && !given) {
                output_say("Neither --cck nor --extension-secret: nothing in it proves who made it.");
                return 0;
        }
        if (cvm_secret_new(SE_EXTENSION_SIZE, &in->extension) < 0 || cvm_secret_new(SE_CCK_SIZE, &cck) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a secret");
        r = derived ? image_key_read(arguments, "cck", cck.data, cck.size, err)
                    : image_key_read(arguments, "extension-secret", in->extension.data, in->extension.size,
                                     err);
        if (r >= 0 && derived &&
            se_extension_secret(cck.data, se_header_tag(&in->header), in->extension.data) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a secret");
        in->secret.extension = in->extension.data;
        return r;
}

static int read_user_data(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        const char *path = argument(arguments, "user-data"), *key = argument(arguments, "user-key");
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        int r = path ? cvm_read_file(path, SE_SECRET_USER_DATA_MAX, &in->user_data, err) : 0;

        if (r >= 0 && key)
                r = cvm_read_file(key, PEM_MAX, &pem, err);
        if (r < 0)
                return r;
        if (key && cvm_key_from_private_pem(pem.data, pem.size, &in->user_key, NULL) < 0)
                r = cvm_fail(err, &CVM_CODE_USER_KEY, EINVAL, "'%s' is no private key in PEM form", key);
        if (pem.data)
                explicit_bzero(pem.data, pem.size);
        in->secret.user_data = in->user_data.data;
        in->secret.user_data_size = in->user_data.size;
        in->secret.user_key = in->user_key;
        return r;
}

/* A request for simulated hosts is open to everybody who has such a host's key; one for real hosts is of no
 * use to a guest elsewhere. */
static int check_class(const struct inputs *in, struct cvm_error *err) {
        int class_ = in->keys.hosts.items[0].simulated ? CVM_CLASS_SIMULATED : CVM_CLASS_HARDWARE;

        return !in->is_sealed || class_ == in->target.verdict.class_
                               ? 0
                               : cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL,
                                          "the host-key documents are of class '%s', and the guest's evidence of class '%s'",
                                          cvm_class_texts[class_],
                                          cvm_class_texts[in->target.verdict.class_]);
}

static int read_inputs(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        int r = image_header_read(arguments, &in->header, err);

        if (r < 0)
                return r;
        se_header_boot_tags(&in->header, in->tags);
        r = read_instance(arguments, in, err);
        if (r >= 0)
                r = read_extension(arguments, in, err);
        if (r >= 0)
                r = read_user_data(arguments, in, err);
        if (r >= 0)
                r = request_keys_make(arguments, &in->keys, err);
        if (r >= 0)
                r = check_class(in, err);
        if (r >= 0)
                r = read_type(arguments, in, err);
        in->secret.boot_tags = in->tags;
        in->secret.flags = argument(arguments, "disable-dump") ? SE_SECRET_DISABLE_DUMP : 0;
        return r;
}

/* The request stays with the owner, too, where she will ask what the store holds. */
static int write_sealed(const struct arguments *arguments, const struct inputs *in,
                        const struct cvm_bytes *request, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plaintext = { 0 };
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        const char *path = argument(arguments, "request");
        int r;

        if (cvm_secret_new(request->size, &plaintext) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "sealing a request");
        memcpy(plaintext.data, request->data, request->size);
        r = seal_secret(&in->target.inputs, &plaintext, in->target.key, &envelope, err);
        if (r >= 0 && path)
                r = cvm_write_file(path, request->data, request->size, 0644, err);
        if (r < 0)
                return r;
        seal_target_say(&in->target);
        return output_file(argument(arguments, "output"), envelope, 0644, err);
}

int secret_seal_se(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(inputs_done) struct inputs in = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes request = { 0 };
        const char *path = argument(arguments, "output");
        char hex[2 * SE_SECRET_ID_SIZE + 1];
        int r = read_inputs(arguments, &in, err);

        if (r >= 0)
                r = se_secret_make(&in.secret, &in.keys.to, &request, err);
        if (r >= 0)
                r = in.is_sealed ? write_sealed(arguments, &in, &request, err)
                                 : cvm_write_file(path ? path : "-", request.data, request.size, 0644, err);
        if (r < 0)
                return cvm_while(err, r, "sealing '%.64s'", arguments->words[0]);
        if (in.secret.type->has_id) {
                cvm_hex(in.secret.id, sizeof in.secret.id, hex);
                output_say("id %s", hex);
        }
        return 0;
}
