#include "cli/collateral-use.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/evidence.h"
#include "base/fd.h"
#include "cli/output.h"
#include "collateral/mark.h"

/* A list that does not hold says nothing, so that nothing could be checked. */
static const struct cvm_code *code_of(const struct cvm_error *why, enum collateral_kind kind) {
        const struct cvm_code *code = cvm_error_code(why);

        return kind == COLLATERAL_REVOCATIONS && code->fault != CVM_FAULT_EVIDENCE_UNKNOWN ? &CVM_CODE_CRL
                                                                                           : code;
}

static int use_published(const struct collateral_store *store, const struct collateral_need *need,
                         struct bundle *bundle, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct cvm_error why = { 0 };
        int r = collateral_store_get(store, need->name, &object, NULL, NULL, &why);

        if (r > 0)
                return evidence_add_revocation(bundle, object.data, object.size, err);
        return r < 0 ? cvm_fail(err, code_of(&why, need->kind), -r, "the %s in '%s': %.300s",
                                collateral_kind_texts[need->kind], store->cache, why.text)
                     : 0;
}

static int use_certificates(const struct collateral_store *store, const char *name, struct bundle *bundle,
                            struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct cvm_error why = { 0 };
        int r = collateral_store_get(store, name, &object, NULL, NULL, &why);

        if (r > 0)
                return evidence_add_certificate(bundle, object.data, object.size, err);
        if (r < 0)
                output_say("'%s' is not used: %s", store->cache, why.text);
        return 0;
}

static void closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}

static int use_file(int dir, const char *path, const char *name, struct bundle *bundle,
                    struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s/%s' cannot be opened: %s", path, name,
                                strerror(errno));
        if (!S_ISREG(st.st_mode))
                return 0;
        if (st.st_size > BUNDLE_REVOCATION_MAX) {
                output_say("'%s/%s' is not used: it is larger than anything of the maker's", path, name);
                return 0;
        }
        r = cvm_read_fd(fd, BUNDLE_REVOCATION_MAX, name, &object, err);
        return r < 0 ? r : evidence_add_revocation(bundle, object.data, object.size, err);
}

/* Every file is the maker's, as it came. */
static int use_files(const char *path, struct bundle *bundle, struct cvm_error *err) {
        CVM_CLEANUP(closedirp) DIR *dir = opendir(path);
        const struct dirent *entry;
        int r = 0;

        if (!dir)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                strerror(errno));
        while (r >= 0 && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        r = use_file(dirfd(dir), path, entry->d_name, bundle, err);
        return r;
}

static int use_need(const struct collateral_store *store, const struct collateral_need *need,
                    struct bundle *bundle, struct cvm_error *err) {
        if (!need->name[0] || need->is_there)
                return 0;
        return collateral_ages(need->kind) ? use_published(store, need, bundle, err)
                                           : use_certificates(store, need->name, bundle, err);
}

static bool refuses(const struct cvm_error *err) {
        return cvm_error_code(err)->fault == CVM_FAULT_EVIDENCE_NO;
}

int collateral_use(const char *cache, const uint8_t *simulation_root, uint64_t now_msec,
                   struct bundle *bundle, struct cvm_error *err) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = { 0 };
        const struct collateral_source *source = collateral_source_find(bundle->platform);
        struct collateral_need needs[COLLATERAL_NEEDS_MAX];
        size_t n = 0;
        int r = source ? collateral_open(cache, bundle->platform, simulation_root, now_msec, &store, err)
                       : 0;

        if (r >= 0 && (!source || (source->takes_files && access(store.cache, F_OK) < 0)))
                return use_files(cache, bundle, err);
        /* What the report lacks so much that nothing can be named for it, the appraisal will say. */
        if (r >= 0 && source->needs(bundle, NULL, needs, &n, NULL) < 0)
                n = 0;
        for (size_t i = 0; i < n; i++) {
                struct cvm_error why = { 0 };
                int q = use_need(&store, &needs[i], bundle, &why);

                if (q < 0 && (r >= 0 || (refuses(&why) && !refuses(err)))) {
                        *err = why;
                        r = q;
                }
        }
        return r;
}

/* The directory of this evidence's marks, and their names in their order; none where it is not known. */
static int find_marks(const uint8_t *simulation_root, const struct bundle *bundle,
                      struct collateral_store *store, char ret[PUBLISHED_MAX][COLLATERAL_NAME_MAX],
                      size_t *ret_n, struct cvm_error *err) {
        struct collateral_need needs[COLLATERAL_NEEDS_MAX];
        size_t n = 0;
        int r;

        *ret_n = 0;
        if (!bundle->n_revocations || !collateral_source_find(bundle->platform))
                return 0;
        r = collateral_open("", bundle->platform, simulation_root, 0, store, err);
        if (r < 0 || store->source->needs(bundle, NULL, needs, &n, NULL) < 0)
                return r;
        for (size_t i = 0; i < n && *ret_n < PUBLISHED_MAX; i++)
                if (collateral_ages(needs[i].kind))
                        strcpy(ret[(*ret_n)++], needs[i].name);
        return 0;
}

int collateral_marks(const uint8_t *simulation_root, const struct bundle *bundle,
                     struct published ret[PUBLISHED_MAX], struct cvm_error *err) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = { 0 };
        char names[PUBLISHED_MAX][COLLATERAL_NAME_MAX];
        size_t n;
        int r = find_marks(simulation_root, bundle, &store, names, &n, err);

        memset(ret, 0, PUBLISHED_MAX * sizeof *ret);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = mark_read(store.marks, names[i], &ret[i], err);
        return r;
}

int collateral_raise_marks(const uint8_t *simulation_root, const struct bundle *bundle,
                           const struct published seen[PUBLISHED_MAX], struct cvm_error *err) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = { 0 };
        char names[PUBLISHED_MAX][COLLATERAL_NAME_MAX];
        size_t n;
        int r = find_marks(simulation_root, bundle, &store, names, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (seen[i].made)
                        r = mark_raise(store.marks, names[i], &seen[i], err);
        return r;
}
