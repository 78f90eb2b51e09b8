/* cvmctl owner show: the owner's id and the public key as definitions take it. */
#include "cli/commands.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "cli/owner-json.h"

#include <errno.h>

int owner_json(EVP_PKEY *key, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *base64 = NULL;
        uint8_t spki[CVM_SPKI_SIZE], id[CVM_SHA384_SIZE];
        char hex[2 * CVM_SHA384_SIZE + 1];
        int r = cvm_key_spki(key, spki, err);

        if (r < 0)
                return r;
        base64 = cvm_base64(spki, sizeof spki);
        *ret = json_object_new_object();
        if (!base64 || !*ret)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "showing an owner");
        cvm_key_id(spki, id);
        cvm_hex(id, sizeof id, hex);
        json_object_object_add(*ret, "owner_id", json_object_new_string(hex));
        json_object_object_add(*ret, "owner", json_object_new_string(base64));
        return 0;
}

static const struct option_row options[] = {
        { "key", OPTION_TEXT, "KEY", "the key: PEM file (private or public) or URI (default owner.pem)" },
        { 0 },
};

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        int r = key_file_public(argument(arguments, "key") ? argument(arguments, "key") : "owner.pem", &key,
                                err);

        if (r >= 0)
                r = owner_json(key, &node, err);
        if (r >= 0)
                output_object(node, "owner_id");
        return r;
}

const struct command command_owner_show = {
        .group = "owner",
        .name = "show",
        .words = "",
        .summary = "the id of an owner key, and its public half for definitions",
        .options = options,
        .run = run,
};
