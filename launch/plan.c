#include "launch/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const plan_channel_ports[] = {
        [PLAN_CHANNEL_AGENT] = "org.cvmd.agent.0",
        [PLAN_CHANNEL_TEE] = "org.cvmd.tee.0",
};

static const char *const plain_devices[] = { "/dev/kvm", NULL };

static const char *const role_texts[] = {
        [PLAN_FIRMWARE] = "firmware", [PLAN_KERNEL] = "kernel", [PLAN_INITRD] = "initrd",
        [PLAN_SHIM] = "shim",         [PLAN_DISK] = "disk",
};

struct plan *plan_free(struct plan *plan) {
        if (!plan)
                return NULL;
        free(plan->cpu);
        free(plan->cmdline);
        free(plan->files);
        json_object_put(plan->guest.properties);
        plan->notes = cvm_texts_free(plan->notes);
        free(plan);
        return NULL;
}

static void add_file(struct plan *plan, enum plan_file_role role, const char *source, size_t disk,
                     bool writable) {
        if (source)
                plan->files[plan->n_files++] = (struct plan_file){ role, source, disk, writable };
}

static int add_files(struct plan *plan) {
        const struct definition *d = plan->definition;

        plan->files = calloc(PLAN_BOOT_FILES + d->n_disks, sizeof *plan->files);
        if (!plan->files)
                return -ENOMEM;
        add_file(plan, PLAN_FIRMWARE, d->firmware, 0, false);
        add_file(plan, PLAN_KERNEL, d->kernel, 0, false);
        add_file(plan, PLAN_INITRD, d->initrd, 0, false);
        add_file(plan, PLAN_SHIM, d->shim, 0, false);
        for (size_t i = 0; i < d->n_disks; i++)
                add_file(plan, PLAN_DISK, d->disks[i].path, i, !d->disks[i].readonly);
        return 0;
}

static int choose_platform(const struct definition *d, const struct host_facts *facts,
                           const struct platform **ret, struct cvm_error *err) {
        const struct platform *platform;

        if (d->simulate) {
                *ret = d->platforms[0] ? platform_by_id(d->platforms[0]) : platform_at(0);
                return 0;
        }
        for (size_t i = 0; (platform = d->platforms[0] ? platform_by_id(d->platforms[i]) : platform_at(i));
             i++)
                if (platform->confide && facts && facts->offers[platform->id]) {
                        *ret = platform;
                        return 0;
                }
        return cvm_fail(err, &CVM_CODE_PLATFORM_HARDWARE, ENODEV,
                        "this host can run no guest of %s on hardware",
                        d->platforms[0] ? platform_by_id(d->platforms[0])->title : "any platform");
}

/*
 * A simulated guest runs on the accelerator's own CPU, whatever model is measured: under emulation no EPYC
 * model is complete, and the guest's entropy needs RDRAND, which the largest model has.
 */
static int simulate(struct plan *plan) {
        plan->cpu = strdup("max");
        return plan->cpu ? 0 : -ENOMEM;
}

/* What people must know beside the measurement. */
static int add_notes(struct plan *plan, bool is_confidential) {
        const struct definition *d = plan->definition;
        const struct {
                bool applies;
                const char *words;
        } notes[] = {
                { plan->simulated, "SIMULATED: no hardware protects this guest from the host" },
                { plan->simulated && d->firmware && !is_confidential,
                  "the named firmware is measured only: the simulated guest boots without it" },
                { plan->debug, "DEBUG: the host can read the memory of this guest" },
                { plan->platform->read_header && d->owner.size,
                  "the owner must stand in the command line inside of the image (`image build --owner-key`): the "
                  "guest takes no secrets otherwise" },
                { !d->kernel, "no kernel is named: the measurement covers the firmware, not what it boots" },
                { !d->kernel && d->owner.size,
                  "no kernel is named: the owner stands in no measured command line, so the guest takes no secrets" },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(notes); i++)
                if (notes[i].applies)
                        r = cvm_texts_add(&plan->notes, notes[i].words);
        return r;
}

