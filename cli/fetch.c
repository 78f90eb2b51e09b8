#include "cli/fetch.h"

#define EVIDENCE_USEC (90ull * 1000000)

static int append_bytes(sd_bus_message *call, const char *name, const void *data, size_t size) {
        int r = sd_bus_message_open_container(call, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(call, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(call, 'y', data, size);
        for (int i = 0; r >= 0 && i < 2; i++)
                r = sd_bus_message_close_container(call);
        return r;
}

int fetch_evidence(sd_bus *bus, const char *path, const uint8_t nonce[CVM_NONCE_SIZE],
                   const struct cvm_bytes *request, char **ret, struct cvm_error *err) {
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, CVMD_BUS_NAME, path, CVMD_VM_INTERFACE,
                                               "GetEvidence");

        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = append_bytes(call, "nonce", nonce, CVM_NONCE_SIZE);
        if (r >= 0 && request && request->size)
                r = append_bytes(call, "request", request->data, request->size);
        if (r >= 0)
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
