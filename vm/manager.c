#include "vm/manager.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "vm/libvirt-link.h"
#include "vm/steps.h"
#include "vm/record-key.h"

/* In the journal's transaction: every VM that is dirty. Clean again only once the commit has succeeded. */
static int save(void *ctx, struct store *store, struct cvm_error *err) {
        struct manager *m = ctx;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < m->n_vms; i++)
                if (m->vms[i]->dirty)
                        r = store_save_vm(store, &m->vms[i]->row, err);
        return r;
}

static void saved(void *ctx) {
        struct manager *m = ctx;

        for (size_t i = 0; i < m->n_vms; i++) {
                struct vm *vm = m->vms[i];

                vm->dirty = false;
                if (vm->changed && m->observer.vm_changed)
                        m->observer.vm_changed(m->observer.ctx, vm);
                vm->changed = false;
        }
}

static void on_event(void *ctx, uint64_t seq, const char *json) {
        struct manager *m = ctx;

        if (m->observer.event)
                m->observer.event(m->observer.ctx, seq, json);
}

static int make_directories(const struct manager_config *config, struct cvm_error *err) {
        const char *const paths[] = { config->state_dir, config->runtime_dir };

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                if (mkdir(paths[i], i == 0 ? 0700 : 0711) < 0 && errno != EEXIST)
                        return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", paths[i],
                                        strerror(errno));
        return 0;
}

const char *manager_host_root(const struct manager *m) {
        return m->config.host_root ? m->config.host_root : "/";
}

static int open_all(struct manager *m, struct cvm_error *err) {
        char path[4096];
        int r = make_directories(&m->config, err);

        if (r >= 0)
                r = host_read(manager_host_root(m), &m->facts, err);
        snprintf(path, sizeof path, "%s/cvmd.db", m->config.state_dir);
        if (r >= 0)
                r = store_open(path, &m->store, err);
        snprintf(path, sizeof path, "%s/images", m->config.state_dir);
        if (r >= 0)
                r = image_store_open(m->event, path, &m->images, err);
        if (r >= 0)
                r = record_key_open(m->config.state_dir, &m->record_key, &m->record_pem, err);
        if (r >= 0)
                r = manager_sim_open(m, err);
        const struct journal_config config = { .event = m->event,
                                               .store = m->store,
                                               .save = save,
                                               .saved = saved,
                                               .on_event = on_event,
                                               .ctx = m };
        return r < 0 ? r : journal_new(&config, &m->journal, err);
}

static int add_vm(struct manager *m, struct vm *vm) {
        struct vm **grown = reallocarray(m->vms, m->n_vms + 1, sizeof *grown);

        if (!grown)
                return -ENOMEM;
        m->vms = grown;
        grown[m->n_vms++] = vm;
        return 0;
}

/* A VM that cannot be read any more must not keep the others from being found. */
static int load_vm(void *ctx, struct vm_row *row) {
        struct manager *m = ctx;
        struct cvm_error err = { 0 };
        struct vm *vm;
        int r;

        r = vm_new(m, row, &vm, &err);
        if (r < 0) {
                fprintf(stderr, "cvmd: %s\n", cvm_error_text(&err, r));
                return 0;
        }
        return add_vm(m, vm);
}

static void autostart(struct manager *m) {
        for (size_t i = 0; i < m->n_vms; i++) {
                const struct caller caller = { .uid = m->vms[i]->row.user_uid, .bus_name = "cvmd" };
                struct vm *vm = m->vms[i];
                struct operation *operation;
                struct cvm_error err = { 0 };

                if (vm->definition->autostart && vm_next(vm->state, EV_START).allowed &&
                    vm->row.measurement_size)
                        (void)vm_start(vm, &caller, &operation, &err);
        }
}

static bool is_pinned(void *ctx, const uint8_t sha256[CVM_SHA256_SIZE]) {
        const struct manager *m = ctx;

        for (size_t i = 0; i < m->n_vms; i++)
                for (size_t role = 0; role < ARRAY_SIZE(m->vms[i]->row.pins); role++)
                        if (m->vms[i]->row.pinned[role] &&
                            memcmp(m->vms[i]->row.pins[role], sha256, CVM_SHA256_SIZE) == 0)
                                return true;
        return false;
}

int manager_new(sd_event *event, const struct manager_config *config,
                const struct manager_observer *observer, struct manager **ret, struct cvm_error *err) {
        CVM_CLEANUP(manager_freep) struct manager *m = calloc(1, sizeof *m);
        int r;

        if (!m)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening the model");
        m->event = sd_event_ref(event);
        m->config = *config;
        m->driver = config->driver ? config->driver : &driver_qemu;
        r = open_all(m, err);
        if (r >= 0)
                r = store_each_vm(m->store, load_vm, m, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->n_vms; i++)
                vm_adopt(m->vms[i]);
        r = journal_commit(m->journal, err);
        if (r >= 0)
                r = image_store_sweep(m->images, is_pinned, m, err);
        if (r < 0)
                return r;
        manager_pay_removals(m);
        manager_finish_creates(m);
        autostart(m);
        m->observer = *observer;
        *ret = TAKE_PTR(m);
        return 0;
}

const struct driver *manager_driver(const struct manager *m, const char *name) {
        const struct driver *named =
                        name && strcmp(name, m->driver->name) != 0 ? driver_by_name(name) : NULL;

        return named ? named : m->driver;
}

