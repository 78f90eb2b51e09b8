#include "worker/adopt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "launch/definition-parts.h"
#include "launch/platform.h"

#define EMULATOR_PREFIX "qemu-system-"

void adopt_leave(struct xml_node *node, const char *why) {
        if (!node)
                return;
        node->used = false;
        node->why = why;
}

void adopt_leave_attribute(struct xml_node *node, const char *attribute, const char *why) {
        for (struct xml_attribute *a = node ? node->attributes : NULL; a; a = a->next)
                if (strcmp(a->name, attribute) == 0) {
                        a->used = false;
                        a->why = why;
                }
}

json_object *adopt_section(struct adoption *a, const char *name) {
        json_object *section = json_object_object_get(a->definition, name);

        if (!section) {
                section = json_object_new_object();
                json_object_object_add(a->definition, name, section);
        }
        return section;
}

bool adopt_is(struct xml_node *node, const char *attribute, const char *value) {
        for (struct xml_attribute *a = node ? node->attributes : NULL; a; a = a->next)
                if (strcmp(a->name, attribute) == 0 && strcmp(a->value, value) == 0)
                        return a->used = true;
        return false;
}

/* --- name and size --- */

static void take_name(struct adoption *a, struct xml_node *node) {
        const char *name = xml_use_text(node);

        if (cvm_name_is_valid(name))
                json_object_object_add(a->definition, "name", json_object_new_string(name));
        else
                adopt_leave(node, "no VM can have that name: give one with --name");
}

/* Bytes; 0: it cannot be told. Without a unit it is KiB. */
static uint64_t read_size(struct xml_node *node) {
        static const struct {
                const char *unit;
                uint64_t bytes;
        } units[] = { { "b", 1 },           { "bytes", 1 },        { "KB", 1000 },
                      { "k", 1ull << 10 },  { "KiB", 1ull << 10 }, { "MB", 1000000 },
                      { "M", 1ull << 20 },  { "MiB", 1ull << 20 }, { "GB", 1000000000 },
                      { "G", 1ull << 30 },  { "GiB", 1ull << 30 }, { "T", 1ull << 40 },
                      { "TiB", 1ull << 40 } };
        const char *unit = xml_use(node, "unit"), *text = xml_use_text(node);
        char *end;
        uint64_t n = strtoull(text, &end, 10);

        for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                if (strcmp(units[i].unit, unit ? unit : "KiB") == 0 && *text >= '0' && *text <= '9' &&
                    !*end && n <= DEFINITION_MEMORY_MAX / units[i].bytes)
                        return n * units[i].bytes;
        return 0;
}

static void take_memory(struct adoption *a, struct xml_node *node) {
        uint64_t bytes = read_size(node), whole = (bytes + (1 << 20) - 1) >> 20 << 20;

        if (bytes < DEFINITION_MEMORY_MIN || whole > DEFINITION_MEMORY_MAX)
                adopt_leave(node, "no VM can have that: give a size with --memory");
        else
                json_object_object_add(a->definition, "memory", json_object_new_uint64(whole));
}

static void take_current_memory(struct adoption *a, struct xml_node *node) {
        struct xml_node *memory = xml_child(node->parent, "memory", NULL);

        if (!memory || read_size(node) != read_size(memory))
                adopt_leave(node, "a guest here has all of its memory from the beginning");
}

static void take_vcpus(struct adoption *a, struct xml_node *node) {
        const char *text = xml_use_text(node);
        char *end;
        unsigned long n = strtoul(text, &end, 10);

        adopt_is(node, "placement", "static");
        adopt_is(node, "placement", "auto");
        if (*text >= '0' && *text <= '9' && !*end && n >= 1 && n <= DEFINITION_VCPUS_MAX)
                json_object_object_add(a->definition, "vcpus", json_object_new_uint64(n));
        else
                adopt_leave(node, "no VM can have so many: give a number with --vcpus");
}

/* --- what it boots --- */

static void take_os(struct adoption *a, struct xml_node *node) {
        adopt_leave_attribute(node, "firmware",
                              "which image that is, libvirt decides: name one with --firmware");
}

