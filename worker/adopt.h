/*
 * From a libvirt domain's XML (hostile bytes) to a definition. What is carried over is marked in the tree;
 * all that is left unmarked at the end is told, by its path in the XML: nothing is dropped silently.
 */
#pragma once

#include "base/json.h"
#include "worker/xml-tree.h"

/*
 * {"definition":{...},"left_out":[{"path":"/domain/devices/disk[2]/@cache","value":"...","why":"..."}]},
 * owned. The definition is one that definition_read() takes. CVM_CODE_LIBVIRT_XML.
 */
int adopt(const void *xml, size_t size, const char *document, json_object **ret, struct cvm_error *err);

/* --- for its own files --- */

struct adoption {
        const char *document;
        json_object *definition; /* grows */
        char **words;            /* why what definition_read() does not take was left */
};

struct adopt_rule {
        const char *path; /* of the element below <domain>; NULL ends the table */
        /* carries over, and marks, what it can; what definition_read() then does not take is undone */
        void (*take)(struct adoption *a, struct xml_node *node);
        const char *why; /* it is not carried over; where take is NULL too, there is nothing to carry over */
        bool goes_on;    /* its children have rules of their own */
};
extern const struct adopt_rule adopt_devices[], adopt_security[];

/* This element, or attribute, is not carried over after all. */
void adopt_leave(struct xml_node *node, const char *why);
void adopt_leave_attribute(struct xml_node *node, const char *attribute, const char *why);
/* The object of that name in the definition, made where it is not there; borrowed. */
json_object *adopt_section(struct adoption *a, const char *name);
/* Is there such an attribute, with that value? It is used then. */
bool adopt_is(struct xml_node *node, const char *attribute, const char *value);
