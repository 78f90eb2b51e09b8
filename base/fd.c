#include "base/fd.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int cvm_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                close(fd);
                errno = saved;
        }
        return -EBADF;
}

int cvm_read_fd(int fd, size_t max_bytes, const char *what, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        size_t room = 0;

        for (;;) {
                if (bytes.size + 1 >= room) {
                        size_t wanted = room ? room * 2 : 4096;
                        uint8_t *grown;

                        if (bytes.size > max_bytes)
                                return cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG,
                                                "'%s' is larger than %zu bytes", what, max_bytes);
                        grown = realloc(bytes.data, wanted);
                        if (!grown)
                                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", what);
                        bytes.data = grown;
                        room = wanted;
                }
                ssize_t n = read(fd, bytes.data + bytes.size, room - bytes.size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be read: %s", what,
                                        strerror(errno));
                if (n == 0)
                        break;
                bytes.size += (size_t)n;
        }
        if (bytes.size > max_bytes)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG, "'%s' is larger than %zu bytes", what,
                                max_bytes);
        bytes.data[bytes.size] = 0;
        *ret = cvm_bytes_take(&bytes);
        return 0;
}

int cvm_read_file(const char *path, size_t max_bytes, struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        if (strcmp(path, "-") == 0)
                return cvm_read_fd(STDIN_FILENO, max_bytes, "standard input", ret, err);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                strerror(errno));
        return cvm_read_fd(fd, max_bytes, path, ret, err);
}

int cvm_write_all(int fd, const void *data, size_t size) {
        const uint8_t *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

ssize_t cvm_read_at(int fd, uint64_t offset, void *ret, size_t size) {
        uint8_t *p = ret;
        size_t done = 0;

        while (done < size) {
                ssize_t n = pread(fd, p + done, size - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t)n;
        }
        return (ssize_t)done;
}

int cvm_write_at(int fd, uint64_t offset, const void *data, size_t size) {
        const uint8_t *p = data;

        while (size > 0) {
                ssize_t n = pwrite(fd, p, size, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t)n;
                offset += (size_t)n;
        }
        return 0;
}

static int sync_directory_of(const char *path) {
        CVM_CLEANUP(cvm_freep) char *copy = strdup(path);
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        if (!copy)
                return -ENOMEM;
        fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

/* Devices, pipes and our own descriptors are written into: a file put in their place would take them away.
 */
static bool is_written_into(const char *path) {
        static const char *const descriptors[] = { "/dev/std", "/dev/fd/", "/proc/" };
        struct stat st;

        for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++)
                if (strncmp(path, descriptors[i], strlen(descriptors[i])) == 0)
                        return true;
        return lstat(path, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || S_ISFIFO(st.st_mode));
}

static int write_into(const char *path, const void *data, size_t size) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : cvm_write_all(fd, data, size);
}

void cvm_new_file_done(struct cvm_new_file *file) {
        file->fd = cvm_close(file->fd);
        if (file->temporary && file->is_named)
                unlink(file->temporary);
        free(file->temporary);
        file->temporary = NULL;
}

static int open_nameless(const char *path, unsigned mode) {
        CVM_CLEANUP(cvm_freep) char *copy = strdup(path);

        return copy ? open(dirname(copy), O_RDWR | O_TMPFILE | O_CLOEXEC, mode) : -1;
}

/* nameless: of open_nameless(), taken; negative: the file has its temporary name from the start. */
static int begin(const char *path, unsigned mode, int nameless, struct cvm_new_file *ret) {
        CVM_CLEANUP(cvm_freep) char *temporary = NULL;
        CVM_CLEANUP(cvm_closep) int fd = nameless;

        if (asprintf(&temporary, "%s.%d~", path, (int)getpid()) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        if (fd < 0)
                fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0)
                return -errno;
        *ret = (struct cvm_new_file){ TAKE_FD(fd), TAKE_PTR(temporary), nameless < 0, path };
        return fchmod(ret->fd, mode) < 0 ? -errno : 0;
}

static int give_name(struct cvm_new_file *file) {
        char self[32];

        snprintf(self, sizeof self, "/proc/self/fd/%d", file->fd);
        if (linkat(AT_FDCWD, self, AT_FDCWD, file->temporary, AT_SYMLINK_FOLLOW) < 0)
                return -errno;
        file->is_named = true;
        return 0;
}

static int end(struct cvm_new_file *file) {
        int r = fsync(file->fd) < 0 ? -errno : 0;

        if (r >= 0 && !file->is_named)
                r = give_name(file);
        if (r >= 0 && rename(file->temporary, file->path) < 0)
                r = -errno;
        if (r < 0)
                return r;
        free(file->temporary);
        file->temporary = NULL;
        return sync_directory_of(file->path);
}

static int write_beside(const char *path, const void *data, size_t size, unsigned mode) {
        CVM_CLEANUP(cvm_new_file_done) struct cvm_new_file file = CVM_NEW_FILE_INIT;
        int r = begin(path, mode, -EBADF, &file);

        if (r >= 0)
                r = cvm_write_all(file.fd, data, size);
        return r < 0 ? r : end(&file);
}

static int fail_write(const char *path, int r, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_FILE, r, "'%s' cannot be written: %s", path, strerror(-r));
}

int cvm_new_file_begin(const char *path, unsigned mode, struct cvm_new_file *ret, struct cvm_error *err) {
        int r;

        if (is_written_into(path) || strcmp(path, "-") == 0)
                return cvm_fail(err, &CVM_CODE_FILE, ESPIPE,
                                "only a regular file can be written here, and '%s' is none", path);
        r = begin(path, mode, open_nameless(path, mode), ret);
        return r < 0 ? fail_write(path, r, err) : 0;
}

int cvm_new_file_end(struct cvm_new_file *file, struct cvm_error *err) {
        int r = end(file);

        return r < 0 ? fail_write(file->path, r, err) : 0;
}

int cvm_write_file(const char *path, const void *data, size_t size, unsigned mode, struct cvm_error *err) {
        int r;

        if (strcmp(path, "-") == 0)
                r = cvm_write_all(STDOUT_FILENO, data, size);
        else if (is_written_into(path))
                r = write_into(path, data, size);
        else
                r = write_beside(path, data, size, mode);
        return r < 0 ? fail_write(path, r, err) : 0;
}

int cvm_memfd(const char *name, const void *data, size_t size) {
        CVM_CLEANUP(cvm_closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = cvm_write_all(fd, data, size);
        if (r < 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int cvm_path_from(const char *directory, const char *path, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *joined = NULL;
        CVM_CLEANUP(cvm_freep) char *real = NULL;
        bool relative = path[0] != '/';
        char *slash;

        while (strncmp(path, "./", 2) == 0)
                path += 2;
        if (asprintf(&joined, "%s%s%s", relative ? directory : "", relative ? "/" : "", path) < 0) {
                joined = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "joining a path");
        }
        slash = strrchr(joined, '/');
        if (strstr(joined, "/..")) {
                *slash = '\0';
                real = realpath(slash == joined ? "/" : joined, NULL);
                *slash = '/';
        }
        if (real && asprintf(ret, "%s%s", strcmp(real, "/") == 0 ? "" : real, slash) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "joining a path");
        if (!real)
                *ret = TAKE_PTR(joined);
        return 0;
}
