/* What libvirt's errors mean to the user. */
#pragma once

#include "base/error.h"

/* domain and code: numbers of libvirt's virErrorDomain and virErrorNumber; message: its own words, hostile
 * (QEMU's may be among them). Fills in *ret, always; returns its negative errno. */
int libvirt_words(int domain, int code, const char *message, struct cvm_error *ret);
