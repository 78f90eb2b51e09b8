/* What libvirt's errors mean to the user. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* domain and code: numbers of libvirt's virErrorDomain and virErrorNumber; message: its own words, hostile
 * (QEMU's may be among them). Fills in *ret, always; returns its negative errno. */
int libvirt_words(int domain, int code, const char *message, struct cvm_error *ret);

/* The file that libvirt keeps of a domain, or its tail (hostile): what QEMU wrote since it was last started,
 * as owned text. NULL: no memory. */
char *libvirt_log_text(const void *log, size_t size);
