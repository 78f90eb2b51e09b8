/* Questions to libvirt, which cvmctl does not link: cvmd-libvirt is run for each (worker/libvirt-ask.h). */
#pragma once

#include "cli/command.h"

/*
 * The answer to one question, owned; the failures are those of cvmd-libvirt in its words.
 * CVM_CODE_LIBVIRT_CONNECTION where that program is not installed.
 */
int libvirt_answer(const char *verb, json_object *request, json_object **ret, struct cvm_error *err);
