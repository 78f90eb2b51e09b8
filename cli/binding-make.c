/* cvmctl binding make: the owner's signed binding, a pure function of the definition, its key and a serial.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "cli/binding.h"
#include "cli/commands.h"
#include "cli/definition-input.h"
#include "cli/key-file.h"
#include "cli/output.h"
#include "launch/platform.h"

static const struct option_row options[] = {
        DEFINITION_OPTIONS,
        { "key", OPTION_TEXT, "KEY",
          "the owner's private key: PEM file or URI (default: --owner-key, or owner.pem)" },
        { "serial", OPTION_TEXT, "N", "higher than that of any earlier binding of this uuid (1)" },
        { "output", OPTION_TEXT, "FILE", "where the signed binding goes, also -o (standard output)" },
        { 0 },
};

int binding_sign(const struct definition *definition, uint64_t serial, EVP_PKEY *key, char **ret,
                 struct cvm_error *err) {
        CVM_CLEANUP(binding_done) struct binding binding = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        uint8_t spki[CVM_SPKI_SIZE];
        enum cvm_platform_id platform =
                        definition->platforms[0] ? definition->platforms[0] : platform_at(0)->id;
        int r = cvm_key_spki(key, spki, err);

        if (r < 0)
                return r;
        if (definition->owner.size &&
            !cvm_equal(spki, sizeof spki, definition->owner.data, definition->owner.size))
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "the key is not that of the definition's owner");
        r = definition_binding(definition, platform, serial, &binding, err);
        if (r >= 0)
                r = binding_write(&binding, &payload, err);
        if (r >= 0)
                r = cvm_envelope_sign(CVM_ENVELOPE_BINDING, payload.data, payload.size, key, ret, err);
        return r;
}

/* A binding names its VM; a definition that leaves the uuid open gets one here, and must have it from then
 * on. */
int binding_give_uuid(struct definition *definition, struct cvm_error *err) {
        char uuid[CVM_UUID_TEXT];

        if (definition->uuid)
                return 0;
        cvm_uuid_make(uuid);
        definition->uuid = strdup(uuid);
        if (!definition->uuid)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a uuid");
        output_say("The definition has no uuid: the binding is for %s. Put \"uuid\":\"%s\" into it.", uuid,
                   uuid);
        return 0;
}

static const char *key_name(const struct arguments *arguments) {
        const char *key = argument(arguments, "key");

        if (!key)
                key = argument(arguments, "owner-key");
        return key ? key : "owner.pem";
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(definition_freep) struct definition *definition = NULL;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL, *envelope = NULL;
        uint64_t serial = 1;
        int r = definition_input(arguments, &text, &definition, err);

        if (r >= 0)
                r = argument_u64(arguments, "serial", INT64_MAX, &serial, err);
        if (r >= 0)
                r = key_file_private(key_name(arguments), &key, err);
        if (r >= 0)
                r = binding_give_uuid(definition, err);
        if (r >= 0)
                r = binding_sign(definition, serial, key, &envelope, err);
        if (r >= 0)
                r = output_file(argument(arguments, "output"), envelope, 0644, err);
        return r;
}

const struct command command_binding_make = {
        .group = "binding",
        .name = "make",
        .words = "[DEFINITION]",
        .words_max = 1,
        .summary = "make and sign the binding of a definition",
        .options = options,
        .run = run,
};
