/* cvmctl audit show, export and verify: the host's record of what was asked and what happened. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/audit-chain.h"
#include "base/fd.h"
#include "cli/bus.h"
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/output.h"

#define EXPORT_MAX (512u << 20)
#define PEM_MAX (16u << 10)

static const struct option_row export_options[] = {
        { "since", OPTION_TEXT, "SEQ", "only rows after this number" },
        { "output", OPTION_TEXT, "FILE", "where the chain goes, also -o (standard output)" },
        { 0 },
};

static int get_part(sd_bus *bus, uint64_t since, char **ret, struct cvm_error *err) {
        sd_bus_message *reply = NULL;
        const char *text;
        int r = bus_call(bus, CVMD_PATH, CVMD_MANAGER_INTERFACE, "GetAudit", &reply, err, "t", since);

        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0) {
                *ret = strdup(text);
                r = *ret ? 0 : -ENOMEM;
        }
        sd_bus_message_unref(reply);
        return r;
}

/* The rows of an answer without its head: how many they are, and the number of the last. */
static int split(char *part, char **ret_head, uint64_t *ret_seq, size_t *ret_rows, struct cvm_error *err) {
        struct audit_head head = { 0 };
        size_t n = strlen(part);
        char *line;
        int r;

        while (n > 0 && part[n - 1] == '\n')
                part[--n] = 0;
        line = strrchr(part, '\n');
        line = line ? line + 1 : part;
        r = cvm_signed_peek(line, strlen(line), CVM_ENVELOPE_HEAD, audit_head_fields, &head, err);
        if (r < 0)
                return r;
        *ret_head = strdup(line);
        *ret_seq = head.seq;
        *line = 0;
        for (*ret_rows = 0; (part = strchr(part, '\n')); part++)
                ++*ret_rows;
        return *ret_head ? 0 : -ENOMEM;
}

/* Part by part; only the last head stays. (Asking adds a row itself, so waiting for nothing new would not
 * end.) */
static int get_chain(uint64_t since, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        struct cvm_bytes bytes;
        int r = bus_open(&bus, err);

        while (r >= 0) {
                CVM_CLEANUP(cvm_freep) char *part = NULL, *head = NULL;
                size_t rows = 0;

                r = get_part(bus, since, &part, err);
                if (r >= 0)
                        r = split(part, &head, &since, &rows, err);
                if (r < 0)
                        break;
                cvm_write_copy(&w, part, strlen(part));
                if (rows < CVMD_AUDIT_ROWS) {
                        cvm_write_copy(&w, head, strlen(head));
                        cvm_write_copy(&w, "\n", 2); /* with its NUL */
                        r = cvm_writer_take(&w, &bytes);
                        break;
                }
        }
        if (r >= 0)
                *ret = (char *)bytes.data;
        return r;
}

static int run_export(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *chain = NULL;
        uint64_t since = 0;
        int r = argument_u64(arguments, "since", INT64_MAX, &since, err);

        if (r >= 0)
                r = get_chain(since, &chain, err);
        return r < 0 ? r : output_file(argument(arguments, "output"), chain, 0644, err);
}

const struct command command_audit_export = {
        .group = "audit",
        .name = "export",
        .words = "",
        .summary = "the audit chain with its signed head, to be verified elsewhere",
        .options = export_options,
        .run = run_export,
};

static const struct option_row show_options[] = {
        { "since", OPTION_TEXT, "SEQ", "only rows after this number" },
        { 0 },
};

static const struct output_column columns[] = {
        { "SEQ", "seq", false },         { "TIME", "time", false },
        { "KIND", "kind", false },       { "ACTOR", "actor", false },
        { "OBJECT", "object", false },   { "WHAT", "what", false },
        { "OUTCOME", "outcome", false }, { 0 },
};

static int run_show(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *chain = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *list = json_object_new_array();
        char *rest, *line;
        uint64_t since = 0;
        int r = argument_u64(arguments, "since", INT64_MAX, &since, err);

        if (r >= 0)
                r = get_chain(since, &chain, err);
        if (r < 0)
                return r;
        for (rest = chain; (line = strsep(&rest, "\n"));) {
                json_object *row = NULL;

                if (*line && cvm_json_parse(line, strlen(line), "audit row", &row, NULL) >= 0 &&
                    json_object_object_get(row, "seq"))
                        json_object_array_add(list, row);
                else
                        json_object_put(row);
        }
        output_list(list, columns);
        return 0;
}

const struct command command_audit_show = {
        .group = "audit",
        .name = "show",
        .words = "",
        .summary = "what was asked and what happened (the host's word)",
        .options = show_options,
        .run = run_show,
};

static const struct option_row verify_options[] = {
        { "key", OPTION_TEXT, "FILE",
          "public half of the host's record key, kept from before; without: unsigned" },
        { "since", OPTION_TEXT, "HEX", "a head that was kept: the chain must pass through it" },
        { 0 },
};

static int run_verify(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        const char *key_file = argument(arguments, "key"), *since_hex = argument(arguments, "since");
        uint8_t since[CVM_SHA256_SIZE];
        char hex[2 * CVM_SHA256_SIZE + 1];
        struct audit_head head;
        int r = cvm_read_file(arguments->words[0], EXPORT_MAX, &text, err);

        if (r >= 0 && since_hex && cvm_unhex(since_hex, since, sizeof since) < 0)
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "--since must be the 64 hex digits of a head");
        if (r >= 0 && key_file)
                r = cvm_read_file(key_file, PEM_MAX, &pem, err);
        if (r >= 0 && key_file)
                r = cvm_key_from_public_pem(pem.data, pem.size, &key, err);
        if (r >= 0)
                r = audit_verify((char *)text.data, text.size, key, since_hex ? since : NULL, &head, err);
        if (r < 0)
                return r;
        cvm_hex(head.hash, sizeof head.hash, hex);
        json_object_object_add(node, "head", json_object_new_string(hex));
        json_object_object_add(node, "rows", json_object_new_uint64(head.seq));
        json_object_object_add(node, "signature_checked", json_object_new_boolean(key != NULL));
        output_object(node, "head");
        if (!key)
                output_say("No key was given: the rows hang together, but who signed the head was not checked.");
        return 0;
}

const struct command command_audit_verify = {
        .group = "audit",
        .name = "verify",
        .words = "FILE",
        .words_min = 1,
        .words_max = 1,
        .summary = "check an exported chain: exit 5 where it is broken",
        .options = verify_options,
        .run = run_verify,
};
