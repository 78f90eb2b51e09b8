#include "vm/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/db.h"
#include "base/fault.h"
#include "base/time.h"

static const char *const steps[] = {
        "CREATE TABLE vms (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, definition TEXT NOT NULL, binding TEXT,"
        " platform TEXT NOT NULL, user_uid INTEGER NOT NULL, state TEXT NOT NULL, state_code TEXT, state_reason TEXT,"
        " trust TEXT NOT NULL, trust_by TEXT, generation INTEGER NOT NULL, boot_id TEXT, keyset BLOB, pid INTEGER,"
        " start_time INTEGER, uid INTEGER, measurement BLOB, policy INTEGER, firmware BLOB, kernel BLOB, initrd BLOB,"
        " bye TEXT, created INTEGER, started INTEGER, verdict_time INTEGER, verdict TEXT) STRICT;"
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;"
        "CREATE TABLE audit (seq INTEGER PRIMARY KEY, row TEXT NOT NULL, hash BLOB NOT NULL) STRICT;"
        "CREATE TABLE requests (uid INTEGER NOT NULL, request_id TEXT NOT NULL, definition BLOB NOT NULL,"
        " vm_id TEXT NOT NULL, PRIMARY KEY (uid, request_id)) STRICT;"
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, envelope TEXT NOT NULL)"
        " STRICT;"
        "CREATE TABLE releases (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, vm_id TEXT NOT NULL,"
        " secret TEXT NOT NULL, verdict TEXT, receipt TEXT) STRICT;",
        "ALTER TABLE releases ADD COLUMN header BLOB;"
        "CREATE INDEX releases_of_vm ON releases (vm_id, secret);",
        "ALTER TABLE vms ADD COLUMN paths INTEGER NOT NULL DEFAULT 0;"
        "UPDATE vms SET paths = (user_uid = 0);",
        "ALTER TABLE vms ADD COLUMN prediction TEXT;",
        "ALTER TABLE vms ADD COLUMN shim BLOB;",
        "ALTER TABLE vms ADD COLUMN driver TEXT;"
        "ALTER TABLE vms ADD COLUMN kept BLOB;"
        "UPDATE vms SET driver = 'qemu' WHERE pid > 0;",
        "CREATE TABLE removals (vm_id TEXT PRIMARY KEY, driver TEXT NOT NULL) STRICT;",
        "ALTER TABLE vms ADD COLUMN sim_store BLOB;",
};

static const struct cvm_db_schema schema = {
        .steps = steps, .version = ARRAY_SIZE(steps), .application_id = 0x63766d64, /* "cvmd" */
};

/* Events are news: the oldest go. The audit chain is kept whole. */
#define EVENTS_KEPT 100000
#define EVENTS_SWEEP 1000

enum query {
        SAVE_VM,
        REMOVE_VM,
        EACH_VM,
        ADD_EVENT,
        DROP_EVENTS,
        LAST_EVENT,
        EACH_EVENT,
        ADD_AUDIT,
        LAST_AUDIT,
        EACH_AUDIT,
        ADD_REQUEST,
        FORGET_REQUEST,
        FIND_REQUEST,
        ADD_RECORD,
        FIND_RECORD,
        ADD_RELEASE,
        ADD_RECEIPT,
        EACH_RELEASE,
        OWE_REMOVAL,
        FORGET_REMOVAL,
        EACH_REMOVAL,
        QUERY_MAX_,
};

#define VM_COLUMNS                                                                                                      \
        "id, name, definition, binding, platform, user_uid, state, state_code, state_reason, trust, trust_by, "         \
        "generation, boot_id, keyset, pid, start_time, uid, measurement, policy, firmware, kernel, initrd, shim, bye, " \
        "created, started, verdict_time, verdict, paths, prediction, driver, kept, sim_store"

