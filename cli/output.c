#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "base/fd.h"
#include "base/names.h"

static const char *const formats[] = {
        [OUTPUT_TABLE] = "table", [OUTPUT_WIDE] = "wide", [OUTPUT_JSON] = "json",
        [OUTPUT_JSONL] = "jsonl", [OUTPUT_NAME] = "name",
};

int output_parse(const char *text, enum output_format *ret, struct cvm_error *err) {
        for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
                if (strcmp(text, formats[i]) == 0) {
                        *ret = (enum output_format)i;
                        return 0;
                }
        return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                        "--output must be table, wide, json, jsonl or name, not '%s'", text);
}

/* The value as a person reads it: texts without quotes and control characters; owned. */
static char *plain_text(json_object *value) {
        char *text;

        if (!value)
                return strdup("-");
        if (json_object_is_type(value, json_type_string)) {
                text = strdup(json_object_get_string_len(value) ? json_object_get_string(value) : "-");
                if (text)
                        cvm_text_clean(text, strlen(text), false);
                return text;
        }
        return cvm_json_text(value);
}

static void print_json(json_object *node) {
        puts(json_object_to_json_string_ext(
                        node, globals.format == OUTPUT_JSON
                                              ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                                JSON_C_TO_STRING_NOSLASHESCAPE
                                              : JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void print_member(json_object *object, const char *key) {
        CVM_CLEANUP(cvm_freep) char *text = plain_text(json_object_object_get(object, key));

        puts(text ? text : "-");
}

static void print_lines(json_object *object, const char *before) {
        json_object_object_foreach(object, key, value) {
                char path[128];

                snprintf(path, sizeof path, "%s%s%s", before, *before ? "." : "", key);
                if (json_object_is_type(value, json_type_object)) {
                        print_lines(value, path);
                        continue;
                }
                CVM_CLEANUP(cvm_freep) char *text = plain_text(value);
                printf("%-24s %s\n", path, text ? text : "-");
        }
}

void output_object(json_object *object, const char *name_key) {
        if (globals.format == OUTPUT_NAME)
                print_member(object, name_key);
        else if (globals.format == OUTPUT_JSON || globals.format == OUTPUT_JSONL)
                print_json(object);
        else
                print_lines(object, "");
}

static void print_table(json_object *list, const struct output_column *columns) {
        struct libscols_table *table = scols_new_table();

        scols_table_enable_maxout(table, 0);
        for (const struct output_column *c = columns; c->title; c++)
                if (!c->wide || globals.format == OUTPUT_WIDE)
                        scols_table_new_column(table, c->title, 0, 0);
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                struct libscols_line *line = scols_table_new_line(table, NULL);
                size_t n = 0;

                for (const struct output_column *c = columns; c->title; c++)
                        if (!c->wide || globals.format == OUTPUT_WIDE)
                                scols_line_refer_data(line, n++,
                                                      plain_text(json_object_object_get(
                                                                      json_object_array_get_idx(list, i),
                                                                      c->key)));
        }
        scols_print_table(table);
        scols_unref_table(table);
}

void output_list(json_object *list, const struct output_column *columns) {
        if (globals.format == OUTPUT_TABLE || globals.format == OUTPUT_WIDE)
                print_table(list, columns);
        else if (globals.format == OUTPUT_JSON)
                print_json(list);
        else
                for (size_t i = 0; i < json_object_array_length(list); i++)
                        output_object(json_object_array_get_idx(list, i), columns->key);
}

void output_say(const char *format, ...) {
        va_list args;

        if (globals.quiet)
                return;
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
}

void output_progress_done(void) {
        if (!globals.quiet && isatty(STDERR_FILENO))
                fputs("\r\033[K", stderr);
}

void output_progress(const char *format, ...) {
        va_list args;

        if (globals.quiet || !isatty(STDERR_FILENO))
                return;
        output_progress_done();
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
}

int output_file(const char *path, const char *text, unsigned mode, struct cvm_error *err) {
        return cvm_write_file(path ? path : "-", text, strlen(text), mode, err);
}

int output_failure(struct cvm_error *err, int r) {
        const char *text = cvm_error_text(err, r);
        const struct cvm_code *code = cvm_error_code(err);

        if (globals.format == OUTPUT_JSON || globals.format == OUTPUT_JSONL) {
                CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
                json_object *error = json_object_new_object();

                json_object_object_add(error, "code", json_object_new_string(code->id));
                json_object_object_add(error, "fault", json_object_new_string(cvm_fault_text(code->fault)));
                json_object_object_add(error, "text", json_object_new_string(text));
                json_object_object_add(error, "remedy", json_object_new_string(code->remedy));
                json_object_object_add(node, "error", error);
                fprintf(stderr, "%s\n", json_object_to_json_string_ext(node, JSON_C_TO_STRING_PLAIN));
        } else
                fprintf(stderr, "cvmctl: %s\n  %s: %s\n", text, code->id, code->remedy);
        return cvm_code_exit_status(code);
}

int output_flush(struct cvm_error *err) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return 0;
        return cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "standard output cannot be written");
}
