/*
 * The simulation root of this host: made by a worker when the first simulated guest starts, then kept. One
 * that was made before a technology was simulated gets what it lacks when the first guest of that starts,
 * and stays what it is for the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/fd.h"
#include "vm/steps.h"
#include "worker/wire.h"

#define MAKE_USEC (120ull * 1000000)
#define PEM_MAX (64u << 10)

static void root_path(const struct manager *m, char *ret, size_t size) {
        snprintf(ret, size, "%s/simulation-root.pem", m->config.state_dir);
}

/* The whole root, or what was made behind the one that is there. */
static int take_root(struct manager *m, const void *pem, size_t size, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *certificates = NULL, *documents = NULL;
        int r = m->sim_root ? sim_root_add(m->sim_root, pem, size, err)
                            : sim_root_read(pem, size, &m->sim_root, err);

        if (r >= 0)
                r = sim_root_certificates(m->sim_root, &certificates, err);
        if (r >= 0)
                r = sim_root_documents(m->sim_root, &documents, err);
        if (r < 0)
                return r;
        free(m->sim_pem);
        free(m->sim_documents);
        m->sim_pem = TAKE_PTR(certificates);
        m->sim_documents = TAKE_PTR(documents);
        return 0;
}

int manager_sim_open(struct manager *m, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        char path[4096];
        int r;

        root_path(m, path, sizeof path);
        if (access(path, F_OK) < 0 && errno == ENOENT)
                return 0;
        r = cvm_read_file(path, PEM_MAX, &pem, err);
        if (r >= 0)
                r = take_root(m, pem.data, pem.size, err);
        if (pem.data)
                OPENSSL_cleanse(pem.data, pem.size);
        return r < 0 ? cvm_while(err, r, "'%s'", path) : 0;
}

int manager_sim_file(const struct manager *m, struct cvm_error *err) {
        char path[4096];
        int fd;

        root_path(m, path, sizeof path);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        return fd >= 0 ? fd
                       : cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                  strerror(errno));
}

static void tell_all(struct manager *m, struct cvm_error *err) {
        struct operation *made = m->sim_made;

        m->sim_made = NULL;
        if (made && err)
                operation_fail(made, err);
        else if (made)
                operation_done(made, NULL);
        for (size_t i = 0; i < m->n_vms; i++) {
                struct vm *vm = m->vms[i];
                vm_then_fn then = vm->wants_sim_root;
                struct cvm_error copy = { 0 };

                vm->wants_sim_root = NULL;
                if (err)
                        copy = *err;
                if (then)
                        then(vm, err ? &copy : NULL);
        }
}

/* Behind what is kept already. */
static int keep(struct manager *m, const char *pem, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer whole = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes old = { 0 };
        char path[4096];
        int r;

        root_path(m, path, sizeof path);
        r = m->sim_root ? cvm_read_file(path, PEM_MAX, &old, err) : 0;
        if (r < 0)
                return r;
        cvm_write_copy(&whole, old.data, old.size);
        cvm_write_copy(&whole, pem, strlen(pem));
        r = whole.failed ? -ENOMEM : cvm_write_file(path, whole.bytes.data, whole.bytes.size, 0600, err);
        OPENSSL_cleanse(whole.bytes.data, whole.bytes.size);
        if (old.data)
                OPENSSL_cleanse(old.data, old.size);
        return r;
}

static void on_made(void *ctx, json_object *answer, struct cvm_error *err) {
        struct manager *m = ctx;
        struct cvm_json place = cvm_json_root(answer, "the worker's answer");
        struct cvm_error why = { 0 };
        const char *pem = "";
        int r = err ? -EIO : cvm_json_get_text(&place, "pem", &pem, &why);

        m->sim_run = NULL;
        if (r >= 0)
                r = keep(m, pem, &why);
        if (r >= 0)
                r = take_root(m, pem, strlen(pem), &why);
        if (r < 0)
                (void)cvm_error_text(&why, r);
        tell_all(m, err ? err : r < 0 ? &why : NULL);
}

static int start_making(struct manager *m, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *request = json_object_new_object();

        json_object_object_add(request, "have",
                               json_object_new_uint64(m->sim_root ? sim_root_count(m->sim_root) : 0));
        return m->sim_run ? 0
                          : worker_run_start(m->event, WORKER_VERB_SIM_ROOT, request, NULL, 0, MAKE_USEC,
                                             on_made, m, &m->sim_run, err);
}

void manager_need_sim_root(struct vm *vm, vm_then_fn then) {
        struct manager *m = vm->manager;
        struct cvm_error err = { 0 };

        if (m->sim_root && sim_root_has(m->sim_root, platform_by_name(vm->row.platform)->id)) {
                then(vm, NULL);
                return;
        }
        operation_phase(vm->operation, "making the simulation root", 45);
        vm->wants_sim_root = then;
        if (start_making(m, &err) < 0)
                tell_all(m, &err);
}

int manager_simulate(struct manager *m, const struct caller *caller, struct operation **ret,
                     struct cvm_error *err) {
        int r = 0;

        if (!m->sim_made)
                r = operation_new(m, "simulate", NULL, caller, &m->sim_made, err);
        if (r < 0)
                return r;
        *ret = m->sim_made;
        if (m->sim_root && sim_root_is_complete(m->sim_root))
                tell_all(m, NULL);
        else if (start_making(m, err) < 0) {
                r = -EIO;
                tell_all(m, err);
        }
        return r;
}

void manager_forget_sim_root(struct vm *vm) {
        vm->wants_sim_root = NULL;
}
