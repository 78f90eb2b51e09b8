/*
 * What an operator asks first: can this host run guests, and if not, what is to be done? Each check judges
 * one thing, read below one root directory ("/", or a recorded tree). Where a prerequisite fails, those that
 * stand on it are not looked at and say so, as warnings. Only the technology of this processor is judged.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/json.h"

enum host_verdict { HOST_PASS, HOST_WARN, HOST_FAIL };
extern const char *const host_verdict_texts[]; /* "PASS", "WARN", "FAIL" */

struct host_check {
        const char *id; /* "kvm": stable */
        enum host_verdict verdict;
        char sentence[200];
        const char *remedy; /* "" where nothing is to be done */
};

#define HOST_CHECKS_MAX 64

/* Who looks decides what is to be done where something cannot be read. */
enum host_seen_by { HOST_SEEN_BY_CALLER, HOST_SEEN_BY_SERVICE };

/* The checks in order; how many. CVM_CODE_FILE where the root cannot be opened. */
int host_check(const char *root, enum host_seen_by by, struct host_check ret[HOST_CHECKS_MAX],
               struct cvm_error *err);

/* [{"id":"kvm","verdict":"PASS","sentence":"...","remedy":""}]; owned. */
json_object *host_checks_json(const struct host_check *checks, size_t n);
