#include "cli/definition-input.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/key-file.h"
#include "cli/owner-json.h"

/* A flag's value as a JSON node; owned. */
typedef int (*make_fn)(const char *value, json_object **ret, struct cvm_error *err);

static int make_text(const char *value, json_object **ret, struct cvm_error *err) {
        *ret = json_object_new_string(value);
        return *ret ? 0 : -ENOMEM;
}

static int make_true(const char *value, json_object **ret, struct cvm_error *err) {
        *ret = json_object_new_boolean(true);
        return *ret ? 0 : -ENOMEM;
}

/* Digits become a number, everything else stays a text for the reader to judge. */
static int make_number(const char *value, json_object **ret, struct cvm_error *err) {
        char *end;
        long long n;

        errno = 0;
        n = strtoll(value, &end, 10);
        *ret = !errno && *value && !*end ? json_object_new_int64(n) : json_object_new_string(value);
        return *ret ? 0 : -ENOMEM;
}

static int make_path(const char *value, json_object **ret, struct cvm_error *err) {
        char cwd[PATH_MAX], path[2 * PATH_MAX];

        if (value[0] == '/' || !*value || !getcwd(cwd, sizeof cwd))
                return make_text(value, ret, err);
        while (strncmp(value, "./", 2) == 0)
                value += 2;
        snprintf(path, sizeof path, "%s/%s", cwd, value);
        return make_text(path, ret, err);
}

static int make_owner(const char *value, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *owner = NULL;
        int r = key_file_public(value, &key, err);

        if (r >= 0)
                r = owner_json(key, &owner, err);
        if (r >= 0)
                *ret = json_object_get(json_object_object_get(owner, "owner"));
        return r;
}

static int make_forward(const char *value, json_object **ret, struct cvm_error *err) {
        char protocol[8] = "tcp", *guest_end;
        unsigned host, guest;
        int used = 0;

        if (sscanf(value, "%u:%u%n", &host, &guest, &used) != 2 &&
            sscanf(value, "%7[a-z]:%u:%u%n", protocol, &host, &guest, &used) != 3)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                                "forward must be HOST:GUEST or tcp:HOST:GUEST, not '%s'", value);
        guest_end = (char *)value + used;
        if (*guest_end)
                return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "forward has '%s' behind its ports",
                                guest_end);
        *ret = json_object_new_object();
        json_object_object_add(*ret, "protocol", json_object_new_string(protocol));
        json_object_object_add(*ret, "host_port", json_object_new_int64(host));
        json_object_object_add(*ret, "guest_port", json_object_new_int64(guest));
        return 0;
}

static int make_bool(const char *value, json_object **ret, struct cvm_error *err) {
        bool yes = strcmp(value, "true") == 0 || strcmp(value, "on") == 0 || strcmp(value, "yes") == 0;

        if (!yes && strcmp(value, "false") != 0 && strcmp(value, "off") != 0 && strcmp(value, "no") != 0)
                return make_text(value, ret, err);
        *ret = json_object_new_boolean(yes);
        return *ret ? 0 : -ENOMEM;
}

/* Keys of --disk and --nic. */
struct part {
        const char *key, *member;
        make_fn make;
        bool list;
};

static const struct part disk_parts[] = {
        { "path", "path", make_path },         { "format", "format", make_text },
        { "readonly", "readonly", make_bool }, { "serial", "serial", make_text },
        { "size", "size", make_number },       { 0 },
};

static const struct part nic_parts[] = {
        { "type", "type", make_text },
        { "name", "name", make_text },
        { "mac", "mac", make_text },
        { "forward", "forwards", make_forward, true },
        { 0 },
};

static void add_to_list(json_object *object, const char *member, json_object *value) {
        json_object *list = json_object_object_get(object, member);

        if (!list) {
                list = json_object_new_array();
                json_object_object_add(object, member, list);
        }
        json_object_array_add(list, value);
}

static int add_part(json_object *object, const struct part *parts, char *pair, struct cvm_error *err) {
        char *value = strchr(pair, '=');
        json_object *node = NULL;
        int r;

        if (value)
                *value++ = 0;
        for (const struct part *p = parts; p->key; p++) {
                if (!value || strcmp(p->key, pair) != 0)
                        continue;
                r = p->make(value, &node, err);
                if (r < 0)
                        return r;
                if (p->list)
                        add_to_list(object, p->member, node);
                else
                        json_object_object_add(object, p->member, node);
                return 0;
        }
        return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL, "'%s' is no KEY=VALUE that is known here", pair);
}

static int make_parts(const struct part *parts, const char *value, json_object **ret,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *object = json_object_new_object();
        CVM_CLEANUP(cvm_freep) char *copy = strdup(value);
        char *rest = copy, *pair;
        int r = 0;

        while (r >= 0 && (pair = strsep(&rest, ",")))
                r = add_part(object, parts, pair, err);
        if (r >= 0)
                *ret = TAKE_PTR(object);
        return r;
}

static int make_disk(const char *value, json_object **ret, struct cvm_error *err) {
        return make_parts(disk_parts, value, ret, err);
}

static int make_nic(const char *value, json_object **ret, struct cvm_error *err) {
        return make_parts(nic_parts, value, ret, err);
}

