/*
 * What an operator asks first: can this host run guests, and if not, what is to be done? Each check judges
 * one thing, read below one root directory ("/", or a recorded tree in tests).
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

enum host_verdict { HOST_PASS, HOST_WARN, HOST_FAIL };
extern const char *const host_verdict_texts[]; /* "PASS", "WARN", "FAIL" */

struct host_check {
        const char *id; /* "kvm": stable */
        enum host_verdict verdict;
        char sentence[200];
        const char *remedy; /* "" where nothing is to be done */
};

#define HOST_CHECKS_MAX 32

/* The checks in order; how many. CVM_CODE_FILE where the root cannot be opened. */
int host_check(const char *root, struct host_check ret[HOST_CHECKS_MAX], struct cvm_error *err);
