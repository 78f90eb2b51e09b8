/* Opening a store: forward only, with a way back, and never somebody else's file. */
#include "base/db.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define APPLICATION 0x43564d31

static const char *const steps[] = {
        "CREATE TABLE things (name TEXT)",
        "ALTER TABLE things ADD COLUMN size INTEGER; INSERT INTO things VALUES ('by step 2', 2)",
        "CREATE TABLE more (id INTEGER)",
};

static struct cvm_db_schema schema(int version) {
        return (struct cvm_db_schema){ .steps = steps, .version = version, .application_id = APPLICATION };
}

static char directory[64], path[96];

static int setup(void **state) {
        strcpy(directory, "/tmp/cvm-db-XXXXXX");
        if (!mkdtemp(directory))
                return -1;
        snprintf(path, sizeof path, "%s/store", directory);
        return 0;
}

static int teardown(void **state) {
        static const char *const names[] = {
                "store", "store-wal", "store-shm", "store.v1", "store.v2", "store.v1-journal",
        };
        char name[128];

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                snprintf(name, sizeof name, "%s/%s", directory, names[i]);
                unlink(name);
        }
        return rmdir(directory);
}

static const struct cvm_code *open_code(const char *where, const struct cvm_db_schema *wanted) {
        CVM_CLEANUP(cvm_sqlite_closep) sqlite3 *db = NULL;
        struct cvm_error err = { 0 };

        return cvm_db_open(where, wanted, &db, &err) < 0 ? cvm_error_code(&err) : NULL;
}

