/*
 * The host's quoting service, as far as QEMU asks it (Intel DCAP, qgs_msg_lib.h): signs under the simulation
 * root what a trust domain's report says, and believes that report.
 *
 *      quoting ROOT CERTIFICATES SOCKET
 *
 * ROOT is the daemon's simulation root, which may come after the service. With each quote CERTIFICATES is
 * written: what is published of its platform. It says "ready" when it listens. Nothing here is hostile; what
 * is wrong ends the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/names.h"
#include "launch/quoting-tdx.h"
#include "sim/sim-tdx.h"
#include "vm/unix-socket.h"

#define ROOT_MAX 65536
#define HEADER 16

/* What is published does not depend on the guest. */
static int write_certificates(const struct sim_root *root, const char *path, struct cvm_error *err) {
        CVM_CLEANUP(sim_answer_done) struct sim_answer said = { 0 };
        const struct sim_guest guest = { .platform = CVM_PLATFORM_TDX };
        const struct sim_question question = { 0 };
        int r = sim_report(root, &guest, &question, &said, err);

        return r < 0 ? r : cvm_write_file(path, said.certificates.data, said.certificates.size, 0644, err);
}

static int make_quote(char **argv, const uint8_t *report, size_t size, struct cvm_bytes *ret,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = NULL;
        struct tdx_body body;
        int r = tdx_tdreport_read(report, size, &body, err);

        if (r >= 0)
                r = cvm_read_file(argv[1], ROOT_MAX, &pem, err);
        if (r >= 0)
                r = sim_root_read(pem.data, pem.size, &root, err);
        if (r >= 0)
                r = write_certificates(root, argv[2], err);
        body.is_15 = false;
        return r < 0 ? r : sim_tdx_quote(root, &body, ret, err);
}

static int answer(int fd, const struct cvm_bytes *quote) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        const uint32_t size = (uint32_t)(HEADER + 8 + quote->size);

        for (int shift = 24; shift >= 0; shift -= 8)
                cvm_write_u8(&w, (uint8_t)(size >> shift));
        cvm_write_u16le(&w, QUOTING_VERSION_MAJOR);
        cvm_write_u16le(&w, QUOTING_VERSION_MINOR);
        cvm_write_u32le(&w, QUOTING_QUOTE);
        cvm_write_u32le(&w, size);
        cvm_write_u32le(&w, 0); /* no error */
        cvm_write_u32le(&w, 0); /* no id was selected */
        cvm_write_u32le(&w, (uint32_t)quote->size);
        cvm_write_copy(&w, quote->data, quote->size);
        return w.failed ? -ENOMEM : cvm_write_all(fd, w.bytes.data, w.bytes.size);
}

static int serve(int fd, char **argv, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes quote = { 0 };
        uint8_t request[4 + HEADER + 8 + TDX_TDREPORT_SIZE];
        struct cvm_reader r = cvm_reader_of(request + 4, sizeof request - 4);
        int result;

        if (recv(fd, request, sizeof request, MSG_WAITALL) != (ssize_t)sizeof request)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EBADMSG, "no whole request");
        if (cvm_read_u16le(&r) != QUOTING_VERSION_MAJOR || cvm_read_u16le(&r) != QUOTING_VERSION_MINOR ||
            cvm_read_u32le(&r) != QUOTING_GET_QUOTE || cvm_read_u32le(&r) != sizeof request - 4 ||
            cvm_read_u32le(&r) != 0 || cvm_read_u32le(&r) != TDX_TDREPORT_SIZE || cvm_read_u32le(&r) != 0)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EBADMSG, "another request");
        result = make_quote(argv, cvm_read_view(&r, TDX_TDREPORT_SIZE), TDX_TDREPORT_SIZE, &quote, err);
        return result < 0 ? result : answer(fd, &quote);
}

int main(int argc, char **argv) {
        struct cvm_error err = { 0 };
        int listener;

        if (argc != 4 || unix_listen(argv[3], &listener, &err) < 0 || fcntl(listener, F_SETFL, 0) < 0) {
                fprintf(stderr, "quoting: %s\n", err.text);
                return 2;
        }
        puts("ready");
        fflush(stdout);
        for (;;) {
                CVM_CLEANUP(cvm_closep) int fd = accept(listener, NULL, NULL);
                struct cvm_error why = { 0 };
                int r = fd < 0 ? -errno : serve(fd, argv, &why);

                if (r < 0)
                        fprintf(stderr, "quoting: %s\n", cvm_error_text(&why, r));
        }
}
