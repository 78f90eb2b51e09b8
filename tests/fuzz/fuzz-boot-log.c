/* A reference of any text: what is taken comes out again as it went in, and differs in nothing from itself.
 */
#include <stdlib.h>

#include "launch/boot-log.h"
#include "tests/fuzz/fuzz.h"

static const struct boot_register registers[] = { { .name = "rtmr0" }, { .name = "rtmr1" }, { 0 } };

static json_object *write(const struct boot_log *log) {
        json_object *node = json_object_new_object();

        boot_log_add_json(log, registers, "rtmr", node);
        return node;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL, *out = NULL;
        CVM_CLEANUP(boot_log_done) struct boot_log log = { 0 }, again = { 0 };
        CVM_CLEANUP(cvm_freep) struct boot_difference *list = NULL;
        struct cvm_json root;
        struct cvm_error err = { 0 };
        size_t n = 0;

        if (cvm_json_parse(data, size, "fuzz", &node, &err) < 0)
                return 0;
        root = cvm_json_root(node, "fuzz");
        if (boot_log_read_json(&root, registers, &log, &err) < 0) {
                FUZZ_REQUIRE(err.code && !log.events);
                return 0;
        }
        out = write(&log);
        root = cvm_json_root(out, "again");
        FUZZ_REQUIRE(boot_log_read_json(&root, registers, &again, &err) == 0);
        FUZZ_REQUIRE(boot_log_compare(&log, &again, &list, &n) == 0 && n == 0);
        return 0;
}
