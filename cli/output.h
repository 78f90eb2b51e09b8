/*
 * What cvmctl says: data on standard output, talk and progress on standard error. Text that may come from a
 * guest or from QEMU is cleaned before a terminal sees it.
 */
#pragma once

#include "cli/command.h"

int output_parse(const char *text, enum output_format *ret, struct cvm_error *err);

/* One object: -o json and jsonl print it, table and wide as "key  value" lines, name the member `name_key`.
 */
void output_object(json_object *object, const char *name_key);

struct output_column {
        const char *title; /* "NAME" */
        const char *key;   /* member of each object */
        bool wide;         /* shown with -o wide only */
};
/* A list of objects; columns end with one without title. The first column's key is the name. */
void output_list(json_object *list, const struct output_column *columns);

/* A sentence for people, on standard error, not with -q. */
void output_say(const char *format, ...) CVM_PRINTF(1, 2);

/* What is under way, over the line before: on a terminal only, not with -q. The second empties the line. */
void output_progress(const char *format, ...) CVM_PRINTF(1, 2);
void output_progress_done(void);

/* Write what a command made to a file, "-" or NULL: standard output. mode as for cvm_write_file(). */
int output_file(const char *path, const char *text, unsigned mode, struct cvm_error *err);

/* "cvmctl: sentence" and its remedy on standard error, as JSON with -o json; returns the exit status. */
int output_failure(struct cvm_error *err, int r);

/* All data has reached standard output, or -EIO with words. */
int output_flush(struct cvm_error *err);
