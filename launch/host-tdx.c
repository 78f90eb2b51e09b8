#include "launch/host-tdx.h"

#include <string.h>

void tdx_read_host(int root_fd, struct host_facts *facts) {
        if (!facts->has_kvm || strcmp(facts->cpu_vendor, "GenuineIntel") != 0 ||
            !host_is_on(root_fd, "sys/module/kvm_intel/parameters/tdx"))
                return;
        facts->offers[CVM_PLATFORM_TDX] = true;
        facts->has_quote_service = host_has(root_fd, TDX_QUOTE_SERVICE);
}