static void take_type(struct adoption *a, struct xml_node *node) {
        const char *arch = xml_use(node, "arch"), *machine = xml_use(node, "machine");
        bool knows_arch = !arch, knows_machine = !machine, is_newest = !machine;

        for (size_t i = 0; platform_at(i); i++) {
                const struct platform *p = platform_at(i);

                knows_arch = knows_arch || strcmp(p->binary + strlen(EMULATOR_PREFIX), arch) == 0;
                knows_machine = knows_machine || strstr(machine, p->machine);
                is_newest = is_newest || strcmp(machine, p->machine) == 0;
        }
        if (strcmp(xml_use_text(node), "hvm") != 0 || !knows_arch)
                adopt_leave(node, "no confidential guests of that kind are known here");
        else if (!knows_machine)
                adopt_leave_attribute(node, "machine",
                                      "each platform has one machine, and it is another one");
        else if (!is_newest)
                adopt_leave_attribute(node, "machine", "a guest has QEMU's newest version of its machine");
}

static void put_path(struct adoption *a, const char *section, const char *member, struct xml_node *node) {
        const char *path = xml_use_text(node);

        if (*path == '/' && definition_path_is_valid(path))
                json_object_object_add(section ? adopt_section(a, section) : a->definition, member,
                                       json_object_new_string(path));
        else
                adopt_leave(node, "that is no absolute path without '..'");
}

static void take_loader(struct adoption *a, struct xml_node *node) {
        if (!adopt_is(node, "type", "rom")) {
                adopt_leave(node,
                            "what is measured is a firmware without variables (type 'rom'): name one with "
                            "--firmware");
                return;
        }
        adopt_is(node, "stateless", "yes");
        adopt_is(node, "readonly", "yes");
        adopt_is(node, "format", "raw");
        put_path(a, NULL, "firmware", node);
}

static void take_kernel(struct adoption *a, struct xml_node *node) {
        put_path(a, "boot", node->name, node);
}

static void take_cmdline(struct adoption *a, struct xml_node *node) {
        json_object_object_add(adopt_section(a, "boot"), "cmdline",
                               json_object_new_string(xml_use_text(node)));
}

static void take_boot(struct adoption *a, struct xml_node *node) {
        if (adopt_is(node, "dev", "hd"))
                node->used = true;
        else
                adopt_leave(node, "a VM boots a kernel or a disk");
}

/* --- processor, memory, ends --- */

static bool is_cpu_of_any(const char *model) {
        const struct platform *p;

        for (size_t i = 0; (p = platform_at(i)); i++)
                if (p->libvirt && p->libvirt->has_cpu && p->libvirt->has_cpu(model))
                        return true;
        return false;
}

static void take_cpu(struct adoption *a, struct xml_node *node) {
        struct xml_node *model = xml_child(node, "model", NULL);

        xml_use(node, "check");
        xml_use(node, "match");
        adopt_is(node, "migratable", "on");
        if (adopt_is(node, "mode", "custom") && model) {
                xml_use(model, "fallback");
                if (is_cpu_of_any(xml_use_text(model)))
                        json_object_object_add(a->definition, "cpu_model",
                                               json_object_new_string(xml_use_text(model)));
                else
                        adopt_leave(model,
                                    "no confidential guest has that model: name another with --cpu-model");
        } else
                adopt_leave_attribute(node, "mode",
                                      "a guest has its platform's own model, unless --cpu-model names one");
}

static void take_topology(struct adoption *a, struct xml_node *node) {
        static const char *const alone[] = { "sockets", "dies", "clusters", "threads" };
        bool is_ours = true;

        node->used = true;
        for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
                const char *value = xml_use(node, alone[i]);

                is_ours = is_ours && (!value || strcmp(value, "1") == 0);
        }
        xml_use(node, "cores");
        if (!is_ours)
                adopt_leave(node, "all vCPUs of a guest here are cores of one socket");
}

static void take_huge_pages(struct adoption *a, struct xml_node *node) {
        node->used = true;
        json_object_object_add(adopt_section(a, "tuning"), "hugepages", json_object_new_boolean(true));
}

static void take_source(struct adoption *a, struct xml_node *node) {
        node->used = adopt_is(node, "type", "memfd");
}

static void take_node(struct adoption *a, struct xml_node *node) {
        const char *set = xml_use(node, "nodeset");
        char *end = NULL;
        unsigned long n = set ? strtoul(set, &end, 10) : 0;

        if (!set || *set < '0' || *set > '9' || *end || n > 1023 || !adopt_is(node, "mode", "strict")) {
                adopt_leave(node, "memory comes from one NUMA node, strictly, or from anywhere");
                return;
        }
        node->used = true;
        json_object_object_add(adopt_section(a, "tuning"), "numa_node", json_object_new_uint64(n));
}

static void take_clock(struct adoption *a, struct xml_node *node) {
        node->used = adopt_is(node, "offset", "utc");
}

