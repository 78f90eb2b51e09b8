#include "launch/host-firmware-snp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"

#define DEVICE "/dev/sev"
/* Younger than the headers that this is built with. */
#define COMMAND_SNP_PLATFORM_STATUS 9

/* Everything that is ever asked. size 0: the answer goes to an address that the request holds. */
static const struct {
        uint32_t command;
        size_t size;
        const char *name;
} questions[HOST_FIRMWARE_QUESTION_MAX_] = {
        [HOST_FIRMWARE_STATUS] = { SEV_PLATFORM_STATUS, 12, "SEV_PLATFORM_STATUS" },
        [HOST_FIRMWARE_GUEST_STATUS] = { COMMAND_SNP_PLATFORM_STATUS, 32, "SNP_PLATFORM_STATUS" },
        [HOST_FIRMWARE_CHIP_IDS] = { SEV_GET_ID2, 0, "GET_ID2" },
};

int host_firmware_ask_device(int fd, enum host_firmware_question question,
                             uint8_t ret[HOST_FIRMWARE_ANSWER_MAX], size_t *ret_size,
                             struct cvm_error *err) {
        uint8_t answer[HOST_FIRMWARE_ANSWER_MAX] = { 0 };
        struct sev_user_data_get_id2 id2 = { .address = (uintptr_t)answer, .length = sizeof answer };
        struct sev_issue_cmd request = { .cmd = questions[question].command,
                                         .data = questions[question].size ? (uintptr_t)answer
                                                                          : (uintptr_t)&id2 };
        size_t size = questions[question].size;

        if (ioctl(fd, HOST_FIRMWARE_REQUEST, &request) < 0)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, errno == ENOENT ? EIO : errno,
                                "the firmware does not answer %s: %s, its status is 0x%x",
                                questions[question].name, strerror(errno), request.error);
        if (!size)
                size = id2.length;
        if (size > sizeof answer)
                return cvm_fail(err, &CVM_CODE_HOST_PROBE, EIO, "the firmware's answer to %s is too long",
                                questions[question].name);
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
