/* cvmctl collateral fetch: what verifying this evidence takes, from the maker's service into the cache. The
 * only verb that asks the network for it; none does so by itself. */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/time.h"
#include "cli/collateral-open.h"
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/output.h"
#include "cli/raw-evidence.h"
#include "collateral/directory.h"
#include "collateral/fetch.h"

#define TIMEOUT_SECONDS 120
#define MAX_AGE_SECONDS 86400

static const struct option_row options[] = {
        { "bundle", OPTION_TEXT, "FILE", "the evidence, as `evidence get` wrote it" },
        { "platform", OPTION_TEXT, "PLATFORM", "of a raw report, such as sev-snp" },
        { "report", OPTION_TEXT, "FILE", "a raw report in place of a bundle" },
        { "quote", OPTION_TEXT, "FILE", "the same, where the platform calls it so" },
        { "product", OPTION_TEXT, "NAME", "its processor, where the report does not name it" },
        { "service", OPTION_TEXT, "URL", "a mirror to ask instead of the maker; it may be private" },
        { "max-age", OPTION_TEXT, "SECONDS", "ask again for what ages and was fetched longer ago (86400)" },
        { "update", OPTION_TEXT, "CHANNEL",
          "early: the maker's newest judgements, before they are standard" },
        { "refresh", OPTION_FLAG, NULL, "ask for everything again" },
        COLLATERAL_OPTIONS,
        { 0 },
};

static const struct output_column columns[] = {
        { "NAME", "name", false },
        { "KIND", "kind", false },
        { "FROM", "from", false },
        { "EXPIRES", "expires", false },
        { 0 },
};

static void say(const char *sentence) {
        output_say("%s", sentence);
}

static int read_evidence(const struct arguments *arguments, struct bundle *ret, struct cvm_error *err) {
        const char *bundle = argument(arguments, "bundle"), *report = raw_evidence_report(arguments);
        int r;

        if (!bundle == !report)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "give either --bundle, or --platform and --report");
        if (bundle)
                return document_bundle(bundle, ret, err);
        r = raw_evidence_platform(arguments, &ret->platform, err);
        return r < 0 ? r : raw_evidence_read(report, &ret->report, err);
}

/* A maker is never told of chips that do not exist. */
static int check_class(const struct arguments *arguments, const struct bundle *bundle,
                       struct cvm_error *err) {
        const char *root = argument(arguments, "simulation-root");

        if (bundle->simulated && !root)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "the bundle is of a simulated guest, whose certificates come with it");
        if (root && !argument(arguments, "service"))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--simulation-root needs --service: the maker knows no simulated chip");
        return 0;
}

static int read_service(const struct arguments *arguments, struct collateral_fetch *fetch,
                        struct cvm_error *err) {
        const char *url = argument(arguments, "service"), *update = argument(arguments, "update");
        uint64_t max_age = MAX_AGE_SECONDS;
        int r = argument_u64(arguments, "max-age", 366ull * 86400, &max_age, err);

        if (r >= 0 && url && !http_base_is_valid(url))
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                             "--service must be an address such as https://mirror.example/path (no '/' at its end), not '%s'",
                             url);
        if (r >= 0 && update && strcmp(update, "early") != 0 && strcmp(update, "standard") != 0)
                r = cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "--update must be early or standard, not '%s'",
                             update);
        fetch->early = update && strcmp(update, "early") == 0;
        fetch->service = (struct http_service){ url ? url : fetch->store->source->service, url };
        fetch->max_age_msec = max_age * 1000;
        fetch->refresh = argument(arguments, "refresh");
        fetch->began_msec = cvm_time_now();
        fetch->deadline_usec = monotonic_usec() +
                               (globals.timeout_usec ? globals.timeout_usec : TIMEOUT_SECONDS * 1000000ull);
        fetch->say = say;
        return r;
}

static int describe(const struct collateral_store *store, const struct collateral_need *need, bool asked,
                    json_object *list, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct collateral_facts facts = { 0 };
        int r = collateral_store_get(store, need->name, &object, &facts, NULL, err);
        json_object *node;

        if (r < 0)
                return r;
        node = json_object_new_object();
        json_object_object_add(node, "name", json_object_new_string(need->name));
        json_object_object_add(node, "kind", json_object_new_string(collateral_kind_texts[need->kind]));
        json_object_object_add(node, "from", json_object_new_string(asked ? "service" : "cache"));
        json_object_object_add(node, "expires", cvm_json_write_time(&facts.expires));
        json_object_array_add(list, node);
        return 0;
}

/* All that can be had is fetched before what cannot is told. */
static int fetch_all(const struct collateral_fetch *fetch, const struct collateral_need *needs, size_t n,
                     json_object *list, struct cvm_error *err) {
        struct cvm_error lacks = { 0 };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                struct cvm_error why = { 0 };
                bool asked = false;

                if (needs[i].name[0])
                        r = collateral_fetch(fetch, needs[i].name, &asked, &why);
                else if (!needs[i].is_there)
                        cvm_fail(&lacks, &CVM_CODE_CHAIN_MISSING, ENODATA,
                                 "the maker cannot be asked for the certificate that signed this report, as it "
                                 "hides its chip or was signed for a cloud: its host has to hand it over");
                if (r >= 0 && needs[i].name[0])
                        r = describe(fetch->store, &needs[i], asked, list, &why);
                if (r < 0)
                        *(why.code == &CVM_CODE_COLLATERAL_UNKNOWN ? &lacks : err) = why;
                if (r < 0 && why.code == &CVM_CODE_COLLATERAL_UNKNOWN)
                        r = 0;
        }
        if (r >= 0 && lacks.code) {
                *err = lacks;
                r = -ENODATA;
        }
        return r;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = { 0 };
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *list = json_object_new_array();
        struct collateral_need needs[COLLATERAL_NEEDS_MAX];
        struct collateral_fetch fetch = { .store = &store };
        size_t n = 0;
        int r = read_evidence(arguments, &bundle, err);

        collateral_say_class(arguments);
        if (r >= 0)
                r = check_class(arguments, &bundle, err);
        if (r >= 0)
                r = collateral_open_arguments(arguments, bundle.platform, &store, err);
        if (r >= 0)
                r = read_service(arguments, &fetch, err);
        if (r >= 0)
                r = store.source->needs(&bundle, argument(arguments, "product"), needs, &n, err);
        if (r < 0)
                return r;
        r = fetch_all(&fetch, needs, n, list, err);
        if (r >= 0 || json_object_array_length(list))
                output_list(list, columns);
        return r;
}

const struct command command_collateral_fetch = {
        .group = "collateral",
        .name = "fetch",
        .words = "",
        .summary = "what verifying this evidence takes, from the maker's service into the cache",
        .options = options,
        .run = run,
};