/* What every guest here does at its end. */
static void take_end(struct adoption *a, struct xml_node *node) {
        const char *usual = strcmp(node->name, "on_reboot") == 0 ? "restart" : "destroy";

        if (strcmp(xml_use_text(node), usual) != 0)
                adopt_leave(node, "what happens at its end, 'restart' says (--restart)");
}

#define DEVICES "devices/" /* of these there may be several */
#define TIMERS "timers are as QEMU has them"
#define FOR_OTHERS "it is for people and other programs: labels are given with --label"

/* In front of those of devices and launch security. */
static const struct adopt_rule rules[] = {
        { "name", .take = take_name },
        { "uuid", .why = "the VM gets a uuid of its own, unless --uuid names one" },
        { "title", .why = FOR_OTHERS },
        { "description", .why = FOR_OTHERS },
        { "metadata", .why = FOR_OTHERS },
        { "memory", .take = take_memory },
        { "currentMemory", .take = take_current_memory },
        { "vcpu", .take = take_vcpus },
        { "memoryBacking", .goes_on = true },
        { "memoryBacking/hugepages", .take = take_huge_pages },
        { "memoryBacking/source", .take = take_source },
        { "numatune", .goes_on = true },
        { "numatune/memory", .take = take_node },
        { "resource", .why = "each VM has a control group of its own" },
        { "os", .take = take_os, .goes_on = true },
        { "os/type", .take = take_type },
        { "os/loader", .take = take_loader },
        { "os/nvram", .why = "variables of a firmware are not measured" },
        { "os/kernel", .take = take_kernel },
        { "os/initrd", .take = take_kernel },
        { "os/cmdline", .take = take_cmdline },
        { "os/boot", .take = take_boot },
        { "features", .goes_on = true },
        { "features/acpi" },
        { "features/apic" },
        { "features/ioapic", .why = "it follows from the platform" },
        { "features/pmu", .why = "it follows from the platform" },
        { "features/smm", .why = "it follows from the platform" },
        { "cpu", .take = take_cpu, .goes_on = true },
        { "cpu/topology", .take = take_topology },
        { "clock", .take = take_clock, .goes_on = true },
        { "clock/timer", .why = TIMERS },
        { "on_poweroff", .take = take_end },
        { "on_reboot", .take = take_end },
        { "on_crash", .take = take_end },
        { "pm", .why = "power management is as QEMU has it" },
        { "devices", .goes_on = true },
        { "seclabel", .why = "each VM runs as a user of its own" },
        { "qemu:commandline", .why = "arguments of QEMU's own are not taken" },
        { 0 },
};

static const struct adopt_rule *find_rule(const char *path) {
        const struct adopt_rule *const tables[] = { rules, adopt_devices, adopt_security };

        for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
                for (const struct adopt_rule *rule = tables[t]; rule->path; rule++)
                        if (strcmp(rule->path, path) == 0)
                                return rule;
        return NULL;
}

/* Its own reader says whether a definition can have it; NULL: it can. */
static const char *fault_of(struct adoption *a) {
        CVM_CLEANUP(definition_freep) struct definition *read = NULL;
        CVM_CLEANUP(cvm_freep) char *text = cvm_json_text(a->definition);
        struct cvm_error err = { 0 };
        int r = text ? definition_read(text, strlen(text), a->document, &read, &err) : -ENOMEM;

        if (r >= 0)
                return NULL;
        if (cvm_texts_add(&a->words, cvm_error_text(&err, r)) < 0)
                return "there is no memory left";
        return a->words[cvm_texts_count(a->words) - 1];
}

/* What it adds stays, where a definition can have it beside all that is there already. */
static bool take(struct adoption *a, const struct adopt_rule *rule, struct xml_node *node,
                 const char *path) {
        CVM_CLEANUP(cvm_json_putp) json_object *before = NULL;
        const char *fault = "there is no memory left";

        if (xml_child(node->parent, node->name, NULL) != node &&
            strncmp(path, DEVICES, strlen(DEVICES)) != 0)
                fault = "it stands there already";
        else if (json_object_deep_copy(a->definition, &before, NULL) == 0) {
                rule->take(a, node);
                fault = fault_of(a);
        }
        if (fault && before) {
                json_object_put(a->definition);
                a->definition = TAKE_PTR(before);
        }
        if (fault)
                adopt_leave(node, fault);
        return !fault;
}

