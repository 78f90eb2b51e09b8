/* What the manager is asked about its host. The host is looked at by a worker: programs are read, devices
 * asked. */
#include <errno.h>

#include "launch/host-capacity.h"
#include "vm/steps.h"
#include "worker/wire.h"

#define LOOK_USEC (60ull * 1000000)

static void on_looked(void *ctx, json_object *answer, struct cvm_error *err) {
        struct manager *m = ctx;
        struct operation *operation = m->host_check;

        m->host_run = NULL;
        m->host_check = NULL;
        if (err)
                operation_fail(operation, err);
        else
                operation_done(operation, cvm_json_text(answer));
}

int manager_check_host(struct manager *m, const struct caller *caller, struct operation **ret,
                       struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();
        int r;

        if (m->host_run) {
                *ret = m->host_check;
                return 0;
        }
        r = operation_new(m, "check-host", NULL, caller, &m->host_check, err);
        if (r < 0)
                return r;
        json_object_object_add(request, "root", json_object_new_string(manager_host_root(m)));
        r = worker_run_start(m->event, WORKER_VERB_HOST, request, NULL, 0, LOOK_USEC, on_looked, m,
                             &m->host_run, err);
        if (r < 0)
                operation_fail(m->host_check, err);
        else
                *ret = m->host_check;
        return r;
}

json_object *manager_capacity(const struct manager *m, uint64_t *ret_leaked) {
        json_object *pools = NULL;
        struct cvm_error uncounted = { 0 };

        *ret_leaked = m->capacity.leaked;
        return host_capacity(manager_host_root(m), &pools, &uncounted) < 0 ? NULL : pools;
}
