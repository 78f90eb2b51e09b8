/*
 * Documents of our own: hostile text to a struct and back, by one const table of fields for each document.
 *
 * Reading refuses, in a sentence that names the field and the document: unknown and duplicate keys, missing
 * ones, wrong types, values out of range, texts with control characters. Writing yields the fields in the
 * order of the table, absent optional ones left out. What comes from others (QEMU) is read with the getters
 * at the end, which ignore unknown keys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clean-json.h"
#include "base/error.h"

#define CVM_JSON_DEPTH_MAX 32

/* A place in a document, for the words: 'boot.kernel' in 'gold.json'. */
struct cvm_json {
        json_object *node; /* borrowed */
        const char *document;
        char path[160];
};

struct cvm_json_field;

/* Reads the node at this place into *member; writes *member as a new node (NULL: absent). */
typedef int (*cvm_json_read_fn)(const struct cvm_json *place, void *member, struct cvm_error *err);
typedef json_object *(*cvm_json_write_fn)(const void *member);

enum cvm_json_type {
        CVM_JSON_U32,    /* uint32_t, min..max */
        CVM_JSON_U64,    /* uint64_t, min..max; a JSON integer */
        CVM_JSON_BOOL,   /* bool */
        CVM_JSON_TEXT,   /* char *, owned; 1..max bytes; control characters refused; `check` if given */
        CVM_JSON_HEX,    /* uint8_t[size], lower-case hex of exactly that length */
        CVM_JSON_BASE64, /* struct cvm_bytes, owned; at most max bytes */
        CVM_JSON_CHOICE, /* int: index into the NULL-terminated choices */
        CVM_JSON_CUSTOM, /* anything, by read() and write() */
};

struct cvm_json_field {
        const char *key;
        enum cvm_json_type type;
        bool required;
        bool nullable;     /* null stands for absent, and is written for it */
        size_t offset;     /* of the member */
        size_t has_offset; /* of a bool that says whether it was given; 0: none (it may not be the first
                              member) */
        size_t size;       /* of HEX */
        uint64_t min, max;
        const char *const *choices;
        bool (*check)(const char *text);
        const char *expected; /* what check() wants, in words: "a name such as 'web1'" */
        cvm_json_read_fn read;
        cvm_json_write_fn write;
};

/*
 * Parse text (at most size bytes, one value, nothing behind it, UTF-8, depth at most CVM_JSON_DEPTH_MAX, no
 * key twice). `document` names it in the words. CVM_CODE_JSON, CVM_CODE_FIELD for a duplicate key. ret is
 * owned.
 */
int cvm_json_parse(const void *text, size_t size, const char *document, json_object **ret,
                   struct cvm_error *err);

/* The place of a whole document. */
struct cvm_json cvm_json_root(json_object *node, const char *document);
/* The place of a member, or of an array's element; node is NULL where it is not there. */
struct cvm_json cvm_json_at(const struct cvm_json *place, const char *key);
struct cvm_json cvm_json_element(const struct cvm_json *place, size_t i);

/* The object at this place into *object, by the table (ended by a field without key). */
int cvm_json_read(const struct cvm_json *place, const struct cvm_json_field *fields, void *object,
                  struct cvm_error *err);
/* A new node from *object; NULL without memory, or where a required field has no value. */
json_object *cvm_json_write(const struct cvm_json_field *fields, const void *object);
/* Parse and read in one; on failure *object holds what was read so far and is freed by its destructor. */
int cvm_json_read_text(const void *text, size_t size, const char *document,
                       const struct cvm_json_field *fields, void *object, struct cvm_error *err);
/* Write and print in one: compact, no spaces, '/' as it is; owned; NULL without memory. */
char *cvm_json_write_text(const struct cvm_json_field *fields, const void *object);
/* A node in that same form; owned. */
char *cvm_json_text(json_object *node);

/* Refuse the value at this place: "'boot.kernel' in 'gold.json' must be ...". CVM_CODE_FIELD. */
int cvm_json_refuse(const struct cvm_json *place, struct cvm_error *err, const char *format, ...)
                CVM_PRINTF(3, 4);

/* The place must be an array of at most max elements; its length. */
int cvm_json_array(const struct cvm_json *place, size_t max, size_t *ret_length, struct cvm_error *err);
/* A whole number at this place (not a member), at most 2^64-2. */
int cvm_json_u64_at(const struct cvm_json *place, uint64_t *ret, struct cvm_error *err);
/* A text at this place (not a member): 1..max bytes without control characters; borrowed. */
int cvm_json_text_at(const struct cvm_json *place, size_t max, const char **ret, struct cvm_error *err);

/*
 * Members of documents of others: each returns 1 when it is there with that type, 0 when it is not there
 * (*ret untouched), and a refusal when it has another type.
 */
int cvm_json_get_text(const struct cvm_json *place, const char *key, const char **ret,
                      struct cvm_error *err);
int cvm_json_get_u64(const struct cvm_json *place, const char *key, uint64_t *ret, struct cvm_error *err);
int cvm_json_get_bool(const struct cvm_json *place, const char *key, bool *ret, struct cvm_error *err);

/* A list of texts: NULL-terminated, owned, freed with cvm_texts_free. read and write are for
 * CVM_JSON_CUSTOM. */
char **cvm_texts_free(char **texts);
size_t cvm_texts_count(char *const *texts);
int cvm_texts_add(char ***texts, const char *text);
int cvm_json_read_texts(const struct cvm_json *place, void *member, struct cvm_error *err);
json_object *cvm_json_write_texts(const void *member);
/* The same for required lists: an empty one is written too. */
json_object *cvm_json_write_list(const void *member);
CVM_DEFINE_CLEANUP(char *, cvm_texts_free);
