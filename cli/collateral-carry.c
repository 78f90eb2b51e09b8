/* cvmctl collateral list, import, export: what is in the cache, how long it will hold, and carrying it to
 * where there is no network. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/time.h"
#include "cli/collateral-open.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "collateral/pack.h"

/* --- list --- */

static const struct option_row list_options[] = {
        { "within", OPTION_TEXT, "DAYS", "only what does not hold for that long any more" },
        COLLATERAL_OPTIONS,
        { 0 },
};

static const struct output_column list_columns[] = {
        { "NAME", "name", false },
        { "KIND", "kind", false },
        { "STATE", "state", false },
        { "EXPIRES", "expires", false },
        { "DAYS", "days_left", false },
        { "FETCHED", "fetched", true },
        { 0 },
};

struct row {
        char *name; /* borrowed */
        struct collateral_facts facts;
        uint64_t fetched;
        const struct cvm_code *code; /* why it does not hold; NULL: it does */
};

/* What fails first stands first, and what does not hold before all. */
static int compare(const void *a, const void *b) {
        const struct row *x = a, *y = b;
        uint64_t left_x = x->code ? 0 : x->facts.expires, left_y = y->code ? 0 : y->facts.expires;

        return left_x < left_y ? -1 : left_x > left_y ? 1 : strcmp(x->name, y->name);
}

static struct row look(const struct collateral_store *store, char *name) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct row row = { .name = name };
        struct cvm_error why = { 0 };

        if (collateral_store_get(store, name, &object, &row.facts, &row.fetched, &why) < 0)
                row.code = cvm_error_code(&why);
        return row;
}

static uint64_t days_left(const struct collateral_store *store, const struct row *row) {
        return row->code ? 0 : (row->facts.expires - store->now_msec) / 86400000;
}

static json_object *row_json(const struct collateral_store *store, const struct row *row) {
        json_object *node = json_object_new_object();

        json_object_object_add(node, "platform",
                               json_object_new_string(cvm_platform_texts[store->source->platform]));
        json_object_object_add(node, "name", json_object_new_string(row->name));
        json_object_object_add(node, "kind",
                               json_object_new_string(
                                               collateral_kind_texts[store->source->kind(row->name)]));
        json_object_object_add(node, "state", json_object_new_string(row->code ? row->code->id : "good"));
        json_object_object_add(node, "expires", row->code ? NULL : cvm_json_write_time(&row->facts.expires));
        json_object_object_add(node, "days_left", json_object_new_uint64(days_left(store, row)));
        json_object_object_add(node, "fetched", row->code ? NULL : cvm_json_write_time(&row->fetched));
        return node;
}

static void forecast(const struct collateral_store *store, const struct row *first) {
        char until[CVM_TIME_TEXT];

        cvm_time_format(first->facts.expires, until);
        if (first->code)
                output_say("'%s' does not hold (%s): fetch it again.", first->name, first->code->id);
        else
                output_say("All of %s holds until %s; then '%s' expires, in %llu days.",
                           cvm_platform_texts[store->source->platform], until, first->name,
                           (unsigned long long)days_left(store, first));
}

static int list_store(const struct collateral_store *store, uint64_t within_days, json_object *list,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) struct row *rows = NULL;
        char **names = NULL;
        size_t n;
        int r = collateral_store_names(store, &names, err);

        n = names ? cvm_texts_count(names) : 0;
        rows = calloc(n + 1, sizeof *rows);
        for (size_t i = 0; rows && i < n; i++)
                rows[i] = look(store, names[i]);
        if (rows && n) {
                qsort(rows, n, sizeof *rows, compare);
                forecast(store, &rows[0]);
        }
        for (size_t i = 0; rows && i < n; i++)
                if (days_left(store, &rows[i]) <= within_days)
                        json_object_array_add(list, row_json(store, &rows[i]));
        cvm_texts_free(names);
        return r < 0 || rows ? r : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", store->cache);
}

static int run_list(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *list = json_object_new_array();
        const struct collateral_source *source;
        uint64_t within = UINT64_MAX;
        int r = argument_u64(arguments, "within", 100000, &within, err);

        collateral_say_class(arguments);
        for (size_t i = 0; r >= 0 && (source = collateral_source_at(i)); i++) {
                CVM_CLEANUP(collateral_store_done) struct collateral_store store = { 0 };

                r = collateral_open_arguments(arguments, source->platform, &store, err);
                if (r >= 0)
                        r = list_store(&store, within, list, err);
        }
        if (r >= 0)
                output_list(list, list_columns);
        return r;
}

const struct command command_collateral_list = {
        .group = "collateral",
        .name = "list",
        .words = "",
        .summary = "what is in the cache, and how long it holds: what expires first stands first",
        .options = list_options,
        .run = run_list,
};

/* --- import --- */

static const struct option_row import_options[] = {
        COLLATERAL_OPTIONS,
        { 0 },
};

static const struct output_column import_columns[] = {
        { "NAME", "name", false },
        { "KIND", "kind", false },
        { "RESULT", "result", false },
        { 0 },
};

struct import {
        const struct arguments *arguments;
        const struct collateral_pack *pack;
        const struct collateral_item *item;
        struct collateral_store store;
};

