#include "vm/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include "base/fd.h"

static const char *mount_point(void) {
        static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        struct statfs fs;

        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        return places[i];
        return NULL;
}

/* The daemon's own group in the one tree of version 2: the line "0::/path". */
static int own_path(char ret[PATH_MAX]) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        const char *mount = mount_point(), *line;
        int r = cvm_read_file("/proc/self/cgroup", 64 << 10, &text, NULL);

        if (r < 0 || !mount)
                return r < 0 ? r : -ENOENT;
        line = strncmp((char *)text.data, "0::", 3) == 0 ? (char *)text.data
                                                         : strstr((char *)text.data, "\n0::");
        if (!line)
                return -ENOENT;
        line += *line == '\n' ? 4 : 3;
        return snprintf(ret, PATH_MAX, "%s%.*s", mount, (int)strcspn(line, "\n"), line) < PATH_MAX
                               ? 0
                               : -ENAMETOOLONG;
}

static bool is_delegated(const char *path) {
        static const char *const marks[] = { "trusted.delegate", "user.delegate" }; /* systemd's */
        char value;

        for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
                if (getxattr(path, marks[i], &value, 1) == 1 && value == '1')
                        return true;
        return false;
}

static int group_of(const char *id, char ret[PATH_MAX]) {
        char own[PATH_MAX];
        int r = own_path(own);

        if (r < 0 || !is_delegated(own))
                return 0;
        return snprintf(ret, PATH_MAX, "%s/vm-%s", own, id) < PATH_MAX ? 1 : -ENAMETOOLONG;
}

int cgroup_enter(const char *id, pid_t pid) {
        CVM_CLEANUP(cvm_closep) int dir = -EBADF;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char path[PATH_MAX];
        int r = group_of(id, path);

        if (r <= 0)
                return r;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;
        dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        fd = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || dprintf(fd, "%d", (int)pid) < 0)
                return -errno;
        return 1;
}

void cgroup_leave(const char *id) {
        char path[PATH_MAX];

        if (group_of(id, path) > 0)
                (void)rmdir(path);
}
