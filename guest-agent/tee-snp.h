/*
 * Reports over Linux' /dev/sev-guest (uapi/linux/sev-guest.h, since 5.19): for guests whose kernel has no
 * configfs-tsm yet (before 6.7).
 */
#pragma once

#include "guest-agent/tee.h"

/* The system's own calls: errors by errno. */
struct tee_snp_calls {
        int (*open)(const char *path, int flags);
        int (*ioctl)(int fd, unsigned long request, void *argument);
        int (*close)(int fd);
        void (*pause)(void); /* before the next try */
};

extern const struct tee_provider tee_snp;

/* False: no such device. */
bool tee_snp_is_there(const struct tee_snp_calls *calls, const char *device);

/*
 * The report of VMPL 0 for this report_data, with the host's certificate table (GHCB 4.1.8.1) where it gives
 * one that fits, else the report alone: the verifier may have the certificates from elsewhere. Ten questions
 * at most: a busy host is asked again, and one whose table needs more room. CVM_CODE_AGENT_REPORT.
 */
int tee_snp_ask(const struct tee_snp_calls *calls, const char *device,
                const uint8_t report_data[CVM_REPORT_DATA_SIZE], struct tee_report *ret,
                struct cvm_error *err);
