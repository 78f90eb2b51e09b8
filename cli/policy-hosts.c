#include "cli/policy-hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/documents.h"
#include "cli/output.h"

#define FACTS_MAX (64u << 10)
#define IDS_MAX 64
#define TEXT_MAX 256

void policy_hosts_done(struct policy_hosts_given *hosts) {
        cvm_texts_free(hosts->ids);
        json_object_put(hosts->minimums);
}

/* No id has one of these. */
static bool is_file(const char *text) {
        return strpbrk(text, "./") != NULL;
}

/* By its chips, or by the keys with which it opens images. */
static int add_ids(const struct cvm_json *root, const char *member, struct policy_hosts_given *hosts,
                   struct cvm_error *err) {
        const struct cvm_json place = cvm_json_at(root, member);
        size_t n = 0;
        int r = cvm_json_array(&place, IDS_MAX, &n, err);

        if (r >= 0 && n == 0)
                r = cvm_json_refuse(
                                &place, err,
                                "must name one: have the facts written by root, on a kernel that tells them");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const struct cvm_json at = cvm_json_element(&place, i);
                const char *id;

                r = cvm_json_text_at(&at, TEXT_MAX, &id, err);
                if (r >= 0)
                        r = cvm_texts_add(&hosts->ids, id);
        }
        return r;
}

/* The lower of what two hosts have, so that the policy takes both. */
static void lower(json_object *minimums, const char *component, int64_t value) {
        json_object *known = json_object_object_get(minimums, component);

        if (!known || json_object_get_int64(known) > value)
                json_object_object_add(minimums, component, json_object_new_int64(value));
}

static int add_minimums(const struct cvm_json *root, struct policy_hosts_given *hosts,
                        struct cvm_error *err) {
        const struct cvm_json tcb = cvm_json_at(root, "reported_tcb"), name = cvm_json_at(root, "product");
        json_object *minimums;
        const char *product;
        int r = cvm_json_text_at(&name, TEXT_MAX, &product, err);

        if (r < 0)
                return r;
        if (!json_object_is_type(tcb.node, json_type_object))
                return cvm_json_refuse(&tcb, err, "must be an object: have the facts written by root");
        minimums = json_object_object_get(hosts->minimums, product);
        if (!minimums) {
                minimums = json_object_new_object();
                json_object_object_add(hosts->minimums, product, minimums);
        }
        json_object_object_foreach(tcb.node, component, value) {
                const struct cvm_json at = cvm_json_at(&tcb, component);
                uint64_t svn = 0;

                (void)value;
                r = cvm_json_u64_at(&at, &svn, err);
                if (r < 0)
                        return r;
                if (svn > UINT8_MAX)
                        return cvm_json_refuse(&at, err, "must be at most %d", UINT8_MAX);
                lower(minimums, component, (int64_t)svn);
        }
        return 0;
}

static int check_platform(const struct cvm_json *root, const char *platform, struct cvm_error *err) {
        const struct cvm_json place = cvm_json_at(root, "platform");
        const char *text = "";
        bool masked = false;
        int r = cvm_json_text_at(&place, TEXT_MAX, &text, err);

        if (r >= 0 && strcmp(text, platform) != 0)
                r = cvm_json_refuse(&place, err, "must be '%s', which the prediction is for", platform);
        if (r >= 0)
                r = cvm_json_get_bool(root, "chip_id_masked", &masked, err);
        if (r >= 0 && masked)
                output_say("Refuses: the host of '%s' hides its chip id from reports.", root->document);
        return r;
}

static int add_document(const char *file, const char *platform, struct policy_hosts_given *hosts,
                        struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_json root, keys;
        int r = document_text(file, FACTS_MAX, &text, err);

        if (r >= 0)
                r = cvm_json_parse(text, strlen(text), file, &node, err);
        if (r < 0)
                return r;
        root = cvm_json_root(node, file);
        keys = cvm_json_at(&root, "host_keys");
        if (!hosts->minimums)
                hosts->minimums = keys.node ? json_object_new_string("any") : json_object_new_object();
        r = check_platform(&root, platform, err);
        if (r >= 0 && !keys.node != !json_object_is_type(hosts->minimums, json_type_string))
                r = cvm_json_refuse(&keys, err, "cannot be of one host and not of the other");
        if (r >= 0)
                r = add_ids(&root, keys.node ? "host_keys" : "chip_ids", hosts, err);
        return r < 0 || keys.node ? r : add_minimums(&root, hosts, err);
}

int policy_hosts_read(const struct arguments *arguments, const char *platform,
                      struct policy_hosts_given *ret, struct cvm_error *err) {
        const char *given;
        int r = 0;

        for (size_t i = 0; r >= 0 && (given = argument_at(arguments, "hosts", i)); i++)
                r = is_file(given) ? add_document(given, platform, ret, err)
                                   : cvm_texts_add(&ret->ids, given);
        return r;
}
