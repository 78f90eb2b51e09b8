#include "collateral/source.h"

#include "collateral/source-snp.h"
#include "collateral/source-tdx.h"

static const struct collateral_source *const technologies[] = {
        &collateral_snp,
        &collateral_tdx,
};

const char *const collateral_kind_texts[] = { "authorities", "revocations", "certificate", "judgement",
                                              NULL };

bool collateral_ages(enum collateral_kind kind) {
        return kind == COLLATERAL_REVOCATIONS || kind == COLLATERAL_JUDGEMENT;
}

const struct collateral_source *collateral_source_at(size_t i) {
        return i < ARRAY_SIZE(technologies) ? technologies[i] : NULL;
}

const struct collateral_source *collateral_source_find(int platform) {
        for (size_t i = 0; i < ARRAY_SIZE(technologies); i++)
                if (technologies[i]->platform == platform)
                        return technologies[i];
        return NULL;
}
