#include "collateral/http.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "collateral/address.h"

#define HEADERS_MAX (64u << 10)
#define REDIRECTS_MAX 4
#define RETRY_AFTER_MAX_SECONDS 86400

CVM_DEFINE_CLEANUP_VOID(CURL, curl_easy_cleanup);

struct transfer {
        const struct http_service *service;
        size_t max_bytes, headers_size;
        struct cvm_writer body;
        bool too_large, not_public, reached;
        char trouble[CURL_ERROR_SIZE];
};

static void transfer_done(struct transfer *t) {
        cvm_writer_done(&t->body);
}

void http_answer_done(struct http_answer *answer) {
        cvm_bytes_done(&answer->body);
        free(answer->header);
}

static const char *host_of(const char *text) {
        return strncmp(text, "https://", 8) == 0  ? text + 8
               : strncmp(text, "http://", 7) == 0 ? text + 7
                                                  : "";
}

bool http_uri_is_valid(const char *text) {
        const char *host = host_of(text);
        size_t length = strlen(host);

        if (length == 0 || length > 1024 || !isalnum((unsigned char)host[0]))
                return false;
        for (const char *p = host; *p; p++)
                if (!isgraph((unsigned char)*p) || strchr("@#\\\"'<>^`{|}", *p))
                        return false;
        return true;
}

bool http_base_is_valid(const char *text) {
        const char *host = host_of(text);
        size_t length = strlen(host);

        if (length == 0 || length > 255 || host[length - 1] == '/' || host[0] == '/')
                return false;
        for (const char *p = host; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("-._:/[]~", *p))
                        return false;
        return true;
}

static size_t on_body(char *data, size_t one, size_t size, void *ctx) {
        struct transfer *t = ctx;

        t->too_large |= size > t->max_bytes - t->body.bytes.size;
        if (t->too_large)
                return 0;
        cvm_write_copy(&t->body, data, size);
        return t->body.failed ? 0 : size;
}

static size_t on_header(char *data, size_t one, size_t size, void *ctx) {
        struct transfer *t = ctx;

        t->headers_size += size;
        t->too_large |= t->headers_size > HEADERS_MAX;
        return t->too_large ? 0 : size;
}

/* After the name was resolved, once for each of its addresses: the only place where that can be judged. */
static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address) {
        struct transfer *t = ctx;

        if (!t->service->is_mirror && !address_is_public(&address->addr)) {
                t->not_public = true;
                return CURL_SOCKET_BAD;
        }
        t->reached = true;
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool set_options(CURL *curl, struct transfer *t, const char *url, uint64_t timeout_msec) {
        const char *protocols = t->service->is_mirror || t->service->is_point ? "http,https" : "https";
        const struct {
                CURLoption option;
                long value;
        } numbers[] = {
                { CURLOPT_NOSIGNAL, 1 },
                { CURLOPT_FOLLOWLOCATION, t->service->is_point },
                { CURLOPT_MAXREDIRS, REDIRECTS_MAX },
                { CURLOPT_NETRC, CURL_NETRC_IGNORED },
                { CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
                { CURLOPT_SSL_VERIFYPEER, 1 },
                { CURLOPT_SSL_VERIFYHOST, 2 },
                { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
                { CURLOPT_TIMEOUT_MS, (long)timeout_msec },
                { CURLOPT_MAXFILESIZE, (long)t->max_bytes },
        };
        bool good = true;

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                good &= curl_easy_setopt(curl, numbers[i].option, numbers[i].value) == CURLE_OK;
        return good && curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, protocols) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_PROXY, "") ==
                               CURLE_OK && /* "": not the environment's either */
               curl_easy_setopt(curl, CURLOPT_USERAGENT, "cvmctl/" CVM_VERSION) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->trouble) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_WRITEDATA, t) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_HEADERDATA, t) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK;
}

/* What waiting cannot mend: everything about trust and about the address itself. */
static bool is_final(CURLcode code) {
        static const CURLcode final[] = {
                CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT,        CURLE_PEER_FAILED_VERIFICATION,
                CURLE_SSL_CACERT_BADFILE,   CURLE_SSL_CERTPROBLEM,      CURLE_SSL_CIPHER,
                CURLE_SSL_ISSUER_ERROR,     CURLE_FAILED_INIT,          CURLE_OUT_OF_MEMORY,
                CURLE_LOGIN_DENIED,         CURLE_REMOTE_ACCESS_DENIED,
        };

        for (size_t i = 0; i < ARRAY_SIZE(final); i++)
                if (code == final[i])
                        return true;
        return false;
}

static int take_failure(const struct transfer *t, CURLcode code, struct http_answer *ret,
                        struct cvm_error *err) {
        const char *words = t->trouble[0] ? t->trouble : curl_easy_strerror(code);

        if (t->not_public && (!t->reached || t->service->is_point))
                return cvm_fail(err, &CVM_CODE_COLLATERAL_ADDRESS, EACCES,
                                "'%s' leads to an address that is not public", t->service->base);
        if (t->too_large || code == CURLE_FILESIZE_EXCEEDED)
                return cvm_fail(err, &CVM_CODE_COLLATERAL_SERVICE, EFBIG,
                                "'%s' answered with more than %zu bytes", t->service->base, t->max_bytes);
        if (is_final(code))
                return cvm_fail(err, &CVM_CODE_COLLATERAL_SERVICE, ECONNREFUSED,
                                "'%s' cannot be asked: %.200s", t->service->base, words);
        snprintf(ret->trouble, sizeof ret->trouble, "%.255s", words);
        ret->timed_out = code == CURLE_OPERATION_TIMEDOUT;
        return 0;
}

/* Of the answer itself, not of one that led to it. */
static int take_header(CURL *curl, const char *const *names, char **ret) {
        struct curl_header *found = NULL;

        for (; names && *names && !found; names++)
                if (curl_easy_header(curl, *names, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
                        found = NULL;
        *ret = found ? strdup(found->value) : NULL;
        return found && !*ret ? -ENOMEM : 0;
}

static int take_answer(CURL *curl, struct transfer *t, const char *const *headers, struct http_answer *ret,
                       struct cvm_error *err) {
        curl_off_t retry_after = 0;
        long status = 0;

        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
        if (cvm_writer_take(&t->body, &ret->body) < 0 || take_header(curl, headers, &ret->header) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading an answer");
        ret->status = (unsigned)status;
        if (retry_after > 0)
                ret->retry_after_msec = 1000 * (uint64_t)(retry_after < RETRY_AFTER_MAX_SECONDS
                                                                          ? retry_after
                                                                          : RETRY_AFTER_MAX_SECONDS);
        return 0;
}

int http_get(const struct http_service *service, const char *path, const char *const *headers,
             size_t max_bytes, uint64_t timeout_msec, struct http_answer *ret, struct cvm_error *err) {
        CVM_CLEANUP(transfer_done) struct transfer t = { .service = service, .max_bytes = max_bytes };
        CVM_CLEANUP(curl_easy_cleanupp) CURL *curl = curl_easy_init();
        CVM_CLEANUP(cvm_freep) char *url = NULL;
        CURLcode code;

        *ret = (struct http_answer){ 0 };
        if (asprintf(&url, "%s%s", service->base, path) < 0) {
                url = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking '%s'", service->base);
        }
        if (!curl || !set_options(curl, &t, url, timeout_msec))
                return cvm_fail(err, &CVM_CODE_INTERNAL, EINVAL, "libcurl cannot do what is asked of it");
        code = curl_easy_perform(curl);
        return code == CURLE_OK ? take_answer(curl, &t, headers, ret, err)
                                : take_failure(&t, code, ret, err);
}
