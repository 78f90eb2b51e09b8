#include "base/codes.h"

#include <string.h>
#include <strings.h>

#include "base/macros.h"

#define CODE(name, id_, fault_, dbus, sentence_, remedy_) \
        const struct cvm_code CVM_CODE_##name = {         \
                .id = id_,                                \
                .fault = CVM_FAULT_##fault_,              \
                .dbus_name = "org.cvmd1.Error." dbus,     \
                .sentence = sentence_,                    \
                .remedy = remedy_,                        \
        };
#include "base/codes.def"
#undef CODE

static const struct cvm_code *const codes[] = {
#define CODE(name, ...) &CVM_CODE_##name,
#include "base/codes.def"
#undef CODE
};

static const struct {
        const char *text;
        int exit_status;
} faults[CVM_FAULT_MAX_] = {
        [CVM_FAULT_INTERNAL] = { "internal", 1 },
        [CVM_FAULT_REQUEST] = { "request", 2 },
        [CVM_FAULT_NOT_FOUND] = { "not-found", 3 },
        [CVM_FAULT_DENIED] = { "denied", 4 },
        [CVM_FAULT_EVIDENCE_NO] = { "evidence-no", 5 },
        [CVM_FAULT_EVIDENCE_UNKNOWN] = { "evidence-unknown", 6 },
        [CVM_FAULT_TIMEOUT] = { "timeout", 7 },
        [CVM_FAULT_STATE] = { "state", 8 },
        [CVM_FAULT_HOST] = { "host", 9 },
        [CVM_FAULT_CAPACITY] = { "capacity", 9 },
};

int cvm_code_exit_status(const struct cvm_code *code) {
        return faults[code->fault].exit_status;
}

const char *cvm_fault_text(enum cvm_fault fault) {
        return faults[fault].text;
}

const struct cvm_code *cvm_code_find(const char *id_or_dbus_name) {
        for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
                if (strcasecmp(codes[i]->id, id_or_dbus_name) == 0 ||
                    strcmp(codes[i]->dbus_name, id_or_dbus_name) == 0)
                        return codes[i];
        return NULL;
}

const struct cvm_code *cvm_code_at(size_t i) {
        return i < ARRAY_SIZE(codes) ? codes[i] : NULL;
}
