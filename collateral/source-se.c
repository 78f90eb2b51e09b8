#include "collateral/source-se.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/x509v3.h>

#include "attest/x509.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/time.h"
#include "collateral/directory.h"
#include "collateral/mark.h"

#define POINT_MSEC 3000
#define MAX_AGE_MSEC (86400ull * 1000)
#define LOCK_USEC 10000000ull
#define ASKED_MAX 64 /* different points in one run */

/* One run: documents of many hosts name the same points. */
struct run {
        const struct se_lists *with;
        struct se_trust *trust;
        struct {
                uint8_t uri[CVM_SHA256_SIZE];
                bool gave;
        } asked[ASKED_MAX];
        size_t n_asked;
};

/* --- points --- */

static int add_names(const GENERAL_NAMES *names, char ***ret) {
        int r = 0;

        for (int i = 0; r >= 0 && i < sk_GENERAL_NAME_num(names); i++) {
                const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
                const ASN1_IA5STRING *uri = name->type == GEN_URI ? name->d.uniformResourceIdentifier : NULL;
                const char *text = uri ? (const char *)ASN1_STRING_get0_data(uri) : NULL;

                if (!text || strlen(text) != (size_t)ASN1_STRING_length(uri) || !http_uri_is_valid(text))
                        continue;
                if (*ret && cvm_texts_count(*ret) == SE_POINTS_MAX)
                        return 0;
                r = cvm_texts_add(ret, text);
        }
        return r;
}

int se_points(const X509 *x509, char ***ret) {
        CRL_DIST_POINTS *points = X509_get_ext_d2i(x509, NID_crl_distribution_points, NULL, NULL);
        CVM_CLEANUP(cvm_texts_freep) char **texts = NULL;
        int r = 0;

        for (int i = 0; r >= 0 && i < sk_DIST_POINT_num(points); i++) {
                const DIST_POINT *point = sk_DIST_POINT_value(points, i);

                if (point->distpoint && point->distpoint->type == 0)
                        r = add_names(point->distpoint->name.fullname, &texts);
        }
        CRL_DIST_POINTS_free(points);
        if (r >= 0)
                *ret = TAKE_PTR(texts);
        return r;
}

/* --- one list --- */

static bool is_signed(X509_CRL *list, STACK_OF(X509) * by) {
        for (int i = 0; i < sk_X509_num(by); i++)
                if (X509_CRL_verify(list, X509_get0_pubkey(sk_X509_value(by, i))) == 1)
                        return true;
        return false;
}

/* Whether these bytes are a list that one of the certificates signed and that is valid; since when. */
static int judge(const struct run *run, const struct cvm_bytes *bytes, const char *uri,
                 struct published *ret, struct cvm_error *err) {
        CVM_CLEANUP(se_trust_done) struct se_trust found = { 0 };
        uint64_t made = 0, next = 0;
        int r = se_trust_add(&found, SE_TRUST_LISTS, bytes->data, bytes->size, uri, err);
        X509_CRL *list;

        if (r < 0)
                return r;
        list = sk_X509_CRL_value(found.lists, 0);
        if (!is_signed(list, run->trust->certificates) && !is_signed(list, run->trust->roots))
                return cvm_fail(err, &CVM_CODE_CRL, EBADMSG, "none of the certificates signed that list");
        if (x509_read_time(X509_CRL_get0_lastUpdate(list), &made) < 0 ||
            x509_read_time(X509_CRL_get0_nextUpdate(list), &next) < 0 || run->with->now_msec < made ||
            run->with->now_msec >= next)
                return cvm_fail(err, &CVM_CODE_CRL_STALE, ETIME, "that list is not valid now");
        *ret = (struct published){ .made = made };
        return 0;
}