struct manager *manager_free(struct manager *m) {
        if (!m)
                return NULL;
        m->observer = (struct manager_observer){ 0 };
        m->images = image_store_free(m->images);
        m->sim_run = worker_run_cancel(m->sim_run);
        m->host_run = worker_run_cancel(m->host_run);
        m->capacity.settling = sd_event_source_disable_unref(m->capacity.settling);
        if (m->journal)
                (void)journal_commit(m->journal, NULL);
        manager_free_drafts(m);
        while (m->n_vms > 0)
                vm_free(m->vms[--m->n_vms]);
        free(m->vms);
        operation_free_all(m);
        libvirt_link_end();
        m->journal = journal_free(m->journal);
        m->store = store_free(m->store);
        EVP_PKEY_free(m->record_key);
        free(m->record_pem);
        sim_root_free(m->sim_root);
        free(m->sim_pem);
        free(m->sim_documents);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

void manager_remove_vm(struct manager *m, struct vm *vm) {
        char id[CVM_UUID_TEXT];

        snprintf(id, sizeof id, "%s", vm->row.id);
        for (size_t i = 0; i < m->n_vms; i++)
                if (m->vms[i] == vm) {
                        memmove(m->vms + i, m->vms + i + 1, (--m->n_vms - i) * sizeof *m->vms);
                        break;
                }
        vm_free(vm);
        if (m->observer.vm_removed)
                m->observer.vm_removed(m->observer.ctx, id);
}

struct vm *manager_vm(struct manager *m, const char *name_or_id) {
        for (size_t i = 0; i < m->n_vms; i++)
                if (strcmp(m->vms[i]->row.name, name_or_id) == 0 ||
                    strcmp(m->vms[i]->row.id, name_or_id) == 0)
                        return m->vms[i];
        return NULL;
}

struct vm *manager_vm_at(struct manager *m, size_t i) {
        return i < m->n_vms ? m->vms[i] : NULL;
}

int manager_events(struct manager *m, uint64_t since, size_t max,
                   void (*fn)(void *ctx, uint64_t seq, const char *json), void *ctx, struct cvm_error *err) {
        return store_each_event(m->store, since, max, fn, ctx, err);
}

int manager_record(struct manager *m, const char *name_or_id, char **ret, struct cvm_error *err) {
        int r = store_find_record(m->store, name_or_id, ret, err);

        if (r == 0)
                return cvm_fail(err, &CVM_CODE_NO_VM, ENOENT, "there is no teardown record of '%s'",
                                name_or_id);
        return r < 0 ? r : 0;
}

static void add_row(void *ctx, uint64_t seq, const char *row) {
        struct cvm_writer *w = ctx;

        cvm_write_copy(w, row, strlen(row));
        cvm_write_copy(w, "\n", 1);
}

struct export {
        struct cvm_writer w;
        size_t last; /* where the last row begins */
        uint64_t seq;
};

static void add_exported(void *ctx, uint64_t seq, const char *row) {
        struct export *export = ctx;

        export->last = export->w.bytes.size;
        export->seq = seq;
        add_row(&export->w, seq, row);
}

/* Where the answer ends before the chain does, its head is that of its own last row. */
static int head_of(struct manager *m, const struct export *export, struct audit_head *ret,
                   struct cvm_error *err) {
        CVM_CLEANUP(audit_row_done) struct audit_row row = { 0 };
        const char *text = (const char *)export->w.bytes.data + export->last;
        size_t size = export->w.bytes.size - export->last - 1; /* without its newline */
        int r;

        journal_head(m->journal, ret);
        if (export->seq == 0 || export->seq == ret->seq || export->w.failed)
                return 0;
        r = cvm_json_read_text(text, size, "audit row", audit_row_fields, &row, err);
        if (r < 0)
                return r;
        ret->seq = export->seq;
        audit_hash(row.prev, text, size, ret->hash);
        return 0;
}

static int add_head(struct manager *m, struct export *export, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *envelope = NULL;
        struct audit_head head;
        int r = head_of(m, export, &head, err);

        if (r < 0)
                return r;
        r = cvm_signed_make(CVM_ENVELOPE_HEAD, audit_head_fields, &head, m->record_key, &envelope, err);
        if (r >= 0)
                add_row(&export->w, 0, envelope);
        return r;
}

int manager_audit(struct manager *m, uint64_t since, size_t max, char **ret, struct cvm_error *err) {
        struct export export = { 0 };
        struct cvm_bytes bytes;
        int r = journal_commit(m->journal, err);

        if (r >= 0)
                r = store_each_audit(m->store, since, max, add_exported, &export, err);
        if (r >= 0)
                r = add_head(m, &export, err);
        if (r >= 0)
                r = cvm_writer_take(&export.w, &bytes);
        else
                cvm_writer_done(&export.w);
        if (r >= 0)
                *ret = (char *)bytes.data;
        return r;
}

void manager_audit_request(struct manager *m, const struct caller *caller, const char *method,
                           const char *object, const char *outcome) {
        char actor[64];

        snprintf(actor, sizeof actor, "uid %u", caller->uid);
        journal_audit(m->journal, "request", actor, object, method, outcome);
}

void manager_audit_transition(struct manager *m, const struct vm *vm, const char *what,
                              const char *outcome) {
        journal_audit(m->journal, "transition", "cvmd", vm->row.id, what, outcome);
}

const char *manager_platform_at(const struct manager *m, size_t i) {
        const struct platform *p;

        for (size_t k = 0; (p = platform_at(k)); k++)
                if (m->facts.offers[p->id] && p->confide && i-- == 0)
                        return p->name;
        return NULL;
}

const char *manager_default_driver(const struct manager *m) {
        return m->driver->name;
}

const char *manager_simulation_root(struct manager *m) {
        return m->sim_pem ? m->sim_pem : "";
}

const char *manager_simulation_hosts(struct manager *m) {
        return m->sim_documents ? m->sim_documents : "";
}

const char *manager_record_key(struct manager *m) {
        return m->record_pem;
}
