#include "launch/host-capacity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "launch/host-platform.h"

#define CAPACITY "sys/fs/cgroup/misc.capacity"
#define CURRENT "sys/fs/cgroup/misc.current"
#define COUNTS_MAX 4096

/* -EBADMSG: digits only, to the end. */
static int parse(const char *digits, uint64_t *ret) {
        if (!*digits || strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 18)
                return -EBADMSG;
        *ret = strtoull(digits, NULL, 10);
        return 0;
}

bool host_limit(int root_fd, const char *path, uint64_t *ret) {
        char text[32];
        uint64_t limit;

        host_text(root_fd, path, text, sizeof text);
        text[strcspn(text, "\n")] = 0;
        if (parse(text, &limit) < 0 || limit == 0)
                return false;
        *ret = limit;
        return true;
}

/* "sev_es 99" in a file of such lines. */
static int read_count(int root_fd, const char *path, const char *key, uint64_t *ret, struct cvm_error *err) {
        char text[COUNTS_MAX], *rest = text, *line;
        size_t length = strlen(key);

        host_text(root_fd, path, text, sizeof text);
        while ((line = strsep(&rest, "\n"))) {
                if (strncmp(line, key, length) != 0 || line[length] != ' ')
                        continue;
                return parse(line + length + 1, ret) < 0 ? cvm_fail(err, &CVM_CODE_HOST_COUNT, EBADMSG,
                                                                    "'%s' in '%s' is no count", key, path)
                                                         : 0;
        }
        return cvm_fail(err, &CVM_CODE_HOST_COUNT, ENOENT, "'%s' does not count '%s'", path, key);
}

int host_count(int root_fd, const char *key, struct host_count *ret, struct cvm_error *err) {
        struct host_count count;
        int r = read_count(root_fd, CAPACITY, key, &count.capacity, err);

        if (r >= 0)
                r = read_count(root_fd, CURRENT, key, &count.used, err);
        if (r >= 0)
                *ret = count;
        return r;
}

static const struct host_pool *pool_of(const struct host_scene *scene, enum cvm_platform_id id) {
        const struct host_platform *platform = host_platform_of(scene->facts.cpu_vendor);
        const struct host_pool *pool = platform ? platform->pools : NULL;

        while (pool && pool->key && pool->platform != id)
                pool++;
        return pool && pool->key ? pool : NULL;
}

/* The pool and what is counted of it. */
static int count_of(const struct host_scene *scene, enum cvm_platform_id id, const struct host_pool **ret,
                    struct host_count *ret_count, struct cvm_error *err) {
        *ret = pool_of(scene, id);
        return *ret ? host_count(scene->root_fd, (*ret)->key, ret_count, err)
                    : cvm_fail(err, &CVM_CODE_HOST_COUNT, ENOENT, "no guests of that platform are counted");
}

int host_capacity_used(const char *root, enum cvm_platform_id platform, uint64_t *ret,
                       struct cvm_error *err) {
        CVM_CLEANUP(host_scene_done) struct host_scene scene = { .root_fd = -EBADF };
        const struct host_pool *pool;
        struct host_count count;
        int r = host_scene_open(root, &scene, err);

        if (r >= 0)
                r = count_of(&scene, platform, &pool, &count, err);
        if (r >= 0)
                *ret = count.used;
        return r;
}

static uint64_t left_of(const struct host_count *count) {
        return count->capacity > count->used ? count->capacity - count->used : 0;
}

int host_capacity_check(const char *root, enum cvm_platform_id platform, const struct host_claims *claims,
                        struct cvm_error *err) {
        CVM_CLEANUP(host_scene_done) struct host_scene scene = { .root_fd = -EBADF };
        const struct host_pool *pool;
        struct host_count count;
        struct cvm_error silent = { 0 };
        uint64_t limit;

        if (host_scene_open(root, &scene, &silent) < 0 ||
            count_of(&scene, platform, &pool, &count, &silent) < 0)
                return 0;
        if (left_of(&count) <= claims->pending)
                return cvm_fail(err, &CVM_CODE_GUEST_KEYS, EBUSY,
                                "no more guest of %s fits: %llu of %llu identifiers (ASIDs) are taken, and "
                                "%llu are kept for others",
                                pool->what, (unsigned long long)count.used,
                                (unsigned long long)count.capacity, (unsigned long long)claims->pending);
        if (pool->limit && host_limit(scene.root_fd, pool->limit, &limit) &&
            claims->running + claims->pending >= limit)
                return cvm_fail(err, &CVM_CODE_GUEST_KEYS, EBUSY,
                                "no more guest of this platform fits: '/%s' leaves it %llu identifiers "
                                "(ASIDs), %llu are taken and %llu kept for others",
                                pool->limit, (unsigned long long)limit, (unsigned long long)claims->running,
                                (unsigned long long)claims->pending);
        return 0;
}

static json_object *count_json(int root_fd, const struct host_pool *pool, const struct host_count *count) {
        json_object *node = json_object_new_object();
        uint64_t limit;

        json_object_object_add(node, "pool", json_object_new_string(pool->key));
        json_object_object_add(node, "guests", json_object_new_string(pool->what));
        json_object_object_add(node, "capacity", json_object_new_uint64(count->capacity));
        json_object_object_add(node, "used", json_object_new_uint64(count->used));
        json_object_object_add(node, "free", json_object_new_uint64(left_of(count)));
        if (pool->limit && host_limit(root_fd, pool->limit, &limit))
                json_object_object_add(node, "limit", json_object_new_uint64(limit));
        return node;
}

int host_capacity(const char *root, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(host_scene_done) struct host_scene scene = { .root_fd = -EBADF };
        CVM_CLEANUP(cvm_json_putp) json_object *list = json_object_new_array();
        const struct host_platform *platform;
        int r = host_scene_open(root, &scene, err);

        if (r < 0)
                return r;
        platform = host_platform_of(scene.facts.cpu_vendor);
        if (!platform || !platform->pools->key)
                return cvm_fail(err, &CVM_CODE_HOST_COUNT, ENOENT,
                                "no guests are counted on processors of '%s'", scene.facts.cpu_vendor);
        for (const struct host_pool *pool = platform->pools; pool->key; pool++) {
                struct host_count count;

                r = host_count(scene.root_fd, pool->key, &count, err);
                if (r < 0)
                        return r;
                json_object_array_add(list, count_json(scene.root_fd, pool, &count));
        }
        *ret = TAKE_PTR(list);
        return 0;
}
