/* Where this user's collateral is, and which part of it is meant: for the verbs `collateral` and for those
 * that verify. */
#pragma once

#include "cli/command.h"
#include "collateral/store.h"

/* Options of all verbs `collateral`. */
#define COLLATERAL_OPTIONS                                                                         \
        { "cache", OPTION_TEXT, "DIR", "where objects are kept (default: the user's cache)" },     \
                        { "simulation-root", OPTION_TEXT, "FILE",                                  \
                          "of that simulation instead of hardware: the certificate of its root" }, \
        {                                                                                          \
                "at", OPTION_TEXT, "TIME", "judge dates at this time (RFC 3339) instead of now"    \
        }

/* The user's own directories, owned: below XDG_CACHE_HOME (only where ret_cache is not NULL), and below
 * XDG_STATE_HOME. CVM_CODE_USAGE. */
int collateral_directories(char **ret_cache, char **ret_state, struct cvm_error *err);

/*
 * The cache at `cache` (NULL: the user's, below XDG_CACHE_HOME), with the marks of this user (below
 * XDG_STATE_HOME). now_msec 0: now. Nothing is made.
 */
int collateral_open(const char *cache, int platform, const uint8_t *simulation_root, uint64_t now_msec,
                    struct collateral_store *ret, struct cvm_error *err);
/* A word on the class that the options name, once for each verb. */
void collateral_say_class(const struct arguments *arguments);
/* The same as the options say. */
int collateral_open_arguments(const struct arguments *arguments, int platform, struct collateral_store *ret,
                              struct cvm_error *err);