/* An image has it all: what stood beside it would be ignored, or could only pretend to be measured. */
static int check_image(const struct definition *d, const struct platform *platform, struct cvm_error *err) {
        const struct {
                const void *given;
                const char *field;
        } fields[] = { { d->firmware, "firmware" },
                       { d->initrd, "boot.initrd" },
                       { d->cmdline, "boot.cmdline" },
                       { d->boot_disk, "boot.disk" } };

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                if (fields[i].given)
                        return cvm_fail(err, &CVM_CODE_IMAGE_FIELD, EINVAL,
                                        "'%s' cannot be: a guest of %s boots one image, which its owner built with "
                                        "initrd and command line inside",
                                        fields[i].field, platform->title);
        return d->kernel ? 0
                         : cvm_fail(err, &CVM_CODE_IMAGE_FIELD, EINVAL,
                                    "'boot.kernel' must name the image that a guest of %s boots",
                                    platform->title);
}

/* What hardware and simulation, launch and prediction have in common. */
static int begin(const struct definition *definition, const struct platform *platform, bool is_confidential,
                 struct plan **ret, struct cvm_error *err) {
        CVM_CLEANUP(plan_freep) struct plan *plan = calloc(1, sizeof *plan);
        struct measure_inputs inputs = { 0 };
        int r;

        if (!plan)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making the plan");
        if (definition->simulate && !platform->synthetic_firmware && !platform->read_header)
                return cvm_fail(err, &CVM_CODE_SIM_PLATFORM, EOPNOTSUPP,
                                "guests of %s are not simulated yet", platform->title);
        if (definition->shim && !platform->has_shim)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'boot.shim' is given, but firmware of %s starts no kernel by a shim: nothing would measure it",
                                platform->title);
        if (definition->image)
                return cvm_fail(err, &CVM_CODE_IMAGE_VERBS, EOPNOTSUPP,
                                "'image' names '%s', but this version of cvmd has no image store for guests yet",
                                definition->image);
        plan->definition = definition;
        plan->platform = platform;
        plan->simulated = definition->simulate;
        plan->channels[PLAN_CHANNEL_AGENT] = true;
        plan->channels[PLAN_CHANNEL_TEE] = plan->simulated;
        plan->devices = is_confidential ? platform->devices : plain_devices;
        if (!platform->read_header)
                r = definition_cmdline(definition, &plan->cmdline, err);
        else {
                r = check_image(definition, platform, err);
                plan->cmdline = strdup("");
        }
        if (r >= 0 && !plan->cmdline)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making the plan");
        if (r >= 0)
                r = platform->add_options(definition->platform_options[platform->id], &inputs, &plan->policy,
                                          err);
        if (r < 0)
                return r;
        plan->debug = platform->is_debug(plan->policy);
        r = add_files(plan);
        if (r >= 0)
                r = add_notes(plan, is_confidential);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(plan);
        return 0;
}

int plan_add(struct plan *plan, const char *name, json_object *value, struct cvm_error *err) {
        if (!plan->guest.properties)
                plan->guest.properties = json_object_new_object();
        if (!value || !plan->guest.properties ||
            json_object_object_add(plan->guest.properties, name, value) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making the plan");
        return 0;
}

/* On a recorded host nothing is protected, whatever objects QEMU makes there: that is for tests of the
 * launch, whose guests may be simulated ones too and get the evidence of such. */
static bool runs_confidential(const struct definition *definition, const struct host_facts *facts,
                              const struct platform *platform) {
        return !definition->simulate ||
               (facts && facts->is_recorded && facts->offers[platform->id] && platform->confide);
}

static int confide(struct plan *plan, const struct host_facts *facts, const struct cvm_bytes *binding,
                   struct cvm_error *err) {
        const struct definition *d = plan->definition;
        uint8_t host_data[CVM_SHA384_SIZE];
        bool is_bound = binding && binding->size;

        if (d->accel == ACCEL_TCG)
                return cvm_fail(err, &CVM_CODE_PLATFORM_HARDWARE, EINVAL,
                                "'accel' is tcg, but a guest on hardware runs under KVM");
        if (!d->firmware && !plan->platform->read_header)
                return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL, "a guest on hardware needs 'firmware'");
        is_bound &= plan->platform->host_data != NULL;
        if (is_bound)
                plan->platform->host_data(binding->data, binding->size, host_data);
        return plan->platform->confide(plan, facts, is_bound ? host_data : NULL, err);
}

int plan_make(const struct definition *definition, const struct host_facts *facts,
              const struct cvm_bytes *binding, struct plan **ret, struct cvm_error *err) {
        CVM_CLEANUP(plan_freep) struct plan *plan = NULL;
        const struct platform *platform = NULL;
        int r = choose_platform(definition, facts, &platform, err);
        bool is_confidential = r >= 0 && runs_confidential(definition, facts, platform);

        if (r >= 0)
                r = begin(definition, platform, is_confidential, &plan, err);
        if (r >= 0)
                r = is_confidential ? confide(plan, facts, binding, err) : simulate(plan);
        if (r < 0)
                return cvm_while(err, r, "making the plan");
        *ret = TAKE_PTR(plan);
        return 0;
}

