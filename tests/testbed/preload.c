/*
 * The seam: the C library's calls on files, with ours for /dev/kvm and /dev/sev and the real ones for all
 * else. The program that is run with this library (LD_PRELOAD) is not modified.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "tests/testbed/kvm.h"
#include "tests/testbed/sev.h"

static const struct {
        const char *path;
        int (*open)(void);
} devices[] = {
        { "/dev/kvm", kvm_system_open },
        { "/dev/sev", sev_device_open },
};

/* True when path is a device of ours; ret_fd may be NULL. */
static bool device_open(const char *path, int *ret_fd) {
        for (size_t i = 0; path && i < ARRAY_SIZE(devices); i++) {
                if (strcmp(path, devices[i].path) != 0)
                        continue;
                if (ret_fd)
                        *ret_fd = devices[i].open();
                return true;
        }
        return false;
}

static int answer(int r) {
        if (r >= 0)
                return r;
        errno = -r;
        return -1;
}

static mode_t mode_of(int flags, va_list list) {
        return flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

#define EXPORT __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

#define DEFINE_OPEN(name)                                   \
        EXPORT int name(const char *path, int flags, ...) { \
                int fd;                                     \
                va_list list;                               \
                mode_t mode;                                \
                                                            \
                if (device_open(path, &fd))                 \
                        return answer(fd);                  \
                va_start(list, flags);                      \
                mode = mode_of(flags, list);                \
                va_end(list);                               \
                return REAL(name)(path, flags, mode);       \
        }

#define DEFINE_OPENAT(name)                                         \
        EXPORT int name(int at, const char *path, int flags, ...) { \
                int fd;                                             \
                va_list list;                                       \
                mode_t mode;                                        \
                                                                    \
                if (device_open(path, &fd))                         \
                        return answer(fd);                          \
                va_start(list, flags);                              \
                mode = mode_of(flags, list);                        \
                va_end(list);                                       \
                return REAL(name)(at, path, flags, mode);           \
        }

/* What the macros of _FORTIFY_SOURCE call; the C library's headers declare them only where they are used. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

EXPORT int __open_2(const char *path, int flags) {
        return open(path, flags);
}

EXPORT int __open64_2(const char *path, int flags) {
        return open64(path, flags);
}

EXPORT int access(const char *path, int mode) {
        return device_open(path, NULL) ? 0 : REAL(access)(path, mode);
}

/* libvirt looks there first; any device will do. */
#define DEFINE_STAT(name, type)                                                       \
        EXPORT int name(const char *path, struct type *ret) {                         \
                return REAL(name)(device_open(path, NULL) ? "/dev/null" : path, ret); \
        }

DEFINE_STAT(stat, stat)
DEFINE_STAT(stat64, stat64)

EXPORT int close(int fd) {
        handle_closed(fd);
        return REAL(close)(fd);
}

EXPORT int ioctl(int fd, unsigned long request, ...) {
        va_list list;
        void *argument;
        int r;

        va_start(list, request);
        argument = va_arg(list, void *);
        va_end(list);
        if (handle_call(fd, request, argument, &r))
                return answer(r);
        return REAL(ioctl)(fd, request, argument);
}
