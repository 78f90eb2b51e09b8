/* <launchSecurity>, by the tables of the technologies (launch/libvirt-security.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launch/platform.h"
#include "worker/adopt.h"

static const struct platform *find_platform(struct xml_node *node) {
        const struct platform *platform;

        for (size_t i = 0; (platform = platform_at(i)); i++)
                if (platform->libvirt && adopt_is(node, "type", platform->libvirt->type))
                        return platform;
        return NULL;
}

/* Each part by its name; what no part covers makes the whole one that is not carried over. */
static void take_policy(const struct libvirt_security *security, json_object *section,
                        struct xml_node *node) {
        const char *text = xml_use_text(node);
        char *end;
        uint64_t left;

        errno = 0;
        left = strtoull(text, &end, 16);
        if (!*text || *end || *text == '-' || errno) {
                adopt_leave(node, "that is no number");
                return;
        }
        left &= ~security->policy_always;
        for (const struct libvirt_policy_field *f = security->policy; f && f->option; f++) {
                uint64_t mask = (1ull << f->width) - 1, value = left >> f->shift & mask;

                left &= ~(mask << f->shift);
                if (value != f->usual)
                        json_object_object_add(section, f->option,
                                               f->width == 1 ? json_object_new_boolean(value)
                                                             : json_object_new_uint64(value));
        }
        if (left)
                adopt_leave(node,
                            "it has bits that a definition has no name for; the others were carried over");
}

static void take_property(const struct libvirt_property *p, json_object *section, struct xml_node *node) {
        struct xml_node *element = xml_child(node, p->name, NULL);

        if (p->form == LIBVIRT_ATTRIBUTE && !adopt_is(node, p->name, "yes"))
                adopt_leave_attribute(node, p->name,
                                      "it follows from the kernel and the blocks that are given");
        if (p->form == LIBVIRT_ATTRIBUTE || !element)
                return;
        if (p->option)
                json_object_object_add(section, p->option, json_object_new_string(xml_use_text(element)));
        else if (p->why)
                adopt_leave(element, p->why);
        else
                xml_use_all(element);
}

static void take_security(struct adoption *a, struct xml_node *node) {
        const struct platform *platform = find_platform(node);
        json_object *section;

        if (!platform) {
                adopt_leave(node, "no platform of that type is known here");
                return;
        }
        node->used = true;
        json_object_object_add(a->definition, "platform", json_object_new_string(platform->name));
        section = json_object_new_object();
        for (const struct libvirt_property *p = platform->libvirt->properties; p->property; p++)
                if (p->name && strcmp(p->name, "policy") != 0)
                        take_property(p, section, node);
        if (xml_child(node, "policy", NULL))
                take_policy(platform->libvirt, section, xml_child(node, "policy", NULL));
        if (json_object_object_length(section))
                json_object_object_add(a->definition, platform->name, section);
        else
                json_object_put(section);
}

const struct adopt_rule adopt_security[] = { { "launchSecurity", .take = take_security }, { 0 } };