/* Which member each flag sets. */
static const struct {
        const char *flag, *object, *member;
        make_fn make;
        bool list;
} flags[] = {
        { "name", NULL, "name", make_text },
        { "uuid", NULL, "uuid", make_text },
        { "platform", NULL, "platform", make_text, true },
        { "simulate", NULL, "simulate", make_true },
        { "vcpus", NULL, "vcpus", make_number },
        { "memory", NULL, "memory", make_number },
        { "cpu-model", NULL, "cpu_model", make_text },
        { "firmware", NULL, "firmware", make_path },
        { "kernel", "boot", "kernel", make_path },
        { "initrd", "boot", "initrd", make_path },
        { "cmdline", "boot", "cmdline", make_text },
        { "boot-disk", "boot", "disk", make_text },
        { "disk", NULL, "disks", make_disk, true },
        { "nic", NULL, "nics", make_nic, true },
        { "image", NULL, "image", make_text },
        { "console", NULL, "console", make_text },
        { "owner-key", NULL, "owner", make_owner },
        { "require-secret", NULL, "required_secrets", make_text, true },
        { "approval", NULL, "approval", make_true },
        { "hold", NULL, "hold", make_true },
        { "on-refused", NULL, "on_refused", make_text },
        { "restart", NULL, "restart", make_text },
        { "autostart", NULL, "autostart", make_true },
        { "user", NULL, "user", make_text },
        { "accel", NULL, "accel", make_text },
};

static json_object *object_of(json_object *document, const char *name) {
        json_object *object = name ? json_object_object_get(document, name) : document;

        if (!object) {
                object = json_object_new_object();
                json_object_object_add(document, name, object);
        }
        return object;
}

static int apply_flag(json_object *document, size_t i, const struct arguments *arguments,
                      struct cvm_error *err) {
        const char *value;
        int r;

        for (size_t n = 0; (value = argument_at(arguments, flags[i].flag, n)); n++) {
                json_object *object = object_of(document, flags[i].object), *node = NULL;

                r = flags[i].make(value, &node, err);
                if (r < 0)
                        return cvm_while(err, r, "--%s", flags[i].flag);
                if (flags[i].list && n == 0)
                        json_object_object_del(object, flags[i].member);
                if (flags[i].list)
                        add_to_list(object, flags[i].member, node);
                else
                        json_object_object_add(object, flags[i].member, node);
        }
        return 0;
}

static int apply_labels(json_object *document, const struct arguments *arguments, struct cvm_error *err) {
        const char *value;

        for (size_t n = 0; (value = argument_at(arguments, "label", n)); n++) {
                const char *equals = strchr(value, '=');
                char key[64];

                if (!equals || (size_t)(equals - value) >= sizeof key)
                        return cvm_fail(err, &CVM_CODE_ARGUMENT, EINVAL,
                                        "--label must be KEY=VALUE, not '%s'", value);
                snprintf(key, sizeof key, "%.*s", (int)(equals - value), value);
                json_object_object_add(object_of(document, "labels"), key,
                                       json_object_new_string(equals + 1));
        }
        return 0;
}

/* Paths in a file are meant from where the file is. */
static void make_absolute(json_object *object, const char *member, const char *directory) {
        const char *value = json_object_get_string(json_object_object_get(object, member));
        char path[2 * PATH_MAX];

        if (!value || value[0] == '/' || !strchr(value, '/'))
                return; /* a bare name is a descriptor's or the daemon's own */
        while (strncmp(value, "./", 2) == 0)
                value += 2;
        snprintf(path, sizeof path, "%s/%s", directory, value);
        json_object_object_add(object, member, json_object_new_string(path));
}

static void make_paths_absolute(json_object *document, const char *file) {
        char directory[PATH_MAX], *copy;
        json_object *boot = json_object_object_get(document, "boot");
        json_object *disks = json_object_object_get(document, "disks");
        char real[PATH_MAX];

        if (strcmp(file, "-") == 0 || !realpath(file, real))
                return;
        copy = dirname(real);
        snprintf(directory, sizeof directory, "%s", copy);
        make_absolute(document, "firmware", directory);
        if (json_object_is_type(boot, json_type_object)) {
                make_absolute(boot, "kernel", directory);
                make_absolute(boot, "initrd", directory);
        }
        if (json_object_is_type(disks, json_type_array))
                for (size_t i = 0; i < json_object_array_length(disks); i++)
                        make_absolute(json_object_array_get_idx(disks, i), "path", directory);
}

static int read_document(const char *file, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *document = NULL;
        int r;

        if (!file) {
                document = json_object_new_object();
                json_object_object_add(document, "version", json_object_new_int(1));
                *ret = TAKE_PTR(document);
                return 0;
        }
        r = cvm_read_file(file, DEFINITION_TEXT_MAX, &text, err);
        if (r >= 0)
                r = cvm_json_parse(text.data, text.size, file, &document, err);
        if (r < 0)
                return r;
        if (!json_object_is_type(document, json_type_object))
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL, "'%s' must be an object", file);
        make_paths_absolute(document, file);
        *ret = TAKE_PTR(document);
        return 0;
}

int definition_input(const struct arguments *arguments, char **ret_text, struct definition **ret,
                     struct cvm_error *err) {
        const char *file = arguments->n_words ? arguments->words[0] : NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *document = NULL;
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        int r = read_document(file, &document, err);

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(flags); i++)
                r = apply_flag(document, i, arguments, err);
        if (r >= 0)
                r = apply_labels(document, arguments, err);
        if (r < 0)
                return r;
        text = cvm_json_text(document);
        if (!text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing the definition");
        r = definition_read(text, strlen(text), file ? file : "the command line", ret, err);
        if (r >= 0)
                *ret_text = TAKE_PTR(text);
        return r;
}
