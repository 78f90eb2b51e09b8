#include "launch/definition-flags.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "launch/platform.h"

enum kind { KIND_FLAG, KIND_TEXT, KIND_REPEAT };

/* A flag's value as a JSON node, owned. `directory` is where relative paths begin. */
typedef int (*make_fn)(const char *value, const char *directory, json_object **ret, struct cvm_error *err);

static int made(json_object *node, json_object **ret, struct cvm_error *err) {
        if (!node)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a definition");
        *ret = node;
        return 0;
}

static int make_text(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        return made(json_object_new_string(value), ret, err);
}

static int make_true(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        return made(json_object_new_boolean(true), ret, err);
}

/* What is a number in this base; everything else stays a text, which the reader of the field refuses. */
static int make_in_base(int base, const char *value, json_object **ret, struct cvm_error *err) {
        char *end;
        long long n;

        errno = 0;
        n = strtoll(value, &end, base);
        if (errno || !isxdigit((unsigned char)*value) || *end)
                return made(json_object_new_string(value), ret, err);
        return made(json_object_new_int64(n), ret, err);
}

static int make_number(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        return make_in_base(10, value, ret, err);
}

/* With or without 0x. */
static int make_hex(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        return make_in_base(16, value, ret, err);
}

static int make_bool(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        bool yes = strcmp(value, "true") == 0 || strcmp(value, "on") == 0 || strcmp(value, "yes") == 0;

        if (!yes && strcmp(value, "false") != 0 && strcmp(value, "off") != 0 && strcmp(value, "no") != 0)
                return make_text(value, directory, ret, err);
        return made(json_object_new_boolean(yes), ret, err);
}

static int make_any(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        if (*value < '0' || *value > '9')
                return make_bool(value, directory, ret, err);
        return make_in_base(strncmp(value, "0x", 2) == 0 ? 16 : 10, value, ret, err);
}

static int make_path(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        int r;

        if (!*value)
                return make_text(value, directory, ret, err);
        r = cvm_path_from(directory, value, &path, err);
        return r < 0 ? r : make_text(path, directory, ret, err);
}

static int make_root(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *root = json_object_new_object();
        const char *digest = strchrnul(value, ':');
        size_t length = (size_t)(digest - value);

        json_object_object_add(root, "type", json_object_new_string_len(value, (int)length));
        if (*digest)
                json_object_object_add(root,
                                       length == 4 && strncmp(value, "luks", 4) == 0 ? "header_digest"
                                                                                     : "root_hash",
                                       json_object_new_string(digest + 1));
        return made(TAKE_PTR(root), ret, err);
}

static bool is_protocol(const char *word) {
        return *word >= 'a' && *word <= 'z';
}

/* [PROTOCOL:][ADDRESS:]HOST:GUEST */
static int make_forward(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *forward = json_object_new_object();
        CVM_CLEANUP(cvm_freep) char *copy = strdup(value);
        json_object *host, *guest;
        char *words[4], *rest = copy, **word = words;
        size_t n = 0, optional;
        int r;

        while (rest && n < ARRAY_SIZE(words))
                words[n++] = strsep(&rest, ":");
        optional = n < 2 ? 0 : n - 2;
        if (n < 2 || rest || (optional == 2 && !is_protocol(words[0])))
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                                "forward must be [PROTOCOL:][ADDRESS:]HOST:GUEST, not '%s'", value);
        json_object_object_add(forward, "protocol",
                               json_object_new_string(optional && is_protocol(*word) ? *word++ : "tcp"));
        if (word < words + optional)
                json_object_object_add(forward, "host_address", json_object_new_string(*word++));
        r = make_number(word[0], directory, &host, err);
        if (r < 0)
                return r;
        json_object_object_add(forward, "host_port", host);
        r = make_number(word[1], directory, &guest, err);
        if (r < 0)
                return r;
        json_object_object_add(forward, "guest_port", guest);
        *ret = TAKE_PTR(forward);
        return 0;
}

/* Keys of --disk and --nic; the first row is also meant by a first word without a key. */
struct part {
        const char *key, *member;
        make_fn make;
        bool list;
};

static const struct part disk_parts[] = {
        { "path", "path", make_path },         { "format", "format", make_text },
        { "readonly", "readonly", make_bool }, { "serial", "serial", make_text },
        { "size", "size", make_number },       { 0 },
};

static const struct part nic_parts[] = {
        { "type", "type", make_text },
        { "name", "name", make_text },
        { "mac", "mac", make_text },
        { "forward", "forwards", make_forward, true },
        { 0 },
};

