#include "launch/host-firmware-snp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"

#define DEVICE "/dev/sev"
/* Younger than the headers that this is built with. */
#define COMMAND_SNP_PLATFORM_STATUS 9

struct question {
        uint32_t command;
        size_t size;
        const char *name;
};

/* Everything that is ever asked. size 0: the answer goes to an address that the request holds. */
static const struct question questions[HOST_FIRMWARE_QUESTION_MAX_] = {
        [HOST_FIRMWARE_STATUS] = { SEV_PLATFORM_STATUS, 12, "SEV_PLATFORM_STATUS" },
        [HOST_FIRMWARE_GUEST_STATUS] = { COMMAND_SNP_PLATFORM_STATUS, 32, "SNP_PLATFORM_STATUS" },
        [HOST_FIRMWARE_CHIP_IDS] = { SEV_GET_ID2, 0, "GET_ID2" },
};

static int ask(int fd, const struct question *question, void *data, struct cvm_error *err) {
        struct sev_issue_cmd request = { .cmd = question->command, .data = (uintptr_t)data };

        if (ioctl(fd, HOST_FIRMWARE_REQUEST, &request) < 0)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, errno == ENOENT ? EIO : errno,
                                "the firmware does not answer %s: %s, its status is 0x%x", question->name,
                                strerror(errno), request.error);
        return 0;
}

/* Offered no room, the firmware refuses and tells how much it needs: the length is the sockets'. */
static int ask_for_size(int fd, const struct question *question, uint8_t *answer, size_t *ret_size,
                        struct cvm_error *err) {
        struct sev_user_data_get_id2 id2 = { 0 };
        struct cvm_error refusal = { 0 };
        int r = ask(fd, question, &id2, &refusal);

        if (r < 0 && !id2.length) {
                *err = refusal;
                return r;
        }
        if (id2.length <= HOST_FIRMWARE_ANSWER_MAX) {
                id2.address = (uintptr_t)answer;
                r = ask(fd, question, &id2, err);
                if (r < 0)
                        return r;
        }
        if (id2.length > HOST_FIRMWARE_ANSWER_MAX)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, EIO, "the firmware's answer to %s is too long",
                                question->name);
        *ret_size = id2.length;
        return 0;
}

int host_firmware_ask_device(int fd, enum host_firmware_question question,
                             uint8_t ret[HOST_FIRMWARE_ANSWER_MAX], size_t *ret_size,
                             struct cvm_error *err) {
        uint8_t answer[HOST_FIRMWARE_ANSWER_MAX] = { 0 };
        size_t size = questions[question].size;
        int r = size ? ask(fd, &questions[question], answer, err)
                     : ask_for_size(fd, &questions[question], answer, &size, err);

        if (r < 0)
                return r;
        memcpy(ret, answer, size);
        *ret_size = size;
        return 0;
}

int host_firmware_ask(enum host_firmware_question question, uint8_t ret[HOST_FIRMWARE_ANSWER_MAX],
                      size_t *ret_size, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(DEVICE, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, errno, "'%s' cannot be opened: %s", DEVICE,
                                strerror(errno));
        return host_firmware_ask_device(fd, question, ret, ret_size, err);
}
