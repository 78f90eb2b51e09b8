#include "cli/request-platform.h"

#include <errno.h>
#include <string.h>

#include "cli/request-se.h"

static const struct request_platform *const platforms[] = { &request_platform_se };

const struct request_platform *request_platform(const struct arguments *arguments) {
        const char *name = argument(arguments, "platform");

        for (size_t i = 0; name && i < ARRAY_SIZE(platforms); i++)
                if (strcmp(name, platforms[i]->name) == 0 || strcmp(name, platforms[i]->other_name) == 0)
                        return platforms[i];
        return NULL;
}

int request_platform_only(const struct arguments *arguments, const struct request_platform **ret,
                          struct cvm_error *err) {
        const char *name = argument(arguments, "platform");

        *ret = request_platform(arguments);
        return *ret || !name ? 0
                             : cvm_fail(err, &CVM_CODE_PLATFORM, EINVAL,
                                        "--platform is for those that take requests, such as se, not for '%s'",
                                        name);
}
