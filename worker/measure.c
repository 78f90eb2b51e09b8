/* measure: the prediction of a definition, from the descriptors that will be booted. */
#include <errno.h>
#include <string.h>

#include "launch/boot-files.h"
#include "launch/prediction.h"
#include "worker/verb.h"

static int read_files(const struct cvm_json *request, const struct plan *plan, struct boot_files *ret,
                      struct cvm_error *err) {
        struct boot_file from[BOOT_FILES_MAX] = { [PLAN_FIRMWARE] = { -EBADF, "firmware" },
                                                  [PLAN_KERNEL] = { -EBADF, "kernel" },
                                                  [PLAN_INITRD] = { -EBADF, "initrd" },
                                                  [PLAN_SHIM] = { -EBADF, "shim" } };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < BOOT_FILES_MAX; i++)
                r = verb_fd(request, from[i].name, &from[i].fd, err);
        return r < 0 ? r : boot_files_read(plan->platform, from, ret, err);
}

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(definition_freep) struct definition *definition = NULL;
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(boot_files_done) struct boot_files files = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *prediction = NULL;
        const char *text = "";
        int r = cvm_json_get_text(request, "definition", &text, err);

        if (r >= 0)
                r = definition_read(text, strlen(text), "definition", &definition, err);
        if (r >= 0)
                r = plan_predict(definition, &plan, err);
        files.for_registers = r >= 0 && plan->platform->registers;
        if (r >= 0)
                r = read_files(request, plan, &files, err);
        if (r >= 0)
                r = prediction_make(plan, &files.contents, &prediction, err);
        if (r >= 0)
                r = plan_check(plan, &files.contents, err);
        if (r < 0)
                return r;
        *ret = json_object_new_object();
        json_object_object_add(*ret, "measurement", TAKE_PTR(prediction));
        json_object_object_add(*ret, "policy", json_object_new_uint64(plan->policy));
        json_object_object_add(*ret, "debug", json_object_new_boolean(plan->debug));
        return 0;
}

const struct verb verb_measure = { "measure", run, SANDBOX_FILES };