/* Takes the value. */
static void add_to_list(json_object *object, const char *member, json_object *value) {
        json_object *list = json_object_object_get(object, member);

        if (!list) {
                list = json_object_new_array();
                json_object_object_add(object, member, list);
        }
        json_object_array_add(list, value);
}

static int add_part(json_object *object, const struct part *parts, char *pair, const char *directory,
                    struct cvm_error *err) {
        char *value = strchr(pair, '=');
        bool first = json_object_object_length(object) == 0;
        const char *key = value || !first ? pair : parts[0].key;
        json_object *node = NULL;
        int r;

        if (value)
                *value++ = 0;
        else if (first)
                value = pair;
        for (const struct part *p = parts; p->key; p++) {
                if (!value || strcmp(p->key, key) != 0)
                        continue;
                if (!p->list && json_object_object_get_ex(object, p->member, NULL))
                        return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "'%s' is given twice", key);
                r = p->make(value, directory, &node, err);
                if (r < 0)
                        return r;
                if (p->list)
                        add_to_list(object, p->member, node);
                else
                        json_object_object_add(object, p->member, node);
                return 0;
        }
        return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "'%s' is no KEY=VALUE that is known here", pair);
}

static int make_parts(const struct part *parts, const char *value, const char *directory, json_object **ret,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *object = json_object_new_object();
        CVM_CLEANUP(cvm_freep) char *copy = strdup(value);
        char *rest = copy, *pair;
        int r = 0;

        while (r >= 0 && (pair = strsep(&rest, ",")))
                r = add_part(object, parts, pair, directory, err);
        return r < 0 ? r : made(TAKE_PTR(object), ret, err);
}

static int make_disk(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        return make_parts(disk_parts, value, directory, ret, err);
}

static int make_nic(const char *value, const char *directory, json_object **ret, struct cvm_error *err) {
        return make_parts(nic_parts, value, directory, ret, err);
}

static const struct row {
        const char *flag;
        enum kind kind;
        const char *object, *member;
        make_fn make;
} rows[] = {
#define ROW(name, kind, value, help, object, member, make) { name, KIND_##kind, object, member, make },
        DEFINITION_FLAGS(ROW)
#undef ROW
};

const char *definition_flag_at(size_t i) {
        return i < ARRAY_SIZE(rows) ? rows[i].flag : NULL;
}

/* The section of the platform that the document names first; the first of all where it names none. */
static const char *section_of(json_object *document) {
        json_object *platform = json_object_object_get(document, "platform");

        if (json_object_is_type(platform, json_type_array))
                platform = json_object_array_get_idx(platform, 0);
        return json_object_is_type(platform, json_type_string) ? json_object_get_string(platform)
                                                               : platform_at(0)->name;
}

static int object_of(json_object *document, const char *name, json_object **ret, struct cvm_error *err) {
        json_object *object = document;

        if (name && strcmp(name, "*") == 0)
                name = section_of(document);
        if (name && !json_object_object_get_ex(document, name, &object)) {
                object = json_object_new_object();
                json_object_object_add(document, name, object);
        }
        if (!json_object_is_type(object, json_type_object))
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' must be an object", name);
        *ret = object;
        return 0;
}

/* KEY=VALUE where the row has no member. */
static int set_value(json_object *object, const struct row *row, const char *value, const char *directory,
                     struct cvm_error *err) {
        const char *equals = row->member ? NULL : strchr(value, '=');
        CVM_CLEANUP(cvm_freep) char *key = equals ? strndup(value, (size_t)(equals - value)) : NULL;
        const char *member = row->member ? row->member : key;
        json_object *node = NULL;
        int r;

        if (!member)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "must be KEY=VALUE, not '%s'", value);
        r = row->make(equals ? equals + 1 : value, directory, &node, err);
        if (r < 0)
                return r;
        if (row->kind == KIND_REPEAT && row->member)
                add_to_list(object, member, node);
        else
                json_object_object_add(object, member, node);
        return 0;
}

int definition_flag_set(json_object *document, const char *flag, const char *const *values, size_t n_values,
                        const char *directory, struct cvm_error *err) {
        const struct row *row = NULL;
        json_object *object = NULL;
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (strcmp(rows[i].flag, flag) == 0)
                        row = &rows[i];
        if (!row)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "there is no flag '--%s'", flag);
        r = object_of(document, row->object, &object, err);
        if (r >= 0 && row->kind == KIND_REPEAT && row->member)
                json_object_object_del(object, row->member);
        for (size_t i = 0; r >= 0 && i < n_values; i++)
                r = set_value(object, row, values[i], directory, err);
        return r < 0 ? cvm_while(err, r, "--%s", flag) : 0;
}
