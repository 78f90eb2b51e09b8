#include "launch/host.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/names.h"
#include "launch/platform.h"

#define PROGRAM_MAX (256u << 20)
#define PROGRAM_CHUNK (64u << 10)

int host_open(int root_fd, const char *path, int flags) {
        int never_waits = flags & O_PATH ? 0 : O_NOCTTY | O_NONBLOCK; /* refused together */
        struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC | never_waits),
                                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
        long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);

        return fd < 0 ? -errno : (int)fd;
}

void host_text(int root_fd, const char *path, char *ret, size_t size) {
        CVM_CLEANUP(cvm_closep) int fd = host_open(root_fd, path, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, ret, size - 1);

        ret[n < 0 ? 0 : n] = 0;
}

bool host_has(int root_fd, const char *path) {
        CVM_CLEANUP(cvm_closep) int fd = host_open(root_fd, path, O_PATH);

        return fd >= 0;
}

/* Chunks overlap by a word. */
bool host_has_word(int root_fd, const char *path, const char *word) {
        CVM_CLEANUP(cvm_closep) int fd = host_open(root_fd, path, O_RDONLY);
        char chunk[PROGRAM_CHUNK];
        size_t length = strlen(word), kept = 0, total = 0;
        ssize_t n;

        while (fd >= 0 && total < PROGRAM_MAX && (n = read(fd, chunk + kept, sizeof chunk - kept)) > 0) {
                size_t there = kept + (size_t)n;

                total += (size_t)n;
                if (memmem(chunk, there, word, length))
                        return true;
                kept = there < length ? there : length;
                memmove(chunk, chunk + there - kept, kept);
        }
        return false;
}

bool host_is_on(int root_fd, const char *path) {
        char text[8];

        host_text(root_fd, path, text, sizeof text);
        return *text && strchr("Yy1", *text) != NULL;
}

/* "vendor_id : AuthenticAMD", in the first processor's lines. */
static void read_vendor(int root_fd, char *ret, size_t size) {
        char text[4096], *rest = text, *line;

        host_text(root_fd, "proc/cpuinfo", text, sizeof text);
        while ((line = strsep(&rest, "\n"))) {
                const char *value = strchr(line, ':');

                if (strncmp(line, "vendor_id", 9) != 0 || !value)
                        continue;
                value += 1 + strspn(value + 1, " \t");
                snprintf(ret, size, "%s", value);
                cvm_text_clean(ret, strlen(ret), false);
                return;
        }
}

int host_read(const char *root, struct host_facts *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct host_facts facts = { .is_recorded = strcmp(root, "/") != 0 };
        const struct platform *platform;

        if (root_fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", root,
                                strerror(errno));
        read_vendor(root_fd, facts.cpu_vendor, sizeof facts.cpu_vendor);
        facts.has_kvm = host_has(root_fd, "dev/kvm");
        for (size_t i = 0; (platform = platform_at(i)); i++)
                platform->read_host(root_fd, &facts);
        *ret = facts;
        return 0;
}

json_object *host_json(const struct host_facts *facts) {
        json_object *node = json_object_new_object(), *platforms = json_object_new_array();
        const struct platform *platform;

        json_object_object_add(node, "cpu_vendor", json_object_new_string(facts->cpu_vendor));
        json_object_object_add(node, "kvm", json_object_new_boolean(facts->has_kvm));
        for (size_t i = 0; (platform = platform_at(i)); i++)
                if (facts->offers[platform->id])
                        json_object_array_add(platforms, json_object_new_string(platform->name));
        json_object_object_add(node, "platforms", platforms);
        return node;
}
