/*
 * Opening any store of ours: SQLite in WAL mode with synchronous=FULL, a schema version (user_version),
 * forward steps each in its own transaction, a backup of the file before the first step, and refusal of a
 * newer store.
 */
#pragma once

#include "base/clean-sqlite.h"
#include "base/error.h"

struct cvm_db_schema {
        const char *const *steps; /* step i brings version i to i + 1 */
        int version;              /* number of steps */
        int application_id;       /* refuses files that are not this program's */
};

/*
 * Open or create the store at path (its directory must exist; mode 0600). Before a step on an existing store
 * a backup "PATH.v<old>" is made. CVM_CODE_STORE, CVM_CODE_STORE_NEWER, CVM_CODE_STORE_FULL.
 */
int cvm_db_open(const char *path, const struct cvm_db_schema *schema, sqlite3 **ret, struct cvm_error *err);

/* Prepare a statement that lives as long as its store. */
int cvm_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct cvm_error *err);

/* Turn SQLite's last failure into a code and words, "what: ..."; returns a negative errno. */
int cvm_db_fail(sqlite3 *db, struct cvm_error *err, const char *what);

/* Run statements without results: "BEGIN IMMEDIATE". */
int cvm_db_run(sqlite3 *db, const char *sql, struct cvm_error *err);
