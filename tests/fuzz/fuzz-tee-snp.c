/*
 * A driver of /dev/sev-guest that answers anything. What must hold then: it is asked ten times at most, what
 * it gives stays within its bounds, and a refusal has words and gives nothing.
 *
 * The input is a list of answers: one byte what, four bytes the host's error, four bytes the size that its
 * table needs (both little-endian); what is left when an answer is a success is the response and the table.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/sev-guest.h>

#include "attest/message.h"
#include "guest-agent/tee-snp.h"
#include "tests/fuzz/fuzz.h"

static struct cvm_reader input;
static unsigned asked;
static int opened;

static int fake_open(const char *path, int flags) {
        opened++;
        return 7;
}

static int fake_close(int fd) {
        opened--;
        return 0;
}

static void fake_pause(void) {
}

static void fill(uint64_t address, size_t size) {
        size_t n = input.left < size ? input.left : size;

        memcpy((void *)(uintptr_t)address, cvm_read_view(&input, n), n);
}

static int fake_ioctl(int fd, unsigned long command, void *argument) {
        static const int errors[] = { 0, EIO, EAGAIN, EINTR, ENOTTY, EINVAL };
        struct snp_guest_request_ioctl *io = argument;
        struct snp_ext_report_req *request = (void *)(uintptr_t)io->req_data;
        size_t what = cvm_read_u8(&input) % ARRAY_SIZE(errors);
        uint32_t host = cvm_read_u32le(&input), needs = cvm_read_u32le(&input);

        FUZZ_REQUIRE(++asked <= 10);
        if (errors[what] || input.failed) {
                io->vmm_error = host;
                request->certs_len = needs;
                errno = input.failed ? EIO : errors[what];
                return -1;
        }
        fill(io->resp_data, sizeof(struct snp_report_resp));
        if (command == SNP_GET_EXT_REPORT)
                fill(request->certs_address, request->certs_len);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct tee_snp_calls calls = { fake_open, fake_ioctl, fake_close, fake_pause };
        static const uint8_t question[CVM_REPORT_DATA_SIZE];
        CVM_CLEANUP(tee_report_done) struct tee_report report = { 0 };
        struct cvm_error err = { 0 };

        input = cvm_reader_of(data, size);
        asked = 0;
        if (tee_snp_ask(&calls, "device", question, &report, &err) < 0)
                FUZZ_REQUIRE(err.code && !report.report.data && !report.certificates.data);
        else
                FUZZ_REQUIRE(!err.code && report.report.size > 0 && report.report.size <= 4000 - 32 &&
                             report.certificates.size <= CVM_CERTIFICATE_TABLE_MAX);
        FUZZ_REQUIRE(opened == 0);
        return 0;
}
