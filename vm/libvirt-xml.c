/*
 * The same machine as qemu-argv.c makes, in libvirt's words. Three things libvirt adds by itself are kept
 * out: its own addresses (a guest finds each device where the other driver puts it, and the tables that it
 * measures do not change with the driver), a USB controller and a memory balloon. What XML cannot say is
 * refused by the name of the definition's field.
 */
#include "vm/libvirt-xml.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm/driver.h"
#include "vm/xml-writer.h"

#define EMULATOR_PREFIX "qemu-system-"
#define SLOT_MAX 0x1e /* of the root bus; 0 and 0x1f are the machine's own */

struct rendering {
        const struct libvirt_domain *domain;
        const struct plan *plan;
        const struct definition *definition;
        struct xml_writer w;
        unsigned slot; /* the next one */
};

static void rendering_done(struct rendering *r) {
        xml_done(&r->w);
}

static int refuse(struct cvm_error *err, const char *field, const char *words) {
        return cvm_fail(err, &CVM_CODE_LIBVIRT_FIELD, EOPNOTSUPP, "'%s': %s", field, words);
}

static bool is_pci(const struct plan *plan) {
        return strcmp(plan->platform->bus, "pci") == 0;
}

/* --- what the domain is --- */

static void write_memory(struct rendering *r) {
        const struct definition *d = r->definition;

        xml_open(&r->w, "memory");
        xml_attribute(&r->w, "unit", "KiB");
        xml_number(&r->w, d->memory >> 10);
        xml_close(&r->w);
        if (d->hugepages || d->has_numa_node) {
                xml_open(&r->w, "memoryBacking");
                if (d->hugepages)
                        xml_mark(&r->w, "hugepages", NULL, NULL);
                xml_mark(&r->w, "source", "type", "memfd");
                xml_close(&r->w);
        }
        xml_open(&r->w, "vcpu");
        xml_attribute(&r->w, "placement", "static");
        xml_number(&r->w, d->vcpus);
        xml_close(&r->w);
        if (d->has_numa_node) {
                xml_open(&r->w, "numatune");
                xml_open(&r->w, "memory");
                xml_attribute(&r->w, "mode", "strict");
                xml_attribute(&r->w, "nodeset", "%u", d->numa_node);
                xml_close(&r->w);
                xml_close(&r->w);
        }
}

static void write_boot_file(struct rendering *r, size_t i) {
        static const char *const elements[] = { [PLAN_KERNEL] = "kernel", [PLAN_INITRD] = "initrd" };
        enum plan_file_role role = r->plan->files[i].role;

        if (role != PLAN_FIRMWARE) {
                xml_leaf(&r->w, elements[role], r->domain->sources[i]);
                return;
        }
        xml_open(&r->w, "loader");
        xml_attribute(&r->w, "type", "rom"); /* measured whole: no variables beside it */
        xml_attribute(&r->w, "stateless", "yes");
        xml_text(&r->w, r->domain->sources[i]);
        xml_close(&r->w);
}

static void write_os(struct rendering *r) {
        const struct plan *plan = r->plan;

        xml_open(&r->w, "os");
        xml_open(&r->w, "type");
        xml_attribute(&r->w, "arch", "%s", plan->platform->binary + strlen(EMULATOR_PREFIX));
        xml_attribute(&r->w, "machine", "%s", plan->platform->machine);
        xml_text(&r->w, "hvm");
        xml_close(&r->w);
        for (size_t i = 0; i < plan->n_files; i++)
                if (plan->files[i].role != PLAN_DISK && plan_boots_with(plan, &plan->files[i]))
                        write_boot_file(r, i);
        if (r->definition->kernel && *plan->cmdline)
                xml_leaf(&r->w, "cmdline", plan->cmdline);
        xml_close(&r->w);
}

/* --- its processor: `model[,feature=on|off...]` --- */

#define PMU "pmu" /* no feature of the processor in libvirt's eyes */

