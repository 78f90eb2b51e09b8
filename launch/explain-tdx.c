/* MRTD follows from the firmware and the order of its pages alone: there is little that can differ. */
#include "launch/explain-tdx.h"

#include <string.h>

#include "launch/measure-tdx.h"

static const char *const tried[] = {
        "the order in which the host adds pages (page by page, or a whole section first)",
        "other firmware images that were named or are in the store",
        NULL,
};

static const char *order_text(bool by_section) {
        return by_section ? "section" : "page";
}

/* name NULL: the given image. */
static bool try_image(const struct explain_request *q, const char *name, const uint8_t *bytes, size_t size,
                      struct explanation *ret) {
        uint8_t mrtd[CVM_SHA384_SIZE];
        struct tdvf tdvf;

        if (!bytes || tdvf_read(bytes, size, &tdvf, NULL) < 0)
                return false;
        for (int other = 0; other < 2; other++) {
                bool by_section = q->given->by_section != other;

                if (tdx_mrtd(bytes, &tdvf, by_section, mrtd) < 0)
                        return false;
                ret->digests++;
                if (memcmp(mrtd, q->observed, sizeof mrtd) != 0)
                        continue;
                if (name)
                        explanation_add(ret, "firmware", "the given image", name);
                if (other)
                        explanation_add(ret, "page_order", order_text(q->given->by_section),
                                        order_text(by_section));
                return true;
        }
        return false;
}

int tdx_explain(const struct explain_request *q, struct explanation *ret, struct cvm_error *err) {
        struct measurement predicted;
        int r = tdx_measure(q->given, &predicted, err);

        if (r < 0)
                return r;
        *ret = (struct explanation){ .tried = tried };
        ret->found = try_image(q, NULL, q->given->firmware, q->given->firmware_size, ret);
        for (size_t i = 0; !ret->found && i < q->n_others; i++)
                ret->found = try_image(q, q->others[i].name, q->others[i].bytes, q->others[i].size, ret);
        return 0;
}
