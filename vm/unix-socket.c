#include "vm/unix-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

static int make_socket(const char *path, struct sockaddr_un *ret) {
        int fd;

        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof ret->sun_path)
                return -ENAMETOOLONG;
        strcpy(ret->sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return fd < 0 ? -errno : fd;
}

int unix_listen(const char *path, int *ret_fd, struct cvm_error *err) {
        struct sockaddr_un address;
        CVM_CLEANUP(cvm_closep) int fd = make_socket(path, &address);

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, fd, "socket '%s': %s", path, strerror(-fd));
        unlink(path);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(path, 0600) < 0 ||
            listen(fd, 4) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, errno, "socket '%s': %s", path, strerror(errno));
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int unix_connect(const char *path) {
        struct sockaddr_un address;
        CVM_CLEANUP(cvm_closep) int fd = make_socket(path, &address);

        if (fd < 0)
                return fd;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
                return -errno;
        return TAKE_FD(fd);
}
