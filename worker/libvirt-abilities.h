/* What libvirt's domain capabilities (hostile XML) say of confidential guests. */
#pragma once

#include "base/json.h"
#include "launch/platform.h"

/*
 * {"listed":true,"feature":"no","bit":51}, owned: is the platform among the types of launch security that
 * libvirt starts, what does its own element say ("yes", "no"), and which encryption bit would guests get?
 * The last two are absent where libvirt does not say. CVM_CODE_LIBVIRT_XML.
 */
int libvirt_abilities(const void *xml, size_t size, const struct platform *platform, json_object **ret,
                      struct cvm_error *err);
