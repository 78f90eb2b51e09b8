/* One verb of the worker: a const row, its function in a file of its own, and what the sandbox still allows
 * it. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "worker/sandbox.h"

struct verb {
        const char *name;
        /* request: the place of the request's object; ret: owned answer */
        int (*run)(const struct cvm_json *request, json_object **ret, struct cvm_error *err);
        enum sandbox sandbox;
};

extern const struct verb verb_measure, verb_pin, verb_disk, verb_check, verb_sim_root, verb_sim_open,
                verb_host;

/*
 * A descriptor that the request names under this key: 1 and *ret, 0 where it is absent. Refuses numbers
 * outside what was inherited.
 */
int verb_fd(const struct cvm_json *request, const char *key, int *ret, struct cvm_error *err);
