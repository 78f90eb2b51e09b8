/*
 * host: can this host run guests? Asked for the service, which may not read all that root may. What libvirt
 * said was asked by cvmd-libvirt, and comes with the request.
 */
#include "launch/host-libvirt.h"
#include "worker/verb.h"

static int read_libvirt(const struct cvm_json *place, struct host_libvirt *ret, struct cvm_error *err) {
        int r = cvm_json_get_text(place, "why", &ret->why, err);

        ret->answer = cvm_json_at(place, "answer").node;
        return r < 0 ? r : cvm_json_get_bool(place, "is_needed", &ret->is_needed, err);
}

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        const struct cvm_json place = cvm_json_at(request, "libvirt");
        struct host_check checks[HOST_ALL_CHECKS_MAX];
        struct host_libvirt libvirt = { 0 };
        const char *root = "/";
        int n = 0, r = cvm_json_get_text(request, "root", &root, err);

        if (r >= 0 && place.node)
                r = read_libvirt(&place, &libvirt, err);
        if (r >= 0)
                r = n = host_check_all(root, HOST_SEEN_BY_SERVICE, place.node ? &libvirt : NULL, checks,
                                       err);
        if (r < 0)
                return r;
        *ret = json_object_new_object();
        json_object_object_add(*ret, "checks", host_checks_json(checks, (size_t)n));
        return 0;
}

const struct verb verb_host = { "host", run, SANDBOX_HOST };