static int get(const struct run *run, const char *uri, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(http_answer_done) struct http_answer answer = { 0 };
        const struct http_service service = { run->with->mirror ? run->with->mirror : uri, run->with->mirror,
                                              true };
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        int r;

        if (asprintf(&path, "/%s", strstr(uri, "://") + 3) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = http_get(&service, run->with->mirror ? path : "", NULL, SE_TRUST_FILE_MAX, POINT_MSEC, &answer,
                     err);
        if (r < 0)
                return r;
        if (answer.status != 200)
                return answer.status ? cvm_fail(err, &CVM_CODE_COLLATERAL_SERVICE, EPROTO,
                                                "it answers with status %u", answer.status)
                                     : cvm_fail(err, &CVM_CODE_COLLATERAL_SERVICE, EPROTO, "%s",
                                                answer.trouble);
        *ret = cvm_bytes_take(&answer.body);
        return 0;
}

/* From there into the cache, never an older one. */
static int fetch(const struct run *run, const char *uri, const char *name, const char *path,
                 struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct published found, mark;
        int r = get(run, uri, &bytes, err);

        if (r >= 0)
                r = judge(run, &bytes, uri, &found, err);
        if (r >= 0)
                r = mark_read(run->with->marks, name, &mark, err);
        if (r >= 0 && published_is_older(&found, &mark))
                r = cvm_fail(err, &CVM_CODE_CRL_OLDER, ESTALE,
                             "that list is older than one that was seen before");
        if (r >= 0)
                r = mark_raise(run->with->marks, name, &found, err);
        if (r >= 0)
                r = cvm_write_file(path, bytes.data, bytes.size, 0600, err);
        if (r >= 0)
                *ret = cvm_bytes_take(&bytes);
        return r;
}

/* What is in the cache, and whether it was fetched within a day. */
static bool take_kept(const struct run *run, const char *uri, const char *path, struct cvm_bytes *ret,
                      bool *ret_fresh) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct published found;
        struct stat st;

        if (stat(path, &st) < 0 || cvm_read_file(path, SE_TRUST_FILE_MAX, &bytes, NULL) < 0 ||
            judge(run, &bytes, uri, &found, NULL) < 0)
                return false;
        *ret_fresh = (uint64_t)st.st_mtim.tv_sec * 1000 + MAX_AGE_MSEC > cvm_time_now();
        *ret = cvm_bytes_take(&bytes);
        return true;
}

static void say_failure(const struct run *run, const char *uri, const char *why, bool kept) {
        char sentence[512];

        snprintf(sentence, sizeof sentence, "no revocation list from '%.150s': %.250s%s", uri, why,
                 kept ? "; the one that is kept is still valid" : "");
        run->with->say(sentence);
}

/* 1: it gave a list, 0: it did not. */
static int ask(const struct run *run, const char *uri, const uint8_t digest[CVM_SHA256_SIZE],
               struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int lock = -EBADF;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes kept = { 0 }, list = { 0 };
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        char name[2 * CVM_SHA256_SIZE + 1];
        struct cvm_error why = { 0 };
        bool fresh = false, has_kept;
        int r = directory_make(run->with->cache, &why);

        cvm_hex(digest, CVM_SHA256_SIZE, name);
        if (asprintf(&path, "%s/%s", run->with->cache, name) < 0) {
                path = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "fetching revocation lists");
        }
        if (r >= 0)
                r = lock = directory_lock_name(run->with->cache, name, monotonic_usec() + LOCK_USEC, &why);
        has_kept = take_kept(run, uri, path, &kept, &fresh);
        if (r >= 0 && !fresh)
                r = fetch(run, uri, name, path, &list, &why);
        if (r < 0)
                say_failure(run, uri, why.text, has_kept);
        if (!list.size && !has_kept)
                return 0;
        r = se_trust_add(run->trust, SE_TRUST_LISTS, list.size ? list.data : kept.data,
                         list.size ? list.size : kept.size, uri, err);
        return r < 0 ? r : 1;
}

/* Of many that name the same point the first one asks. */
static int ask_once(struct run *run, const char *uri, struct cvm_error *err) {
        uint8_t digest[CVM_SHA256_SIZE];
        int r;

        cvm_sha256(uri, strlen(uri), digest);
        for (size_t i = 0; i < run->n_asked; i++)
                if (memcmp(run->asked[i].uri, digest, sizeof digest) == 0)
                        return run->asked[i].gave;
        if (run->n_asked == ASKED_MAX)
                return 0;
        r = ask(run, uri, digest, err);
        memcpy(run->asked[run->n_asked].uri, digest, sizeof digest);
        run->asked[run->n_asked++].gave = r > 0;
        return r;
}

static int fetch_for(struct run *run, const X509 *x509, struct cvm_error *err) {
        CVM_CLEANUP(cvm_texts_freep) char **points = NULL;
        int r = se_points(x509, &points);

        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "fetching revocation lists");
        for (size_t i = 0; r == 0 && points && points[i]; i++)
                r = ask_once(run, points[i], err);
        return r < 0 ? r : 0;
}

int se_lists_fetch(const struct se_lists *with, const struct se_hosts *hosts, struct se_trust *trust,
                   struct cvm_error *err) {
        struct run run = { .with = with, .trust = trust };
        int r = 0;

        for (int i = 0; r >= 0 && i < sk_X509_num(trust->certificates); i++)
                r = fetch_for(&run, sk_X509_value(trust->certificates, i), err);
        for (size_t i = 0; r >= 0 && i < hosts->n; i++)
                r = fetch_for(&run, hosts->items[i].x509, err);
        return r;
}
