#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"

#define TEXTS_MAX 256
#define PRINT_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/*
 * json-c keeps the last of two equal keys and says nothing. The text is well-formed when this runs, so keys
 * are the strings before a colon; those of one object are compared as json-c would see them: unescaped.
 */
struct key_scan {
        const char *next, *end;
        const char *document;
};

static json_object *scan_string(struct key_scan *s) {
        const char *start = s->next++;
        json_object *text;
        char *copy;

        while (s->next < s->end && *s->next != '"')
                s->next += *s->next == '\\' ? 2 : 1;
        s->next++;
        copy = strndup(start, (size_t)(s->next - start));
        text = copy ? json_tokener_parse(copy) : NULL;
        free(copy);
        return text;
}

static int scan_object(struct key_scan *s, struct cvm_error *err);

/* To the end of the object or array that `next` stands in, with each object in it scanned. */
static int scan_value_list(struct key_scan *s, json_object *seen, struct cvm_error *err) {
        while (s->next < s->end) {
                char c = *s->next;

                if (c == '}' || c == ']') {
                        s->next++;
                        return 0;
                }
                if (c == '{' || c == '[') {
                        int r;

                        s->next++;
                        r = c == '{' ? scan_object(s, err) : scan_value_list(s, NULL, err);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (c == '\'') /* json-c takes it for a quote around keys, even when it is strict */
                        return cvm_fail(err, &CVM_CODE_JSON, EINVAL,
                                        "'%s' is not JSON: keys stand in double quotes", s->document);
                if (c != '"') {
                        s->next++;
                        continue;
                }
                CVM_CLEANUP(cvm_json_putp) json_object *key = scan_string(s);
                const char *name = json_object_get_string(key);

                s->next += strspn(s->next, " \t\r\n");
                if (!seen || s->next >= s->end || *s->next != ':' || !name)
                        continue;
                /* json-c cuts a key there and takes it for another one */
                if (strlen(name) != (size_t)json_object_get_string_len(key))
                        return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "a key in '%s' has a NUL character",
                                        s->document);
                if (json_object_object_get_ex(seen, name, NULL))
                        return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%.80s' is given twice in '%s'", name,
                                        s->document);
                if (json_object_object_add(seen, name, NULL) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int scan_object(struct key_scan *s, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *seen = json_object_new_object();

        return seen ? scan_value_list(s, seen, err) : -ENOMEM;
}

int cvm_json_parse(const void *text, size_t size, const char *document, json_object **ret,
                   struct cvm_error *err) {
        CVM_CLEANUP(json_tokener_freep) json_tokener *tokener = json_tokener_new_ex(CVM_JSON_DEPTH_MAX);
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *copy = NULL;
        enum json_tokener_error e;
        int r;

        if (!tokener || size >= INT32_MAX || !(copy = strndup(text, size)))
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", document);
        if (strlen(copy) != size)
                return cvm_fail(err, &CVM_CODE_JSON, EINVAL, "'%s' has a NUL byte at %zu", document,
                                strlen(copy));
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        /* With the NUL, so that a number or word at the very end is complete. */
        node = json_tokener_parse_ex(tokener, copy, (int)size + 1);
        e = json_tokener_get_error(tokener);
        if (e != json_tokener_success)
                return cvm_fail(err, &CVM_CODE_JSON, EINVAL, "'%s' is not JSON at byte %zu: %s", document,
                                json_tokener_get_parse_end(tokener),
                                e == json_tokener_continue ? "it ends too early"
                                                           : json_tokener_error_desc(e));
        struct key_scan scan = { copy, copy + size, document };
        r = scan_value_list(&scan, NULL, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(node);
        return 0;
}

struct cvm_json cvm_json_root(json_object *node, const char *document) {
        return (struct cvm_json){ .node = node, .document = document };
}

struct cvm_json cvm_json_at(const struct cvm_json *place, const char *key) {
        struct cvm_json at = { .document = place->document };

        if (json_object_is_type(place->node, json_type_object))
                json_object_object_get_ex(place->node, key, &at.node);
        snprintf(at.path, sizeof at.path, "%.100s%s%.50s", place->path, *place->path ? "." : "", key);
        return at;
}

struct cvm_json cvm_json_element(const struct cvm_json *place, size_t i) {
        struct cvm_json at = { .document = place->document };

        if (json_object_is_type(place->node, json_type_array))
                at.node = json_object_array_get_idx(place->node, i);
        snprintf(at.path, sizeof at.path, "%.120s[%zu]", place->path, i);
        return at;
}

int cvm_json_refuse(const struct cvm_json *place, struct cvm_error *err, const char *format, ...) {
        char words[300];
        va_list args;

        va_start(args, format);
        vsnprintf(words, sizeof words, format, args);
        va_end(args);
        if (!*place->path)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' %s", place->document, words);
        return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' in '%s' %s", place->path, place->document,
                        words);
}

int cvm_json_array(const struct cvm_json *place, size_t max, size_t *ret_length, struct cvm_error *err) {
        if (!json_object_is_type(place->node, json_type_array))
                return cvm_json_refuse(place, err, "must be a list");
        if (json_object_array_length(place->node) > max)
                return cvm_json_refuse(place, err, "must have at most %zu elements", max);
        *ret_length = json_object_array_length(place->node);
        return 0;
}

static bool has_control_characters(const char *text, size_t length) {
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
                        return true;
        return false;
}

int cvm_json_text_at(const struct cvm_json *place, size_t max, const char **ret, struct cvm_error *err) {
        const char *text;
        size_t length;

        if (!json_object_is_type(place->node, json_type_string))
                return cvm_json_refuse(place, err, "must be a text");
        text = json_object_get_string(place->node);
        length = (size_t)json_object_get_string_len(place->node);
        if (length > max)
                return cvm_json_refuse(place, err, "must have at most %zu bytes", max);
        if (has_control_characters(text, length))
                return cvm_json_refuse(place, err, "must not have control characters");
        *ret = text;
        return 0;
}

static int read_integer(const struct cvm_json *place, uint64_t min, uint64_t max, uint64_t *ret,
                        struct cvm_error *err) {
        uint64_t v;

        if (!json_object_is_type(place->node, json_type_int))
                return cvm_json_refuse(place, err, "must be a whole number");
        v = json_object_get_uint64(place->node);
        /* json-c clamps: a negative number reads as 0, one beyond 2^64 as the largest. */
        if (json_object_get_int64(place->node) < 0 || v < min || v > max || v == UINT64_MAX)
                return cvm_json_refuse(place, err, "must be a number from %" PRIu64 " to %" PRIu64, min,
                                       max);
        *ret = v;
        return 0;
}

int cvm_json_u64_at(const struct cvm_json *place, uint64_t *ret, struct cvm_error *err) {
        return read_integer(place, 0, UINT64_MAX - 1, ret, err);
}

static int read_u32(const struct cvm_json_field *f, const struct cvm_json *place, void *member,
                    struct cvm_error *err) {
        uint64_t v;
        int r = read_integer(place, f->min, f->max ? f->max : UINT32_MAX, &v, err);

        if (r >= 0)
                *(uint32_t *)member = (uint32_t)v;
        return r;
}

static int read_u64(const struct cvm_json_field *f, const struct cvm_json *place, void *member,
                    struct cvm_error *err) {
        return read_integer(place, f->min, f->max ? f->max : UINT64_MAX - 1, member, err);
}

static int read_bool(const struct cvm_json_field *f, const struct cvm_json *place, void *member,
                     struct cvm_error *err) {
        if (!json_object_is_type(place->node, json_type_boolean))
                return cvm_json_refuse(place, err, "must be true or false");
        *(bool *)member = json_object_get_boolean(place->node);
        return 0;
}

static int read_text(const struct cvm_json_field *f, const struct cvm_json *place, void *member,
                     struct cvm_error *err) {
        const char *text;
        char *copy;
        int r = cvm_json_text_at(place, f->max ? f->max : 4096, &text, err);

        if (r < 0)
                return r;
        if (strlen(text) < f->min)
                return cvm_json_refuse(place, err, "must not be empty");
        if (f->check && !f->check(text))
                return cvm_json_refuse(place, err, "must be %s, not '%.60s'", f->expected, text);
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        *(char **)member = copy;
        return 0;
}

static int read_hex(const struct cvm_json_field *f, const struct cvm_json *place, void *member,
                    struct cvm_error *err) {
        const char *text;
        int r = cvm_json_text_at(place, 2 * f->size, &text, err);

        if (r < 0 || cvm_unhex(text, member, f->size) < 0)
                return cvm_json_refuse(place, err, "must be %zu lower-case hex digits", 2 * f->size);
        return 0;
}

static int read_base64(const struct cvm_json_field *f, const struct cvm_json *place, void *member,
                       struct cvm_error *err) {
        size_t max = f->max ? (size_t)f->max : 1 << 20;
        const char *text;
        int r = cvm_json_text_at(place, (max + 2) / 3 * 4, &text, err);

        if (r < 0)
                return r;
        r = cvm_unbase64(text, member);
        if (r == -EINVAL)
                return cvm_json_refuse(place, err, "must be standard base64");
        return r;
}

static int read_choice(const struct cvm_json_field *f, const struct cvm_json *place, void *member,
                       struct cvm_error *err) {
        char all[256] = "";
        const char *text;
        int r = cvm_json_text_at(place, 64, &text, err);

        if (r < 0)
                return r;
        for (int i = 0; f->choices[i]; i++) {
                size_t n = strlen(all);

                if (strcmp(text, f->choices[i]) == 0) {
                        *(int *)member = i;
                        return 0;
                }
                snprintf(all + n, sizeof all - n, "%s'%s'", i ? ", " : "", f->choices[i]);
        }
        return cvm_json_refuse(place, err, "must be one of %s", all);
}

static int read_custom(const struct cvm_json_field *f, const struct cvm_json *place, void *member,
                       struct cvm_error *err) {
        return f->read(place, member, err);
}

static json_object *write_u32(const struct cvm_json_field *f, const void *member) {
        return json_object_new_uint64(*(const uint32_t *)member);
}

static json_object *write_u64(const struct cvm_json_field *f, const void *member) {
        return json_object_new_uint64(*(const uint64_t *)member);
}

static json_object *write_bool(const struct cvm_json_field *f, const void *member) {
        return json_object_new_boolean(*(const bool *)member);
}

static json_object *write_text(const struct cvm_json_field *f, const void *member) {
        const char *text = *(char *const *)member;

        return text ? json_object_new_string(text) : NULL;
}

static json_object *write_hex(const struct cvm_json_field *f, const void *member) {
        char text[2 * 1024 + 1];

        if (f->size > 1024)
                return NULL;
        cvm_hex(member, f->size, text);
        return json_object_new_string(text);
}

static json_object *write_base64(const struct cvm_json_field *f, const void *member) {
        const struct cvm_bytes *bytes = member;
        CVM_CLEANUP(cvm_freep) char *text = bytes->data ? cvm_base64(bytes->data, bytes->size) : NULL;

        return text ? json_object_new_string(text) : NULL;
}

static json_object *write_choice(const struct cvm_json_field *f, const void *member) {
        return json_object_new_string(f->choices[*(const int *)member]);
}

static json_object *write_custom(const struct cvm_json_field *f, const void *member) {
        return f->write ? f->write(member) : NULL;
}

static const struct {
        int (*read)(const struct cvm_json_field *f, const struct cvm_json *place, void *member,
                    struct cvm_error *err);
        json_object *(*write)(const struct cvm_json_field *f, const void *member);
} types[] = {
        [CVM_JSON_U32] = { read_u32, write_u32 },          [CVM_JSON_U64] = { read_u64, write_u64 },
        [CVM_JSON_BOOL] = { read_bool, write_bool },       [CVM_JSON_TEXT] = { read_text, write_text },
        [CVM_JSON_HEX] = { read_hex, write_hex },          [CVM_JSON_BASE64] = { read_base64, write_base64 },
        [CVM_JSON_CHOICE] = { read_choice, write_choice }, [CVM_JSON_CUSTOM] = { read_custom, write_custom },
};

static int refuse_unknown_keys(const struct cvm_json *place, const struct cvm_json_field *fields,
                               struct cvm_error *err) {
        json_object_object_foreach(place->node, key, value) {
                const struct cvm_json_field *f = fields;

                (void)value;
                while (f->key && strcmp(f->key, key) != 0)
                        f++;
                if (!f->key) {
                        struct cvm_json at = cvm_json_at(place, key);

                        cvm_text_clean(at.path, strlen(at.path), false);
                        return cvm_json_refuse(&at, err, "is not a known field");
                }
        }
        return 0;
}

static int read_field(const struct cvm_json *place, const struct cvm_json_field *f, uint8_t *object,
                      struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, f->key);
        bool given = json_object_object_get_ex(place->node, f->key, NULL);
        int r;

        if (!given && f->required)
                return cvm_json_refuse(&at, err, "is missing");
        if (!given || (!at.node && f->nullable))
                return 0;
        r = types[f->type].read(f, &at, object + f->offset, err);
        if (r >= 0 && f->has_offset)
                *(bool *)(object + f->has_offset) = true;
        return r;
}

int cvm_json_read(const struct cvm_json *place, const struct cvm_json_field *fields, void *object,
                  struct cvm_error *err) {
        int r;

        if (!json_object_is_type(place->node, json_type_object))
                return cvm_json_refuse(place, err, "must be an object");
        r = refuse_unknown_keys(place, fields, err);
        for (const struct cvm_json_field *f = fields; r >= 0 && f->key; f++)
                r = read_field(place, f, object, err);
        return r;
}

json_object *cvm_json_write(const struct cvm_json_field *fields, const void *object) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();

        for (const struct cvm_json_field *f = fields; node && f->key; f++) {
                bool given = !f->has_offset || *(const bool *)((const uint8_t *)object + f->has_offset);
                json_object *value =
                                given ? types[f->type].write(f, (const uint8_t *)object + f->offset) : NULL;

                if (!value && !f->nullable && f->required && f->type != CVM_JSON_CUSTOM)
                        return NULL;
                if (!value && !f->nullable)
                        continue;
                if (json_object_object_add(node, f->key, value) < 0) {
                        json_object_put(value);
                        return NULL;
                }
        }
        return TAKE_PTR(node);
}

