#include "guest-agent/tee-snp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "attest/message.h"

#define TRIES 10
#define PAGE 4096
#define TABLE_SIZE (4 * PAGE) /* to begin with; the driver of Linux 6.x takes no more */
#define MESSAGE_VERSION 1

/* The layout that this file speaks, whatever header it was built with. */
_Static_assert(sizeof(struct snp_guest_request_ioctl) == 32, "natural alignment");
_Static_assert(offsetof(struct snp_guest_request_ioctl, exitinfo2) == 24, "natural alignment");
_Static_assert(sizeof(struct snp_report_req) == 96, "FWABI 7.3, MSG_REPORT_REQ");
_Static_assert(offsetof(struct snp_ext_report_req, certs_address) == 96, "natural alignment");
_Static_assert(sizeof(struct snp_report_resp) == 4000, "one response");

struct conversation {
        const struct tee_snp_calls *calls;
        const char *device; /* borrowed */
        int fd;
        unsigned tries;
        struct snp_ext_report_req request; /* begins with the one for a report alone */
        struct snp_report_resp response;
        struct snp_guest_request_ioctl last;
        struct cvm_bytes table;
};

static void conversation_done(struct conversation *c) {
        if (c->fd >= 0)
                c->calls->close(c->fd);
        cvm_bytes_done(&c->table);
}

/* One question; a busy host's again. The driver itself waits for that host too, a minute at most. */
static int command(struct conversation *c, unsigned long request) {
        while (c->tries++ < TRIES) {
                int r;

                c->response = (struct snp_report_resp){ 0 };
                c->last = (struct snp_guest_request_ioctl){ .msg_version = MESSAGE_VERSION,
                                                            .req_data = (uintptr_t)&c->request,
                                                            .resp_data = (uintptr_t)&c->response };
                if (c->calls->ioctl(c->fd, request, &c->last) == 0)
                        return 0;
                r = -errno;
                if (r != -EINTR && r != -EAGAIN && r != -EBUSY &&
                    c->last.vmm_error != SNP_GUEST_VMM_ERR_BUSY)
                        return r;
                c->calls->pause();
        }
        return -EBUSY;
}

/* With the table, which is as large as the host says that it must be. */
static int ask_extended(struct conversation *c) {
        for (size_t size = TABLE_SIZE;; size = c->request.certs_len) {
                int r;

                cvm_bytes_done(&c->table);
                c->table.data = calloc(1, size);
                if (!c->table.data)
                        return -ENOMEM;
                c->table.size = size;
                c->request.certs_address = (uintptr_t)c->table.data;
                c->request.certs_len = (uint32_t)size;
                r = command(c, SNP_GET_EXT_REPORT);
                if (r == 0 || c->last.vmm_error != SNP_GUEST_VMM_ERR_INVALID_LEN)
                        return r;
                if (c->request.certs_len <= size || c->request.certs_len > CVM_CERTIFICATE_TABLE_MAX)
                        return r;
        }
}

/* {u32 status, u32 size, 24 reserved bytes, report} (FWABI 7.3, MSG_REPORT_RSP) */
static int read_response(const struct conversation *c, struct cvm_bytes *ret, struct cvm_error *err) {
        struct cvm_reader in = cvm_reader_of(c->response.data, sizeof c->response.data);
        uint32_t status = cvm_read_u32le(&in), size = cvm_read_u32le(&in);
        const uint8_t *report;

        cvm_read_view(&in, 24);
        if (status != 0)
                return cvm_fail(err, &CVM_CODE_AGENT_REPORT, EACCES,
                                "the firmware makes no report (status 0x%x)", status);
        report = size > 0 ? cvm_read_view(&in, size) : NULL;
        if (!report)
                return cvm_fail(err, &CVM_CODE_AGENT_REPORT, EBADMSG,
                                "the firmware's answer says that its report has %u bytes", size);
        return cvm_bytes_copy(report, size, ret);
}

static int refuse(const struct conversation *c, int r, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_AGENT_REPORT, r, "'%s': %s (firmware 0x%x, host 0x%x)", c->device,
                        strerror(-r), c->last.fw_error, c->last.vmm_error);
}

int tee_snp_ask(const struct tee_snp_calls *calls, const char *device,
                const uint8_t report_data[CVM_REPORT_DATA_SIZE], struct tee_report *ret,
                struct cvm_error *err) {
        CVM_CLEANUP(conversation_done)
        struct conversation c = { .calls = calls,
                                  .device = device,
                                  .fd = calls->open(device, O_RDWR | O_CLOEXEC) };
        int r = c.fd < 0 ? -errno : 0;

        if (r < 0)
                return refuse(&c, r, err);
        memcpy(c.request.data.user_data, report_data, sizeof c.request.data.user_data);
        r = ask_extended(&c);
        if (r < 0) {
                cvm_bytes_done(&c.table);
                r = command(&c, SNP_GET_REPORT);
        }
        if (r < 0)
                return refuse(&c, r, err);
        r = read_response(&c, &ret->report, err);
        if (r >= 0 && !cvm_is_zero(c.table.data, c.table.size)) /* zeros: the host has none */
                ret->certificates = cvm_bytes_take(&c.table);
        return r;
}

bool tee_snp_is_there(const struct tee_snp_calls *calls, const char *device) {
        int fd = calls->open(device, O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return errno != ENOENT && errno != ENOTDIR && errno != ENXIO && errno != ENODEV;
        calls->close(fd);
        return true;
}

static int control(int fd, unsigned long request, void *argument) {
        return ioctl(fd, request, argument);
}

static const struct tee_snp_calls real = {
        .open = tee_open,
        .ioctl = control,
        .close = close,
        .pause = tee_pause,
};

static bool is_there(const struct tee *tee) {
        return tee_snp_is_there(&real, tee->where);
}

static int ask(struct tee *tee, const struct tee_question *question, struct tee_report *ret,
               struct cvm_error *err) {
        return tee_snp_ask(&real, tee->where, question->report_data, ret, err);
}

const struct tee_provider tee_snp = {
        .name = "sev-guest",
        .where = "/dev/sev-guest",
        .is_there = is_there,
        .ask = ask,
};
