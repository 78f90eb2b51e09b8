#include "base/db.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int cvm_db_fail(sqlite3 *db, struct cvm_error *err, const char *what) {
        int code = sqlite3_errcode(db) & 0xff;
        bool full = code == SQLITE_FULL;

        return cvm_fail(err, full ? &CVM_CODE_STORE_FULL : &CVM_CODE_STORE, full ? ENOSPC : EIO, "%s: %s",
                        what, sqlite3_errmsg(db));
}

int cvm_db_run(sqlite3 *db, const char *sql, struct cvm_error *err) {
        return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : cvm_db_fail(db, err, sql);
}

int cvm_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct cvm_error *err) {
        if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
                return cvm_db_fail(db, err, sql);
        return 0;
}

static int get_number(sqlite3 *db, const char *sql, int *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_sqlite_finalizep) sqlite3_stmt *statement = NULL;
        int r = cvm_db_prepare(db, sql, &statement, err);

        if (r < 0)
                return r;
        if (sqlite3_step(statement) != SQLITE_ROW)
                return cvm_db_fail(db, err, sql);
        *ret = sqlite3_column_int(statement, 0);
        return 0;
}

static int backup(sqlite3 *db, const char *path, int version, struct cvm_error *err) {
        CVM_CLEANUP(cvm_sqlite_closep) sqlite3 *copy = NULL;
        sqlite3_backup *job;
        char name[PATH_MAX];

        if (snprintf(name, sizeof name, "%s.v%d", path, version) >= (int)sizeof name)
                return -ENAMETOOLONG;
        if (sqlite3_open(name, &copy) != SQLITE_OK || !(job = sqlite3_backup_init(copy, "main", db, "main")))
                return cvm_db_fail(copy, err, name);
        sqlite3_backup_step(job, -1);
        if (sqlite3_backup_finish(job) != SQLITE_OK)
                return cvm_db_fail(copy, err, name);
        return 0;
}

static int step(sqlite3 *db, const struct cvm_db_schema *schema, int version, struct cvm_error *err) {
        char set_version[64];
        int r;

        snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", version + 1);
        r = cvm_db_run(db, "BEGIN IMMEDIATE", err);
        if (r >= 0)
                r = cvm_db_run(db, schema->steps[version], err);
        if (r >= 0)
                r = cvm_db_run(db, set_version, err);
        if (r >= 0)
                r = cvm_db_run(db, "COMMIT", err);
        if (r < 0)
                (void)cvm_db_run(db, "ROLLBACK", NULL);
        return r;
}

static int check_identity(sqlite3 *db, const char *path, const struct cvm_db_schema *schema, int version,
                          struct cvm_error *err) {
        int id, objects, r = get_number(db, "PRAGMA application_id", &id, err);

        if (r >= 0)
                r = get_number(db, "SELECT count(*) FROM sqlite_master", &objects, err);
        if (r < 0)
                return r;
        /* Most programs leave both numbers at 0: only an empty file of those is a new store. */
        if (version > 0 ? id != schema->application_id : objects > 0)
                return cvm_fail(err, &CVM_CODE_STORE, EINVAL, "'%s' is a database of another program", path);
        if (version > schema->version)
                return cvm_fail(err, &CVM_CODE_STORE_NEWER, EINVAL,
                                "'%s' has schema %d, this program knows up to %d: it was written by a newer version",
                                path, version, schema->version);
        return 0;
}

static int migrate(sqlite3 *db, const char *path, const struct cvm_db_schema *schema,
                   struct cvm_error *err) {
        char set_id[64];
        int version, r = get_number(db, "PRAGMA user_version", &version, err);

        if (r >= 0)
                r = check_identity(db, path, schema, version, err);
        if (r >= 0 && version == 0) {
                snprintf(set_id, sizeof set_id, "PRAGMA application_id = %d", schema->application_id);
                r = cvm_db_run(db, set_id, err);
        } else if (r >= 0 && version < schema->version)
                r = backup(db, path, version, err);
        for (; r >= 0 && version < schema->version; version++)
                r = step(db, schema, version, err);
        return r;
}

int cvm_db_open(const char *path, const struct cvm_db_schema *schema, sqlite3 **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_sqlite_closep) sqlite3 *db = NULL;
        mode_t old = umask(0077);
        int r;

        r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW,
                            NULL);
        if (r != SQLITE_OK) {
                umask(old);
                return cvm_db_fail(db, err, path);
        }
        sqlite3_extended_result_codes(db, 1);
        /* Small pages: a commit writes each page it changed as a whole, and most change one row or two. */
        r = cvm_db_run(db,
                       "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                       "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 1000; PRAGMA trusted_schema = OFF",
                       err);
        if (r >= 0)
                r = migrate(db, path, schema, err);
        umask(old);
        if (r < 0)
                return cvm_while(err, r, "opening the store");
        *ret = TAKE_PTR(db);
        return 0;
}
