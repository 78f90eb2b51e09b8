/* SEV-SNP in libvirt's XML. */
#pragma once

#include "launch/libvirt-security.h"

extern const struct libvirt_security snp_libvirt;
