/* TDX as launch sees it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/explain-tdx.h"
#include "launch/failure-tdx.h"
#include "launch/firmware-tdx.h"
#include "launch/host-tdx.h"
#include "launch/libvirt-tdx.h"
#include "launch/measure-tdx.h"
#include "launch/plan.h"
#include "launch/rtmr-tdx.h"
#include "launch/secure-boot.h"
#include "launch/synthetic-tdx.h"

extern const struct platform platform_tdx;

/* Attributes of a trust domain (TDX module ABI, ATTRIBUTES). */
#define ATTRIBUTE_DEBUG (1ull << 0)
#define ATTRIBUTE_SEPT_VE_DISABLE (1ull << 28)
#define ATTRIBUTE_PKS (1ull << 30)
#define ATTRIBUTE_PERFMON (1ull << 63)

struct tdx_options {
        bool debug, sept_ve_disable, has_sept_ve_disable, pks, perfmon, migratable;
        int page_order;
        uint32_t qemu_version;
};

static const char *const page_orders[] = { "page", "section", NULL };

/* MAJOR.MINOR, and what follows of it */
static int read_version(const struct cvm_json *place, void *member, struct cvm_error *err) {
        unsigned long major, minor = 0;
        const char *text;
        char *end;
        int r = cvm_json_text_at(place, 32, &text, err);

        if (r < 0)
                return r;
        major = strtoul(text, &end, 10);
        if (*end == '.')
                minor = strtoul(end + 1, NULL, 10);
        if (*end != '.' || major < 1 || major > 999 || minor > 255)
                return cvm_json_refuse(place, err, "must be a version of QEMU such as \"10.1\"");
        *(uint32_t *)member = MEASURE_QEMU(major, minor);
        return 0;
}

#define BIT(name) \
        { #name, CVM_JSON_BOOL, .offset = offsetof(struct tdx_options, name) }

static const struct cvm_json_field options_fields[] = {
        BIT(debug),
        { "sept_ve_disable", CVM_JSON_BOOL, .offset = offsetof(struct tdx_options, sept_ve_disable),
          .has_offset = offsetof(struct tdx_options, has_sept_ve_disable) },
        BIT(pks),
        BIT(perfmon),
        BIT(migratable),
        { "page_order", CVM_JSON_CHOICE, .offset = offsetof(struct tdx_options, page_order),
          .choices = page_orders },
        { "qemu_version", CVM_JSON_CUSTOM, .offset = offsetof(struct tdx_options, qemu_version),
          .read = read_version },
        { 0 },
};

static int read_options(json_object *options, const char *document, struct tdx_options *ret,
                        struct cvm_error *err) {
        struct cvm_json root = cvm_json_root(options, document);

        *ret = (struct tdx_options){ 0 };
        if (!options)
                return 0;
        snprintf(root.path, sizeof root.path, "%s", platform_tdx.name);
        return cvm_json_read(&root, options_fields, ret, err);
}

static int check_options(json_object *options, const char *document, struct cvm_error *err) {
        struct tdx_options o;
        int r = read_options(options, document, &o, err);

        if (r >= 0 && o.migratable)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'tdx.migratable' in '%s' cannot be: a migratable guest's keys leave its host, and no "
                                "migration of TDX is offered",
                                document);
        return r;
}

static int add_options(json_object *options, struct measure_inputs *inputs, uint64_t *ret_policy,
                       struct cvm_error *err) {
        struct tdx_options o;
        int r = read_options(options, "definition", &o, err);

        if (r < 0)
                return r;
        inputs->by_section = o.page_order == 1;
        inputs->qemu_version = o.qemu_version;
        *ret_policy = (o.debug ? ATTRIBUTE_DEBUG : 0) |
                      (o.has_sept_ve_disable && !o.sept_ve_disable ? 0 : ATTRIBUTE_SEPT_VE_DISABLE) |
                      (o.pks ? ATTRIBUTE_PKS : 0) | (o.perfmon ? ATTRIBUTE_PERFMON : 0);
        return 0;
}

static int check_launch(json_object *options, const struct measurement *measurement, uint64_t policy,
                        struct cvm_error *err) {
        return 0; /* nothing is promised of a launch beforehand */
}

static int check_boot(const struct plan_contents *contents, struct cvm_error *err) {
        const struct cvm_bytes *started =
                        contents->shim_signatures ? contents->shim_signatures : contents->kernel_signatures;
        struct tdvf tdvf;
        int r = started ? tdvf_read(contents->firmware, contents->firmware_size, &tdvf, err) : 0;

        for (size_t i = 0; r >= 0 && started && i < tdvf.n_sections; i++)
                if (tdvf.sections[i].type == TDVF_CONFIGURATION &&
                    !secure_boot_takes(contents->firmware + tdvf.sections[i].offset, tdvf.sections[i].size,
                                       started))
                        r = cvm_fail(err, &CVM_CODE_SECURE_BOOT, EACCES,
                                     "the firmware enforces secure boot, and the %s is %s by none of its keys",
                                     contents->shim_signatures ? "shim" : "kernel",
                                     started->size ? "signed" : "not signed, so");
        return r;
}

