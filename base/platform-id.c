#include "base/platform-id.h"

#include <stddef.h>

const char *const cvm_platform_texts[] = {
        [CVM_PLATFORM_NONE] = "none", [CVM_PLATFORM_SEV_SNP] = "sev-snp",
        [CVM_PLATFORM_TDX] = "tdx",   [CVM_PLATFORM_SECURE_EXECUTION] = "secure-execution",
        [CVM_PLATFORM_MAX_] = NULL,
};
