/*
 * doc/definition.schema.json says what the reader does: the same keys, the same required ones, choices and
 * bounds as the tables of fields. (What needs more than one field to judge is the reader's alone.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "launch/definition-parts.h"
#include "launch/platform.h"

static int read_schema(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        struct cvm_error err = { 0 };
        json_object *schema = NULL;

        if (cvm_read_file(CVM_SOURCE_DIR "/doc/definition.schema.json", 1 << 20, &text, &err) < 0 ||
            cvm_json_parse(text.data, text.size, "schema", &schema, &err) < 0) {
                fprintf(stderr, "%s\n", err.text);
                return -1;
        }
        *state = schema;
        return 0;
}

static int free_schema(void **state) {
        json_object_put(*state);
        return 0;
}

/* Follow a path of keys such as "properties.disks.items". */
static json_object *find(json_object *schema, const char *path) {
        char copy[256], *rest = copy, *key;

        snprintf(copy, sizeof copy, "%s", path);
        while (*copy && (key = strsep(&rest, ".")))
                if (!json_object_object_get_ex(schema, key, &schema))
                        fail_msg("the schema has no %s", path);
        return schema;
}

static const struct cvm_json_field *field_of(const struct cvm_json_field *fields, const char *key) {
        for (; fields->key; fields++)
                if (strcmp(fields->key, key) == 0)
                        return fields;
        return NULL;
}

static bool has_text(json_object *list, const char *text) {
        for (size_t i = 0; list && i < json_object_array_length(list); i++)
                if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), text) == 0)
                        return true;
        return false;
}

static void check_choices(json_object *property, const struct cvm_json_field *f) {
        json_object *choices = json_object_object_get(property, "enum");
        size_t n = 0;

        for (; f->choices[n]; n++)
                if (!has_text(choices, f->choices[n]))
                        fail_msg("%s: the schema has no choice '%s'", f->key, f->choices[n]);
        assert_int_equal(n, json_object_array_length(choices));
}

static void check_bound(json_object *property, const struct cvm_json_field *f, const char *name,
                        uint64_t bound) {
        json_object *node = json_object_object_get(property, name);

        if (!node || json_object_get_uint64(node) != bound)
                fail_msg("%s: %s is %s in the schema, %ju in the table", f->key, name,
                         json_object_get_string(node), (uintmax_t)bound);
}

static void check_table(json_object *schema, const char *path, const struct cvm_json_field *fields) {
        json_object *object = find(schema, path);
        json_object *properties = json_object_object_get(object, "properties");
        json_object *required = json_object_object_get(object, "required");
        json_object *closed;

        assert_true(json_object_object_get_ex(object, "additionalProperties", &closed));
        assert_false(json_object_get_boolean(closed));
        for (const struct cvm_json_field *f = fields; f->key; f++) {
                json_object *property;

                if (!json_object_object_get_ex(properties, f->key, &property))
                        fail_msg("the schema does not have %s.%s", path, f->key);
                assert_int_equal(has_text(required, f->key), f->required);
                if (f->type == CVM_JSON_CHOICE)
                        check_choices(property, f);
                if ((f->type == CVM_JSON_U32 || f->type == CVM_JSON_U64) && f->max) {
                        check_bound(property, f, "minimum", f->min);
                        check_bound(property, f, "maximum", f->max);
                }
        }
        json_object_object_foreach(properties, key, property) {
                (void)property;
                if (!field_of(fields, key) && !(*path == 0 && platform_by_name(key)))
                        fail_msg("the reader does not know %s.%s", path, key);
        }
}

static void test_tables(void **state) {
        check_table(*state, "", definition_fields);
        check_table(*state, "properties.boot", definition_boot_fields);
        check_table(*state, "properties.disks.items", definition_disk_fields);
        check_table(*state, "properties.nics.items", definition_nic_fields);
        check_table(*state, "properties.nics.items.properties.forwards.items", definition_forward_fields);
        check_table(*state, "properties.tuning", definition_tuning_fields);
}

static void test_platforms(void **state) {
        json_object *names = find(*state, "$defs.platform.enum");
        const struct platform *platform;
        size_t n = 0;

        for (; (platform = platform_at(n)); n++) {
                char path[64];

                snprintf(path, sizeof path, "properties.%s", platform->name);
                check_table(*state, path, platform->options_fields);
                assert_true(has_text(names, platform->name));
        }
        assert_int_equal(n, json_object_array_length(names));
}

static void test_root(void **state) {
        json_object *kinds = find(*state, "properties.root.properties.type.enum");

        for (size_t i = 0; cvm_root_texts[i]; i++)
                assert_true(has_text(kinds, cvm_root_texts[i]));
        assert_int_equal(json_object_array_length(kinds), 3);
}

static void test_caps(void **state) {
        assert_int_equal(json_object_get_int(find(*state, "properties.vcpus.maximum")),
                         DEFINITION_VCPUS_MAX);
        assert_int_equal(json_object_get_int(find(*state, "properties.disks.maxItems")),
                         DEFINITION_DISKS_MAX);
        assert_int_equal(json_object_get_int(find(*state, "properties.nics.maxItems")), DEFINITION_NICS_MAX);
        assert_int_equal(json_object_get_int(
                                         find(*state, "properties.nics.items.properties.forwards.maxItems")),
                         DEFINITION_FORWARDS_MAX);
        assert_int_equal(json_object_get_int(find(*state, "properties.boot.properties.cmdline.maxLength")),
                         DEFINITION_CMDLINE_MAX - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tables),
                cmocka_unit_test(test_platforms),
                cmocka_unit_test(test_root),
                cmocka_unit_test(test_caps),
        };

        return cmocka_run_group_tests(tests, read_schema, free_schema);
}
