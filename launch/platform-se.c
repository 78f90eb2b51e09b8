/* Secure Execution as launch sees it: one image, built by its owner, whose header is the guest's identity.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/flags-se.h"
#include "launch/dump-se.h"
#include "launch/explain-se.h"
#include "launch/failure-se.h"
#include "launch/host-se.h"
#include "launch/libvirt-se.h"
#include "launch/measure-se.h"
#include "launch/plan.h"
#include "launch/prediction.h"

extern const struct platform platform_se;

/* What the guest asks the machine about all its CPUs must fit into one page (SCLP). */
#define VCPUS_MAX 247

struct se_options {
        char none; /* all that can be chosen, the owner chose when she built the image */
};

static const struct cvm_json_field options_fields[] = { { 0 } };

static int check_options(json_object *options, const char *document, struct cvm_error *err) {
        struct cvm_json root = cvm_json_root(options, document);
        struct se_options o = { 0 };

        if (!options)
                return 0;
        snprintf(root.path, sizeof root.path, "%s", platform_se.name);
        return cvm_json_read(&root, options_fields, &o, err);
}

static int add_options(json_object *options, struct measure_inputs *inputs, uint64_t *ret_policy,
                       struct cvm_error *err) {
        *ret_policy = 0;
        return 0;
}

static int check_launch(json_object *options, const struct measurement *measurement, uint64_t policy,
                        struct cvm_error *err) {
        return 0; /* nothing is promised of a launch beforehand */
}

static int read_launch_block(const void *data, size_t size, uint8_t ret[64], size_t *ret_size,
                             struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                        "launches of Secure Execution have no signed block");
}

/* A dump, where the owner allows it, is encrypted for her. */
static bool is_debug(uint64_t policy) {
        return false;
}

/* Devices reach the guest's memory through bounce buffers alone (VIRTIO_F_IOMMU_PLATFORM): QEMU turns that
 * on for all its virtio devices by the object. There is no balloon among those that cvmd gives a guest. */
static int confide(struct plan *plan, const struct host_facts *facts, const uint8_t *host_data,
                   struct cvm_error *err) {
        const struct definition *d = plan->definition;

        if (d->cpu_model && strcmp(d->cpu_model, platform_se.default_cpu) != 0)
                return cvm_fail(err, &CVM_CODE_CPU_MODEL, EINVAL,
                                "'cpu_model' is '%s', but a guest of Secure Execution runs on the host's own "
                                "processor",
                                d->cpu_model);
        if (d->hugepages)
                return cvm_fail(err, &CVM_CODE_HUGE_PAGES, EINVAL,
                                "'tuning.hugepages' cannot be: KVM protects no memory that lies on huge pages");
        if (d->vcpus > VCPUS_MAX)
                return cvm_fail(err, &CVM_CODE_VCPUS, EINVAL,
                                "'vcpus' is %u, and a guest of Secure Execution has at most %d", d->vcpus,
                                VCPUS_MAX);
        plan->cpu = strdup(platform_se.default_cpu);
        plan->guest.type = "s390-pv-guest";
        plan->guest.properties = json_object_new_object(); /* it has none */
        if (!plan->cpu || !plan->guest.properties)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making the plan");
        if (!facts->n_keys &&
            cvm_texts_add(&plan->notes,
                          "the host does not tell its key: whether it can open the image shows when "
                          "the guest starts") < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making the plan");
        return cvm_texts_add(
                        &plan->notes,
                        "a protected guest cannot be moved while it runs: QEMU migrates none and saves none");
}

/* The header's owner decides, and she alone can open what the ultravisor has encrypted. */
static int check_dump(const char *prediction, const struct host_facts *host, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        struct cvm_json root;
        bool allowed = false;
        int r = prediction ? cvm_json_parse(prediction, strlen(prediction), "prediction", &node, err) : 0;

        root = cvm_json_root(node, "prediction");
        if (r >= 0)
                r = prediction_read_flag(&root, SE_FLAG_DUMP, &allowed, err);
        if (r >= 0 && !allowed)
                return cvm_fail(err, &CVM_CODE_DUMP_DENIED, EACCES,
                                "the header of its image does not allow dumps (PCF)");
        if (r >= 0 && host && !host->can_dump)
                return cvm_fail(err, &CVM_CODE_DUMP_HOST, EOPNOTSUPP,
                                "the ultravisor of this host makes no dumps");
        return r;
}

static const char *const devices[] = { "/dev/kvm", NULL };

const struct platform platform_se = {
        .id = CVM_PLATFORM_SECURE_EXECUTION,
        .name = "secure-execution",
        .title = "IBM Secure Execution",
        .binary = "qemu-system-s390x",
        .machine = "s390-ccw-virtio",
        .bus = "ccw",
        .console = "sclpconsole",
        .kernel_console = "ttysclp0",
        .default_cpu = "host",
        .devices = devices,
        .options_fields = options_fields,
        .check_options = check_options,
        .add_options = add_options,
        .check_launch = check_launch,
        .is_debug = is_debug,
        .read_header = se_read_header,
        .measure = se_measure_header,
        .explain = se_explain,
        .read_launch_block = read_launch_block,
        .read_host = se_read_host,
        .confide = confide,
        .failures = se_failures,
        .libvirt = &se_libvirt,
        .check_dump = check_dump,
        .dump_note = "the dump is encrypted for the image's owner: zgetdump of s390-tools opens it with her customer "
                     "communication key",
        .check_core = se_check_core,
};
