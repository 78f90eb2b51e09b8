/* cvmctl record get and record show: what the host says of a VM that it has deleted, and what the guest
 * proved. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/signed.h"
#include "base/fd.h"
#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/output.h"

#define PEM_MAX (16u << 10)

static const struct option_row get_options[] = {
        { "output", OPTION_TEXT, "FILE", "where the signed record goes, also -o (standard output)" },
        { 0 },
};

static int run_get(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        sd_bus_message *reply = NULL;
        const char *text;
        int r = bus_open(&bus, err);

        if (r >= 0)
                r = bus_call(bus, CVMD_PATH, CVMD_MANAGER_INTERFACE, "GetRecord", &reply, err, "s",
                             arguments->words[0]);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0)
                r = output_file(argument(arguments, "output"), text, 0644, err);
        sd_bus_message_unref(reply);
        return r;
}

const struct command command_record_get = {
        .group = "record",
        .name = "get",
        .words = "NAME",
        .words_min = 1,
        .words_max = 1,
        .summary = "the signed teardown record of a deleted VM",
        .options = get_options,
        .run = run_get,
};

static const struct option_row show_options[] = {
        { "key", OPTION_TEXT, "FILE", "public half of the host's record key; without: unchecked" },
        { "bundle", OPTION_TEXT, "FILE",
          "evidence of the boot whose BYE it must hold: checked by its boot key" },
        { 0 },
};

/* The guest's own proof of its end: nobody outside can make it. */
static int check_bye(json_object *record, const char *bundle_file, json_object *ret, struct cvm_error *err) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(bye_done) struct bye bye = { 0 };
        json_object *guest = json_object_object_get(record, "guest_proves");
        const char *text = json_object_get_string(json_object_object_get(guest, "bye"));
        uint8_t keyset[CVM_SHA384_SIZE];
        int r = document_bundle(bundle_file, &bundle, err);

        if (r < 0)
                return r;
        if (!text)
                return cvm_fail(err, &CVM_CODE_RECORD_BYE, ENODATA,
                                "the record holds no BYE: that it ended is the host's word");
        r = cvm_key_from_spki(CVM_KEY_SIGN, bundle.keyset.sig, sizeof bundle.keyset.sig, &key, err);
        if (r >= 0)
                r = cvm_signed_open(text, strlen(text), CVM_ENVELOPE_BYE, bye_fields, key, &bye, NULL, err);
        if (r < 0)
                return cvm_while(err, r, "the BYE in the record");
        cvm_keyset_digest(&bundle.keyset, keyset);
        if (memcmp(keyset, bye.keyset, sizeof keyset) != 0)
                return cvm_fail(err, &CVM_CODE_RECORD_BYE, EBADMSG,
                                "the BYE in the record is of another boot");
        json_object_object_add(ret, "bye_checked", json_object_new_boolean(1));
        return 0;
}

static int open_record(const char *file, const char *key_file, struct cvm_bytes *ret,
                       struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        int r = document_text(file, CVM_ENVELOPE_MAX, &text, err);

        if (r >= 0 && key_file)
                r = cvm_read_file(key_file, PEM_MAX, &pem, err);
        if (r >= 0 && key_file)
                r = cvm_key_from_public_pem(pem.data, pem.size, &key, err);
        if (r < 0)
                return r;
        return key ? cvm_envelope_open(text, strlen(text), CVM_ENVELOPE_RECORD, key, ret, NULL, err)
                   : cvm_envelope_peek(text, strlen(text), CVM_ENVELOPE_RECORD, ret, err);
}

static int run_show(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const char *key_file = argument(arguments, "key"), *bundle = argument(arguments, "bundle");
        int r = open_record(arguments->words[0], key_file, &payload, err);

        if (r >= 0)
                r = cvm_json_parse(payload.data, payload.size, "record", &node, err);
        if (r >= 0 && !json_object_is_type(node, json_type_object))
                r = cvm_fail(err, &CVM_CODE_ENVELOPE, EBADMSG, "the record is no object");
        if (r >= 0 && bundle)
                r = check_bye(node, bundle, node, err);
        if (r < 0)
                return r;
        json_object_object_add(node, "signature_checked", json_object_new_boolean(key_file != NULL));
        output_object(node, "uuid");
        output_say("'host_says' is the host's word; a BYE whose signature was checked is the guest's.");
        return 0;
}

const struct command command_record_show = {
        .group = "record",
        .name = "show",
        .words = "FILE",
        .words_min = 1,
        .words_max = 1,
        .summary = "what a teardown record says, and whose word it is",
        .options = show_options,
        .run = run_show,
};