static int import_open(struct import *i, struct cvm_error *err) {
        if (i->store.source == i->item->source)
                return 0;
        collateral_store_done(&i->store);
        return collateral_open_arguments(i->arguments, i->item->source->platform, &i->store, err);
}

/* With the authorities of the same bundle, or those that are here. An older object is no fault of the
 * bundle.
 */
static int check_item(struct import *i, struct cvm_error *err) {
        const struct collateral_item *authorities;
        struct collateral_facts facts;
        char name[COLLATERAL_NAME_MAX];
        struct cvm_error why = { 0 };
        int r;

        i->item->source->authorities(i->item->name, name);
        authorities = collateral_pack_find(i->pack, i->item->source, name);
        r = collateral_store_check(&i->store, i->item->name, &i->item->data,
                                   authorities ? &authorities->data : NULL, &facts, &why);
        if (r < 0 && why.code != &CVM_CODE_CRL_OLDER)
                *err = why;
        return why.code == &CVM_CODE_CRL_OLDER ? 0 : r;
}

static int put_item(struct import *i, json_object *list, struct cvm_error *err) {
        const struct collateral_source *source = i->item->source;
        json_object *node;
        struct cvm_error why = { 0 };
        int r = collateral_store_put(&i->store, i->item->name, &i->item->data, &why);

        if (r < 0 && why.code != &CVM_CODE_CRL_OLDER) {
                *err = why;
                return r;
        }
        if (r < 0)
                output_say("%s: a newer one was seen before, and stays", i->item->name);
        node = json_object_new_object();
        json_object_object_add(node, "name", json_object_new_string(i->item->name));
        json_object_object_add(node, "kind",
                               json_object_new_string(collateral_kind_texts[source->kind(i->item->name)]));
        json_object_object_add(node, "result", json_object_new_string(r < 0 ? "older" : "kept"));
        json_object_array_add(list, node);
        return 0;
}

/* All objects are verified before the first is kept, and authorities are kept before what stands on them. */
static int import_pack(const struct arguments *arguments, const struct collateral_pack *pack,
                       json_object *list, struct cvm_error *err) {
        struct import import = { .arguments = arguments, .pack = pack };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < pack->n; i++) {
                import.item = &pack->items[i];
                r = import_open(&import, err);
                if (r >= 0)
                        r = check_item(&import, err);
        }
        for (int kind = 0; r >= 0 && kind < COLLATERAL_KIND_MAX_; kind++)
                for (size_t i = 0; r >= 0 && i < pack->n; i++) {
                        import.item = &pack->items[i];
                        if (import.item->source->kind(import.item->name) != kind)
                                continue;
                        r = import_open(&import, err);
                        if (r >= 0)
                                r = put_item(&import, list, err);
                }
        collateral_store_done(&import.store);
        return r;
}

static int run_import(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(collateral_pack_done) struct collateral_pack pack = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *list = json_object_new_array();
        const char *file = arguments->words[0];
        int r = cvm_read_file(file, COLLATERAL_PACK_MAX, &text, err);

        collateral_say_class(arguments);
        if (r >= 0)
                r = collateral_pack_read(text.data, text.size, file, &pack, err);
        if (r >= 0)
                r = import_pack(arguments, &pack, list, err);
        if (r < 0)
                return cvm_while(err, r, "importing '%s'", file);
        output_list(list, import_columns);
        return 0;
}

const struct command command_collateral_import = {
        .group = "collateral",
        .name = "import",
        .words = "FILE",
        .words_min = 1,
        .words_max = 1,
        .summary = "take an offline bundle into the cache, each object verified to its root",
        .options = import_options,
        .run = run_import,
};

/* --- export --- */

static const struct option_row export_options[] = {
        { "output", OPTION_TEXT, "FILE", "where the bundle goes, also -o (standard output)" },
        COLLATERAL_OPTIONS,
        { 0 },
};

static int add_store(const struct collateral_store *store, struct collateral_pack *pack,
                     struct cvm_error *err) {
        char **names = NULL;
        int r = collateral_store_names(store, &names, err);

        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
                struct cvm_error why = { 0 };

                if (collateral_store_get(store, names[i], &object, NULL, NULL, &why) < 0) {
                        output_say("left out: %s", why.text);
                        continue;
                }
                r = collateral_pack_add(pack, store->source, names[i], &object);
                if (r < 0)
                        r = cvm_while(err, r, "the offline bundle");
        }
        cvm_texts_free(names);
        return r;
}

static int run_export(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(collateral_pack_done) struct collateral_pack pack = { .version = 1 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        const struct collateral_source *source;
        int r = 0;

        collateral_say_class(arguments);
        for (size_t i = 0; r >= 0 && (source = collateral_source_at(i)); i++) {
                CVM_CLEANUP(collateral_store_done) struct collateral_store store = { 0 };

                r = collateral_open_arguments(arguments, source->platform, &store, err);
                if (r >= 0)
                        r = add_store(&store, &pack, err);
        }
        if (r < 0)
                return r;
        if (!pack.n)
                output_say("Nothing is kept that holds: the bundle is empty.");
        text = collateral_pack_write(&pack);
        if (!text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing an offline bundle");
        return output_file(argument(arguments, "output"), text, 0644, err);
}

const struct command command_collateral_export = {
        .group = "collateral",
        .name = "export",
        .words = "",
        .summary = "all that holds in the cache as one offline bundle",
        .options = export_options,
        .run = run_export,
};
