#include "launch/host-snp.h"

#include <string.h>

bool snp_is_offered(int root_fd, const struct host_facts *facts) {
        return strcmp(facts->cpu_vendor, "AuthenticAMD") == 0 &&
               host_is_on(root_fd, "sys/module/kvm_amd/parameters/sev_snp") && host_has(root_fd, "dev/sev");
}
