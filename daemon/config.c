#include "daemon/config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "vm/driver.h"

enum kind { PATH, PATHS, NAMES, NUMBER, DRIVER };

/* The one table of keys: name, what it is, where it goes, and how large it may be. */
static const struct {
        const char *key;
        enum kind kind;
        size_t offset;
        uint32_t max;
} keys[] = {
        { "StateDirectory", PATH, offsetof(struct config, state_dir), 0 },
        { "RuntimeDirectory", PATH, offsetof(struct config, runtime_dir), 0 },
        { "Worker", PATH, offsetof(struct config, worker), 0 },
        { "Libvirt", PATH, offsetof(struct config, libvirt), 0 },
        { "Driver", DRIVER, offsetof(struct config, driver), 0 },
        { "HostRoot", PATH, offsetof(struct config, host_root), 0 },
        { "ImageDirs", PATHS, offsetof(struct config, image_dirs), 0 },
        { "Bridges", NAMES, offsetof(struct config, bridges), 0 },
        { "Taps", NAMES, offsetof(struct config, taps), 0 },
        { "UidFirst", NUMBER, offsetof(struct config, uid_first), UINT32_MAX - 2 },
        { "UidCount", NUMBER, offsetof(struct config, uid_count), 1u << 20 },
        { "VmsPerUser", NUMBER, offsetof(struct config, vms_per_user), 1u << 20 },
        { "OperationsPerUser", NUMBER, offsetof(struct config, operations_per_user), 1u << 20 },
        { "AgentDeadlineSec", NUMBER, offsetof(struct config, agent_deadline_sec), 86400 },
};

const char *config_key_at(size_t i) {
        return i < ARRAY_SIZE(keys) ? keys[i].key : NULL;
}

void config_done(struct config *config) {
        free(config->state_dir);
        free(config->runtime_dir);
        free(config->worker);
        free(config->libvirt);
        free(config->driver);
        free(config->host_root);
        cvm_texts_free(config->image_dirs);
        cvm_texts_free(config->bridges);
        cvm_texts_free(config->taps);
        *config = (struct config){ 0 };
}

static int refuse(struct cvm_error *err, const char *document, const char *key, const char *what) {
        return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' in '%s' must be %s", key, document, what);
}

static int set_text(char **member, const char *value, bool is_fine) {
        char *copy = is_fine ? strdup(value) : NULL;

        if (!copy)
                return -EINVAL;
        free(*member);
        *member = copy;
        return 0;
}

/* A list in one line; a later one replaces an earlier one. */
static int set_list(char ***member, const char *value, bool paths) {
        char **list = NULL, *copy = strdup(value), *rest = copy, *word;
        int r = copy ? 0 : -ENOMEM;

        while (r >= 0 && (word = strsep(&rest, " \t")))
                if (*word)
                        r = paths && word[0] != '/' ? -EINVAL : cvm_texts_add(&list, word);
        free(copy);
        if (r < 0) {
                cvm_texts_free(list);
                return r;
        }
        cvm_texts_free(*member);
        *member = list;
        return 0;
}

static int set_number(uint32_t *member, const char *value, uint32_t max) {
        unsigned long long v;
        char *end;

        errno = 0;
        v = strtoull(value, &end, 10);
        if (errno || !isdigit((unsigned char)*value) || *end || v > max)
                return -EINVAL;
        *member = (uint32_t)v;
        return 0;
}

static int set(struct config *config, size_t row, const char *value) {
        void *member = (char *)config + keys[row].offset;

        if (keys[row].kind == PATH)
                return set_text(member, value, value[0] == '/');
        if (keys[row].kind == DRIVER)
                return set_text(member, value, driver_by_name(value));
        if (keys[row].kind == NUMBER)
                return set_number(member, value, keys[row].max);
        return set_list(member, value, keys[row].kind == PATHS);
}

int config_set(struct config *config, const char *key, const char *value, const char *document,
               struct cvm_error *err) {
        static const char *const expected[] = {
                [PATH] = "an absolute path",
                [PATHS] = "absolute paths with blanks between them",
                [NAMES] = "names with blanks between them",
                [NUMBER] = "a number within its range",
                [DRIVER] = "'qemu' or 'libvirt'",
        };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (strcmp(keys[i].key, key) == 0)
                        return set(config, i, value) < 0 ? refuse(err, document, key, expected[keys[i].kind])
                                                         : 0;
        return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "there is no key '%.64s' in '%s'", key, document);
}

static char *trim(char *text) {
        size_t n;

        text += strspn(text, " \t");
        n = strlen(text);
        while (n > 0 && isspace((unsigned char)text[n - 1]))
                text[--n] = 0;
        return text;
}

int config_read(struct config *config, const char *text, size_t size, const char *document,
                struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *copy = strndup(text, size);
        char *rest = copy, *line, where[160];
        int number = 0, r = copy ? 0 : -ENOMEM;

        if (r >= 0 && strlen(copy) != size)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' is no text", document);
        while (r >= 0 && (line = strsep(&rest, "\n"))) {
                char *equals;

                number++;
                line = trim(line);
                if (!*line || *line == '#')
                        continue;
                snprintf(where, sizeof where, "%.120s:%d", document, number);
                equals = strchr(line, '=');
                if (!equals)
                        return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' must be KEY=VALUE", where);
                *equals = 0;
                r = config_set(config, trim(line), trim(equals + 1), where, err);
        }
        return r;
}

int config_defaults(struct config *ret, struct cvm_error *err) {
        static const char text[] = "StateDirectory=/var/lib/cvmd\n"
                                   "RuntimeDirectory=/run/cvmd\n"
                                   "Worker=/usr/libexec/cvmd/cvmd-worker\n"
                                   "Libvirt=/usr/libexec/cvmd/cvmd-libvirt\n"
                                   "Driver=qemu\n"
                                   "ImageDirs=/var/lib/cvmd/disks\n"
                                   "UidFirst=1879048192\n"
                                   "UidCount=65536\n"
                                   "VmsPerUser=32\n"
                                   "OperationsPerUser=64\n"
                                   "AgentDeadlineSec=120\n";

        *ret = (struct config){ 0 };
        return config_read(ret, text, sizeof text - 1, "defaults", err);
}

struct manager_config config_manager(const struct config *c) {
        return (struct manager_config){
                .state_dir = c->state_dir,
                .runtime_dir = c->runtime_dir,
                .host_root = c->host_root,
                .driver = driver_by_name(c->driver),
                .image_dirs = c->image_dirs,
                .bridges = c->bridges,
                .taps = c->taps,
                .uid_first = c->uid_first,
                .uid_count = c->uid_count,
                .vms_per_user = c->vms_per_user,
                .operations_per_user = c->operations_per_user,
                .agent_deadline_usec = c->agent_deadline_sec * 1000000ull,
        };
}
