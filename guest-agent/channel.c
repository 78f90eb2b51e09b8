#include "guest-agent/channel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define PORTS "/sys/class/virtio-ports"

static int refuse(struct cvm_error *err, const char *where, int errnum) {
        return cvm_fail(err, &CVM_CODE_AGENT_CHANNEL, errnum, "the channel '%s' cannot be opened: %s", where,
                        strerror(errnum < 0 ? -errnum : errnum));
}

static bool port_has_name(const char *root, const char *port, const char *name) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        char path[512], text[128] = "";
        ssize_t n;

        snprintf(path, sizeof path, "%.200s" PORTS "/%.200s/name", root, port);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (n > 0 && text[n - 1] == '\n')
                text[n - 1] = 0;
        return n > 0 && strcmp(text, name) == 0;
}

static void closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}

/* The name of the device below /dev. */
static int find_port(const char *root, const char *name, char ret[300]) {
        CVM_CLEANUP(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        char ports[512];

        snprintf(ports, sizeof ports, "%.200s" PORTS, root);
        dir = opendir(ports);
        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && port_has_name(root, entry->d_name, name)) {
                        snprintf(ret, 300, "/dev/%s", entry->d_name);
                        return 0;
                }
        return -ENOENT;
}

static int open_socket(const char *path) {
        CVM_CLEANUP(cvm_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (fd < 0 || strlen(path) >= sizeof address.sun_path)
                return fd < 0 ? -errno : -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_path(const char *path) {
        struct stat st;
        int fd;

        if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode))
                return open_socket(path);
        fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        return fd < 0 ? -errno : fd;
}

/* A copy, so that whoever closes it may open it again. */
static int open_number(const char *text) {
        char *end;
        long n = strtol(text, &end, 10);
        int fd = *text && !*end && n >= 0 && n < 1024 ? fcntl((int)n, F_DUPFD_CLOEXEC, 3) : -1;

        if (fd < 0)
                return -EBADF;
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        return fd;
}

int channel_open(const char *where, int *ret_fd, struct cvm_error *err) {
        char path[300];
        int fd;

        if (strncmp(where, "fd:", 3) == 0)
                fd = open_number(where + 3);
        else if (where[0] == '/')
                fd = open_path(where);
        else {
                fd = find_port("", where, path);
                fd = fd < 0 ? fd : open_path(path);
        }
        if (fd < 0)
                return refuse(err, where, fd);
        *ret_fd = fd;
        return 0;
}

bool channel_has_port(const char *root, const char *name) {
        char path[300];

        return find_port(root, name, path) == 0;
}
