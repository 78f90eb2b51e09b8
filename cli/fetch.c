#include "cli/fetch.h"

#define EVIDENCE_USEC (90ull * 1000000)

int fetch_evidence(sd_bus *bus, const char *path, const uint8_t nonce[CVM_NONCE_SIZE], char **ret,
                   struct cvm_error *err) {
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, path, CVMD_VM_INTERFACE,
                                               "GetEvidence");

        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", "nonce");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(call, 'y', nonce, CVM_NONCE_SIZE);
        for (int i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = bus_operate(bus, call, EVIDENCE_USEC, ret, err);
        sd_bus_message_unref(call);
        return r;
}

int fetch_open_vm(const char *name, sd_bus **ret_bus, char **ret_path, struct cvm_error *err) {
        int r = bus_open(ret_bus, err);

        if (r >= 0)
                r = bus_vm_path(*ret_bus, name, ret_path, err);
        return r < 0 ? cvm_while(err, r, "'%s'", name) : 0;
}
