#include "cli/request-platform.h"

#include <errno.h>
#include <string.h>

#include "cli/request-se.h"

static const struct request_platform *const platforms[] = { &request_platform_se };

const struct request_platform *request_platform_find(const char *name) {
        for (size_t i = 0; name && i < ARRAY_SIZE(platforms); i++)
                if (strcmp(name, platforms[i]->name) == 0 ||
                    strcmp(name, cvm_platform_texts[platforms[i]->id]) == 0)
                        return platforms[i];
        return NULL;
}

const struct request_platform *request_platform(const struct arguments *arguments) {
        return request_platform_find(argument(arguments, "platform"));
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

int request_keep(const struct arguments *arguments, const struct challenge *challenge,
                 struct request_kept *ret, struct appraisal *with, struct cvm_error *err) {
        const struct request_platform *platform =
                        challenge->has_platform
                                        ? request_platform_find(cvm_platform_texts[challenge->platform])
                                        : NULL;
        int r = 0;

        if (!platform || !challenge->has_request || !challenge->has_key || !challenge->has_class ||
            !challenge->has_root)
                return 0;
        ret->kept = (struct evidence_kept){ .request = challenge->request,
                                            .key = challenge->key,
                                            .class_ = challenge->class_,
                                            .root = challenge->root,
                                            .hosts = challenge->hosts[0],
                                            .n_hosts = challenge->n_hosts };
        if (argument(arguments, "header"))
                r = platform->image(arguments, ret, err);
        if (r >= 0 && (argument(arguments, "added") || argument(arguments, "locked"))) {
                r = platform->secret_store(arguments, ret->secret_store, err);
                with->secret_store = ret->secret_store;
        }
        with->kept = &ret->kept;
        return r;
}
