/*
 * A path from a definition is opened once, here, and the descriptor is what is measured and used. openat2
 * resolves it beneath one of the allowed directories without any symlink, so that nothing which is renamed
 * meanwhile leads out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "vm/disk-fill.h"
#include "vm/image-store.h"

/* What of path lies beneath dir; NULL: it does not. */
static const char *beneath(const char *path, const char *dir) {
        size_t n = strlen(dir);

        while (n > 1 && dir[n - 1] == '/')
                n--;
        if (strncmp(path, dir, n) != 0 || (path[n] != '/' && dir[n - 1] != '/'))
                return NULL;
        path += n;
        while (*path == '/')
                path++;
        return *path ? path : NULL;
}

static int open_beneath(const char *dir, const char *name, int flags) {
        const struct open_how how = {
                .flags = (uint64_t)(flags | O_CLOEXEC),
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        CVM_CLEANUP(cvm_closep) int top = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = top < 0 ? -1 : (int)syscall(SYS_openat2, top, name, &how, sizeof how);

        return fd < 0 ? -errno : fd;
}

int image_open_path(const char *path, char *const *dirs, bool writable, int *ret_fd, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = -ENOENT;
        bool allowed = false;
        struct stat st;

        for (; dirs && *dirs && fd < 0; dirs++) {
                const char *name = beneath(path, *dirs);

                if (!name)
                        continue;
                allowed = true;
                fd = open_beneath(*dirs, name, (writable ? O_RDWR : O_RDONLY) | O_NOCTTY | O_NONBLOCK);
        }
        if (!allowed)
                return cvm_fail(err, &CVM_CODE_PATH, EACCES,
                                "'%s' is not beneath an image directory of the daemon", path);
        if (fd == -ELOOP || fd == -EXDEV)
                return cvm_fail(err, &CVM_CODE_PATH, EACCES,
                                "'%s' goes through a symlink or out of its directory", path);
        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_PATH, fd, "'%s' cannot be opened: %s", path, strerror(-fd));
        if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
                return cvm_fail(err, &CVM_CODE_PATH, EINVAL, "'%s' is no regular file or block device",
                                path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* The directory of a path, by the same rules; what of the path is the name in it. */
static int open_parent(const char *path, char *const *dirs, const char **ret_name) {
        int fd = -ENOENT;

        for (; *dirs && fd < 0; dirs++) {
                const char *name = beneath(path, *dirs), *slash = name ? strrchr(name, '/') : NULL;
                CVM_CLEANUP(cvm_freep) char *parent = slash ? strndup(name, (size_t)(slash - name)) : NULL;

                if (!name)
                        continue;
                fd = open_beneath(*dirs, parent ? parent : ".", O_PATH | O_DIRECTORY);
                *ret_name = slash ? slash + 1 : name;
        }
        return fd;
}

int image_make_path(const char *path, char *const *dirs, const struct definition_disk *disk,
                    struct cvm_error *err) {
        const char *name = NULL;
        CVM_CLEANUP(cvm_closep) int parent = open_parent(path, dirs, &name);
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char unnamed[32];
        int r = parent;

        if (r >= 0) {
                fd = openat(parent, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
                r = fd < 0 ? -errno : disk_fill(fd, disk);
        }
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        snprintf(unnamed, sizeof unnamed, "/proc/self/fd/%d", fd);
        /* It gets its name when it is whole, and never that of another file. */
        if (r >= 0 && linkat(AT_FDCWD, unnamed, parent, name, AT_SYMLINK_FOLLOW) < 0)
                r = -errno;
        return r < 0 ? cvm_fail(err, &CVM_CODE_PATH, r, "disk '%s' cannot be made: %s", path, strerror(-r))
                     : 0;
}
