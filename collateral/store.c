#include "collateral/store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/json.h"
#include "collateral/directory.h"
#include "collateral/mark.h"

void collateral_store_done(struct collateral_store *store) {
        free(store->cache);
        free(store->marks);
        *store = (struct collateral_store){ 0 };
}

static char *realm_below(const char *top, const struct collateral_store *store) {
        char hex[2 * CVM_SHA256_SIZE + 1] = "", *path;

        if (store->simulated)
                cvm_hex(store->root, sizeof store->root, hex);
        return asprintf(&path, "%s/%s/%s%s", top, cvm_platform_texts[store->source->platform],
                        store->simulated ? "simulated-" : "hardware", hex) < 0
                               ? NULL
                               : path;
}

int collateral_store_open(const char *cache, const char *state, int platform, const uint8_t *simulation_root,
                          uint64_t now_msec, struct collateral_store *ret, struct cvm_error *err) {
        CVM_CLEANUP(collateral_store_done)
        struct collateral_store store = { .source = collateral_source_find(platform),
                                          .simulated = simulation_root,
                                          .now_msec = now_msec };

        if (!store.source)
                return cvm_fail(err, &CVM_CODE_EVIDENCE_PLATFORM, EOPNOTSUPP,
                                "collateral of platform '%s' is not known here",
                                cvm_platform_texts[platform]);
        if (simulation_root)
                memcpy(store.root, simulation_root, sizeof store.root);
        store.cache = realm_below(cache, &store);
        store.marks = realm_below(state, &store);
        if (!store.cache || !store.marks)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening '%s'", cache);
        *ret = store;
        store = (struct collateral_store){ 0 };
        return 0;
}

/* 1: read, 0: not there. */
static int read_object(const struct collateral_store *store, const char *name, struct cvm_bytes *ret,
                       uint64_t *ret_fetched, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        struct stat st;
        int r;

        if (asprintf(&path, "%s/%s", store->cache, name) < 0) {
                path = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", name);
        }
        if (lstat(path, &st) < 0 && errno == ENOENT)
                return 0;
        r = cvm_read_file(path, COLLATERAL_OBJECT_MAX, ret, err);
        if (r >= 0 && ret_fetched)
                *ret_fetched = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
        return r < 0 ? r : 1;
}

static int verify(const struct collateral_store *store, const char *name, const struct cvm_bytes *object,
                  const struct cvm_bytes *authorities, struct collateral_facts *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes own = { 0 };
        char needed[COLLATERAL_NAME_MAX];
        int r = 0;

        store->source->authorities(name, needed);
        if (strcmp(needed, name) == 0)
                authorities = object;
        else if (!authorities) {
                r = read_object(store, needed, &own, NULL, err);
                if (r == 0)
                        r = cvm_fail(err, &CVM_CODE_CHAIN_MISSING, ENODATA,
                                     "it cannot be verified without '%s', which is not there", needed);
                authorities = &own;
        }
        if (r >= 0)
                r = store->source->verify(name, object, authorities, store->simulated ? store->root : NULL,
                                          store->now_msec, ret, err);
        return r < 0 ? cvm_while(err, r, "'%s'", name) : 0;
}

int collateral_store_get(const struct collateral_store *store, const char *name, struct cvm_bytes *ret,
                         struct collateral_facts *ret_facts, uint64_t *ret_fetched, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct collateral_facts facts;
        uint64_t fetched;
        int r = read_object(store, name, &object, &fetched, err);

        if (r > 0)
                r = verify(store, name, &object, NULL, &facts, err) < 0 ? -EBADMSG : 1;
        if (r <= 0)
                return r;
        if (ret_facts)
                *ret_facts = facts;
        if (ret_fetched)
                *ret_fetched = fetched;
        *ret = cvm_bytes_take(&object);
        return 1;
}

static bool ages(const struct collateral_store *store, const char *name) {
        return collateral_ages((enum collateral_kind)store->source->kind(name));
}

/* Against the mark, and against the object that is there: a mark may be lost with its directory. */
static int check_age(const struct collateral_store *store, const char *name,
                     const struct collateral_facts *facts, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct collateral_facts present = { 0 };
        struct published mark;
        int r = mark_read(store->marks, name, &mark, err);

        if (r < 0)
                return r;
        collateral_store_get(store, name, &object, &present, NULL, NULL);
        if (published_is_older(&facts->published, &mark) ||
            published_is_older(&facts->published, &present.published))
                return cvm_fail(err, &CVM_CODE_CRL_OLDER, ESTALE,
                                "'%s' is older than one that was seen before", name);
        return 0;
}

int collateral_store_check(const struct collateral_store *store, const char *name,
                           const struct cvm_bytes *object, const struct cvm_bytes *authorities,
                           struct collateral_facts *ret, struct cvm_error *err) {
        int r = verify(store, name, object, authorities, ret, err);

        return r >= 0 && ages(store, name) ? check_age(store, name, ret, err) : r;
}

int collateral_store_put(const struct collateral_store *store, const char *name,
                         const struct cvm_bytes *object, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int lock = -EBADF;
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        struct collateral_facts facts;
        int r = directory_make(store->cache, err);

        if (r >= 0)
                r = lock = directory_lock(store->cache, err);
        if (r >= 0)
                r = collateral_store_check(store, name, object, NULL, &facts, err);
        if (r >= 0 && ages(store, name))
                r = mark_raise(store->marks, name, &facts.published, err);
        if (r >= 0 && asprintf(&path, "%s/%s", store->cache, name) < 0) {
                path = NULL;
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "keeping '%s'", name);
        }
        return r < 0 ? r : cvm_write_file(path, object->data, object->size, 0600, err);
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int collateral_store_names(const struct collateral_store *store, char ***ret, struct cvm_error *err) {
        char **names = NULL;
        DIR *directory = opendir(store->cache);
        int r = 0;

        if (!directory && errno != ENOENT)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be read: %s", store->cache,
                                strerror(errno));
        for (struct dirent *entry; r >= 0 && directory && (entry = readdir(directory));)
                if (store->source->kind(entry->d_name) >= 0)
                        r = cvm_texts_add(&names, entry->d_name);
        if (directory)
                closedir(directory);
        if (r < 0) {
                cvm_texts_free(names);
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", store->cache);
        }
        if (names)
                qsort(names, cvm_texts_count(names), sizeof *names, compare);
        *ret = names;
        return 0;
}
