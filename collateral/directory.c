#include "collateral/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"

#define LOCK_POLL_MSEC 20

int directory_make(const char *path, struct cvm_error *err) {
        char part[PATH_MAX];

        if (snprintf(part, sizeof part, "%s/", path) >= (int)sizeof part)
                return cvm_fail(err, &CVM_CODE_FILE, ENAMETOOLONG, "'%s' is too long a path", path);
        for (char *slash = part; (slash = strchr(slash + 1, '/'));) {
                *slash = 0;
                if (mkdir(part, 0700) < 0 && errno != EEXIST)
                        return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be made: %s", part,
                                        strerror(errno));
                *slash = '/';
        }
        return 0;
}

int directory_lock(const char *path, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || flock(fd, LOCK_EX) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be locked: %s", path,
                                strerror(errno));
        return TAKE_FD(fd);
}

/* The kernel has no lock with a deadline: it is asked again and again. The file stays, or two could hold
 * locks on two files of one name. */
int directory_lock_name(const char *path, const char *name, uint64_t deadline_usec, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char file[PATH_MAX];

        if (snprintf(file, sizeof file, "%s/.%s.lock", path, name) >= (int)sizeof file)
                return cvm_fail(err, &CVM_CODE_FILE, ENAMETOOLONG, "'%s' is too long a path", path);
        fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", file,
                                strerror(errno));
        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be locked: %s", file,
                                        strerror(errno));
                if (monotonic_usec() >= deadline_usec)
                        return cvm_fail(err, &CVM_CODE_COLLATERAL_TIMEOUT, ETIMEDOUT,
                                        "another run is still fetching it");
                sleep_msec(LOCK_POLL_MSEC);
        }
        return TAKE_FD(fd);
}

uint64_t monotonic_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void sleep_msec(uint64_t msec) {
        struct timespec left = { (time_t)(msec / 1000), (long)(msec % 1000) * 1000000 };

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}
