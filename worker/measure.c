/* measure: the launch measurement of a definition, from the descriptors that will be booted. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "launch/firmware-ovmf.h"
#include "launch/plan.h"
#include "worker/verb.h"

struct boot_files {
        struct cvm_bytes firmware;
        uint8_t kernel[CVM_SHA256_SIZE], initrd[CVM_SHA256_SIZE];
        struct plan_contents contents;
};

static void boot_files_done(struct boot_files *files) {
        cvm_bytes_done(&files->firmware);
}

static int read_firmware(const struct cvm_json *request, struct boot_files *files, struct cvm_error *err) {
        int fd, r = verb_fd(request, "firmware", &fd, err);

        if (r <= 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        r = cvm_read_fd(fd, OVMF_SIZE_MAX, "the firmware", &files->firmware, err);
        files->contents.firmware = files->firmware.data;
        files->contents.firmware_size = files->firmware.size;
        return r;
}

static int digest(const struct cvm_json *request, const char *key, uint8_t sha256[CVM_SHA256_SIZE],
                  const uint8_t **ret, struct cvm_error *err) {
        uint64_t size;
        int fd, r = verb_fd(request, key, &fd, err);

        if (r <= 0)
                return r;
        *ret = sha256;
        return cvm_sha256_fd(fd, key, sha256, &size, err);
}

static int read_files(const struct cvm_json *request, struct boot_files *files, struct cvm_error *err) {
        int r = read_firmware(request, files, err);

        if (r >= 0)
                r = digest(request, "kernel", files->kernel, &files->contents.kernel_sha256, err);
        if (r >= 0)
                r = digest(request, "initrd", files->initrd, &files->contents.initrd_sha256, err);
        return r;
}

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(definition_freep) struct definition *definition = NULL;
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        CVM_CLEANUP(boot_files_done) struct boot_files files = { 0 };
        const char *text = "";
        int r = cvm_json_get_text(request, "definition", &text, err);

        if (r >= 0)
                r = definition_read(text, strlen(text), "definition", &definition, err);
        if (r >= 0)
                r = plan_predict(definition, &plan, err);
        if (r >= 0)
                r = read_files(request, &files, err);
        if (r >= 0)
                r = plan_measure(plan, &files.contents, err);
        if (r >= 0)
                r = plan_check(plan, err);
        if (r < 0)
                return r;
        *ret = json_object_new_object();
        json_object_object_add(*ret, "measurement", measurement_json(&plan->measurement, plan->simulated));
        json_object_object_add(*ret, "policy", json_object_new_uint64(plan->policy));
        json_object_object_add(*ret, "debug", json_object_new_boolean(plan->debug));
        return 0;
}

const struct verb verb_measure = { "measure", run, SANDBOX_FILES };
