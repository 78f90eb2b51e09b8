/* Cleanup helpers of SQLite's types, defined once. */
#pragma once

#include <sqlite3.h>

#include "base/macros.h"

static inline void cvm_sqlite_closep(sqlite3 **p) {
        sqlite3_close_v2(*p);
        *p = NULL;
}

static inline void cvm_sqlite_finalizep(sqlite3_stmt **p) {
        sqlite3_finalize(*p);
        *p = NULL;
}
