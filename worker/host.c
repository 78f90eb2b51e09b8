/* host: can this host run guests? Asked for the service, which may not read all that root may. */
#include "launch/host-check.h"
#include "worker/verb.h"

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        struct host_check checks[HOST_CHECKS_MAX];
        const char *root = "/";
        int n = 0, r = cvm_json_get_text(request, "root", &root, err);

        if (r >= 0)
                r = n = host_check(root, HOST_SEEN_BY_SERVICE, checks, err);
        if (r < 0)
                return r;
        *ret = json_object_new_object();
        json_object_object_add(*ret, "checks", host_checks_json(checks, (size_t)n));
        return 0;
}

const struct verb verb_host = { "host", run, SANDBOX_HOST };
