#include "launch/explain.h"

#include <stdio.h>

void explanation_add(struct explanation *e, const char *input, const char *given, const char *observed) {
        size_t i = e->n_differences;

        if (i == EXPLAIN_DIFFERENCES_MAX)
                return;
        e->differences[i].input = input;
        snprintf(e->differences[i].given, sizeof e->differences[i].given, "%s", given);
        snprintf(e->differences[i].observed, sizeof e->differences[i].observed, "%s", observed);
        e->n_differences++;
}

json_object *explanation_json(const struct explanation *e) {
        json_object *node = json_object_new_object(), *list = json_object_new_array(),
                    *tried = json_object_new_array();
        const char *result = !e->found ? "unknown" : e->n_differences ? "explained" : "equal";

        json_object_object_add(node, "result", json_object_new_string(result));
        for (size_t i = 0; i < e->n_differences; i++) {
                json_object *one = json_object_new_object();

                json_object_object_add(one, "input", json_object_new_string(e->differences[i].input));
                json_object_object_add(one, "given", json_object_new_string(e->differences[i].given));
                json_object_object_add(one, "observed", json_object_new_string(e->differences[i].observed));
                json_object_array_add(list, one);
        }
        for (const char *const *t = e->tried; t && *t; t++)
                json_object_array_add(tried, json_object_new_string(*t));
        json_object_object_add(node, "differences", list);
        json_object_object_add(node, "digests", json_object_new_uint64(e->digests));
        json_object_object_add(node, "tried", tried);
        return node;
}
