/* A definition from a domain of libvirt's. */
#pragma once

#include "cli/command.h"

/* What --from-libvirt or --from-libvirt-xml names, as a definition (owned); people are told what it does not
 * carry over. */
#define LIBVIRT_OPTIONS                                                                               \
        { "from-libvirt", OPTION_TEXT, "DOMAIN", "make the definition from a libvirt domain" }, {     \
                "from-libvirt-xml", OPTION_TEXT, "FILE", "or from its XML, - reads it from the input" \
        }
bool libvirt_is_named(const struct arguments *arguments);
int libvirt_adopt(const struct arguments *arguments, json_object **ret, struct cvm_error *err);