int plan_predict(const struct definition *definition, struct plan **ret, struct cvm_error *err) {
        return begin(definition,
                     definition->platforms[0] ? platform_by_id(definition->platforms[0]) : platform_at(0),
                     !definition->simulate, ret, err);
}

/* A file of the plan whose contents were forgotten would be measured as if it were not there. */
static int check_contents(const struct plan *plan, const struct plan_contents *contents,
                          struct cvm_error *err) {
        const struct definition *d = plan->definition;

        if (!d->firmware == !contents->firmware && !d->kernel == !contents->kernel_sha256 &&
            !d->initrd == !contents->initrd_sha256)
                return 0;
        return cvm_fail(err, &CVM_CODE_INTERNAL, EINVAL,
                        "the contents to be measured are not those of the plan's files");
}

/* What the platform measures. ret_made: bytes of a firmware that was made here, owned by the caller. */
static int measured_inputs(struct plan *plan, const struct plan_contents *contents,
                           struct measure_inputs *ret, struct cvm_bytes *ret_made, struct cvm_error *err) {
        const struct definition *d = plan->definition;
        int r = check_contents(plan, contents, err);

        *ret = (struct measure_inputs){
                .firmware = contents->firmware,
                .firmware_size = contents->firmware_size,
                .measured_firmware = contents->measured_firmware,
                .vcpus = d->vcpus,
                .cpu_model = d->cpu_model ? d->cpu_model : plan->platform->default_cpu,
                .has_kernel = contents->kernel_sha256 != NULL,
                .has_initrd = contents->initrd_sha256 != NULL,
                .header = contents->header,
                .header_size = contents->header_size,
                .kernel = contents->kernel,
                .kernel_size = contents->kernel_size,
                .has_shim = d->shim != NULL,
                .shim = contents->shim,
                .shim_size = contents->shim_size,
                .initrd_sha384 = contents->initrd_sha384,
                .initrd_size = contents->initrd_size,
                .cmdline = plan->cmdline,
                .memory = d->memory,
        };
        if (r >= 0)
                r = plan->platform->add_options(d->platform_options[plan->platform->id], ret, &plan->policy,
                                                err);
        if (r < 0)
                return r;
        if (ret->has_kernel)
                memcpy(ret->kernel_sha256, contents->kernel_sha256, CVM_SHA256_SIZE);
        if (ret->has_initrd)
                memcpy(ret->initrd_sha256, contents->initrd_sha256, CVM_SHA256_SIZE);
        if (ret->firmware || plan->platform->read_header)
                return 0;
        if (!plan->simulated)
                return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL, "a guest on hardware needs 'firmware'");
        r = plan->platform->synthetic_firmware(ret_made);
        ret->firmware = ret_made->data;
        ret->firmware_size = ret_made->size;
        return r < 0 ? cvm_while(err, r, "making the synthetic firmware") : 0;
}

int plan_measure(struct plan *plan, const struct plan_contents *contents, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes made = { 0 };
        struct measure_inputs in;
        int r = measured_inputs(plan, contents, &in, &made, err);

        return r < 0 ? r : plan->platform->measure(&in, &plan->measurement, err);
}

int plan_boot(struct plan *plan, const struct plan_contents *contents, struct boot_log *ret,
              struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes made = { 0 };
        struct measure_inputs in;
        int r = measured_inputs(plan, contents, &in, &made, err);

        return r < 0 || !plan->platform->registers ? r : plan->platform->registers->predict(&in, ret, err);
}

