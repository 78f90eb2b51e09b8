#include "launch/quoting-tdx.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/fd.h"
#include "launch/host-tdx.h"

#define HEADER_SIZE 16
#define ANSWER_MSEC 10000 /* the first question loads the enclaves */

/* QGS_MSG_ERROR_*, from this number on. */
#define ERROR_FIRST 0x12001
static const char *const errors[] = { "an unexpected error",          "it is out of memory",
                                      "a parameter is invalid",       "the version is not known",
                                      "the type is not known",        "the size is wrong",
                                      "its own enclaves say an error" };

static int refuse(int number, struct cvm_error *err, const char *words) {
        return cvm_fail(err, &CVM_CODE_HOST_PROBE, number, "%s", words);
}

static int read_header(struct cvm_reader *r, uint32_t type, size_t size, struct cvm_error *err) {
        uint16_t major = cvm_read_u16le(r), minor = cvm_read_u16le(r);
        uint32_t is = cvm_read_u32le(r), total = cvm_read_u32le(r), error = cvm_read_u32le(r);
        uint32_t number = error - ERROR_FIRST;

        if (r->failed || total != size)
                return refuse(EPROTO, err, "its answer has another size than it says");
        if (major != QUOTING_VERSION_MAJOR || minor != QUOTING_VERSION_MINOR)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, EPROTO,
                                "it speaks version %u.%u, QEMU version %d.%d", major, minor,
                                QUOTING_VERSION_MAJOR, QUOTING_VERSION_MINOR);
        if (error)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, EREMOTEIO, "error 0x%08x: %s", error,
                                number < ARRAY_SIZE(errors) ? errors[number] : "no known one");
        return is == type ? 0 : refuse(EPROTO, err, "its answer is of another kind");
}

int quoting_read_platform(const void *data, size_t size, struct quoting_platform *ret,
                          struct cvm_error *err) {
        struct cvm_reader in = cvm_reader_of(data, size);
        struct quoting_platform platform;
        uint32_t id_size, svn_size;
        int r = read_header(&in, QUOTING_PLATFORM, size, err);

        if (r < 0)
                return r;
        platform.enclave_svn = cvm_read_u16le(&in);
        platform.pce_svn = cvm_read_u16le(&in);
        id_size = cvm_read_u32le(&in);
        svn_size = cvm_read_u32le(&in);
        platform.ids_at = size - in.left;
        platform.ids_size = in.left;
        if (in.failed || (uint64_t)id_size + svn_size != in.left)
                return refuse(EPROTO, err, "its answer has another size than it says");
        *ret = platform;
        return 0;
}

static int open_socket(const char *path, unsigned msec, struct cvm_error *err) {
        const struct timeval wait = { msec / 1000, msec % 1000 * 1000 };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CVM_CLEANUP(cvm_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path)
                errno = ENAMETOOLONG;
        else if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
                 setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
                 connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
                return TAKE_FD(fd);
        return cvm_fail(err, &CVM_CODE_HOST_PROBE, errno, "'%s': %s", path, strerror(errno));
}

static int ask_platform(int fd) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        cvm_write_u32be(&w, HEADER_SIZE);
        cvm_write_u16le(&w, QUOTING_VERSION_MAJOR);
        cvm_write_u16le(&w, QUOTING_VERSION_MINOR);
        cvm_write_u32le(&w, QUOTING_GET_PLATFORM);
        cvm_write_u32le(&w, HEADER_SIZE);
        cvm_write_u32le(&w, 0);
        return !w.failed && send(fd, w.bytes.data, w.bytes.size, MSG_NOSIGNAL) == (ssize_t)w.bytes.size;
}

static bool receive(int fd, void *ret, size_t size) {
        return recv(fd, ret, size, MSG_WAITALL) == (ssize_t)size;
}

int quoting_ask_at(const char *path, unsigned msec, uint8_t ret[HOST_FIRMWARE_ANSWER_MAX], size_t *ret_size,
                   struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open_socket(path, msec, err);
        uint8_t answer[HOST_FIRMWARE_ANSWER_MAX], head[4];
        struct cvm_reader length = cvm_reader_of(head, sizeof head);
        struct quoting_platform platform;
        uint32_t size;
        int r = fd < 0 ? fd : 0;

        if (r < 0)
                return r;
        if (!ask_platform(fd) || !receive(fd, head, sizeof head))
                return refuse(ETIMEDOUT, err, "it does not answer");
        size = cvm_read_u32be(&length);
        if (size > sizeof answer)
                return refuse(EPROTO, err, "its answer is too long");
        if (!receive(fd, answer, size))
                return refuse(ETIMEDOUT, err, "it does not end its answer");
        r = quoting_read_platform(answer, size, &platform, err);
        if (r < 0)
                return r;
        memset(answer + size - platform.ids_size, 0, platform.ids_size);
        memcpy(ret, answer, size);
        *ret_size = size;
        return 0;
}

int quoting_ask(enum host_firmware_question question, uint8_t ret[HOST_FIRMWARE_ANSWER_MAX],
                size_t *ret_size, struct cvm_error *err) {
        return quoting_ask_at("/" TDX_QUOTE_SERVICE, ANSWER_MSEC, ret, ret_size, err);
}