static const char *const queries[QUERY_MAX_] = {
        [SAVE_VM] = "INSERT OR REPLACE INTO vms (" VM_COLUMNS ") VALUES "
                    "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [REMOVE_VM] = "DELETE FROM vms WHERE id = ?",
        [EACH_VM] = "SELECT " VM_COLUMNS " FROM vms ORDER BY created, id",
        [ADD_EVENT] = "INSERT INTO events (seq, json) VALUES (?, ?)",
        [DROP_EVENTS] = "DELETE FROM events WHERE seq <= ?",
        [LAST_EVENT] = "SELECT coalesce(max(seq), 0) FROM events",
        [EACH_EVENT] = "SELECT seq, json FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
        [ADD_AUDIT] = "INSERT INTO audit (seq, row, hash) VALUES (?, ?, ?)",
        [LAST_AUDIT] = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
        [EACH_AUDIT] = "SELECT seq, row FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
        [ADD_REQUEST] = "INSERT INTO requests (uid, request_id, definition, vm_id) VALUES (?, ?, ?, ?)",
        [FORGET_REQUEST] = "DELETE FROM requests WHERE vm_id = ?",
        [FIND_REQUEST] = "SELECT definition, vm_id FROM requests WHERE uid = ? AND request_id = ?",
        [ADD_RECORD] = "INSERT INTO records (id, name, envelope) VALUES (?, ?, ?)",
        [FIND_RECORD] = "SELECT envelope FROM records WHERE id = ?1 OR name = ?1 ORDER BY seq DESC LIMIT 1",
        [ADD_RELEASE] = "INSERT INTO releases (time, vm_id, secret, header, verdict) VALUES (?, ?, ?, ?, ?)",
        [ADD_RECEIPT] = "INSERT INTO releases (time, vm_id, secret, receipt) VALUES (?, ?, ?, ?)",
        [EACH_RELEASE] = "SELECT max(time), secret, header, (SELECT receipt FROM releases AS answer"
                         " WHERE answer.vm_id = sent.vm_id AND answer.secret = sent.secret"
                         " AND receipt IS NOT NULL ORDER BY seq DESC LIMIT 1)"
                         " FROM releases AS sent WHERE vm_id = ? AND verdict IS NOT NULL"
                         " GROUP BY secret ORDER BY max(seq) DESC LIMIT ?",
        [OWE_REMOVAL] = "INSERT OR REPLACE INTO removals (vm_id, driver) VALUES (?, ?)",
        [FORGET_REMOVAL] = "DELETE FROM removals WHERE vm_id = ?",
        [EACH_REMOVAL] = "SELECT vm_id, driver FROM removals",
};

struct store {
        sqlite3 *db;
        sqlite3_stmt *statements[QUERY_MAX_];
        bool open; /* a transaction is */
};

void vm_row_done(struct vm_row *row) {
        char *texts[] = { row->id,    row->name,         row->definition, row->binding,    row->platform,
                          row->state, row->state_code,   row->trust,      row->trust_by,   row->boot_id,
                          row->bye,   row->state_reason, row->verdict,    row->prediction, row->driver };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                free(texts[i]);
        cvm_bytes_done(&row->sim_store);
        *row = (struct vm_row){ 0 };
}

struct store *store_free(struct store *store) {
        if (!store)
                return NULL;
        for (size_t i = 0; i < QUERY_MAX_; i++)
                sqlite3_finalize(store->statements[i]);
        cvm_sqlite_closep(&store->db);
        free(store);
        return NULL;
}

int store_open(const char *path, struct store **ret, struct cvm_error *err) {
        CVM_CLEANUP(store_freep) struct store *store = calloc(1, sizeof *store);
        int r;

        if (!store)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening '%s'", path);
        r = cvm_db_open(path, &schema, &store->db, err);
        for (size_t i = 0; r >= 0 && i < QUERY_MAX_; i++)
                r = cvm_db_prepare(store->db, queries[i], &store->statements[i], err);
        if (r < 0)
                return cvm_while(err, r, "'%s'", path);
        *ret = TAKE_PTR(store);
        return 0;
}

static int begin(struct store *store, struct cvm_error *err) {
        int r = store->open ? 0 : cvm_db_run(store->db, "BEGIN IMMEDIATE", err);

        store->open = r >= 0;
        return r;
}

int store_commit(struct store *store, struct cvm_error *err) {
        int r;

        if (!store->open)
                return 0;
        cvm_fault_point("before-commit");
        r = cvm_db_run(store->db, "COMMIT", err);
        if (r < 0) {
                store_rollback(store);
                return r;
        }
        store->open = false;
        cvm_fault_point("after-commit");
        return 0;
}

void store_rollback(struct store *store) {
        if (store->open)
                (void)cvm_db_run(store->db, "ROLLBACK", NULL);
        store->open = false;
}

static void bind_text(sqlite3_stmt *s, int column, const char *text) {
        sqlite3_bind_text(s, column, text, -1, SQLITE_STATIC);
}

static void bind_u64(sqlite3_stmt *s, int column, uint64_t v) {
        sqlite3_bind_int64(s, column, (sqlite3_int64)v);
}

static void bind_blob(sqlite3_stmt *s, int column, const void *data, size_t size) {
        sqlite3_bind_blob(s, column, size ? data : NULL, (int)size, SQLITE_STATIC);
}