int plan_check_host(const struct plan *plan, const struct host_facts *facts, const char *measurement,
                    struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_texts_freep) char **hosts = NULL;
        char hex[2 * CVM_SHA256_SIZE + 1];
        struct cvm_json root, place;
        int r;

        if (!plan->guest.type || !measurement || !facts->n_keys)
                return 0;
        r = cvm_json_parse(measurement, strlen(measurement), "prediction", &node, err);
        root = cvm_json_root(node, "prediction");
        place = cvm_json_at(&root, "hosts");
        if (r >= 0 && !place.node)
                return 0;
        if (r >= 0)
                r = cvm_json_read_texts(&place, &hosts, err);
        if (r < 0)
                return r;
        for (size_t i = 0; hosts && hosts[i]; i++)
                for (size_t k = 0; k < facts->n_keys; k++) {
                        cvm_hex(facts->keys[k], CVM_SHA256_SIZE, hex);
                        if (strcmp(hosts[i], hex) == 0)
                                return 0;
                }
        cvm_hex(facts->keys[0], CVM_SHA256_SIZE, hex);
        return cvm_fail(err, &CVM_CODE_HOST_KEY_SLOT, ENOKEY,
                        "the image was not built for this host, whose key is %s", hex);
}

int plan_check(const struct plan *plan, const struct plan_contents *contents, struct cvm_error *err) {
        const struct platform *platform = plan->platform;
        int r = platform->check_launch(plan->definition->platform_options[platform->id], &plan->measurement,
                                       plan->policy, err);

        return r < 0 || plan->simulated || !platform->check_boot ? r : platform->check_boot(contents, err);
}

int plan_explain(struct plan *plan, const struct plan_contents *contents, struct explain_request *request,
                 struct explanation *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes made = { 0 };
        struct measure_inputs in;
        int r = measured_inputs(plan, contents, &in, &made, err);

        request->given = &in;
        if (r >= 0)
                r = plan->platform->explain(request, ret, err);
        request->given = NULL;
        return r;
}

bool plan_boots_with(const struct plan *plan, const struct plan_file *file) {
        return (file->role != PLAN_FIRMWARE && file->role != PLAN_SHIM) || !plan->simulated ||
               plan->guest.type;
}

void plan_mac(const struct plan *plan, size_t i, char ret[PLAN_MAC_TEXT]) {
        const struct definition *d = plan->definition;
        uint8_t digest[CVM_SHA256_SIZE];
        char seed[CVM_UUID_TEXT + 8];

        if (d->nics[i].mac) {
                snprintf(ret, PLAN_MAC_TEXT, "%s", d->nics[i].mac);
                return;
        }
        snprintf(seed, sizeof seed, "%.36s-%zu", d->uuid, i);
        cvm_sha256(seed, strlen(seed), digest);
        snprintf(ret, PLAN_MAC_TEXT, "52:54:00:%02x:%02x:%02x", digest[0], digest[1], digest[2]);
}

static json_object *files_json(const struct plan *plan) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < plan->n_files; i++) {
                json_object *file = json_object_new_object();

                json_object_object_add(file, "role",
                                       json_object_new_string(role_texts[plan->files[i].role]));
                json_object_object_add(file, "source", json_object_new_string(plan->files[i].source));
                json_object_object_add(file, "writable", json_object_new_boolean(plan->files[i].writable));
                json_object_array_add(list, file);
        }
        return list;
}

json_object *plan_json(const struct plan *plan) {
        json_object *node = json_object_new_object();
        json_object *notes = cvm_json_write_texts(&plan->notes);
        char policy[2 + 16 + 1];

        json_object_object_add(node, "platform", json_object_new_string(plan->platform->name));
        json_object_object_add(node, "simulated", json_object_new_boolean(plan->simulated));
        json_object_object_add(node, "debug", json_object_new_boolean(plan->debug));
        json_object_object_add(node, "binary", json_object_new_string(plan->platform->binary));
        json_object_object_add(node, "machine", json_object_new_string(plan->platform->machine));
        if (plan->cpu)
                json_object_object_add(node, "cpu", json_object_new_string(plan->cpu));
        snprintf(policy, sizeof policy, "0x%" PRIx64, plan->policy);
        json_object_object_add(node, "policy", json_object_new_string(policy));
        json_object_object_add(node, "vcpus", json_object_new_uint64(plan->definition->vcpus));
        json_object_object_add(node, "memory", json_object_new_uint64(plan->definition->memory));
        json_object_object_add(node, "cmdline", json_object_new_string(plan->cmdline));
        json_object_object_add(node, "files", files_json(plan));
        if (plan->guest.type) {
                json_object_object_add(node, "object", json_object_new_string(plan->guest.type));
                json_object_object_add(node, "properties", json_object_get(plan->guest.properties));
        }
        json_object_object_add(node, "notes", notes ? notes : json_object_new_array());
        if (plan->measurement.size)
                json_object_object_add(node, "prediction",
                                       measurement_json(&plan->measurement, plan->simulated));
        return node;
}