static void run(const char *where, const char *sql) {
        CVM_CLEANUP(cvm_sqlite_closep) sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(where, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static int number(const char *where, const char *sql) {
        CVM_CLEANUP(cvm_sqlite_closep) sqlite3 *db = NULL;
        CVM_CLEANUP(cvm_sqlite_finalizep) sqlite3_stmt *statement = NULL;

        if (sqlite3_open(where, &db) != SQLITE_OK ||
            sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK ||
            sqlite3_step(statement) != SQLITE_ROW)
                return -1;
        return sqlite3_column_int(statement, 0);
}

static void test_new_store(void **state) {
        struct cvm_db_schema wanted = schema(2);
        struct stat st;

        assert_null(open_code(path, &wanted));
        assert_int_equal(number(path, "SELECT size FROM things"), 2);
        assert_int_equal(number(path, "PRAGMA user_version"), 2);
        assert_int_equal(number(path, "PRAGMA application_id"), APPLICATION);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(access(strcat(path, ".v0"), F_OK), -1); /* nothing to keep */
}

static void test_backup_before_a_step(void **state) {
        struct cvm_db_schema old = schema(1), wanted = schema(3);
        char backup[128];
        struct stat st;

        assert_null(open_code(path, &old));
        run(path, "INSERT INTO things VALUES ('old')");
        assert_null(open_code(path, &wanted));
        assert_int_equal(number(path, "SELECT count(*) FROM things"), 2);
        snprintf(backup, sizeof backup, "%s.v1", path);
        assert_int_equal(number(backup, "PRAGMA user_version"), 1);
        assert_int_equal(number(backup, "SELECT count(*) FROM things WHERE name = 'old'"), 1);
        assert_int_equal(number(backup, "SELECT count(size) FROM things"), -1);
        assert_int_equal(stat(backup, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_null(open_code(backup, &wanted)); /* it is a store like any other */
        snprintf(backup, sizeof backup, "%s.v1.v1", path);
        unlink(backup);
}

static void test_no_step_without_its_backup(void **state) {
        CVM_CLEANUP(cvm_sqlite_closep) sqlite3 *holder = NULL;
        struct cvm_db_schema old = schema(1), wanted = schema(2);
        char backup[128];

        assert_null(open_code(path, &old));
        snprintf(backup, sizeof backup, "%s.v1", path);
        run(backup, "CREATE TABLE x (y)");
        assert_int_equal(sqlite3_open(backup, &holder), SQLITE_OK);
        assert_int_equal(sqlite3_exec(holder, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
        assert_ptr_equal(open_code(path, &wanted), &CVM_CODE_STORE);
        assert_int_equal(number(path, "PRAGMA user_version"), 1);
}

static void test_newer_store_is_left_alone(void **state) {
        struct cvm_db_schema newer = schema(3), wanted = schema(2);

        assert_null(open_code(path, &newer));
        assert_ptr_equal(open_code(path, &wanted), &CVM_CODE_STORE_NEWER);
        assert_int_equal(number(path, "PRAGMA user_version"), 3);
}

static void test_other_programs_files(void **state) {
        struct cvm_db_schema wanted = schema(2);

        run(path, "CREATE TABLE theirs (x); PRAGMA user_version = 1");
        assert_ptr_equal(open_code(path, &wanted), &CVM_CODE_STORE);
        run(path, "PRAGMA user_version = 0"); /* which most programs leave it at */
        assert_ptr_equal(open_code(path, &wanted), &CVM_CODE_STORE);
        assert_int_equal(number(path, "PRAGMA application_id"), 0);
        assert_int_equal(number(path, "SELECT count(*) FROM sqlite_master"), 1);
}

static void test_no_database_at_all(void **state) {
        struct cvm_db_schema wanted = schema(1);
        FILE *file = fopen(path, "w");

        fprintf(file, "%0512d", 7);
        fclose(file);
        assert_ptr_equal(open_code(path, &wanted), &CVM_CODE_STORE);
        assert_ptr_equal(open_code("/nowhere/store", &wanted), &CVM_CODE_STORE);
}

static void test_symlink_is_not_followed(void **state) {
        struct cvm_db_schema wanted = schema(1);
        char target[128];

        snprintf(target, sizeof target, "%s.v1", path);
        run(target, "CREATE TABLE x (y)");
        assert_int_equal(symlink(target, path), 0);
        assert_ptr_equal(open_code(path, &wanted), &CVM_CODE_STORE);
}

static void test_step_that_fails_undoes_itself(void **state) {
        static const char *const broken[] = { "CREATE TABLE a (x)", "CREATE TABLE b (x); SELECT nonsense" };
        const struct cvm_db_schema old = { broken, 1, APPLICATION }, wanted = { broken, 2, APPLICATION };

        assert_null(open_code(path, &old));
        assert_ptr_equal(open_code(path, &wanted), &CVM_CODE_STORE);
        assert_int_equal(number(path, "PRAGMA user_version"), 1);
        assert_int_equal(number(path, "SELECT count(*) FROM sqlite_master"), 1);
        assert_null(open_code(path, &old));
}

/* A cap on the pages stands for the full disk: SQLite reports both alike. */
static void test_full_disk(void **state) {
        static const char fill[] =
                        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) "
                        "INSERT INTO things SELECT randomblob(1000) FROM n";
        CVM_CLEANUP(cvm_sqlite_closep) sqlite3 *db = NULL;
        struct cvm_db_schema wanted = schema(1);
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_db_open(path, &wanted, &db, &err), 0);
        assert_int_equal(cvm_db_run(db, "PRAGMA max_page_count = 50", &err), 0);
        assert_int_equal(cvm_db_run(db, fill, &err), -ENOSPC);
        assert_ptr_equal(err.code, &CVM_CODE_STORE_FULL);
        assert_int_equal(number(path, "SELECT count(*) FROM things"), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_new_store),
                TEST(test_backup_before_a_step),
                TEST(test_no_step_without_its_backup),
                TEST(test_newer_store_is_left_alone),
                TEST(test_other_programs_files),
                TEST(test_no_database_at_all),
                TEST(test_symlink_is_not_followed),
                TEST(test_step_that_fails_undoes_itself),
                TEST(test_full_disk),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
