/* cvmctl evidence show: what a bundle holds. Nothing of it is checked here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/output.h"

static void add_digest(json_object *node, const char *key, const void *data, size_t size) {
        uint8_t digest[CVM_SHA384_SIZE];
        char hex[2 * CVM_SHA384_SIZE + 1];

        cvm_sha384(data, size, digest);
        cvm_hex(digest, sizeof digest, hex);
        json_object_object_add(node, key, json_object_new_string(hex));
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        uint8_t digest[CVM_SHA384_SIZE];
        char hex[2 * CVM_SHA384_SIZE + 1];
        int r = document_bundle(arguments->words[0], &bundle, err);

        if (r >= 0)
                r = bundle_binding_digest(&bundle, digest, err);
        if (r < 0)
                return r;
        json_object_object_add(node, "platform",
                               json_object_new_string(cvm_platform_texts[bundle.platform]));
        json_object_object_add(node, "simulated", json_object_new_boolean(bundle.simulated));
        json_object_object_add(node, "uuid", json_object_new_string(bundle.uuid ? bundle.uuid : ""));
        cvm_hex(digest, sizeof digest, hex);
        json_object_object_add(node, "binding", bundle.binding ? json_object_new_string(hex) : NULL);
        cvm_keyset_digest(&bundle.keyset, digest);
        cvm_hex(digest, sizeof digest, hex);
        json_object_object_add(node, "keyset", json_object_new_string(hex));
        cvm_hex(bundle.nonce, sizeof bundle.nonce, hex);
        json_object_object_add(node, "nonce", json_object_new_string(hex));
        json_object_object_add(node, "generation", json_object_new_uint64(bundle.generation));
        add_digest(node, "report_sha384", bundle.report.data, bundle.report.size);
        json_object_object_add(node, "certificates", json_object_new_uint64(bundle.n_certificates));
        json_object_object_add(node, "revocations", json_object_new_uint64(bundle.n_revocations));
        json_object_object_add(node, "event_log_bytes", json_object_new_uint64(bundle.event_log.size));
        json_object_object_add(node, "boot_id",
                               json_object_new_string(bundle.boot_id ? bundle.boot_id : ""));
        json_object_object_add(node, "agent", json_object_new_string(bundle.agent ? bundle.agent : ""));
        output_object(node, "keyset");
        output_say("Nothing of this was checked; uuid, boot_id and agent are the host's word.");
        return 0;
}

const struct command command_evidence_show = {
        .group = "evidence",
        .name = "show",
        .words = "BUNDLE",
        .words_min = 1,
        .words_max = 1,
        .summary = "what a bundle holds, unchecked",
        .run = run,
};
