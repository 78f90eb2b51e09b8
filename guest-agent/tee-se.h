/*
 * Evidence and secrets over Linux' /dev/uv, the guest's way to the ultravisor of Secure Execution
 * (arch/s390/include/uapi/asm/uvdevice.h, since 5.19): an answer to the owner's request, and requests of
 * hers for the ultravisor's own secret store.
 */
#pragma once

#include "guest-agent/tee.h"

/* One call: what the driver takes and gives, in the machine's byte order. */
struct uv_control {
        uint32_t flags;
        uint16_t rc, rrc; /* the ultravisor's own result: 1 is success */
        uint64_t argument;
        uint32_t argument_size;
        uint8_t reserved[44];
};

struct uv_attest {
        uint64_t request, measurement, additional; /* addresses */
        uint8_t user_data[256];
        uint8_t cuid[16]; /* out */
        uint32_t request_size, measurement_size, additional_size;
        uint16_t user_data_size, reserved;
};

struct uv_info {
        uint64_t driver, ultravisor; /* by the number of the call, bit 0 the lowest: offered by each */
};

#define UV_INFO 0xc0407500u
#define UV_ATTEST 0xc0407501u
#define UV_ADD_SECRET 0xc0407502u
#define UV_LIST_SECRETS 0xc0407503u
#define UV_LOCK_SECRETS 0xc0407504u

/* The system's own calls: errors by errno. */
struct tee_se_calls {
        int (*open)(const char *path, int flags);
        int (*ioctl)(int fd, unsigned long request, void *argument);
        int (*close)(int fd);
};

extern const struct tee_provider tee_se;

/* The answer to the question's request, as an exchange file with the report_data as user data.
 * CVM_CODE_EVIDENCE_REQUEST: there is no request; CVM_CODE_REQUEST_FORMAT; CVM_CODE_AGENT_REPORT. */
int tee_se_ask(const struct tee_se_calls *calls, const char *device, const struct tee_question *question,
               struct tee_report *ret, struct cvm_error *err);

/* As keep_secret of struct tee_provider. */
int tee_se_keep(const struct tee_se_calls *calls, const char *device, const void *request, size_t size,
                char ret_words[TEE_WORDS_MAX], struct cvm_error *err);
/* As lock_store, as list_store. */
int tee_se_lock(const struct tee_se_calls *calls, const char *device, char ret_words[TEE_WORDS_MAX],
                struct cvm_error *err);
int tee_se_list(const struct tee_se_calls *calls, const char *device, struct cvm_bytes *ret,
                struct cvm_error *err);