static void visit(struct adoption *a, struct xml_node *node, const char *path) {
        for (struct xml_node *child = node->children; child; child = child->next) {
                const struct adopt_rule *rule;
                char below[128];

                if (snprintf(below, sizeof below, "%s%s%s", path, *path ? "/" : "", child->name) >=
                    (int)sizeof below)
                        continue;
                rule = find_rule(below);
                if (!rule)
                        continue;
                if (rule->take && !take(a, rule, child, below))
                        continue;
                if (rule->why)
                        adopt_leave(child, rule->why);
                else if (!rule->take || rule->goes_on)
                        child->used = true;
                if (rule->goes_on)
                        visit(a, child, below);
        }
}

/* --- what is left --- */

#define PATH_MAX_ 1024

#define VALUE_MAX 200

static void tell(json_object *list, const char *path, const char *value, const char *why) {
        json_object *row = json_object_new_object();
        CVM_CLEANUP(cvm_freep) char *clean = strndup(value ? value : "", VALUE_MAX);

        if (clean)
                cvm_text_clean(clean, strlen(clean), false);
        json_object_object_add(row, "path", json_object_new_string(path));
        if (clean && *clean)
                json_object_object_add(row, "value", json_object_new_string(clean));
        json_object_object_add(row, "why",
                               json_object_new_string(why ? why : "a definition has no place for it"));
        json_object_array_add(list, row);
}

/* /disk, or /disk[2] where there are several. */
static void append_step(char *path, size_t room, const struct xml_node *node) {
        size_t length = strlen(path), number = 0, n = 0;

        for (struct xml_node *s = node->parent ? node->parent->children : NULL; s; s = s->next) {
                n += strcmp(s->name, node->name) == 0;
                if (s == node)
                        number = n;
        }
        if (n > 1)
                snprintf(path + length, room - length, "/%.64s[%zu]", node->name, number);
        else
                snprintf(path + length, room - length, "/%.64s", node->name);
}

/* An element without a text is known by its attributes. */
static void tell_element(json_object *list, const char *path, const struct xml_node *node) {
        char value[VALUE_MAX + 1] = "";
        size_t n = 0;

        for (const struct xml_attribute *at = node->attributes; at && n < sizeof value; at = at->next)
                n += (size_t)snprintf(value + n, sizeof value - n, "%s%s=%s", n ? ", " : "", at->name,
                                      at->value);
        tell(list, path, node->text && *node->text ? node->text : value, node->why);
}

static void tell_left(json_object *list, const struct xml_node *node, char path[PATH_MAX_]) {
        size_t length = strlen(path);

        append_step(path, PATH_MAX_, node);
        if (!node->used)
                tell_element(list, path, node);
        for (const struct xml_attribute *at = node->attributes; node->used && at; at = at->next)
                if (!at->used) {
                        size_t here = strlen(path);

                        snprintf(path + here, PATH_MAX_ - here, "/@%.64s", at->name);
                        tell(list, path, at->value, at->why);
                        path[here] = 0;
                }
        for (const struct xml_node *child = node->children; node->used && child; child = child->next)
                tell_left(list, child, path);
        path[length] = 0;
}

static void adoption_done(struct adoption *a) {
        json_object_put(a->definition);
        cvm_texts_free(a->words);
}

static void take_domain(struct adoption *a, struct xml_node *root) {
        root->used = true;
        if (!adopt_is(root, "type", "kvm"))
                adopt_leave_attribute(root, "type", "guests without KVM are asked for with --simulate");
        xml_use(root, "id");
        xml_use(root, "xmlns:qemu");
        visit(a, root, "");
}

int adopt(const void *xml, size_t size, const char *document, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(xml_freep) struct xml_node *root = NULL;
        CVM_CLEANUP(adoption_done)
        struct adoption a = { .document = document, .definition = json_object_new_object() };
        json_object *left = NULL;
        char path[PATH_MAX_] = "";
        int r = xml_parse(xml, size, document, &root, err);

        if (r < 0)
                return r;
        if (strcmp(root->name, "domain") != 0)
                return cvm_fail(err, &CVM_CODE_LIBVIRT_XML, EBADMSG, "'%s' is no <domain>", document);
        json_object_object_add(a.definition, "version", json_object_new_int(1));
        take_domain(&a, root);
        left = json_object_new_array();
        tell_left(left, root, path);
        *ret = json_object_new_object();
        json_object_object_add(*ret, "definition", TAKE_PTR(a.definition));
        json_object_object_add(*ret, "left_out", left);
        return 0;
}
