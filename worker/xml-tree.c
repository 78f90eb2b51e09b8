#include "worker/xml-tree.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"

struct growing {
        XML_Parser parser;
        struct xml_node *root, *at; /* at: the innermost open element */
        size_t n_nodes;
        unsigned depth;
        const char *refusal; /* why it was stopped; NULL: it was not */
};

struct xml_node *xml_free(struct xml_node *root) {
        struct xml_node *node = root;

        while (node) { /* deep first, without a stack of its own */
                struct xml_node *up = node->parent, *next = node->next;

                if (node->children) {
                        struct xml_node *first = node->children;

                        node->children = NULL;
                        node = first;
                        continue;
                }
                while (node->attributes) {
                        struct xml_attribute *a = node->attributes;

                        node->attributes = a->next;
                        free(a->name);
                        free(a->value);
                        free(a);
                }
                free(node->name);
                free(node->text);
                free(node);
                node = next ? next : up;
        }
        return NULL;
}

static void stop(struct growing *g, const char *refusal) {
        if (!g->refusal)
                g->refusal = refusal;
        XML_StopParser(g->parser, XML_FALSE);
}

static bool may_grow(struct growing *g) {
        if (++g->n_nodes > XML_NODES_MAX)
                stop(g, "has too many elements");
        return !g->refusal;
}

static const char no_memory[] = "does not fit into memory";

static void add_attribute(struct growing *g, struct xml_node *node, const char *name, const char *value) {
        struct xml_attribute *a, **end = &node->attributes;

        if (!may_grow(g))
                return;
        a = calloc(1, sizeof *a);
        if (a) {
                while (*end)
                        end = &(*end)->next;
                *end = a;
                a->name = strdup(name);
                a->value = strdup(value);
        }
        if (!a || !a->name || !a->value)
                stop(g, no_memory);
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes) {
        struct growing *g = ctx;
        struct xml_node *node;

        if (++g->depth > XML_TREE_DEPTH_MAX)
                stop(g, "is nested too deep");
        if (!may_grow(g))
                return;
        node = calloc(1, sizeof *node);
        if (!node || !(node->name = strdup(name))) {
                free(node);
                stop(g, no_memory);
                return;
        }
        node->parent = g->at;
        if (!g->at)
                g->root = node;
        else if (g->at->last)
                g->at->last->next = node;
        else
                g->at->children = node;
        if (g->at)
                g->at->last = node;
        g->at = node;
        for (; *attributes && !g->refusal; attributes += 2)
                add_attribute(g, node, attributes[0], attributes[1]);
}

static void trim(char *text) {
        static const char spaces[] = " \t\r\n";
        size_t n = strlen(text), skip = strspn(text, spaces);

        while (n > skip && strchr(spaces, text[n - 1]))
                n--;
        memmove(text, text + skip, n - skip);
        text[n - skip] = 0;
}

static void on_end(void *ctx, const XML_Char *name) {
        struct growing *g = ctx;

        if (g->refusal)
                return;
        if (g->at->text)
                trim(g->at->text);
        g->at = g->at->parent;
        g->depth--;
}

static void on_text(void *ctx, const XML_Char *text, int size) {
        struct growing *g = ctx;
        char *more;

        if (g->refusal || !g->at)
                return;
        if (g->at->text_size + (size_t)size > XML_VALUE_MAX) {
                stop(g, "has a text that is too long");
                return;
        }
        more = realloc(g->at->text, g->at->text_size + (size_t)size + 1);
        if (!more) {
                stop(g, no_memory);
                return;
        }
        memcpy(more + g->at->text_size, text, (size_t)size);
        g->at->text_size += (size_t)size;
        more[g->at->text_size] = 0;
        g->at->text = more;
}

static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system, const XML_Char *public,
                       int has_subset) {
        stop(ctx, "has a document type");
}

/* Expat 2.9 calls the former name deprecated, earlier ones do not have the new one. */
#if XML_MAJOR_VERSION * 100 + XML_MINOR_VERSION >= 209
#define line_of XML_GetCurrentLineNumber64
#else
#define line_of XML_GetCurrentLineNumber
#endif

static int refuse(struct growing *g, const char *document, struct cvm_error *err) {
        if (g->refusal == no_memory)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", document);
        if (g->refusal)
                return cvm_fail(err, &CVM_CODE_LIBVIRT_XML, EBADMSG, "'%s' %s", document, g->refusal);
        return cvm_fail(err, &CVM_CODE_LIBVIRT_XML, EBADMSG, "'%s', line %lu: %s", document,
                        (unsigned long)line_of(g->parser), XML_ErrorString(XML_GetErrorCode(g->parser)));
}

int xml_parse(const void *text, size_t size, const char *document, struct xml_node **ret,
              struct cvm_error *err) {
        struct growing g = { .parser = XML_ParserCreate("UTF-8") };
        int r = 0;

        if (size > XML_TEXT_MAX)
                r = cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG, "'%s' is larger than %u bytes", document,
                             XML_TEXT_MAX);
        else if (!g.parser)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", document);
        if (r >= 0) {
                XML_SetUserData(g.parser, &g);
                XML_SetElementHandler(g.parser, on_start, on_end);
                XML_SetCharacterDataHandler(g.parser, on_text);
                XML_SetStartDoctypeDeclHandler(g.parser, on_doctype);
                if (XML_Parse(g.parser, text, (int)size, XML_TRUE) != XML_STATUS_OK || g.refusal)
                        r = refuse(&g, document, err);
        }
        if (g.parser)
                XML_ParserFree(g.parser);
        if (r < 0) {
                xml_free(g.root);
                return r;
        }
        *ret = g.root;
        return 0;
}

struct xml_node *xml_child(const struct xml_node *node, const char *name, const struct xml_node *after) {
        struct xml_node *child = after ? after->next : node ? node->children : NULL;

        while (child && strcmp(child->name, name) != 0)
                child = child->next;
        return child;
}

const char *xml_use(struct xml_node *node, const char *attribute) {
        for (struct xml_attribute *a = node ? node->attributes : NULL; a; a = a->next)
                if (strcmp(a->name, attribute) == 0) {
                        a->used = true;
                        return a->value;
                }
        return NULL;
}

const char *xml_use_text(struct xml_node *node) {
        if (!node)
                return NULL;
        node->used = true;
        return node->text ? node->text : "";
}

void xml_use_all(struct xml_node *node) {
        node->used = true;
        for (struct xml_attribute *a = node->attributes; a; a = a->next)
                a->used = true;
        for (struct xml_node *child = node->children; child; child = child->next)
                xml_use_all(child); /* at most XML_TREE_DEPTH_MAX deep */
}