int cvm_json_read_text(const void *text, size_t size, const char *document,
                       const struct cvm_json_field *fields, void *object, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_json root;
        int r = cvm_json_parse(text, size, document, &node, err);

        if (r < 0)
                return r;
        root = cvm_json_root(node, document);
        return cvm_json_read(&root, fields, object, err);
}

char *cvm_json_text(json_object *node) {
        const char *text = json_object_to_json_string_ext(node, PRINT_FLAGS);

        return text ? strdup(text) : NULL;
}

char *cvm_json_write_text(const struct cvm_json_field *fields, const void *object) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = cvm_json_write(fields, object);

        return node ? cvm_json_text(node) : NULL;
}

int cvm_json_get_text(const struct cvm_json *place, const char *key, const char **ret,
                      struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, key);

        if (!at.node)
                return 0;
        if (!json_object_is_type(at.node, json_type_string))
                return cvm_json_refuse(&at, err, "must be a text");
        *ret = json_object_get_string(at.node);
        return 1;
}

int cvm_json_get_u64(const struct cvm_json *place, const char *key, uint64_t *ret, struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, key);
        int r;

        if (!at.node)
                return 0;
        r = cvm_json_u64_at(&at, ret, err);
        return r < 0 ? r : 1;
}

int cvm_json_get_bool(const struct cvm_json *place, const char *key, bool *ret, struct cvm_error *err) {
        struct cvm_json at = cvm_json_at(place, key);
        int r;

        if (!at.node)
                return 0;
        r = read_bool(NULL, &at, ret, err);
        return r < 0 ? r : 1;
}

