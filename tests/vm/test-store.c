/* The store: what is committed comes back, what is not does not, and a full disk keeps nothing of a
 * transaction. */
#include "vm/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/db.h"

struct fixture {
        char dir[64], path[128];
        struct store *store;
};

static void reopen(struct fixture *f) {
        struct cvm_error err = { 0 };

        f->store = store_free(f->store);
        if (store_open(f->path, &f->store, &err) < 0)
                fail_msg("%s", err.text);
}

static void begin(struct fixture *f) {
        *f = (struct fixture){ .dir = "/tmp/cvmd-store-XXXXXX" };
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->path, sizeof f->path, "%s/cvmd.db", f->dir);
        reopen(f);
}

static void end(struct fixture *f) {
        char command[128];

        store_free(f->store);
        (void)!umount2(f->dir, MNT_DETACH);
        snprintf(command, sizeof command, "rm -rf %s", f->dir);
        assert_int_equal(system(command), 0);
}

#define T(literal) ((char *)literal) /* rows own their texts; this one is never freed */

static struct vm_row sample(void) {
        struct vm_row row = { .id = T("11111111-2222-3333-4444-555555555555"),
                              .name = T("web1"),
                              .definition = T("{}"),
                              .platform = T("sev-snp"),
                              .state = T("running"),
                              .state_reason = T("why"),
                              .trust = T("verified"),
                              .boot_id = T("b"),
                              .generation = 1ull << 40,
                              .pid = 77,
                              .start_time = 1234567,
                              .measurement_size = 48,
                              .policy = 0x30000,
                              .prediction = T("{}"),
                              .driver = T("libvirt"),
                              .pinned = { false, true, true, true },
                              .may_name_paths = true,
                              .sim_store = { (uint8_t *)"\0kept", 5 },
                              .created_msec = 5 };

        memset(row.measurement, 7, 48);
        memset(row.pins[1], 9, 32);
        memset(row.pins[3], 10, 32);
        row.keyset[0] = 3;
        row.kept[31] = 4;
        return row;
}

static int compare(void *ctx, struct vm_row *row) {
        struct vm_row want = sample();
        unsigned *n = ctx;

        ++*n;
        assert_string_equal(row->id, want.id);
        assert_string_equal(row->name, want.name);
        assert_string_equal(row->state, want.state);
        assert_string_equal(row->state_reason, want.state_reason);
        assert_null(row->binding);
        assert_null(row->trust_by);
        assert_int_equal(row->generation, want.generation);
        assert_int_equal(row->pid, 77);
        assert_memory_equal(row->keyset, want.keyset, sizeof row->keyset);
        assert_int_equal(row->measurement_size, 48);
        assert_memory_equal(row->measurement, want.measurement, 48);
        assert_false(row->pinned[0]);
        assert_true(row->pinned[1]);
        assert_memory_equal(row->pins[1], want.pins[1], 32);
        assert_memory_equal(row->pins[3], want.pins[3], 32);
        assert_int_equal(row->may_name_paths, want.may_name_paths);
        assert_string_equal(row->prediction, want.prediction);
        assert_string_equal(row->driver, want.driver);
        assert_memory_equal(row->kept, want.kept, sizeof row->kept);
        assert_int_equal(row->sim_store.size, want.sim_store.size);
        assert_memory_equal(row->sim_store.data, want.sim_store.data, want.sim_store.size);
        return 0;
}

static void test_a_vm_comes_back(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct vm_row row = sample();
        struct cvm_error err = { 0 };
        unsigned n = 0;

        begin(&f);
        assert_int_equal(store_save_vm(f.store, &row, &err), 0);
        assert_int_equal(store_save_vm(f.store, &row, &err), 0);
        assert_int_equal(store_commit(f.store, &err), 0);
        reopen(&f);
        assert_int_equal(store_each_vm(f.store, compare, &n, &err), 0);
        assert_int_equal(n, 1);
        assert_int_equal(store_remove_vm(f.store, row.id, &err), 0);
        assert_int_equal(store_commit(f.store, &err), 0);
        assert_int_equal(store_each_vm(f.store, compare, &n, &err), 0);
        assert_int_equal(n, 1);
}

static void test_what_is_not_committed_is_gone(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct vm_row row = sample();
        struct cvm_error err = { 0 };
        unsigned n = 0;

        begin(&f);
        assert_int_equal(store_save_vm(f.store, &row, &err), 0);
        reopen(&f);
        assert_int_equal(store_each_vm(f.store, compare, &n, &err), 0);
        assert_int_equal(n, 0);
}

