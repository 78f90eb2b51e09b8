/* /dev/sev: the state of the platform, and what QEMU asks for query-sev-capabilities. */
#include <errno.h>
#include <linux/psp-sev.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/macros.h"
#include "tests/testbed/fault.h"
#include "tests/testbed/firmware-error.h"
#include "tests/testbed/handle.h"
#include "tests/testbed/sev.h"

#define CERTIFICATE_SIZE 2084
#define CHAIN_SIZE (3 * CERTIFICATE_SIZE)
#define CHIP_ID_SIZE 64
#define BUILD 40

static int platform_status(void *data, uint32_t *error) {
        struct sev_user_data_status *ret = data;

        *ret = (struct sev_user_data_status){ .api_major = SEV_API_MAJOR,
                                              .api_minor = SEV_API_MINOR,
                                              .state = 1,
                                              .flags = SEV_STATUS_FLAGS_CONFIG_ES,
                                              .build = BUILD };
        return 0;
}

static int snp_status(void *data, uint32_t *error) {
        struct sev_user_data_snp_status *ret = data;

        *ret = (struct sev_user_data_snp_status){ .api_major = SEV_API_MAJOR,
                                                  .api_minor = SEV_API_MINOR,
                                                  .state = 1,
                                                  .is_rmp_initialized = 1,
                                                  .build_id = BUILD };
        return 0;
}

/* The caller learns how much room is needed from the failure. */
static int fill(uint64_t address, uint32_t *length, uint32_t needed, uint8_t byte, uint32_t *error) {
        if (*length < needed) {
                *length = needed;
                *error = FIRMWARE_INVALID_LENGTH;
                return -EIO;
        }
        *length = needed;
        memset((void *)(uintptr_t)address, byte, needed);
        return 0;
}

static int pdh_export(void *data, uint32_t *error) {
        struct sev_user_data_pdh_cert_export *e = data;
        uint64_t pdh = e->pdh_cert_address, chain = e->cert_chain_address;
        uint32_t pdh_length = e->pdh_cert_len, chain_length = e->cert_chain_len;
        int r = fill(pdh, &pdh_length, CERTIFICATE_SIZE, 0xa1, error),
            q = fill(chain, &chain_length, CHAIN_SIZE, 0xa2, error);

        e->pdh_cert_len = pdh_length;
        e->cert_chain_len = chain_length;
        return r < 0 ? r : q;
}

static int get_id2(void *data, uint32_t *error) {
        struct sev_user_data_get_id2 *id = data;
        uint32_t length = id->length;
        int r = fill(id->address, &length, CHIP_ID_SIZE, 0xa3, error);

        id->length = length;
        return r;
}

static const struct {
        uint32_t id;
        const char *name;
        int (*run)(void *data, uint32_t *error);
} commands[] = {
        { SEV_PLATFORM_STATUS, "PLATFORM_STATUS", platform_status },
        { SEV_PDH_CERT_EXPORT, "PDH_CERT_EXPORT", pdh_export },
        { SEV_GET_ID2, "GET_ID2", get_id2 },
        { SNP_PLATFORM_STATUS, "SNP_PLATFORM_STATUS", snp_status },
};

static int issue(void *object, const struct call *call, void *argument) {
        struct sev_issue_cmd *command = argument;

        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                uint32_t error = 0;
                int r;

                if (commands[i].id != command->cmd)
                        continue;
                r = fault_wanted(commands[i].name, &error);
                if (r == 0)
                        r = commands[i].run((void *)(uintptr_t)command->data, &error);
                command->error = error;
                return r;
        }
        testbed_say("the command %u of /dev/sev is not known", command->cmd);
        return -EINVAL;
}

static const struct call calls[] = {
        CALL(SEV_ISSUE_CMD, .run = issue),
};

static const struct handle_kind device_kind = { "sev", calls, ARRAY_SIZE(calls), NULL };

int sev_device_open(void) {
        return handle_new(&device_kind, NULL, 0);
}
