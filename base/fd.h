/* Owned descriptors and whole files with caps. A descriptor that is not there is -EBADF. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"

/* Close and keep errno; returns -EBADF, so that `fd = cvm_close(fd)`. Negative descriptors are ignored. */
int cvm_close(int fd);

static inline void cvm_closep(int *fd) {
        *fd = cvm_close(*fd);
}

#define TAKE_FD(fd)                \
        ({                         \
                int *fdp_ = &(fd); \
                int v_ = *fdp_;    \
                *fdp_ = -EBADF;    \
                v_;                \
        })

/*
 * Read to the end of file. More than max_bytes is CVM_CODE_TOO_LARGE, words name `what`. The bytes are
 * followed by one NUL that is not counted, so that text can be used as a string. ret is owned by the caller.
 */
int cvm_read_fd(int fd, size_t max_bytes, const char *what, struct cvm_bytes *ret, struct cvm_error *err);

/* The same for the file at path; "-" is standard input. CVM_CODE_FILE when it cannot be opened. */
int cvm_read_file(const char *path, size_t max_bytes, struct cvm_bytes *ret, struct cvm_error *err);

/* Write all bytes, or fail with a negative errno. */
int cvm_write_all(int fd, const void *data, size_t size);

/* At an offset of a file: how many bytes were there, fewer only at its end; all are written. Negative errno.
 */
ssize_t cvm_read_at(int fd, uint64_t offset, void *ret, size_t size);
int cvm_write_at(int fd, uint64_t offset, const void *data, size_t size);

/*
 * Replace the file at path by these bytes with this mode: written beside it, synced, renamed, directory
 * synced, so that a crash leaves the old or the new file. "-" is standard output; devices, pipes and paths
 * of our own descriptors (/dev/stdout) are written into, whatever mode says.
 */
int cvm_write_file(const char *path, const void *data, size_t size, unsigned mode, struct cvm_error *err);

/* The same by pieces: the file is written without a name, so that who is killed leaves none of it (where the
 * file system has no such files, under another name), and takes its place at the end. It must be one that
 * can be put in place, so no device and no pipe. */
struct cvm_new_file {
        int fd;           /* owned, for reading and writing */
        char *temporary;  /* owned: its name on the way; NULL: nothing was begun, or it has ended */
        bool is_named;    /* it has that name already */
        const char *path; /* borrowed */
};
#define CVM_NEW_FILE_INIT \
        { .fd = -EBADF }
int cvm_new_file_begin(const char *path, unsigned mode, struct cvm_new_file *ret, struct cvm_error *err);
int cvm_new_file_end(struct cvm_new_file *file, struct cvm_error *err);
void cvm_new_file_done(struct cvm_new_file *file); /* what has not ended is removed */

/* A sealed memory file with these bytes, positioned at 0; returns the owned descriptor. */
int cvm_memfd(const char *name, const void *data, size_t size);

/*
 * A relative path as meant from `directory`, owned; an absolute one as it is. Where it climbs ("..") the
 * directories are resolved as the kernel would; the last part stays a link when it is one.
 */
int cvm_path_from(const char *directory, const char *path, char **ret, struct cvm_error *err);