static void count_text(void *ctx, uint64_t seq, const char *text) {
        uint64_t *last = ctx;

        assert_true(seq > *last);
        *last = seq;
}

static void test_events_and_audit_are_in_order(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        const uint8_t hash[CVM_SHA256_SIZE] = { 1, 2, 3 };
        uint8_t last_hash[CVM_SHA256_SIZE];
        struct cvm_error err = { 0 };
        uint64_t last = 0;

        begin(&f);
        assert_int_equal(store_last_event(f.store, &last, &err), 0);
        assert_int_equal(last, 0);
        for (uint64_t seq = 1; seq <= 20; seq++) {
                assert_int_equal(store_add_event(f.store, seq, "{}", &err), 0);
                assert_int_equal(store_add_audit(f.store, seq, "row", hash, &err), 0);
        }
        assert_int_equal(store_commit(f.store, &err), 0);
        assert_int_equal(store_each_event(f.store, 5, 10, count_text, &last, &err), 0);
        assert_int_equal(last, 15);
        assert_int_equal(store_last_audit(f.store, &last, last_hash, &err), 0);
        assert_int_equal(last, 20);
        assert_memory_equal(hash, last_hash, sizeof hash);
        last = 0;
        assert_int_equal(store_each_audit(f.store, 0, 100, count_text, &last, &err), 0);
        assert_int_equal(last, 20);
}

static void test_requests_and_records(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        const uint8_t digest[CVM_SHA256_SIZE] = { 4 };
        uint8_t found[CVM_SHA256_SIZE];
        CVM_CLEANUP(cvm_freep) char *id = NULL, *envelope = NULL, *none = NULL;
        struct cvm_error err = { 0 };

        begin(&f);
        assert_int_equal(store_find_request(f.store, 7, "r", found, &none, &err), 0);
        assert_int_equal(store_add_request(f.store, 7, "r", digest, "id", &err), 0);
        assert_int_equal(store_find_request(f.store, 8, "r", found, &none, &err), 0);
        assert_int_equal(store_find_request(f.store, 7, "r", found, &id, &err), 1);
        assert_string_equal(id, "id");
        assert_memory_equal(digest, found, sizeof found);
        assert_int_equal(store_add_record(f.store, "u1", "web", "old", &err), 0);
        assert_int_equal(store_add_record(f.store, "u2", "web", "new", &err), 0);
        assert_int_equal(store_find_record(f.store, "web", &envelope, &err), 1);
        assert_string_equal(envelope, "new");
        assert_int_equal(store_find_record(f.store, "db", &none, &err), 0);
        assert_int_equal(store_commit(f.store, &err), 0);
}

static void keep_releases(void *ctx, const struct release_row *row) {
        struct cvm_writer *w = ctx;
        char line[128];

        snprintf(line, sizeof line, "%s %zu %s;", row->secret, row->header.size,
                 row->receipt ? row->receipt : "-");
        cvm_write_copy(w, line, strlen(line));
}

static void assert_written(struct cvm_writer *w, const char *text) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };

        cvm_write_copy(w, "", 1);
        assert_int_equal(cvm_writer_take(w, &bytes), 0);
        assert_string_equal((char *)bytes.data, text);
}

static void test_releases_and_what_the_guest_answered(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        const struct cvm_bytes header = { (uint8_t *)"head", 4 }, none = { 0 };
        struct cvm_error err = { 0 };

        begin(&f);
        assert_int_equal(store_add_release(f.store, "u1", "d1", &none, "v", &err), 0);
        assert_int_equal(store_add_receipt(f.store, "u1", "d1", "stale", &err), 0);
        assert_int_equal(store_add_release(f.store, "u1", "d2", &header, "v", &err), 0);
        assert_int_equal(store_add_release(f.store, "u2", "d3", &header, "v", &err), 0);
        assert_int_equal(store_add_release(f.store, "u1", "d1", &none, "v", &err), 0);
        assert_int_equal(store_add_receipt(f.store, "u1", "d1", "installed", &err), 0);
        assert_int_equal(store_commit(f.store, &err), 0);
        assert_int_equal(store_each_release(f.store, "u1", 9, keep_releases, &w, &err), 0);
        assert_int_equal(store_each_release(f.store, "u1", 1, keep_releases, &w, &err), 0);
        assert_written(&w, "d1 0 installed;d2 4 -;d1 0 installed;");
}

