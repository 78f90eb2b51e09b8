/* What the manager is asked about its host. The host is looked at by a worker: programs are read, devices
 * asked; and before it libvirt by another one. */
#include <errno.h>
#include <unistd.h>

#include "launch/host-capacity.h"
#include "vm/libvirt-link.h"
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

/* libvirt: owned; NULL: it is not of that host. */
static int look(struct manager *m, json_object *libvirt, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();

        json_object_object_add(request, "root", json_object_new_string(manager_host_root(m)));
        if (libvirt) {
                json_object_object_add(libvirt, "is_needed",
                                       json_object_new_boolean(m->driver == &driver_libvirt));
                json_object_object_add(request, "libvirt", libvirt);
        }
        return worker_run_start(m->event, WORKER_VERB_HOST, request, NULL, 0, LOOK_USEC, on_looked, m,
                                &m->host_run, err);
}

static void on_asked(void *ctx, json_object *answer, struct cvm_error *err) {
        json_object *libvirt = json_object_new_object();
        struct cvm_error why = { 0 };
        struct manager *m = ctx;

        if (answer)
                json_object_object_add(libvirt, "answer", json_object_get(answer));
        else
                json_object_object_add(libvirt, "why", json_object_new_string(err->text));
        m->host_run = NULL;
        if (look(m, libvirt, &why) < 0)
                on_looked(m, NULL, &why);
}

static int begin(struct manager *m, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();

        if (m->config.host_root)
                return look(m, NULL, err);
        if (access(libvirt_link_program(), X_OK) < 0)
                return look(m, json_object_new_object(), err);
        return worker_run_start(m->event, WORKER_VERB_CAPABILITIES, request, NULL, 0, LOOK_USEC, on_asked, m,
                                &m->host_run, err);
}

int manager_check_host(struct manager *m, const struct caller *caller, struct operation **ret,
                       struct cvm_error *err) {
        int r;

        if (m->host_run) {
                *ret = m->host_check;
                return 0;
        }
        r = operation_new(m, "check-host", NULL, caller, &m->host_check, err);
        if (r < 0)
                return r;
        r = begin(m, err);
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
