#include "collateral/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* An object as it stands in the document. */
struct entry {
        int platform;
        char *name;
        struct cvm_bytes data;
};

static const struct cvm_json_field entry_fields[] = {
        { "platform", CVM_JSON_CHOICE, .required = true, .offset = offsetof(struct entry, platform),
          .choices = cvm_platform_texts },
        { "name", CVM_JSON_TEXT, .required = true, .offset = offsetof(struct entry, name),
          .max = COLLATERAL_NAME_MAX - 1 },
        { "data", CVM_JSON_BASE64, .required = true, .offset = offsetof(struct entry, data),
          .max = COLLATERAL_OBJECT_MAX },
        { 0 },
};

static void entry_done(struct entry *entry) {
        free(entry->name);
        cvm_bytes_done(&entry->data);
}

static int read_entry(const struct cvm_json *place, struct collateral_pack *pack, struct cvm_error *err) {
        CVM_CLEANUP(entry_done) struct entry entry = { 0 };
        const struct collateral_source *source;
        int r = cvm_json_read(place, entry_fields, &entry, err);

        if (r < 0)
                return r;
        source = collateral_source_find(entry.platform);
        if (!source || source->kind(entry.name) < 0)
                return cvm_json_refuse(place, err, "must be an object that this version knows");
        if (collateral_pack_find(pack, source, entry.name))
                return cvm_json_refuse(place, err, "must not have the name of another object");
        return collateral_pack_add(pack, source, entry.name, &entry.data);
}

static int read_objects(const struct cvm_json *place, void *member, struct cvm_error *err) {
        size_t length;
        int r = cvm_json_array(place, COLLATERAL_PACK_OBJECTS_MAX, &length, err);

        for (size_t i = 0; r >= 0 && i < length; i++) {
                struct cvm_json at = cvm_json_element(place, i);

                r = read_entry(&at, member, err);
        }
        return r;
}

static json_object *write_objects(const void *member) {
        const struct collateral_pack *pack = member;
        json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < pack->n; i++) {
                const struct entry entry = { pack->items[i].source->platform, pack->items[i].name,
                                             pack->items[i].data };

                json_object_array_add(list, cvm_json_write(entry_fields, &entry));
        }
        return list;
}

/* The objects are two members: both functions take the whole struct. */
static const struct cvm_json_field pack_fields[] = {
        { "version", CVM_JSON_U32, .required = true, .offset = offsetof(struct collateral_pack, version),
          .min = 1, .max = 1 },
        { "objects", CVM_JSON_CUSTOM, .required = true, .offset = 0, .read = read_objects,
          .write = write_objects },
        { 0 },
};

void collateral_pack_done(struct collateral_pack *pack) {
        for (size_t i = 0; i < pack->n; i++) {
                free(pack->items[i].name);
                cvm_bytes_done(&pack->items[i].data);
        }
        free(pack->items);
        *pack = (struct collateral_pack){ 0 };
}

int collateral_pack_read(const void *text, size_t size, const char *document, struct collateral_pack *ret,
                         struct cvm_error *err) {
        CVM_CLEANUP(collateral_pack_done) struct collateral_pack pack = { 0 };
        int r = cvm_json_read_text(text, size, document, pack_fields, &pack, err);

        if (r < 0)
                return r;
        *ret = pack;
        pack = (struct collateral_pack){ 0 };
        return 0;
}

char *collateral_pack_write(const struct collateral_pack *pack) {
        return cvm_json_write_text(pack_fields, pack);
}

int collateral_pack_add(struct collateral_pack *pack, const struct collateral_source *source,
                        const char *name, const struct cvm_bytes *data) {
        CVM_CLEANUP(cvm_freep) char *copy = strdup(name);
        struct collateral_item *grown;
        int r;

        if (pack->n == COLLATERAL_PACK_OBJECTS_MAX)
                return -E2BIG;
        grown = reallocarray(pack->items, pack->n + 1, sizeof *grown);
        if (!copy || !grown) {
                pack->items = grown ? grown : pack->items;
                return -ENOMEM;
        }
        pack->items = grown;
        r = cvm_bytes_copy(data->data, data->size, &grown[pack->n].data);
        if (r < 0)
                return r;
        grown[pack->n].source = source;
        grown[pack->n++].name = TAKE_PTR(copy);
        return 0;
}

const struct collateral_item *collateral_pack_find(const struct collateral_pack *pack,
                                                   const struct collateral_source *source,
                                                   const char *name) {
        for (size_t i = 0; i < pack->n; i++)
                if (pack->items[i].source == source && strcmp(pack->items[i].name, name) == 0)
                        return &pack->items[i];
        return NULL;
}
