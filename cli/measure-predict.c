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
#include "launch/prediction.h"

static const struct option_row options[] = {
        DEFINITION_OPTIONS,
        { 0 },
};

static int open_measured(const char *path, int *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be opened: %s", path,
                                strerror(errno));
        if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
                return cvm_fail(err, &CVM_CODE_FILE, EINVAL, "'%s' is no regular file or block device",
                                path);
        *ret = TAKE_FD(fd);
        return 0;
}

int measured_file_digest(const char *path, uint8_t ret[CVM_SHA256_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        uint64_t size;
        int r = open_measured(path, &fd, err);

        return r < 0 ? r : cvm_sha256_fd(fd, path, ret, &size, err);
}

int measured_files_read(const struct plan *plan, struct boot_files *ret, struct cvm_error *err) {
        const struct definition *d = plan->definition;
        struct boot_file from[BOOT_FILES_MAX] = { [PLAN_FIRMWARE] = { -EBADF, d->firmware },
                                                  [PLAN_KERNEL] = { -EBADF, d->kernel },
                                                  [PLAN_INITRD] = { -EBADF, d->initrd },
                                                  [PLAN_SHIM] = { -EBADF, d->shim } };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < BOOT_FILES_MAX; i++)
                if (from[i].name)
                        r = open_measured(from[i].name, &from[i].fd, err);
        if (r >= 0)
                r = boot_files_read(plan->platform, from, ret, err);
        for (size_t i = 0; i < BOOT_FILES_MAX; i++)
                cvm_close(from[i].fd);
        return r;
}

int predict(struct plan *plan, struct cvm_error *err) {
        CVM_CLEANUP(boot_files_done) struct boot_files files = { 0 };
        int r = measured_files_read(plan, &files, err);

        return r < 0 ? r : plan_measure(plan, &files.contents, err);
}

int predict_document(struct plan *plan, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(boot_files_done)
        struct boot_files files = { .for_registers = plan->platform->registers };
        int r = measured_files_read(plan, &files, err);

        return r < 0 ? r : prediction_make(plan, &files.contents, ret, err);
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
                r = predict_document(plan, &node, err);
        if (r < 0)
                return cvm_while(err, r, "predicting");
        for (size_t i = 0; plan->notes && plan->notes[i]; i++)
                output_say("%s", plan->notes[i]);
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
