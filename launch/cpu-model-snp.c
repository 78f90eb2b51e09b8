#include "launch/cpu-model-snp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/macros.h"

/* Versions of a model change features, not the signature. */
static const struct {
        const char *name;
        uint32_t versions; /* -v1 to -vN */
        uint32_t signature;
} models[] = {
        { "EPYC", 5, 0x00800f12 },       { "EPYC-IBPB", 0, 0x00800f12 },  { "EPYC-Rome", 5, 0x00830f10 },
        { "EPYC-Milan", 4, 0x00a00f11 }, { "EPYC-Genoa", 3, 0x00a10f10 }, { "EPYC-Turin", 2, 0x00b00f00 },
};

/* "-v3" behind the name, a version that there is; or nothing. */
static bool is_version(const char *suffix, uint32_t versions) {
        if (!*suffix)
                return true;
        return strncmp(suffix, "-v", 2) == 0 && suffix[2] >= '1' && suffix[2] <= '9' && !suffix[3] &&
               (uint32_t)(suffix[2] - '0') <= versions;
}

const char *snp_cpu_model_at(size_t i, uint32_t *ret_signature) {
        if (i >= ARRAY_SIZE(models))
                return NULL;
        *ret_signature = models[i].signature;
        return models[i].name;
}

int snp_cpu_signature(const char *model, uint32_t *ret, struct cvm_error *err) {
        for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
                size_t length = strlen(models[i].name);

                if (strncmp(model, models[i].name, length) == 0 &&
                    is_version(model + length, models[i].versions)) {
                        *ret = models[i].signature;
                        return 0;
                }
        }
        return cvm_fail(err, &CVM_CODE_CPU_MODEL, EINVAL,
                        "'%s' is no CPU model of SEV-SNP guests: EPYC, EPYC-IBPB, EPYC-Rome, EPYC-Milan, EPYC-Genoa, "
                        "EPYC-Turin, or one of their versions such as EPYC-v4",
                        model);
}
