#include "launch/platform.h"

#include <string.h>

extern const struct platform platform_snp, platform_tdx, platform_se;

static const struct platform *const platforms[] = {
        &platform_snp,
        &platform_tdx,
        &platform_se,
};

const struct platform *platform_at(size_t i) {
        return i < ARRAY_SIZE(platforms) ? platforms[i] : NULL;
}

const struct platform *platform_by_id(enum cvm_platform_id id) {
        for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
                if (platforms[i]->id == id)
                        return platforms[i];
        return NULL;
}

const struct platform *platform_by_name(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
                if (strcmp(platforms[i]->name, name) == 0)
                        return platforms[i];
        return NULL;
}