/* Run a writing statement whose values are bound; opens the transaction. */
static int write_row(struct store *store, enum query query, struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[query];
        int r = begin(store, err);

        if (r >= 0 && sqlite3_step(s) != SQLITE_DONE)
                r = cvm_db_fail(store->db, err, "writing to the store");
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);
        return r;
}

int store_save_vm(struct store *store, const struct vm_row *row, struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[SAVE_VM];
        int c = 1;

        bind_text(s, c++, row->id);
        bind_text(s, c++, row->name);
        bind_text(s, c++, row->definition);
        bind_text(s, c++, row->binding);
        bind_text(s, c++, row->platform);
        bind_u64(s, c++, row->user_uid);
        bind_text(s, c++, row->state);
        bind_text(s, c++, row->state_code);
        bind_text(s, c++, row->state_reason);
        bind_text(s, c++, row->trust);
        bind_text(s, c++, row->trust_by);
        bind_u64(s, c++, row->generation);
        bind_text(s, c++, row->boot_id);
        bind_blob(s, c++, row->keyset, sizeof row->keyset);
        bind_u64(s, c++, (uint64_t)row->pid);
        bind_u64(s, c++, row->start_time);
        bind_u64(s, c++, row->uid);
        bind_blob(s, c++, row->measurement, row->measurement_size);
        bind_u64(s, c++, row->policy);
        for (size_t i = 0; i < ARRAY_SIZE(row->pins); i++)
                bind_blob(s, c++, row->pins[i], row->pinned[i] ? sizeof row->pins[i] : 0);
        bind_text(s, c++, row->bye);
        bind_u64(s, c++, row->created_msec);
        bind_u64(s, c++, row->started_msec);
        bind_u64(s, c++, row->verdict_msec);
        bind_text(s, c++, row->verdict);
        bind_u64(s, c++, row->may_name_paths);
        bind_text(s, c++, row->prediction);
        bind_text(s, c++, row->driver);
        bind_blob(s, c++, row->kept, sizeof row->kept);
        bind_blob(s, c++, row->sim_store.data, row->sim_store.size);
        return write_row(store, SAVE_VM, err);
}

int store_remove_vm(struct store *store, const char *id, struct cvm_error *err) {
        bind_text(store->statements[REMOVE_VM], 1, id);
        return write_row(store, REMOVE_VM, err);
}

static char *take_text(sqlite3_stmt *s, int column) {
        const char *text = (const char *)sqlite3_column_text(s, column);

        return text ? strdup(text) : NULL;
}

static size_t take_blob(sqlite3_stmt *s, int column, void *ret, size_t max) {
        const void *data = sqlite3_column_blob(s, column);
        size_t size = (size_t)sqlite3_column_bytes(s, column);

        if (!data || size > max)
                return 0;
        memcpy(ret, data, size);
        return size;
}

static void take_bytes(sqlite3_stmt *s, int column, struct cvm_bytes *ret) {
        const void *data = sqlite3_column_blob(s, column);

        if (data)
                (void)cvm_bytes_copy(data, (size_t)sqlite3_column_bytes(s, column), ret);
}

static void take_vm(sqlite3_stmt *s, struct vm_row *row) {
        int c = 0;

        row->id = take_text(s, c++);
        row->name = take_text(s, c++);
        row->definition = take_text(s, c++);
        row->binding = take_text(s, c++);
        row->platform = take_text(s, c++);
        row->user_uid = (uint32_t)sqlite3_column_int64(s, c++);
        row->state = take_text(s, c++);
        row->state_code = take_text(s, c++);
        row->state_reason = take_text(s, c++);
        row->trust = take_text(s, c++);
        row->trust_by = take_text(s, c++);
        row->generation = (uint64_t)sqlite3_column_int64(s, c++);
        row->boot_id = take_text(s, c++);
        take_blob(s, c++, row->keyset, sizeof row->keyset);
        row->pid = (pid_t)sqlite3_column_int64(s, c++);
        row->start_time = (uint64_t)sqlite3_column_int64(s, c++);
        row->uid = (uint32_t)sqlite3_column_int64(s, c++);
        row->measurement_size = take_blob(s, c++, row->measurement, sizeof row->measurement);
        row->policy = (uint64_t)sqlite3_column_int64(s, c++);
        for (size_t i = 0; i < ARRAY_SIZE(row->pins); i++)
                row->pinned[i] = take_blob(s, c++, row->pins[i], sizeof row->pins[i]) == sizeof row->pins[i];
        row->bye = take_text(s, c++);
        row->created_msec = (uint64_t)sqlite3_column_int64(s, c++);
        row->started_msec = (uint64_t)sqlite3_column_int64(s, c++);
        row->verdict_msec = (uint64_t)sqlite3_column_int64(s, c++);
        row->verdict = take_text(s, c++);
        row->may_name_paths = sqlite3_column_int64(s, c++);
        row->prediction = take_text(s, c++);
        row->driver = take_text(s, c++);
        take_blob(s, c++, row->kept, sizeof row->kept);
        take_bytes(s, c++, &row->sim_store);
}