char **cvm_texts_free(char **texts) {
        for (size_t i = 0; texts && texts[i]; i++)
                free(texts[i]);
        free(texts);
        return NULL;
}

size_t cvm_texts_count(char *const *texts) {
        size_t n = 0;

        while (texts && texts[n])
                n++;
        return n;
}

int cvm_texts_add(char ***texts, const char *text) {
        size_t n = cvm_texts_count(*texts);
        char **grown = reallocarray(*texts, n + 2, sizeof *grown);

        if (!grown)
                return -ENOMEM;
        *texts = grown;
        grown[n] = strdup(text);
        grown[n + 1] = NULL;
        return grown[n] ? 0 : -ENOMEM;
}

int cvm_json_read_texts(const struct cvm_json *place, void *member, struct cvm_error *err) {
        size_t length;
        int r = cvm_json_array(place, TEXTS_MAX, &length, err);

        for (size_t i = 0; r >= 0 && i < length; i++) {
                struct cvm_json at = cvm_json_element(place, i);
                const char *text;

                r = cvm_json_text_at(&at, 4096, &text, err);
                if (r >= 0)
                        r = cvm_texts_add(member, text);
        }
        return r;
}

json_object *cvm_json_write_texts(const void *member) {
        char *const *texts = *(char **const *)member;
        json_object *list = texts ? json_object_new_array() : NULL;

        for (size_t i = 0; list && texts[i]; i++)
                json_object_array_add(list, json_object_new_string(texts[i]));
        return list;
}

json_object *cvm_json_write_list(const void *member) {
        json_object *list = cvm_json_write_texts(member);

        return list ? list : json_object_new_array();
}
