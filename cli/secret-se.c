/* secret seal for Secure Execution: a request that adds a secret to the store of a guest's ultravisor. */
#include <errno.h>
#include <string.h>

#include "attest/keys.h"
#include "attest/secret-se.h"
#include "base/fd.h"
#include "cli/image-se.h"
#include "cli/output.h"
#include "cli/request-se.h"
#include "cli/seal.h"

#define PEM_MAX (16u << 10)

struct inputs {
        struct request_keys keys;
        struct se_header header;
        struct cvm_secret data, extension;
        struct cvm_bytes user_data;
        EVP_PKEY *user_key;
        uint8_t tags[SE_BOOT_TAGS_SIZE], cuid[SE_CUID_SIZE];
        struct se_secret secret;
};

static void inputs_done(struct inputs *in) {
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
        in->secret.data = in->data.data;
        in->secret.size = in->data.size;
        if (r >= 0 && se_secret_id(arguments->words[0], argument(arguments, "use-name"), in->secret.id) < 0)
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "a name that is an id has at most 31 bytes");
        /* The id of a new CCK is no name. */
        if (strcmp(found->name, "cck-update") == 0)
                memset(in->secret.id, 0, sizeof in->secret.id);
        return r;
}

static int read_instance(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        const char *cuid = argument(arguments, "cuid");

        if (!cuid == !argument(arguments, "any-instance"))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "give --cuid of the run that it is for, or --any-instance");
        if (!cuid)
                return 0;
        if (cvm_unhex(cuid, in->cuid, sizeof in->cuid) < 0)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "--cuid must be 32 lower-case hex digits");
        in->secret.cuid = in->cuid;
        return 0;
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

static int read_inputs(const struct arguments *arguments, struct inputs *in, struct cvm_error *err) {
        int r = image_header_read(arguments, &in->header, err);

        if (r >= 0)
                r = read_instance(arguments, in, err);
        if (r >= 0)
                r = read_extension(arguments, in, err);
        if (r >= 0)
                r = read_user_data(arguments, in, err);
        if (r >= 0)
                r = request_keys_make(arguments, &in->keys, err);
        if (r >= 0)
                r = read_type(arguments, in, err);
        se_header_boot_tags(&in->header, in->tags);
        in->secret.boot_tags = in->tags;
        in->secret.flags = argument(arguments, "disable-dump") ? SE_SECRET_DISABLE_DUMP : 0;
        return r;
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
                r = cvm_write_file(path ? path : "-", request.data, request.size, 0644, err);
        if (r < 0)
                return cvm_while(err, r, "sealing '%.64s'", arguments->words[0]);
        if (in.secret.type->has_id) {
                cvm_hex(in.secret.id, sizeof in.secret.id, hex);
                output_say("id %s", hex);
        }
        return 0;
}
