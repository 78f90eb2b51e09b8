/*
 * How many more guests fit: address space identifiers of encrypted guests, as the control groups' misc
 * controller counts them (misc.capacity and misc.current of the root group).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/platform-id.h"

struct host_count {
        uint64_t capacity, used;
};

/* One key of the controller ("sev_es"). -ENOENT with CVM_CODE_HOST_COUNT: this kernel does not count it;
 * -EBADMSG: what stands there is no count. */
int host_count(int root_fd, const char *key, struct host_count *ret, struct cvm_error *err);

/* What a file of one number limits: false where there is none, 0 or no number. */
bool host_limit(int root_fd, const char *path, uint64_t *ret);

/* Guests of one platform that its own daemon knows of. */
struct host_claims {
        uint64_t running; /* they are counted by the kernel */
        uint64_t pending; /* they are not yet: about to start, or with a place kept for them */
};

/* May one more guest of that platform start here? 0 too where nothing is counted: then only QEMU can tell.
 * CVM_CODE_GUEST_KEYS. */
int host_capacity_check(const char *root, enum cvm_platform_id platform, const struct host_claims *claims,
                        struct cvm_error *err);

/* How many that platform's guests (and others of its pool) take now; errors as host_count(). */
int host_capacity_used(const char *root, enum cvm_platform_id platform, uint64_t *ret,
                       struct cvm_error *err);

/* [{"pool":"sev_es","guests":"...","capacity":99,"used":3,"free":96}] of this processor's technology; owned.
 * With "limit" where not all of them may be its newest guests'. CVM_CODE_HOST_COUNT where nothing is
 * counted. */
int host_capacity(const char *root, json_object **ret, struct cvm_error *err);
