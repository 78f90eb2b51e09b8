/* An event log of any bytes: what is taken lies inside them, and its names are text. */
#include <string.h>

#include "attest/event-log-tdx.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t rtmr[TDX_REGISTERS][CVM_SHA384_SIZE];
        struct tdx_event_log log = { 0 };
        struct cvm_error err = { 0 };
        char name[128];

        if (tdx_event_log_read(data, size, &log, &err) < 0) {
                FUZZ_REQUIRE(err.code == &CVM_CODE_EVENT_LOG && !log.events);
                return 0;
        }
        for (size_t i = 0; i < log.n_events; i++) {
                const struct tdx_event *e = &log.events[i];

                FUZZ_REQUIRE(e->index <= TDX_REGISTERS);
                FUZZ_REQUIRE(e->size == 0 || (e->data >= data && e->data + e->size <= data + size));
                tdx_event_name(e, name, sizeof name);
                for (const char *p = name; *p; p++)
                        FUZZ_REQUIRE((unsigned char)*p >= 0x20);
        }
        tdx_event_log_replay(&log, rtmr);
        tdx_event_log_done(&log);
        return 0;
}
