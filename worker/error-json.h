/* How a program of worker/ says that it failed (worker/wire.h). */
#pragma once

#include "base/error.h"
#include "base/json.h"

static inline json_object *worker_error_json(struct cvm_error *err, int r) {
        json_object *node = json_object_new_object(), *error = json_object_new_object();
        const char *text = cvm_error_text(err, r);

        json_object_object_add(error, "code", json_object_new_string(cvm_error_code(err)->id));
        json_object_object_add(error, "text", json_object_new_string(text));
        json_object_object_add(node, "error", error);
        return node;
}
