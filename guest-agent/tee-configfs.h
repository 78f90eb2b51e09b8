/*
 * Reports over Linux' configfs-tsm (Documentation/ABI/testing/configfs-tsm-report): the same for every
 * technology whose guest driver offers them there. The format of a report is the driver's, recognised by
 * whoever reads it (guest-agent/tee.c).
 */
#pragma once

#include <sys/types.h>

#include "guest-agent/tee.h"

/* The system's own calls: errors by errno. A plain directory cannot play configfs, a table of fakes can. */
struct tee_configfs_calls {
        int (*mkdir)(const char *path, mode_t mode);
        int (*rmdir)(const char *path);
        int (*open)(const char *path, int flags);
        ssize_t (*read)(int fd, void *data, size_t size);
        ssize_t (*write)(int fd, const void *data, size_t size);
        int (*close)(int fd);
        void (*pause)(void); /* before the next try */
};

extern const struct tee_provider tee_configfs;

/* False: no such directory, or no driver behind it (an entry cannot be made, ENXIO). */
bool tee_configfs_is_there(const struct tee_configfs_calls *calls, const char *directory);

/*
 * The report for this report_data, and the certificates where the driver has any (auxblob). An entry of its
 * own is made and removed for each try; where the kernel is busy, or somebody else wrote into the entry (its
 * generation), it starts again, ten times at most. CVM_CODE_AGENT_REPORT.
 */
int tee_configfs_ask(const struct tee_configfs_calls *calls, const char *directory,
                     const uint8_t report_data[CVM_REPORT_DATA_SIZE], struct tee_report *ret,
                     struct cvm_error *err);