static void write_features(struct rendering *r, const char *cpu) {
        const struct libvirt_security *security = r->plan->platform->libvirt;
        const char *pmu = strstr(cpu, "," PMU "=");

        xml_open(&r->w, "features");
        if (is_pci(r->plan))
                xml_mark(&r->w, "acpi", NULL, NULL);
        if (pmu)
                xml_mark(&r->w, "pmu", "state", strncmp(pmu + strlen("," PMU "="), "on", 2) ? "off" : "on");
        for (size_t i = 0; r->plan->guest.type && security->features && security->features[i].element; i++)
                xml_mark(&r->w, security->features[i].element, security->features[i].attribute,
                         security->features[i].value);
        xml_close(&r->w);
}

static int write_cpu_feature(struct rendering *r, char *feature, struct cvm_error *err) {
        char *value = strchr(feature, '=');

        if (!value || (strcmp(value, "=on") != 0 && strcmp(value, "=off") != 0))
                return cvm_fail(err, &CVM_CODE_LIBVIRT_FIELD, EOPNOTSUPP,
                                "'cpu_model': the processor's '%.60s' cannot be said", feature);
        *value = 0;
        if (strcmp(feature, PMU) == 0)
                return 0;
        xml_open(&r->w, "feature");
        xml_attribute(&r->w, "policy", "%s", strcmp(value + 1, "on") == 0 ? "require" : "disable");
        xml_attribute(&r->w, "name", "%s", feature);
        xml_close(&r->w);
        return 0;
}

/* As QEMU has it by itself, where libvirt would have a socket for each. */
static void write_topology(struct rendering *r) {
        xml_open(&r->w, "topology");
        xml_attribute(&r->w, "sockets", "1");
        xml_attribute(&r->w, "cores", "%u", r->definition->vcpus);
        xml_attribute(&r->w, "threads", "1");
        xml_close(&r->w);
}

static int write_cpu(struct rendering *r, struct cvm_error *err) {
        static const struct {
                const char *model, *mode;
        } modes[] = { { "host", "host-passthrough" }, { "max", "maximum" } };
        CVM_CLEANUP(cvm_freep) char *cpu = strdup(r->plan->cpu);
        const char *mode = "custom";
        char *rest = NULL, *model, *feature;
        int result = 0;

        if (!cpu)
                return -ENOMEM;
        model = strtok_r(cpu, ",", &rest);
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
                if (strcmp(model, modes[i].model) == 0)
                        mode = modes[i].mode;
        xml_open(&r->w, "cpu");
        xml_attribute(&r->w, "mode", "%s", mode);
        xml_attribute(&r->w, "check", "none"); /* what is measured is what is named */
        if (strcmp(mode, "custom") == 0) {
                xml_attribute(&r->w, "match", "exact");
                xml_open(&r->w, "model");
                xml_attribute(&r->w, "fallback", "forbid");
                xml_text(&r->w, model);
                xml_close(&r->w);
        }
        write_topology(r);
        while (result >= 0 && (feature = strtok_r(NULL, ",", &rest)))
                result = write_cpu_feature(r, feature, err);
        xml_close(&r->w);
        return result;
}

/* --- its devices --- */

static void write_address(struct rendering *r) {
        if (!is_pci(r->plan))
                return;
        xml_open(&r->w, "address");
        xml_attribute(&r->w, "type", "pci");
        xml_attribute(&r->w, "domain", "0x0000");
        xml_attribute(&r->w, "bus", "0x00");
        xml_attribute(&r->w, "slot", "0x%02x", ++r->slot);
        xml_attribute(&r->w, "function", "0x0");
        xml_close(&r->w);
}

/* vda, ..., vdz, vdaa, ... */
static void disk_target(size_t n, char ret[8]) {
        snprintf(ret, 8, n < 26 ? "vd%c" : "vda%c", (char)('a' + n % 26));
}

