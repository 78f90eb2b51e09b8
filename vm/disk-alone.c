#include "vm/disk-alone.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/macros.h"

static bool is_same(const struct stat *a, const struct stat *b) {
        if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
                return a->st_rdev == b->st_rdev;
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool disk_is_same(int a, int b) {
        struct stat of_a, of_b;

        return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && is_same(&of_a, &of_b);
}

static void close_directory(DIR **dir) {
        if (*dir)
                closedir(*dir);
}

int disk_is_held(int fd, bool writable, pid_t pid) {
        CVM_CLEANUP(close_directory) DIR *dir = NULL;
        const struct dirent *entry;
        struct stat wanted, open, link;
        char path[32];

        snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
        dir = opendir(path);
        if (!dir || fstat(fd, &wanted) < 0)
                return errno == ENOENT || errno == ESRCH ? 0 : -errno;
        while ((entry = readdir(dir))) {
                /* The link's own mode says how the descriptor was opened (proc(5)). */
                if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &open, 0) == 0 &&
                    is_same(&wanted, &open) &&
                    fstatat(dirfd(dir), entry->d_name, &link, AT_SYMLINK_NOFOLLOW) == 0 &&
                    (writable || link.st_mode & S_IWUSR))
                        return 1;
        }
        return 0;
}
