/* cvmctl measure predict: the launch measurement of a definition, computed here, without a daemon. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/definition-input.h"
#include "cli/output.h"
#include "cli/predict.h"
#include "launch/firmware-ovmf.h"

static const struct option_row options[] = {
        DEFINITION_OPTIONS,
        { 0 },
};

int measured_file_digest(const char *path, uint8_t ret[CVM_SHA256_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;
        uint64_t size;

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                strerror(errno));
        if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
                return cvm_fail(err, &CVM_CODE_FILE, EINVAL, "'%s' is no regular file or block device",
                                path);
        return cvm_sha256_fd(fd, path, ret, &size, err);
}

int measured_files_read(const struct definition *d, struct measured_files *ret, struct cvm_error *err) {
        int r = 0;

        if (d->firmware) {
                r = cvm_read_file(d->firmware, OVMF_SIZE_MAX, &ret->firmware, err);
                ret->contents.firmware = ret->firmware.data;
                ret->contents.firmware_size = ret->firmware.size;
        }
        if (r >= 0 && d->kernel) {
                r = measured_file_digest(d->kernel, ret->kernel, err);
                ret->contents.kernel_sha256 = ret->kernel;
        }
        if (r >= 0 && d->initrd) {
                r = measured_file_digest(d->initrd, ret->initrd, err);
                ret->contents.initrd_sha256 = ret->initrd;
        }
        return r;
}

void measured_files_done(struct measured_files *files) {
        cvm_bytes_done(&files->firmware);
}

int predict(struct plan *plan, struct cvm_error *err) {
        CVM_CLEANUP(measured_files_done) struct measured_files files = { 0 };
        int r = measured_files_read(plan->definition, &files, err);

        return r < 0 ? r : plan_measure(plan, &files.contents, err);
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
                r = predict(plan, err);
        if (r < 0)
                return cvm_while(err, r, "predicting");
        for (size_t i = 0; plan->notes && plan->notes[i]; i++)
                output_say("%s", plan->notes[i]);
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