static void write_disk(struct rendering *r, size_t i) {
        static const char *const formats[] = { [DISK_RAW] = "raw", [DISK_QCOW2] = "qcow2" };
        const struct plan_file *file = &r->plan->files[i];
        const struct definition_disk *disk = &r->definition->disks[file->disk];
        const char *boot = r->definition->boot_disk;
        const char *group = r->domain->fd_groups ? r->domain->fd_groups[i] : NULL;
        char target[8];

        disk_target(file->disk, target);
        xml_open(&r->w, "disk");
        xml_attribute(&r->w, "type", "file");
        xml_attribute(&r->w, "device", "disk");
        xml_open(&r->w, "driver");
        xml_attribute(&r->w, "name", "qemu");
        xml_attribute(&r->w, "type", "%s", formats[disk->format]);
        xml_close(&r->w);
        xml_open(&r->w, "source");
        xml_attribute(&r->w, "file", "%s", r->domain->sources[i]);
        if (group)
                xml_attribute(&r->w, "fdgroup", "%s", group);
        xml_close(&r->w);
        xml_open(&r->w, "target");
        xml_attribute(&r->w, "dev", "%s", target);
        xml_attribute(&r->w, "bus", "virtio");
        xml_close(&r->w);
        if (!file->writable)
                xml_mark(&r->w, "readonly", NULL, NULL);
        if (disk->serial)
                xml_leaf(&r->w, "serial", disk->serial);
        if (boot && disk->serial && strcmp(boot, disk->serial) == 0)
                xml_mark(&r->w, "boot", "order", "1");
        write_address(r);
        xml_close(&r->w);
}

static void write_link(struct rendering *r, const struct definition_nic *nic) {
        static const char *const types[] = {
                [NIC_USER] = "user", [NIC_TAP] = "ethernet", [NIC_BRIDGE] = "bridge"
        };

        xml_attribute(&r->w, "type", "%s", types[nic->type]);
        if (nic->type == NIC_BRIDGE)
                xml_mark(&r->w, "source", "bridge", nic->name);
        if (nic->type == NIC_TAP) {
                xml_open(&r->w, "target");
                xml_attribute(&r->w, "dev", "%s", nic->name);
                xml_attribute(&r->w, "managed", "no"); /* it is there, and stays */
                xml_close(&r->w);
        }
}

static int write_nic(struct rendering *r, size_t i, struct cvm_error *err) {
        const struct definition_nic *nic = &r->definition->nics[i];
        char mac[PLAN_MAC_TEXT];

        if (nic->type == NIC_NONE)
                return 0;
        if (nic->n_forwards)
                return cvm_fail(err, &CVM_CODE_LIBVIRT_FIELD, EOPNOTSUPP,
                                "'nics[%zu].forwards': libvirt forwards ports by another program only", i);
        plan_mac(r->plan, i, mac);
        xml_open(&r->w, "interface");
        write_link(r, nic);
        xml_mark(&r->w, "mac", "address", mac);
        xml_mark(&r->w, "model", "type", "virtio");
        if (is_pci(r->plan))
                xml_mark(&r->w, "rom", "enabled", "no");
        write_address(r);
        xml_close(&r->w);
        return 0;
}

static int write_channels(struct rendering *r, struct cvm_error *err) {
        xml_open(&r->w, "controller");
        xml_attribute(&r->w, "type", "virtio-serial");
        xml_attribute(&r->w, "index", "0");
        write_address(r);
        xml_close(&r->w);
        for (int c = 0; c < PLAN_CHANNEL_MAX_; c++) {
                char path[PATH_MAX];

                if (!r->plan->channels[c])
                        continue;
                if (driver_channel_path(r->domain->runtime_dir, c, path, sizeof path) < 0)
                        return cvm_fail(err, &CVM_CODE_INTERNAL, ENAMETOOLONG,
                                        "a channel's path is too long");
                xml_open(&r->w, "channel");
                xml_attribute(&r->w, "type", "unix");
                xml_open(&r->w, "source");
                xml_attribute(&r->w, "mode", "bind");
                xml_attribute(&r->w, "path", "%s", path);
                xml_close(&r->w);
                xml_open(&r->w, "target");
                xml_attribute(&r->w, "type", "virtio");
                xml_attribute(&r->w, "name", "%s", plan_channel_ports[c]);
                xml_close(&r->w);
                xml_close(&r->w);
        }
        return 0;
}

