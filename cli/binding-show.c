/* cvmctl binding show: what a signed binding says; with --key also whether that key signed it. */
#include <string.h>

#include "attest/binding.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/key-file.h"
#include "cli/output.h"

static const struct option_row options[] = {
        { "key", OPTION_TEXT, "KEY", "check that this key signed it" },
        { 0 },
};

static int open_payload(const struct cvm_bytes *envelope, const char *key_name, struct cvm_bytes *ret,
                        struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        int r;

        if (!key_name)
                return cvm_envelope_peek((char *)envelope->data, envelope->size, CVM_ENVELOPE_BINDING, ret,
                                         err);
        r = key_file_public(key_name, &key, err);
        return r < 0 ? r
                     : cvm_envelope_open((char *)envelope->data, envelope->size, CVM_ENVELOPE_BINDING, key,
                                         ret, NULL, err);
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes envelope = { 0 }, payload = { 0 };
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        uint8_t digest[CVM_SHA384_SIZE];
        char hex[2 * CVM_SHA384_SIZE + 1];
        int r = cvm_read_file(arguments->words[0], CVM_ENVELOPE_MAX, &envelope, err);

        if (r >= 0)
                r = open_payload(&envelope, argument(arguments, "key"), &payload, err);
        if (r >= 0)
                r = binding_read(payload.data, payload.size, &binding, err);
        if (r >= 0)
                r = cvm_json_parse(payload.data, payload.size, "binding", &node, err);
        if (r < 0)
                return r;
        cvm_sha384(payload.data, payload.size, digest);
        cvm_hex(digest, sizeof digest, hex);
        json_object_object_add(node, "binding", json_object_new_string(hex));
        json_object_object_add(node, "signature_checked",
                               json_object_new_boolean(argument(arguments, "key") != NULL));
        output_object(node, "binding");
        return 0;
}

const struct command command_binding_show = {
        .group = "binding",
        .name = "show",
        .words = "FILE",
        .words_min = 1,
        .words_max = 1,
        .summary = "what a signed binding says",
        .options = options,
        .run = run,
};
