#include "launch/definition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/definition-parts.h"
#include "launch/platform.h"

#define OWNER_OPTION "cvm.owner="

static bool cpu_model_is_valid(const char *text) {
        for (const char *p = text; *p; p++)
                if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_", *p))
                        return false;
        return *text && strlen(text) < 64;
}

/* The kernel splits words also at bytes beyond ASCII (0xa0): what people see is what it shall see. */
static bool cmdline_is_valid(const char *text) {
        for (const char *p = text; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        return false;
        return true;
}

static const char *const consoles[] = { "log", "interactive", "none", NULL };
static const char *const refusals[] = { "keep", "kill", NULL };
static const char *const restarts[] = { "never", "on-failure", "always", NULL };
static const char *const accels[] = { "auto", "kvm", "tcg", NULL };
static const char *const drivers[] = { "qemu", "libvirt", NULL };

#define AT(member) .offset = offsetof(struct definition, member)
#define PATH(key_, member)                                                                  \
        {                                                                                   \
                key_, CVM_JSON_TEXT, AT(member),                                            \
                                .min = 1, .check = definition_path_is_valid,                \
                                .expected = "an absolute path without '..', or a bare name" \
        }
#define NAME(key_, member)                                                                                                   \
        {                                                                                                                    \
                key_, CVM_JSON_TEXT, AT(member),                                                                             \
                                .max = CVM_NAME_MAX, .check = cvm_name_is_valid,                                             \
                                .expected = "lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit" \
        }

const struct cvm_json_field definition_boot_fields[] = {
        PATH("kernel", kernel),
        PATH("initrd", initrd),
        PATH("shim", shim),
        { "cmdline", CVM_JSON_TEXT, AT(cmdline), .max = DEFINITION_CMDLINE_MAX, .check = cmdline_is_valid,
          .expected = "printable ASCII" },
        { "disk", CVM_JSON_TEXT, AT(boot_disk), .check = definition_serial_is_valid,
          .expected = "the serial of a disk" },
        { 0 },
};

const struct cvm_json_field definition_tuning_fields[] = {
        { "hugepages", CVM_JSON_BOOL, AT(hugepages) },
        { "numa_node", CVM_JSON_U32, AT(numa_node), .max = 1023,
          .has_offset = offsetof(struct definition, has_numa_node) },
        { 0 },
};

static int read_boot(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return cvm_json_read(place, definition_boot_fields, member, err);
}

static int read_tuning(const struct cvm_json *place, void *member, struct cvm_error *err) {
        return cvm_json_read(place, definition_tuning_fields, member, err);
}

static int read_root(const struct cvm_json *place, void *member, struct cvm_error *err) {
        struct definition *d = member;

        return cvm_root_read(place, &d->root, d->root_digest, &d->has_root_digest, err);
}

/* Everything a definition may have; the platforms' own sections are taken out before this table is applied.
 */
const struct cvm_json_field definition_fields[] = {
        { "version", CVM_JSON_U32, .required = true, AT(version), .min = 1, .max = 1 },
        NAME("name", name),
        { "uuid", CVM_JSON_TEXT, AT(uuid), .max = CVM_UUID_TEXT - 1, .check = cvm_uuid_is_valid,
          .expected = "a lower-case uuid" },
        { "platform", CVM_JSON_CUSTOM, .read = definition_read_platforms },
        { "simulate", CVM_JSON_BOOL, AT(simulate) },
        { "vcpus", CVM_JSON_U32, AT(vcpus) },
        { "memory", CVM_JSON_CUSTOM, AT(memory), .read = definition_read_size },
        { "cpu_model", CVM_JSON_TEXT, AT(cpu_model), .check = cpu_model_is_valid,
          .expected = "the name of a CPU model" },
        PATH("firmware", firmware),
        { "boot", CVM_JSON_CUSTOM, .read = read_boot },
        { "disks", CVM_JSON_CUSTOM, .read = definition_read_disks },
        { "nics", CVM_JSON_CUSTOM, .read = definition_read_nics },
        NAME("image", image),
        { "console", CVM_JSON_CHOICE, AT(console), .choices = consoles },
        { "owner", CVM_JSON_CUSTOM, AT(owner), .read = definition_read_key },
        { "root", CVM_JSON_CUSTOM, .read = read_root },
        { "service", CVM_JSON_CUSTOM, AT(service), .read = definition_read_key },
        { "approval", CVM_JSON_BOOL, AT(approval) },
        { "hold", CVM_JSON_BOOL, AT(hold) },
        { "required_secrets", CVM_JSON_CUSTOM, AT(required_secrets), .read = cvm_json_read_texts },
        { "on_refused", CVM_JSON_CHOICE, AT(on_refused), .choices = refusals },
        { "labels", CVM_JSON_CUSTOM, .read = definition_read_labels },
        { "restart", CVM_JSON_CHOICE, AT(restart), .choices = restarts },
        { "autostart", CVM_JSON_BOOL, AT(autostart) },
        { "reserve", CVM_JSON_BOOL, AT(reserve) },
        NAME("user", user),
        { "tuning", CVM_JSON_CUSTOM, .read = read_tuning },
        { "accel", CVM_JSON_CHOICE, AT(accel), .choices = accels },
        { "driver", CVM_JSON_CHOICE, AT(driver), .choices = drivers,
          .has_offset = offsetof(struct definition, has_driver) },
        { 0 },
};

const char *definition_driver(const struct definition *d) {
        return d->has_driver ? drivers[d->driver] : NULL;
}

struct definition *definition_free(struct definition *d) {
        if (!d)
                return NULL;
        for (size_t i = 0; i < d->n_disks; i++)
                definition_disk_done(&d->disks[i]);
        for (size_t i = 0; i < d->n_nics; i++)
                definition_nic_done(&d->nics[i]);
        for (size_t i = 0; i < CVM_PLATFORM_MAX_; i++)
                json_object_put(d->platform_options[i]);
        free(d->disks);
        free(d->nics);
        cvm_bytes_done(&d->owner);
        cvm_bytes_done(&d->service);
        d->labels = cvm_texts_free(d->labels);
        d->required_secrets = cvm_texts_free(d->required_secrets);
        char *texts[] = { d->name,   d->uuid,    d->user,      d->cpu_model, d->firmware, d->kernel,
                          d->initrd, d->cmdline, d->boot_disk, d->image,     d->shim };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                free(texts[i]);
        free(d);
        return NULL;
}

/* Each platform's section stands under its name and is read by that platform's own table. */
static int take_platform_options(struct definition *d, json_object *node, const char *document,
                                 struct cvm_error *err) {
        const struct platform *platform;

        for (size_t i = 0; (platform = platform_at(i)); i++) {
                json_object *options;
                int r;

                if (!json_object_object_get_ex(node, platform->name, &options))
                        continue;
                r = platform->check_options(options, document, err);
                if (r < 0)
                        return r;
                d->platform_options[platform->id] = json_object_get(options);
                json_object_object_del(node, platform->name);
        }
        return 0;
}

static int refuse(const char *document, struct cvm_error *err, const char *field, const char *words) {
        return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' in '%s' %s", field, document, words);
}

static int check_boot(const struct definition *d, const char *document, struct cvm_error *err) {
        if (d->kernel && d->boot_disk)
                return refuse(document, err, "boot.disk", "excludes 'boot.kernel'");
        if (!d->kernel && (d->initrd || d->cmdline || d->shim))
                return refuse(document, err, "boot",
                              "has an initrd, a command line or a shim but no kernel");
        if (d->cmdline && strstr(d->cmdline, OWNER_OPTION))
                return refuse(document, err, "boot.cmdline",
                              "must not have cvm.owner=: it follows from 'owner'");
        if (d->boot_disk) {
                for (size_t i = 0; i < d->n_disks; i++)
                        if (d->disks[i].serial && strcmp(d->disks[i].serial, d->boot_disk) == 0)
                                return d->disks[i].size ? refuse(document, err, "boot.disk",
                                                                 "is a disk with 'size', made empty here")
                                                        : 0;
                return refuse(document, err, "boot.disk", "is the serial of none of the disks");
        }
        return 0;
}

static int check_owner(const struct definition *d, const char *document, struct cvm_error *err) {
        static const char words[] = "needs an 'owner'";

        for (size_t i = 0; d->required_secrets && d->required_secrets[i]; i++) {
                if (!cvm_secret_name_is_valid(d->required_secrets[i]))
                        return refuse(document, err, "required_secrets", "has what is no name of a secret");
                for (size_t k = 0; k < i; k++)
                        if (strcmp(d->required_secrets[i], d->required_secrets[k]) == 0)
                                return refuse(document, err, "required_secrets", "names a secret twice");
        }
        if (d->owner.size)
                return 0;
        if (d->approval)
                return refuse(document, err, "approval", words);
        if (d->hold)
                return refuse(document, err, "hold", words);
        if (d->root != CVM_ROOT_NONE)
                return refuse(document, err, "root", words);
        if (d->service.size)
                return refuse(document, err, "service", words);
        if (cvm_texts_count(d->required_secrets))
                return refuse(document, err, "required_secrets", words);
        return 0;
}

static int check_sizes(const struct definition *d, const char *document, struct cvm_error *err) {
        if (d->vcpus < 1 || d->vcpus > DEFINITION_VCPUS_MAX)
                return cvm_fail(err, &CVM_CODE_VCPUS, EINVAL, "'vcpus' in '%s' is %u, not 1 to %d", document,
                                d->vcpus, DEFINITION_VCPUS_MAX);
        if (d->memory < DEFINITION_MEMORY_MIN)
                return cvm_fail(err, &CVM_CODE_MEMORY, EINVAL,
                                "'memory' in '%s' is %" PRIu64 " MiB, less than %llu MiB", document,
                                d->memory >> 20, DEFINITION_MEMORY_MIN >> 20);
        if (d->memory > DEFINITION_MEMORY_MAX || d->memory % (1 << 20))
                return cvm_fail(err, &CVM_CODE_MEMORY, EINVAL,
                                "'memory' in '%s' must be whole MiB, at most %llu TiB", document,
                                DEFINITION_MEMORY_MAX >> 40);
        return 0;
}

int definition_read(const void *text, size_t size, const char *document, struct definition **ret,
                    struct cvm_error *err) {
        CVM_CLEANUP(definition_freep) struct definition *d = calloc(1, sizeof *d);
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        CVM_CLEANUP(cvm_freep) char *cmdline = NULL;
        struct cvm_json root;
        int r;

        if (!d)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading '%s'", document);
        if (size > DEFINITION_TEXT_MAX)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG, "'%s' is larger than %u bytes", document,
                                DEFINITION_TEXT_MAX);
        d->vcpus = 2;
        d->memory = 2ull << 30;
        r = cvm_json_parse(text, size, document, &node, err);
        if (r < 0)
                return r;
        root = cvm_json_root(node, document);
        r = json_object_is_type(node, json_type_object) ? take_platform_options(d, node, document, err) : 0;
        if (r >= 0)
                r = cvm_json_read(&root, definition_fields, d, err);
        if (r >= 0)
                r = check_sizes(d, document, err);
        if (r >= 0)
                r = check_boot(d, document, err);
        if (r >= 0)
                r = check_owner(d, document, err);
        if (r >= 0)
                r = definition_cmdline(d, &cmdline, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

int definition_cmdline(const struct definition *d, char **ret, struct cvm_error *err) {
        const char *cmdline = d->cmdline ? d->cmdline : "";
        uint8_t id[CVM_SHA384_SIZE];
        char hex[2 * CVM_SHA384_SIZE + 1] = "";
        char *text;

        if (d->owner.size && d->kernel) {
                cvm_key_id(d->owner.data, id);
                cvm_hex(id, sizeof id, hex);
        }
        if (asprintf(&text, "%s%s%s%s", cmdline, *cmdline && *hex ? " " : "", *hex ? OWNER_OPTION : "",
                     hex) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making the command line");
        if (strlen(text) >= DEFINITION_CMDLINE_MAX) {
                free(text);
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'boot.cmdline' is longer than %d bytes (cvm.owner included)",
                                DEFINITION_CMDLINE_MAX - 1);
        }
        *ret = text;
        return 0;
}
