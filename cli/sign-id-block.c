/* cvmctl sign id-block: the launch digest and policy that the firmware of an SEV-SNP host shall insist on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/definition-input.h"
#include "cli/output.h"
#include "cli/predict.h"
#include "launch/id-block-snp.h"

#define PEM_MAX (16u << 10)

static const struct option_row options[] = {
        { "id-key", OPTION_TEXT, "KEY", "the private ID key: ECDSA on P-384, a PEM file" },
        { "author-key", OPTION_TEXT, "KEY", "the private key that vouches for the ID key, likewise" },
        { "family-id", OPTION_TEXT, "HEX", "32 hex digits that stand in each report (zeros)" },
        { "image-id", OPTION_TEXT, "HEX", "32 hex digits more (zeros)" },
        { "guest-svn", OPTION_TEXT, "N", "the guest's security version, for policies (0)" },
        { "block", OPTION_TEXT, "FILE", "where the 96 bytes of the block go" },
        { "auth", OPTION_TEXT, "FILE", "where the 4096 bytes of its authentication go" },
        DEFINITION_OPTIONS,
        { 0 },
};

static int read_key(const char *path, EVP_PKEY **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        int r = cvm_read_file(path, PEM_MAX, &pem, err);

        if (r < 0)
                return r;
        r = cvm_key_from_private_pem(pem.data, pem.size, ret, NULL);
        OPENSSL_cleanse(pem.data, pem.size);
        return r < 0 ? cvm_fail(err, &CVM_CODE_ID_KEY, EINVAL, "'%s' is no private key in PEM form", path)
                     : 0;
}

static int read_name(const struct arguments *arguments, const char *option, uint8_t ret[SNP_ID_NAME_SIZE],
                     struct cvm_error *err) {
        const char *hex = argument(arguments, option);

        if (hex && cvm_unhex(hex, ret, SNP_ID_NAME_SIZE) < 0)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "--%s must be 32 hex digits", option);
        return 0;
}

/* The digest and policy of what the definition launches. */
static int read_launch(const struct arguments *arguments, struct snp_id_block *ret, struct cvm_error *err) {
        CVM_CLEANUP(definition_freep) struct definition *definition = NULL;
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = definition_input(arguments, &text, &definition, err);

        if (r >= 0)
                r = plan_predict(definition, &plan, err);
        if (r >= 0)
                r = predict(plan, err);
        if (r < 0)
                return cvm_while(err, r, "predicting");
        if (plan->platform->id != CVM_PLATFORM_SEV_SNP)
                return cvm_fail(err, &CVM_CODE_PLATFORM, EINVAL,
                                "ID blocks are for SEV-SNP guests, not for '%s'", plan->platform->name);
        memcpy(ret->digest, plan->measurement.digest, sizeof ret->digest);
        ret->policy = plan->policy;
        return 0;
}

static int read_block(const struct arguments *arguments, struct snp_id_block *ret, struct cvm_error *err) {
        uint64_t svn = 0;
        int r = read_name(arguments, "family-id", ret->family_id, err);

        if (r >= 0)
                r = read_name(arguments, "image-id", ret->image_id, err);
        if (r >= 0)
                r = argument_u64(arguments, "guest-svn", UINT32_MAX, &svn, err);
        ret->guest_svn = (uint32_t)svn;
        return r < 0 ? r : read_launch(arguments, ret, err);
}

struct made {
        uint8_t block[SNP_ID_BLOCK_SIZE], auth[SNP_ID_AUTH_SIZE];
        struct snp_id_keys keys;
};

static int make(const struct arguments *arguments, struct made *ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *id_key = NULL;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *author_key = NULL;
        const char *author = argument(arguments, "author-key");
        struct snp_id_block block = { 0 }, again;
        int r;

        if (!argument(arguments, "id-key"))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL, "--id-key is needed");
        r = read_key(argument(arguments, "id-key"), &id_key, err);
        if (r >= 0 && author)
                r = read_key(author, &author_key, err);
        if (r >= 0)
                r = read_block(arguments, &block, err);
        if (r >= 0)
                r = snp_id_block_make(&block, id_key, author_key, ret->block, ret->auth, err);
        if (r >= 0)
                r = snp_id_block_verify(ret->block, sizeof ret->block, ret->auth, sizeof ret->auth, &again,
                                        &ret->keys, err);
        return r;
}

static int write_bytes(const struct arguments *arguments, const char *option, const void *data, size_t size,
                       struct cvm_error *err) {
        const char *path = argument(arguments, option);

        return path ? cvm_write_file(path, data, size, 0644, err) : 0;
}

static void add_hex(json_object *node, const char *key, const uint8_t digest[CVM_SHA384_SIZE]) {
        char hex[2 * CVM_SHA384_SIZE + 1];

        cvm_hex(digest, CVM_SHA384_SIZE, hex);
        json_object_object_add(node, key, json_object_new_string(hex));
}

static void add_base64(json_object *node, const char *key, const void *data, size_t size) {
        CVM_CLEANUP(cvm_freep) char *text = cvm_base64(data, size);

        json_object_object_add(node, key, json_object_new_string(text ? text : ""));
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct made made;
        int r = make(arguments, &made, err);

        if (r >= 0)
                r = write_bytes(arguments, "block", made.block, sizeof made.block, err);
        if (r >= 0)
                r = write_bytes(arguments, "auth", made.auth, sizeof made.auth, err);
        if (r < 0)
                return cvm_while(err, r, "signing an ID block");
        node = json_object_new_object();
        add_base64(node, "id_block", made.block, sizeof made.block);
        add_base64(node, "id_auth", made.auth, sizeof made.auth);
        add_hex(node, "id_key_digest", made.keys.id_key);
        if (made.keys.has_author)
                add_hex(node, "author_key_digest", made.keys.author_key);
        output_say("'id_block' and 'id_auth' go into the section 'sev-snp' of the definition.");
        output_object(node, "id_block");
        return 0;
}

const struct command command_sign_id_block = {
        .group = "sign",
        .name = "id-block",
        .words = "[DEFINITION]",
        .words_max = 1,
        .summary = "sign the launch digest and policy that the firmware shall insist on",
        .options = options,
        .run = run,
};
