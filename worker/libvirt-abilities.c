#include "worker/libvirt-abilities.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/xml-tree.h"

static bool is_listed(const struct xml_node *security, const char *type) {
        for (const struct xml_node *e = NULL; (e = xml_child(security, "enum", e));)
                for (const struct xml_node *v = NULL; (v = xml_child(e, "value", v));)
                        if (v->text && strcmp(v->text, type) == 0)
                                return true;
        return false;
}

static void add_bit(const struct xml_node *features, const struct libvirt_security *security,
                    json_object *node) {
        const struct xml_node *bit =
                        security->bit ? xml_child(xml_child(features, security->bit_feature, NULL),
                                                  security->bit, NULL)
                                      : NULL;
        const char *text = bit && bit->text ? bit->text : "";
        char *end;
        unsigned long n = strtoul(text, &end, 10);

        if (*text >= '0' && *text <= '9' && !*end && n < 64)
                json_object_object_add(node, "bit", json_object_new_uint64(n));
}

int libvirt_abilities(const void *xml, size_t size, const struct platform *platform, json_object **ret,
                      struct cvm_error *err) {
        CVM_CLEANUP(xml_freep) struct xml_node *root = NULL;
        const struct libvirt_security *security = platform->libvirt;
        struct xml_node *features;
        const char *supported;
        int r = xml_parse(xml, size, "domain capabilities", &root, err);

        if (r < 0)
                return r;
        if (strcmp(root->name, "domainCapabilities") != 0)
                return cvm_fail(err, &CVM_CODE_LIBVIRT_XML, EBADMSG,
                                "these are no capabilities of libvirt's");
        features = xml_child(root, "features", NULL);
        *ret = json_object_new_object();
        json_object_object_add(*ret, "listed",
                               json_object_new_boolean(is_listed(xml_child(features, "launchSecurity", NULL),
                                                                 security->type)));
        supported = security->feature ? xml_use(xml_child(features, security->feature, NULL), "supported")
                                      : NULL;
        if (supported)
                json_object_object_add(*ret, "feature",
                                       json_object_new_string(strcmp(supported, "yes") == 0 ? "yes" : "no"));
        add_bit(features, security, *ret);
        return 0;
}