/* 1: a row, 0: no more; resets the statement when there is none. */
static int read_row(struct store *store, enum query query, struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[query];
        int code = sqlite3_step(s);

        if (code == SQLITE_ROW)
                return 1;
        sqlite3_reset(s);
        return code == SQLITE_DONE ? 0 : cvm_db_fail(store->db, err, "reading the store");
}

int store_each_vm(struct store *store, int (*fn)(void *ctx, struct vm_row *row), void *ctx,
                  struct cvm_error *err) {
        int r;

        while ((r = read_row(store, EACH_VM, err)) > 0) {
                CVM_CLEANUP(vm_row_done) struct vm_row row = { 0 };

                take_vm(store->statements[EACH_VM], &row);
                r = fn(ctx, &row);
                if (r < 0) {
                        sqlite3_reset(store->statements[EACH_VM]);
                        return r;
                }
        }
        return r;
}

int store_add_event(struct store *store, uint64_t seq, const char *json, struct cvm_error *err) {
        bind_u64(store->statements[ADD_EVENT], 1, seq);
        bind_text(store->statements[ADD_EVENT], 2, json);
        if (seq % EVENTS_SWEEP == 0 && seq > EVENTS_KEPT) {
                bind_u64(store->statements[DROP_EVENTS], 1, seq - EVENTS_KEPT);
                if (write_row(store, DROP_EVENTS, err) < 0)
                        return -EIO;
        }
        return write_row(store, ADD_EVENT, err);
}

int store_last_event(struct store *store, uint64_t *ret_seq, struct cvm_error *err) {
        int r = read_row(store, LAST_EVENT, err);

        if (r <= 0)
                return r;
        *ret_seq = (uint64_t)sqlite3_column_int64(store->statements[LAST_EVENT], 0);
        sqlite3_reset(store->statements[LAST_EVENT]);
        return 0;
}

/* Numbered rows of text, oldest first: events and the audit chain. */
static int each_text(struct store *store, enum query query, uint64_t since, size_t max,
                     void (*fn)(void *ctx, uint64_t seq, const char *text), void *ctx,
                     struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[query];
        int r;

        bind_u64(s, 1, since > INT64_MAX ? INT64_MAX : since);
        bind_u64(s, 2, max);
        while ((r = read_row(store, query, err)) > 0)
                fn(ctx, (uint64_t)sqlite3_column_int64(s, 0), (const char *)sqlite3_column_text(s, 1));
        return r;
}

int store_each_event(struct store *store, uint64_t since, size_t max,
                     void (*fn)(void *ctx, uint64_t seq, const char *json), void *ctx,
                     struct cvm_error *err) {
        return each_text(store, EACH_EVENT, since, max, fn, ctx, err);
}

int store_add_audit(struct store *store, uint64_t seq, const char *row, const uint8_t hash[CVM_SHA256_SIZE],
                    struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[ADD_AUDIT];

        bind_u64(s, 1, seq);
        bind_text(s, 2, row);
        bind_blob(s, 3, hash, CVM_SHA256_SIZE);
        return write_row(store, ADD_AUDIT, err);
}

int store_last_audit(struct store *store, uint64_t *ret_seq, uint8_t ret_hash[CVM_SHA256_SIZE],
                     struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[LAST_AUDIT];
        int r = read_row(store, LAST_AUDIT, err);

        *ret_seq = 0;
        memset(ret_hash, 0, CVM_SHA256_SIZE);
        if (r <= 0)
                return r;
        *ret_seq = (uint64_t)sqlite3_column_int64(s, 0);
        take_blob(s, 1, ret_hash, CVM_SHA256_SIZE);
        sqlite3_reset(s);
        return 0;
}

int store_each_audit(struct store *store, uint64_t since, size_t max,
                     void (*fn)(void *ctx, uint64_t seq, const char *row), void *ctx,
                     struct cvm_error *err) {
        return each_text(store, EACH_AUDIT, since, max, fn, ctx, err);
}

