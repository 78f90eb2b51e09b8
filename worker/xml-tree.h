/*
 * Hostile XML as a tree, by expat: at most XML_TEXT_MAX bytes, XML_NODES_MAX elements and attributes, a
 * depth of XML_TREE_DEPTH_MAX, no document type and so no entities. Who reads a tree marks what was used, so
 * that what is left can be told.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define XML_TEXT_MAX (2u << 20)
#define XML_NODES_MAX 50000
#define XML_TREE_DEPTH_MAX 32
#define XML_VALUE_MAX (64u << 10) /* bytes of an element's own text */

struct xml_attribute {
        char *name, *value;
        bool used;
        const char *why; /* it was not used; NULL: nobody knows it */
        struct xml_attribute *next;
};

struct xml_node { /* freed as a tree, by its root */
        char *name;
        char *text; /* of the element itself, without spaces at its ends; NULL: none */
        size_t text_size;
        bool used;
        const char *why;
        struct xml_attribute *attributes;
        struct xml_node *parent, *children, *last, *next;
};

/* The root element; `document` names the text in the words. CVM_CODE_LIBVIRT_XML. */
int xml_parse(const void *text, size_t size, const char *document, struct xml_node **ret,
              struct cvm_error *err);
struct xml_node *xml_free(struct xml_node *root);
CVM_DEFINE_CLEANUP(struct xml_node, xml_free);

/* The next child of that name behind `after` (NULL: the first); NULL: there is none. */
struct xml_node *xml_child(const struct xml_node *node, const char *name, const struct xml_node *after);
/* An attribute's value, which becomes used; NULL: it is not there. node may be NULL. */
const char *xml_use(struct xml_node *node, const char *attribute);
/* An element's own text, which becomes used with it; "" where there is none, NULL for node NULL. */
const char *xml_use_text(struct xml_node *node);
/* The element and all in it is used. */
void xml_use_all(struct xml_node *node);
