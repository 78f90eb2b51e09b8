/*
 * What a trust domain's kernel has of its boot beside the quote: the firmware's event log (ACPI table CCEL),
 * and the run-time register that is left to the guest's own programs (Linux 6.16 and later).
 */
#pragma once

#include <sys/types.h>

#include "attest/event-log-tdx.h"

#define BOOT_TDX_LOG "/sys/firmware/acpi/tables/data/CCEL"
#define BOOT_TDX_REGISTER "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384"

/* The system's own calls: errors by errno. */
struct boot_tdx_calls {
        int (*open)(const char *path, int flags);
        ssize_t (*read)(int fd, void *data, size_t size);
        ssize_t (*write)(int fd, const void *data, size_t size);
        int (*close)(int fd);
};
extern const struct boot_tdx_calls boot_tdx_system;

/*
 * The log of the machine below root, without the room behind its last record, and behind it these records of
 * the agent's own (may be none): bytes that tdx_event_log_read() reads. Nothing where there is neither. The
 * firmware's log is not there, or it is left out with words in err: it proves nothing by itself, and
 * evidence does without it.
 */
int boot_tdx_log(const struct boot_tdx_calls *calls, const char *root, const struct cvm_bytes *own,
                 struct cvm_bytes *ret, struct cvm_error *err);

/*
 * Extend the register by the digest of an event with these data, and append its record to own. 0 where this
 * kernel has no such register; 1 when it is done; CVM_CODE_AGENT_REPORT. Without calls only the record is
 * made: for simulated registers, which are what the records say.
 */
int boot_tdx_extend(const struct boot_tdx_calls *calls, const char *root, const void *data, size_t size,
                    struct cvm_writer *own, struct cvm_error *err);