int store_add_request(struct store *store, uint32_t uid, const char *request_id,
                      const uint8_t definition[CVM_SHA256_SIZE], const char *vm_id, struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[ADD_REQUEST];

        bind_u64(s, 1, uid);
        bind_text(s, 2, request_id);
        bind_blob(s, 3, definition, CVM_SHA256_SIZE);
        bind_text(s, 4, vm_id);
        return write_row(store, ADD_REQUEST, err);
}

int store_forget_request(struct store *store, const char *vm_id, struct cvm_error *err) {
        bind_text(store->statements[FORGET_REQUEST], 1, vm_id);
        return write_row(store, FORGET_REQUEST, err);
}

int store_owe_removal(struct store *store, const char *vm_id, const char *driver, struct cvm_error *err) {
        bind_text(store->statements[OWE_REMOVAL], 1, vm_id);
        bind_text(store->statements[OWE_REMOVAL], 2, driver);
        return write_row(store, OWE_REMOVAL, err);
}

int store_forget_removal(struct store *store, const char *vm_id, struct cvm_error *err) {
        bind_text(store->statements[FORGET_REMOVAL], 1, vm_id);
        return write_row(store, FORGET_REMOVAL, err);
}

int store_each_removal(struct store *store, void (*fn)(void *ctx, const char *vm_id, const char *driver),
                       void *ctx, struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[EACH_REMOVAL];
        int r;

        while ((r = read_row(store, EACH_REMOVAL, err)) > 0)
                fn(ctx, (const char *)sqlite3_column_text(s, 0), (const char *)sqlite3_column_text(s, 1));
        return r;
}

int store_find_request(struct store *store, uint32_t uid, const char *request_id,
                       uint8_t ret_definition[CVM_SHA256_SIZE], char **ret_vm_id, struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[FIND_REQUEST];
        int r;

        bind_u64(s, 1, uid);
        bind_text(s, 2, request_id);
        r = read_row(store, FIND_REQUEST, err);
        if (r <= 0)
                return r;
        take_blob(s, 0, ret_definition, CVM_SHA256_SIZE);
        *ret_vm_id = take_text(s, 1);
        sqlite3_reset(s);
        return *ret_vm_id ? 1 : -ENOMEM;
}

int store_add_record(struct store *store, const char *id, const char *name, const char *envelope,
                     struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[ADD_RECORD];

        bind_text(s, 1, id);
        bind_text(s, 2, name);
        bind_text(s, 3, envelope);
        return write_row(store, ADD_RECORD, err);
}

int store_find_record(struct store *store, const char *name_or_id, char **ret, struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[FIND_RECORD];
        int r;

        bind_text(s, 1, name_or_id);
        r = read_row(store, FIND_RECORD, err);
        if (r <= 0)
                return r;
        *ret = take_text(s, 0);
        sqlite3_reset(s);
        return *ret ? 1 : -ENOMEM;
}

int store_add_release(struct store *store, const char *vm_id, const char *secret,
                      const struct cvm_bytes *header, const char *verdict, struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[ADD_RELEASE];

        bind_u64(s, 1, cvm_time_now());
        bind_text(s, 2, vm_id);
        bind_text(s, 3, secret);
        bind_blob(s, 4, header->data, header->size);
        bind_text(s, 5, verdict);
        return write_row(store, ADD_RELEASE, err);
}

int store_add_receipt(struct store *store, const char *vm_id, const char *secret, const char *receipt,
                      struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[ADD_RECEIPT];

        bind_u64(s, 1, cvm_time_now());
        bind_text(s, 2, vm_id);
        bind_text(s, 3, secret);
        bind_text(s, 4, receipt);
        return write_row(store, ADD_RECEIPT, err);
}

int store_each_release(struct store *store, const char *vm_id, size_t max,
                       void (*fn)(void *ctx, const struct release_row *row), void *ctx,
                       struct cvm_error *err) {
        sqlite3_stmt *s = store->statements[EACH_RELEASE];
        int r;

        bind_text(s, 1, vm_id);
        bind_u64(s, 2, max);
        while ((r = read_row(store, EACH_RELEASE, err)) > 0) {
                const struct release_row row = {
                        .time_msec = (uint64_t)sqlite3_column_int64(s, 0),
                        .secret = (const char *)sqlite3_column_text(s, 1),
                        .header = { (uint8_t *)sqlite3_column_blob(s, 2),
                                    (size_t)sqlite3_column_bytes(s, 2) },
                        .receipt = (const char *)sqlite3_column_text(s, 3),
                };

                fn(ctx, &row);
        }
        return r;
}