static int keep_paths(void *ctx, struct vm_row *row) {
        const char *text = row->may_name_paths ? " paths;" : " none;";

        cvm_write_copy(ctx, row->name, strlen(row->name));
        cvm_write_copy(ctx, text, strlen(text));
        return 0;
}

/* What a daemon of schema 1 kept is there after the steps, and its file stays beside as it was. */
static void test_an_older_store_is_brought_forward(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_sqlite_closep) sqlite3 *db = NULL;
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        struct cvm_error err = { 0 };
        struct vm_row roots = sample(), users = sample();
        char backup[512];

        roots.id = roots.name = T("roots");
        roots.user_uid = 0;
        users.id = users.name = T("users");
        users.user_uid = 1000;
        begin(&f);
        assert_int_equal(store_save_vm(f.store, &roots, &err), 0);
        assert_int_equal(store_save_vm(f.store, &users, &err), 0);
        assert_int_equal(store_commit(f.store, &err), 0);
        f.store = store_free(f.store);
        assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
        assert_int_equal(
                        sqlite3_exec(db,
                                     "DROP INDEX releases_of_vm; ALTER TABLE releases DROP COLUMN header;"
                                     "ALTER TABLE vms DROP COLUMN paths; ALTER TABLE vms DROP COLUMN prediction;"
                                     "ALTER TABLE vms DROP COLUMN shim; ALTER TABLE vms DROP COLUMN driver;"
                                     "ALTER TABLE vms DROP COLUMN kept; ALTER TABLE vms DROP COLUMN sim_store; DROP TABLE removals;"
                                     "INSERT INTO releases VALUES (1, 5, 'u1', 'd1', 'v', NULL);"
                                     "INSERT INTO releases VALUES (2, 6, 'u1', 'd1', NULL, 'installed');"
                                     "PRAGMA user_version = 1",
                                     NULL, NULL, NULL),
                        SQLITE_OK);
        reopen(&f);
        assert_int_equal(store_each_release(f.store, "u1", 9, keep_releases, &w, &err), 0);
        assert_int_equal(store_each_vm(f.store, keep_paths, &w, &err), 0);
        assert_written(&w, "d1 0 installed;roots paths;users none;");
        snprintf(backup, sizeof backup, "%s.v1", f.path);
        assert_int_equal(access(backup, F_OK), 0);
}

static void test_a_newer_store_is_refused_in_words(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_sqlite_closep) sqlite3 *db = NULL;
        struct store *store = NULL;
        struct cvm_error err = { 0 };

        begin(&f);
        f.store = store_free(f.store);
        assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
        assert_true(store_open(f.path, &store, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_STORE_NEWER);
        assert_non_null(strstr(err.text, "written by a newer version"));
}

static void test_a_full_disk_refuses_whole_transactions(void **state) {
        CVM_CLEANUP(end) struct fixture f = { .dir = "/tmp/cvmd-store-XXXXXX" };
        struct cvm_error err = { 0 };
        char text[4097] = { 0 };
        uint64_t seq = 0, kept, last = 0;
        int r = 0;

        assert_non_null(mkdtemp(f.dir));
        snprintf(f.path, sizeof f.path, "%s/cvmd.db", f.dir);
        if (mount("none", f.dir, "tmpfs", 0, "size=512k") < 0) {
                print_message("SKIP: no right to mount a small file system\n");
                skip();
        }
        reopen(&f);
        memset(text, 'x', sizeof text - 1);
        while (r >= 0) {
                kept = seq;
                r = store_add_event(f.store, ++seq, text, &err);
                if (r >= 0)
                        r = store_add_event(f.store, ++seq, text, &err);
                if (r >= 0)
                        r = store_commit(f.store, &err);
                assert_true(seq < 1000);
        }
        assert_ptr_equal(err.code, &CVM_CODE_STORE_FULL);
        store_rollback(f.store);
        assert_int_equal(store_last_event(f.store, &last, &err), 0);
        assert_int_equal(last, kept);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_vm_comes_back),
                cmocka_unit_test(test_what_is_not_committed_is_gone),
                cmocka_unit_test(test_events_and_audit_are_in_order),
                cmocka_unit_test(test_requests_and_records),
                cmocka_unit_test(test_releases_and_what_the_guest_answered),
                cmocka_unit_test(test_an_older_store_is_brought_forward),
                cmocka_unit_test(test_a_newer_store_is_refused_in_words),
                cmocka_unit_test(test_a_full_disk_refuses_whole_transactions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