static int read_launch_block(const void *data, size_t size, uint8_t ret[64], size_t *ret_size,
                             struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "launches of TDX have no signed block");
}

static bool is_debug(uint64_t policy) {
        return policy & ATTRIBUTE_DEBUG;
}

static int add_digest(struct plan *plan, const char *name, const uint8_t digest[CVM_SHA384_SIZE],
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = cvm_base64(digest, CVM_SHA384_SIZE);

        return plan_add(plan, name, text ? json_object_new_string(text) : NULL, err);
}

/* QEMU takes two attributes from the processor's features; what was not asked for is not measured unseen. */
static int choose_cpu(struct plan *plan, struct cvm_error *err) {
        const char *model = plan->definition->cpu_model;

        if (model && strcmp(model, platform_tdx.default_cpu) != 0)
                return cvm_fail(err, &CVM_CODE_CPU_MODEL, EINVAL,
                                "'cpu_model' is '%s', but a guest of TDX runs on the host's own processor",
                                model);
        if (asprintf(&plan->cpu, "host,pks=%s,pmu=%s", plan->policy & ATTRIBUTE_PKS ? "on" : "off",
                     plan->policy & ATTRIBUTE_PERFMON ? "on" : "off") < 0) {
                plan->cpu = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making the plan");
        }
        return 0;
}

/* QEMU connects when the guest asks: a service that comes later is asked then, where it is open to all. */
static int add_quote_service(struct plan *plan, const struct host_facts *facts, struct cvm_error *err) {
        json_object *socket;
        int r = 0;

        if (!facts->has_quote_service)
                r = cvm_texts_add(&plan->notes, "the host has no quoting service at /" TDX_QUOTE_SERVICE
                                                ": without one this guest can give no evidence");
        else if (facts->quote_service_is_closed)
                r = cvm_texts_add(
                                &plan->notes,
                                "a guest's user may not connect to the quoting service at /" TDX_QUOTE_SERVICE
                                ": this guest can give no evidence. " TDX_OPEN_QUOTE_SERVICE);
        if (r < 0)
                return r;
        socket = json_object_new_object();
        json_object_object_add(socket, "type", json_object_new_string("unix"));
        json_object_object_add(socket, "path", json_object_new_string("/" TDX_QUOTE_SERVICE));
        return plan_add(plan, "quote-generation-socket", socket, err);
}

static int confide(struct plan *plan, const struct host_facts *facts, const uint8_t *host_data,
                   struct cvm_error *err) {
        const struct definition *d = plan->definition;
        uint8_t owner_id[CVM_SHA384_SIZE];
        int r = choose_cpu(plan, err);

        plan->guest.type = "tdx-guest";
        if (r >= 0)
                r = plan_add(plan, "attributes", json_object_new_uint64(plan->policy), err);
        if (r >= 0 && host_data)
                r = add_digest(plan, "mrconfigid", host_data, err);
        if (r >= 0 && host_data) {
                cvm_key_id(d->owner.data, owner_id);
                r = add_digest(plan, "mrowner", owner_id, err);
        }
        return r < 0 ? r : add_quote_service(plan, facts, err);
}

static const char *const devices[] = { "/dev/kvm", "/" TDX_QUOTE_SERVICE, NULL };

const struct platform platform_tdx = {
        .id = CVM_PLATFORM_TDX,
        .name = "tdx",
        .title = "Intel TDX",
        .binary = "qemu-system-x86_64",
        .machine = "q35",
        .bus = "pci",
        .console = "isa-serial",
        .kernel_console = "ttyS0",
        .default_cpu = "host",
        .has_shim = true,
        .devices = devices,
        .options_fields = options_fields,
        .check_options = check_options,
        .add_options = add_options,
        .check_launch = check_launch,
        .check_boot = check_boot,
        .is_debug = is_debug,
        .measure = tdx_measure,
        .registers = &tdx_registers,
        .explain = tdx_explain,
        .read_launch_block = read_launch_block,
        .synthetic_firmware = tdx_synthetic_firmware,
        .read_host = tdx_read_host,
        .confide = confide,
        .failures = tdx_failures,
        .libvirt = &tdx_libvirt,
        .host_data_size = CVM_SHA384_SIZE,
        .host_data = cvm_sha384,
};
