/*
 * Nothing can be varied and tried: header keys, tweaks and tag are new in each image. So either another
 * image is at hand, and then its header says which values differ, or it stays unknown.
 */
#include "launch/explain-se.h"

#include <string.h>

#include "launch/measure-se.h"

static const char *const tried[] = {
        "the images that were named (as observed, or with --other)",
        NULL,
};

static void compare(const struct measurement *given, const struct measurement *seen,
                    struct explanation *ret) {
        for (size_t i = 0; i < given->n_parts; i++) {
                const struct measurement_part *a = &given->parts[i], *b = &seen->parts[i];
                char x[2 * sizeof a->value + 1], y[sizeof x];

                if (memcmp(a->value, b->value, a->size) == 0)
                        continue;
                cvm_hex(a->value, a->size, x);
                cvm_hex(b->value, b->size, y);
                explanation_add(ret, a->name, x, y);
        }
}

/* 1: this image is what was observed. What is none (another file of --other) is not. */
static int try_header(const struct explain_request *q, const struct measurement *given,
                      const struct cvm_bytes *header, struct explanation *ret) {
        const struct measure_inputs in = { .header = header->data, .header_size = header->size };
        struct measurement seen;

        if (!header->data || se_measure_header(&in, &seen, NULL) < 0)
                return 0;
        ret->digests++;
        if (memcmp(seen.digest, q->observed, seen.size) != 0)
                return 0;
        compare(given, &seen, ret);
        return 1;
}

int se_explain(const struct explain_request *q, struct explanation *ret, struct cvm_error *err) {
        struct measurement given;
        int r = se_measure_header(q->given, &given, err);

        if (r < 0)
                return r;
        *ret = (struct explanation){ .tried = tried, .digests = 1 };
        ret->found = memcmp(given.digest, q->observed, given.size) == 0 ||
                     try_header(q, &given, &q->observed_header, ret);
        for (size_t i = 0; !ret->found && i < q->n_others; i++) {
                ret->found = try_header(q, &given, &q->others[i].header, ret);
                if (ret->found)
                        explanation_add(ret, "image", "the given image", q->others[i].name);
        }
        return 0;
}
