/*
 * XML as a text: elements, attributes, text, all of it escaped. One document at a time, a failure is kept
 * until the end, so that who writes asks once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/macros.h"

#define XML_DEPTH_MAX 16

struct xml_writer {
        FILE *out;
        char *text; /* owned */
        size_t size;
        const char *open[XML_DEPTH_MAX]; /* names, borrowed */
        size_t depth;
        bool is_in_tag, has_child; /* of the innermost open element */
        int error;                 /* -EILSEQ: a value has what XML cannot say; -ENOMEM */
};

void xml_begin(struct xml_writer *w);
void xml_done(struct xml_writer *w);

void xml_open(struct xml_writer *w, const char *element);
/* Of the element that was just opened. */
void xml_attribute(struct xml_writer *w, const char *name, const char *format, ...) CVM_PRINTF(3, 4);
void xml_text(struct xml_writer *w, const char *text);
void xml_number(struct xml_writer *w, uint64_t number);
void xml_close(struct xml_writer *w);

/* An element that holds a text only; one with one attribute only, or with none (name NULL). */
void xml_leaf(struct xml_writer *w, const char *element, const char *text);
void xml_mark(struct xml_writer *w, const char *element, const char *name, const char *value);

/* The document, owned; or the first error. */
int xml_take(struct xml_writer *w, char **ret);
