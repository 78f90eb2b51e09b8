/*
 * Revocation lists behind host-key documents of Secure Execution, from the distribution points that the
 * certificates and documents name (RFC 5280, 4.2.1.13). No root of IBM's is pinned: the caller names one, so
 * a list is kept when one of the given certificates signed it, and what it is worth se_trust_verify() and
 * se_host_check() say, each time. That is why these lists are no collateral_source: nobody could verify them
 * by their names alone.
 */
#pragma once

#include "attest/hkd-se.h"
#include "collateral/http.h"

struct se_lists {
        const char *cache, *marks; /* directories, made where they are not there */
        const char *mirror;        /* asked for HOST/PATH below it in place of each point; NULL: none */
        uint64_t now_msec;         /* dates are judged at this time, UTC */
        void (*say)(const char *sentence);
};

/*
 * Add to the trust the list of each of its certificates and of each document: of its points in their order
 * the first that gives one within three seconds, which is valid and no older than the newest that was seen
 * from there. One that was fetched within a day is taken from the cache, and an older one that is still
 * valid where no point gives one. What cannot be had is said, and is no failure: the checks that follow tell
 * what is missing. CVM_CODE_NO_MEMORY.
 */
int se_lists_fetch(const struct se_lists *with, const struct se_hosts *hosts, struct se_trust *trust,
                   struct cvm_error *err);

/* The points of a certificate: texts of HTTP and HTTPS addresses, at most that many; owned, NULL-terminated.
 * NULL: it names none. -ENOMEM. */
#define SE_POINTS_MAX 8
int se_points(const X509 *x509, char ***ret);
