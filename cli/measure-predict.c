/* cvmctl measure predict: the launch measurement of a definition, computed here, without a daemon. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/definition-input.h"
#include "cli/output.h"
#include "cli/predict.h"
#include "launch/firmware-ovmf.h"

static const struct option_row options[] = {
        DEFINITION_OPTIONS,
        { "vcpu-sig", OPTION_TEXT, "HEX", "CPUID signature instead of a model" },
        { "guest-features", OPTION_TEXT, "HEX", "features of the guest that are measured" },
        { 0 },
};

static int digest_file(const char *path, uint8_t ret[CVM_SHA256_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        uint64_t size;

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                strerror(errno));
        return cvm_sha256_fd(fd, path, ret, &size, err);
}

int predict(struct plan *plan, struct cvm_error *err) {
        const struct definition *d = plan->definition;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes firmware = { 0 };
        uint8_t kernel[CVM_SHA256_SIZE], initrd[CVM_SHA256_SIZE];
        struct plan_contents contents = { 0 };
        int r = 0;

        if (d->firmware) {
                r = cvm_read_file(d->firmware, OVMF_SIZE_MAX, &firmware, err);
                contents.firmware = firmware.data;
                contents.firmware_size = firmware.size;
        }
        if (r >= 0 && d->kernel) {
                r = digest_file(d->kernel, kernel, err);
                contents.kernel_sha256 = kernel;
        }
        if (r >= 0 && d->initrd) {
                r = digest_file(d->initrd, initrd, err);
                contents.initrd_sha256 = initrd;
        }
        return r < 0 ? r : plan_measure(plan, &contents, err);
}

/* --vcpu-sig and --guest-features stand in the platform's own section of a definition. */
static int apply_measured_options(struct definition *d, const struct platform *platform,
                                  const struct arguments *arguments, struct cvm_error *err) {
        uint64_t signature = 0, features = 0;
        json_object **section = &d->platform_options[platform->id];
        int r = argument_u64(arguments, "vcpu-sig", UINT32_MAX, &signature, err);

        if (r >= 0)
                r = argument_u64(arguments, "guest-features", INT64_MAX, &features, err);
        if (r < 0 || (!signature && !features))
                return r;
        if (!*section)
                *section = json_object_new_object();
        if (signature)
                json_object_object_add(*section, "vcpu_signature", json_object_new_uint64(signature));
        if (features)
                json_object_object_add(*section, "guest_features", json_object_new_uint64(features));
        return 0;
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(definition_freep) struct definition *definition = NULL;
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = definition_input(arguments, &text, &definition, err);

        if (r < 0)
                return r;
        if (argument(arguments, "cpu-model") && argument(arguments, "vcpu-sig"))
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "--cpu-model and --vcpu-sig exclude each other");
        r = plan_predict(definition, &plan, err);
        if (r >= 0)
                r = apply_measured_options(definition, plan->platform, arguments, err);
        if (r >= 0)
                r = predict(plan, err);
        if (r < 0)
                return cvm_while(err, r, "predicting");
        node = measurement_json(&plan->measurement, plan->simulated);
        json_object_object_add(node, "debug", json_object_new_boolean(plan->debug));
        output_object(node, "measurement");
        return 0;
}

const struct command command_measure_predict = {
        .group = "measure",
        .name = "predict",
        .words = "[DEFINITION]",
        .words_max = 1,
        .summary = "predict the launch measurement of a definition",
        .options = options,
        .run = run,
};
