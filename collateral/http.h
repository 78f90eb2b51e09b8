/*
 * One download from one service, and nothing else that a URL can do: HTTPS to a public address, no redirect,
 * no proxy of the environment, no cookie, no stored password, no other protocol, bounded in size and time. A
 * mirror that the caller configured may be plain HTTP and private: what it gives is verified like the rest.
 * A point, which a certificate names, may be plain HTTP and send on to others; each of them must be public.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

struct http_service {
        const char *base; /* "https://kdsintf.amd.com", no '/' at its end; of a point all of it; borrowed */
        bool is_mirror;
        bool is_point;
};

struct http_answer {
        unsigned status; /* 0: none came, see `trouble` */
        struct cvm_bytes body;
        char *header; /* owned: the value of the one that was asked for; NULL: it was not there */
        uint64_t retry_after_msec; /* 0: the service named none */
        bool timed_out;
        char trouble[256]; /* why no whole answer came; "" */
};

void http_answer_done(struct http_answer *answer);

/* An address that may be configured: http:// or https://, a host, perhaps a port and a path. No password, no
 * query, no '/' at its end. */
bool http_base_is_valid(const char *text);

/* An address that a certificate may name: http:// or https://, no password, no fragment, printable. */
bool http_uri_is_valid(const char *text);

/*
 * GET base + path within timeout_msec; of the answer's headers the first that is there of those names
 * (NULL-terminated; NULL: none is wanted). 0 with an answer of any status, or with none where trying again
 * may help. CVM_CODE_COLLATERAL_ADDRESS: the name leads to addresses that are not public;
 * CVM_CODE_COLLATERAL_SERVICE: more than max_bytes, or no connection that may be trusted.
 */
int http_get(const struct http_service *service, const char *path, const char *const *headers,
             size_t max_bytes, uint64_t timeout_msec, struct http_answer *ret, struct cvm_error *err);