/* A pty is what virDomainOpenConsole() opens. */
static void write_console_source(struct rendering *r) {
        bool is_interactive = r->definition->console == CONSOLE_INTERACTIVE;
        const char *log = r->domain->console_log;

        xml_attribute(&r->w, "type", "%s", is_interactive ? "pty" : log ? "file" : "null");
        if (log) {
                xml_open(&r->w, is_interactive ? "log" : "source");
                xml_attribute(&r->w, is_interactive ? "file" : "path", "%s", log);
                xml_attribute(&r->w, "append", "on");
                xml_close(&r->w);
        }
}

static void write_console(struct rendering *r) {
        static const struct {
                const char *device, *element, *target, *name;
        } consoles[] = {
                { "isa-serial", "serial", "type", "isa-serial" },
                { "sclpconsole", "console", "type", "sclp" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(consoles); i++) {
                if (r->definition->console == CONSOLE_NONE ||
                    strcmp(consoles[i].device, r->plan->platform->console) != 0)
                        continue;
                xml_open(&r->w, consoles[i].element);
                write_console_source(r);
                xml_open(&r->w, "target");
                xml_attribute(&r->w, consoles[i].target, "%s", consoles[i].name);
                xml_attribute(&r->w, "port", "0");
                xml_close(&r->w);
                xml_close(&r->w);
        }
}

static int write_devices(struct rendering *r, struct cvm_error *err) {
        const struct plan *plan = r->plan;
        int result = 0;

        xml_open(&r->w, "devices");
        xml_leaf(&r->w, "emulator", r->domain->emulator);
        xml_open(&r->w, "controller");
        xml_attribute(&r->w, "type", "usb");
        xml_attribute(&r->w, "model", "none");
        xml_close(&r->w);
        for (size_t i = 0; i < plan->n_files; i++)
                if (plan->files[i].role == PLAN_DISK)
                        write_disk(r, i);
        for (size_t i = 0; result >= 0 && i < r->definition->n_nics; i++)
                result = write_nic(r, i, err);
        if (result >= 0)
                result = write_channels(r, err);
        if (r->slot > SLOT_MAX)
                return refuse(err, "disks",
                              "with the NICs these are more devices than the machine has slots");
        write_console(r);
        xml_mark(&r->w, "memballoon", "model", "none");
        xml_close(&r->w);
        return result;
}

/* --- what makes it confidential --- */

static const struct libvirt_property *find_property(const struct libvirt_security *security,
                                                    const char *name) {
        for (const struct libvirt_property *p = security->properties; p->property; p++)
                if (strcmp(p->property, name) == 0)
                        return p;
        return NULL;
}

/* All that the plan asks for must have a place in the table. */
static int check_properties(const struct plan *plan, struct cvm_error *err) {
        if (!plan->platform->libvirt)
                return refuse(err, "platform", "libvirt's guests of it are not known to this version");
        if (plan->definition->shim)
                return refuse(err, "boot.shim", "this version starts no domain of libvirt by a shim");
        if (!plan->guest.properties)
                return 0;
        json_object_object_foreach(plan->guest.properties, name, value) {
                const struct libvirt_property *p = find_property(plan->platform->libvirt, name);
                uint64_t bits = json_object_is_type(value, json_type_int) ? json_object_get_uint64(value)
                                                                          : 0;

                if (!p || p->form == LIBVIRT_NONE)
                        return cvm_fail(err, &CVM_CODE_LIBVIRT_FIELD, EOPNOTSUPP,
                                        "'%s': QEMU's '%s' cannot be said",
                                        p ? p->field : plan->platform->name, name);
                if (p->bits && bits & ~p->bits)
                        return cvm_fail(err, &CVM_CODE_LIBVIRT_FIELD, EOPNOTSUPP,
                                        "'%s': the bits 0x%" PRIx64 " of QEMU's '%s' cannot be said",
                                        p->field, bits & ~p->bits, name);
        }
        return 0;
}

static void write_property(struct xml_writer *w, const struct libvirt_property *p, json_object *value) {
        bool is_attribute = p->form == LIBVIRT_ATTRIBUTE;
        char hex[2 + 16 + 1];
        const char *text = json_object_get_string(value);

        if (json_object_is_type(value, json_type_boolean))
                text = json_object_get_boolean(value) ? "yes" : "no";
        else if (json_object_is_type(value, json_type_int)) {
                snprintf(hex, sizeof hex, "0x%" PRIx64, json_object_get_uint64(value));
                text = hex;
        }
        if (is_attribute)
                xml_attribute(w, p->name, "%s", text);
        else if (json_object_is_type(value, json_type_object))
                xml_mark(w, p->name, "path", json_object_get_string(json_object_object_get(value, "path")));
        else
                xml_leaf(w, p->name, text);
}

static void write_security(struct rendering *r) {
        const struct libvirt_security *security = r->plan->platform->libvirt;
        static const enum libvirt_form forms[] = { LIBVIRT_ATTRIBUTE, LIBVIRT_ELEMENT };

        if (!r->plan->guest.type)
                return;
        xml_open(&r->w, "launchSecurity");
        xml_attribute(&r->w, "type", "%s", security->type);
        for (size_t form = 0; form < ARRAY_SIZE(forms); form++)
                for (const struct libvirt_property *p = security->properties; p->property; p++) {
                        json_object *value;

                        if (p->form == forms[form] &&
                            json_object_object_get_ex(r->plan->guest.properties, p->property, &value))
                                write_property(&r->w, p, value);
                }
        xml_close(&r->w);
}

/* --- the whole --- */

static void write_identity(struct rendering *r) {
        xml_attribute(&r->w, "type", "%s", r->domain->use_kvm ? "kvm" : "qemu");
        xml_leaf(&r->w, "name", r->domain->name);
        xml_leaf(&r->w, "uuid", r->domain->uuid);
}

/* What ends does not come back by itself: starting is the daemon's. A reset is QEMU's own. */
static void write_ends(struct rendering *r) {
        xml_leaf(&r->w, "on_poweroff", "destroy");
        xml_leaf(&r->w, "on_reboot", "restart");
        xml_leaf(&r->w, "on_crash", "destroy");
}

static void write_label(struct rendering *r) {
        char label[64];

        if (!r->domain->uid)
                return;
        snprintf(label, sizeof label, "+%u:+%u", r->domain->uid, r->domain->uid);
        xml_open(&r->w, "seclabel");
        xml_attribute(&r->w, "type", "static");
        xml_attribute(&r->w, "model", "dac");
        xml_attribute(&r->w, "relabel", "yes");
        xml_leaf(&r->w, "label", label);
        xml_close(&r->w);
}

static int render(struct rendering *r, struct cvm_error *err) {
        int result = r->plan->guest.type ? check_properties(r->plan, err) : 0;

        if (result < 0)
                return result;
        xml_open(&r->w, "domain");
        write_identity(r);
        write_memory(r);
        write_os(r);
        write_features(r, r->plan->cpu);
        result = write_cpu(r, err);
        write_ends(r);
        if (result >= 0)
                result = write_devices(r, err);
        if (result < 0)
                return result;
        write_label(r);
        write_security(r);
        xml_close(&r->w);
        return 0;
}

int libvirt_xml(const struct libvirt_domain *domain, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(rendering_done)
        struct rendering r = { .domain = domain,
                               .plan = domain->plan,
                               .definition = domain->plan->definition };
        int result;

        xml_begin(&r.w);
        result = render(&r, err);
        if (result >= 0)
                result = xml_take(&r.w, ret);
        if (result == -EILSEQ)
                return cvm_fail(err, &CVM_CODE_LIBVIRT_FIELD, EILSEQ,
                                "a path has bytes that XML cannot say: control characters, or what is no UTF-8");
        return result < 0 ? cvm_while(err, result, "writing '%s' for libvirt", domain->name) : 0;
}
